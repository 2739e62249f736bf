/*
 * weighted: in proportion to the weights and as evenly spread in time as they allow, however the
 * weights stand to each other and whatever joins, leaves or changes on the way.
 *
 * Stride scheduling (stride.h): the candidate whose turn comes first. round_robin gives the same
 * shares for less work; this one is for pools where a heavy endpoint must not get its requests in
 * a row, and where changes must not disturb the order. O(n).
 */
#include "balancer/stride.h"

static struct endpoint *weighted_choose(const struct balancer_candidates *c, void *state,
                                        const struct balancer_request *request)
{
    for (;;) { /* lock-free: only another worker's success makes us go round */
        uint64_t now = stride_now(state);
        struct stride_turn best_turn = {0};
        struct endpoint *best = NULL;

        for (unsigned i = 0; i < c->count; i++) {
            struct endpoint *e = candidates_at(c, i);
            struct stride_turn turn = stride_look(now, e);

            if ((best == NULL || turn.lead < best_turn.lead) && candidates_have(c, e)) {
                best = e;
                best_turn = turn;
            }
        }
        if (best == NULL || stride_take(state, now, best, &best_turn))
            return endpoint_take(best);
    }
}

const struct balancer_algorithm balancer_weighted = {
    .name = "weighted",
    .state_new = stride_clock_new,
    .state_free = stride_clock_free,
    .choose = weighted_choose,
};
