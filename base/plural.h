/* "1 endpoint", "2 endpoints": the letter that sentences with counts need. */
#ifndef EVERGATE_BASE_PLURAL_H
#define EVERGATE_BASE_PLURAL_H

#include <stddef.h>

static inline const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
}

#endif
