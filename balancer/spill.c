/* The arithmetic of spilling over: see spill.h. */
#include "balancer/spill.h"

static unsigned least(uint64_t a, uint64_t b)
{
    return (unsigned)(a < b ? a : b);
}

static unsigned level_can(const struct spill_level *level, unsigned min_healthy_percent)
{
    unsigned __int128 scaled = (unsigned __int128)level->fit * 100 * SPILL_WHOLE;
    uint64_t can = SPILL_WHOLE;

    if (level->fit == 0)
        return 0;
    if (min_healthy_percent > 0 && level->fit < level->total)
        can = (uint64_t)(scaled / min_healthy_percent / level->total);
    /* Never rounded to nothing: one weak endpoint among many is better than none. */
    return can > 0 ? least(can, SPILL_WHOLE) : 1;
}

/* Sets what the levels can take; returns the sum. */
static uint64_t capacities(const struct spill_level *levels, unsigned count,
                           unsigned min_healthy_percent, unsigned *ret_can)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < count; i++) {
        ret_can[i] = level_can(&levels[i], min_healthy_percent);
        if (levels[i].backup)
            ret_can[i] = sum == 0 && ret_can[i] > 0 ? SPILL_WHOLE : 0;
        sum += ret_can[i];
    }
    return sum;
}

bool spill_shares(const struct spill_level *levels, unsigned count, unsigned min_healthy_percent,
                  unsigned *ret_can, unsigned *ret_shares)
{
    uint64_t sum = capacities(levels, count, min_healthy_percent, ret_can);
    uint64_t taken = 0;
    unsigned before = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned until;

        taken += ret_can[i];
        /* Running sums are rounded, not shares, so that these add up exactly. */
        if (sum > 0 && sum < SPILL_WHOLE)
            until = (unsigned)(taken * SPILL_WHOLE / sum);
        else
            until = least(taken, SPILL_WHOLE);
        ret_shares[i] = until - before;
        before = until;
    }
    return sum > 0;
}
