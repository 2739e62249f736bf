/*
 * Durations counted in buckets, for the histograms of /metrics: cumulative since the start, unlike
 * health/histogram.h's, which forgets. Plain numbers: whoever counts is the only one, and who wants
 * to read asks it. Pure.
 */
#ifndef EVERGATE_BASE_DURATIONS_H
#define EVERGATE_BASE_DURATIONS_H

#include <stdint.h>

enum { DURATION_BOUNDS = 15 };
extern const uint64_t duration_bounds_us[DURATION_BOUNDS]; /* 500 us to 30 s, ascending */

struct durations {
    uint64_t counts[DURATION_BOUNDS + 1]; /* up to each bound, not cumulated; the last: beyond */
    uint64_t sum_us;
};

void durations_add(struct durations *durations, uint64_t us);
void durations_merge(struct durations *into, const struct durations *from);

#endif
