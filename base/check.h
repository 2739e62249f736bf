/* Invariants. CHECK stays on in release builds: a proxy that goes on with broken state harms more
 * than one that restarts. */
#ifndef EVERGATE_BASE_CHECK_H
#define EVERGATE_BASE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) {                                                   \
            fprintf(stderr, "evergate: %s:%d: %s: invariant broken: %s\n", __FILE__, __LINE__,     \
                    __func__, #condition);                                                         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

#endif
