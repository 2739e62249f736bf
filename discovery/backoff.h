/*
 * How long to wait before the next try: twice as long with each failure in a row, and never the
 * same for two instances, so that a source that comes back is not met by all of them at once. Pure.
 */
#ifndef EVERGATE_DISCOVERY_BACKOFF_H
#define EVERGATE_DISCOVERY_BACKOFF_H

#include <stdint.h>

enum { BACKOFF_FIRST_MS = 500, BACKOFF_LONGEST_MS = 30 * 1000 };

struct backoff {
    unsigned failures; /* in a row */
    uint64_t random;   /* the state of the jitter; any seed */
};

void backoff_init(struct backoff *backoff, uint64_t seed);

/* It failed once more: a delay in the upper half of BACKOFF_FIRST_MS doubled with each failure in a
 * row, at most BACKOFF_LONGEST_MS. */
uint64_t backoff_next_ms(struct backoff *backoff);

/* It went well. */
void backoff_reset(struct backoff *backoff);

#endif
