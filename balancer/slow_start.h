/*
 * Slow start: the share of an endpoint that has just come (back), while it warms up. Pure.
 *
 *     percent of its weight
 *     100 ┤               ┌──────
 *         │          ┌────┘
 *         │     ┌────┘               from 10 % to 100 % in equal steps
 *      10 ┤─────┘
 *         └─┴────┴────┴────┴────►    steps at the ticks of a clock that all endpoints of a pool
 *        came                        share, so that many of them cost no more rebuilds than one
 */
#ifndef EVERGATE_BALANCER_SLOW_START_H
#define EVERGATE_BALANCER_SLOW_START_H

#include <stdbool.h>
#include <stdint.h>

struct slow_start {
    uint64_t tick_us; /* 0: everybody starts at full speed */
    unsigned ticks;   /* that a start takes, at least 1 */
};

/* `few_steps`: a step is expensive (hashing pools rebuild their slots), at most 10 in all. Else
 * there are up to 90, one per percent. Never one less than 100 ms after another. */
struct slow_start slow_start_make(uint64_t duration_ms, bool few_steps);

/* Of an endpoint that came at `began_us`: 10-100. */
unsigned slow_start_percent(const struct slow_start *s, uint64_t began_us, uint64_t now_us);

/* When that changes next; 0: never, it has started. */
uint64_t slow_start_next_us(const struct slow_start *s, uint64_t began_us, uint64_t now_us);

#endif
