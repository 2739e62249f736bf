/*
 * Failback: how load that a level lost comes back to it. A pure machine on the caller's clock.
 *
 * It looks at *boundaries*: how much of the load is carried by the levels up to one. Load that
 * moves to later levels (a boundary falls) follows at once, since it has nowhere else to go. Load
 * that would move to earlier levels (a boundary rises) follows the pool's policy:
 *
 *     auto      at once
 *     delayed   when there was room for it in the earlier levels for `after` without a break
 *     gradual   `step` of it each `after`
 *     manual    when an operator says so
 *
 * The policy gives way where the later levels cannot carry what it would leave to them: nothing is
 * refused or piled up for its sake. Nor does it hold for a level that has not started yet (its
 * endpoints wait for their first verdict): a process that starts sends load where it belongs.
 */
#ifndef EVERGATE_BALANCER_FAILBACK_H
#define EVERGATE_BALANCER_FAILBACK_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"

struct failback_boundary; /* between a level and the next */

struct failback {
    struct config_failback policy;
    unsigned levels;
    struct failback_boundary *boundaries;
    bool *started; /* by level */
};

void failback_init(struct failback *failback, const struct config_failback *policy,
                   unsigned levels);
void failback_fini(struct failback *failback);

/* Takes over what `from` remembers of the levels that both have: before_of[i] is the number there
 * of level i, in the same order. Load of levels that are gone is counted with the next one behind.
 */
#define FAILBACK_NEW UINT32_MAX /* it was not there */
void failback_carry(struct failback *failback, const struct failback *from,
                    const unsigned *before_of);

/* Of spill_shares; by level, out of SPILL_WHOLE. */
struct failback_input {
    const unsigned *wanted; /* where the load belongs; adds up to SPILL_WHOLE, or all 0 */
    const unsigned *can;    /* what each level can take */
    const bool *settled;    /* the level does not wait for first verdicts: for good, once said */
    bool at_once;           /* an operator says so, or there is panic: no policy now */
    uint64_t now_us;        /* never goes back */
};

/* Sets where the load goes now. Returns when that will change if nothing else does; 0: never. */
uint64_t failback_update(struct failback *failback, const struct failback_input *input,
                         unsigned *ret_load);

#endif
