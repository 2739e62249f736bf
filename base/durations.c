/* Durations in buckets: see durations.h. */
#include "base/durations.h"

const uint64_t duration_bounds_us[DURATION_BOUNDS] = {
    500,    1000,   2500,    5000,    10000,   25000,    50000,   100000,
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000};

/* Most are short, so that a few comparisons in sequence are the quickest search. */
void durations_add(struct durations *durations, uint64_t us)
{
    unsigned i = 0;

    while (i < DURATION_BOUNDS && us > duration_bounds_us[i])
        i++;
    durations->counts[i]++;
    durations->sum_us += us;
}

void durations_merge(struct durations *into, const struct durations *from)
{
    for (unsigned i = 0; i <= DURATION_BOUNDS; i++)
        into->counts[i] += from->counts[i];
    into->sum_us += from->sum_us;
}
