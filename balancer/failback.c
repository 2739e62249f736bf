/* The failback machine: see failback.h. */
#include "balancer/failback.h"

#include <stdlib.h>

#include "balancer/spill.h"
#include "base/alloc.h"

struct failback_boundary {
    unsigned wanted;   /* what the levels up to here should carry now */
    unsigned carried;  /* what they carry */
    bool waiting;      /* carried < wanted, for the policy's sake */
    unsigned fit;      /* `wanted` when it was last looked at ... */
    uint64_t since_us; /* ... and it was no less from then on; or the last step */
};

void failback_init(struct failback *failback, const struct config_failback *policy, unsigned levels)
{
    *failback = (struct failback){
        .policy = *policy,
        .levels = levels,
        .boundaries = xcalloc(levels, sizeof(struct failback_boundary)),
        .started = xcalloc(levels, sizeof(bool)),
    };
}

void failback_fini(struct failback *failback)
{
    free(failback->started);
    free(failback->boundaries);
}

void failback_carry(struct failback *failback, const struct failback *from,
                    const unsigned *before_of)
{
    unsigned carried = 0;

    for (unsigned i = 0; i < failback->levels; i++) {
        if (before_of[i] == FAILBACK_NEW) {
            failback->boundaries[i].carried = carried; /* nothing of its own yet */
            continue;
        }
        failback->boundaries[i] = from->boundaries[before_of[i]];
        failback->started[i] = from->started[before_of[i]];
        carried = failback->boundaries[i].carried;
    }
}

static void boundary_follow(struct failback_boundary *b)
{
    b->carried = b->wanted;
    b->waiting = false;
}

/* It may rise. Remembers since when; more room than before counts from now on, less than before
 * was there all the time. */
static void boundary_wait(struct failback_boundary *b, uint64_t now_us)
{
    if (!b->waiting || b->wanted > b->fit)
        b->since_us = now_us;
    b->waiting = true;
    b->fit = b->wanted;
}

static void boundary_step(struct failback_boundary *b, unsigned step_percent, uint64_t now_us)
{
    unsigned step = (step_percent > 0 ? step_percent : 1) * (SPILL_WHOLE / 100);

    if (step >= b->wanted - b->carried) {
        boundary_follow(b);
        return;
    }
    b->carried += step;
    b->since_us = now_us; /* of the late call, not of the time when it was due: never two at once */
}

static void boundary_rise(struct failback_boundary *b, const struct config_failback *policy,
                          uint64_t now_us)
{
    uint64_t after_us = policy->after_ms * 1000;

    boundary_wait(b, now_us);
    if (policy->mode == CONFIG_FAILBACK_MANUAL || now_us - b->since_us < after_us)
        return;
    if (policy->mode == CONFIG_FAILBACK_GRADUAL && after_us > 0)
        boundary_step(b, policy->step_percent, now_us);
    else
        boundary_follow(b);
}

static bool failback_is_free(const struct failback *failback, const struct failback_input *input)
{
    return input->at_once || failback->policy.mode == CONFIG_FAILBACK_AUTO;
}

/* What the later levels cannot carry stays with the earlier ones. Those have room for it: what is
 * wanted of a level is never more than it can. */
static void boundaries_give_way(struct failback *failback, const unsigned *can)
{
    unsigned behind = SPILL_WHOLE; /* carried up to the boundary behind */

    for (unsigned i = failback->levels; i-- > 1;) {
        struct failback_boundary *b = &failback->boundaries[i - 1];

        if (b->carried + can[i] < behind)
            b->carried = behind - can[i];
        b->waiting = b->waiting && b->carried < b->wanted;
        behind = b->carried;
    }
}

/* False: nothing can be carried at all. */
static bool boundaries_set_wanted(struct failback *failback, const unsigned *wanted)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < failback->levels; i++)
        failback->boundaries[i].wanted = sum += wanted[i];
    return sum > 0;
}

static bool capacity_is_short(const struct failback *failback, const unsigned *can)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < failback->levels; i++)
        sum += can[i];
    return sum < SPILL_WHOLE;
}

/* A level that has not started takes what belongs there at once: the policy is about what comes
 * back. All others keep at least what they have. */
static void boundaries_start(struct failback *failback, const unsigned *wanted)
{
    unsigned before = 0, least = 0;

    for (unsigned i = 0; i < failback->levels; i++) {
        struct failback_boundary *b = &failback->boundaries[i];
        unsigned own = b->carried - before;

        before = b->carried;
        least += failback->started[i] ? own : wanted[i];
        if (b->carried < least)
            b->carried = least < b->wanted ? least : b->wanted;
    }
}

static void boundaries_move(struct failback *failback, const struct failback_input *input)
{
    bool is_short = capacity_is_short(failback, input->can);
    bool is_free = failback_is_free(failback, input);
    unsigned before = 0;

    boundaries_start(failback, input->wanted);
    for (unsigned i = 0; i < failback->levels; i++) {
        struct failback_boundary *b = &failback->boundaries[i];

        if (b->wanted <= b->carried || is_short || i + 1 == failback->levels || is_free)
            boundary_follow(b);
        else
            boundary_rise(b, &failback->policy, input->now_us);
        if (b->carried < before) /* what came back to earlier levels did not come from behind */
            b->carried = before;
        before = b->carried;
    }
    if (!is_short)
        boundaries_give_way(failback, input->can);
}

static uint64_t next_us(const struct failback *failback)
{
    uint64_t next = 0;

    if (failback->policy.mode == CONFIG_FAILBACK_MANUAL)
        return 0;
    for (unsigned i = 0; i < failback->levels; i++) {
        const struct failback_boundary *b = &failback->boundaries[i];
        uint64_t due = b->since_us + failback->policy.after_ms * 1000;

        if (b->waiting && (next == 0 || due < next))
            next = due;
    }
    return next;
}

uint64_t failback_update(struct failback *failback, const struct failback_input *input,
                         unsigned *ret_load)
{
    bool any = boundaries_set_wanted(failback, input->wanted);
    unsigned before = 0;

    if (any)
        boundaries_move(failback, input);
    for (unsigned i = 0; i < failback->levels; i++) {
        ret_load[i] = any ? failback->boundaries[i].carried - before : 0;
        before = failback->boundaries[i].carried;
        failback->started[i] = failback->started[i] || input->settled[i];
    }
    return any ? next_us(failback) : 0;
}
