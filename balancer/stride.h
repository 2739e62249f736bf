/*
 * Stride scheduling: whose turn it is, in proportion to weights, smoothly.
 *
 * Each endpoint stands on one time line at its next `turn`. Whoever stands furthest back is next,
 * and steps forward by its *stride*, one over its weight. With weights 5, 1, 1 the first takes five
 * steps while each of the others takes one, in between and not after each other:
 *
 *     a . . . a . . . a b . . a . . c a . . .          a at 0 1/5 2/5 ..., b at 1/3, c at 2/3
 *
 * The *clock* of a level is the place of the latest turn given; each level has its own, since their
 * endpoints advance at different paces, and who lags behind a clock has no order. An endpoint that
 * was away (drained, unhealthy) stands behind the clock when it comes back, and is seen at the
 * clock; one whose weight was raised may stand far ahead, and is pulled back to one stride. So
 * nobody owes or is owed more than one turn, and no join, leave or change of weight needs to be
 * announced.
 *
 * Shared by all workers: `turn` is moved by compare-and-swap, so each turn is given once. Places
 * are compared by their signed difference and may wrap around.
 */
#ifndef EVERGATE_BALANCER_STRIDE_H
#define EVERGATE_BALANCER_STRIDE_H

#include "balancer/algorithm.h"

/* A newcomer to the level of this clock: it stands within a stride of the present, and the `size`
 * slots of a pool spread evenly over that, so that those who come together do not go together. */
void stride_seat(const struct level_clock *clock, struct endpoint *endpoint, unsigned slot,
                 unsigned size);

struct stride_turn {
    uint64_t seen;   /* the endpoint's turn as it was read */
    uint64_t lead;   /* how far before the clock it stands */
    uint64_t stride; /* the step it will take */
};
/* `now` is the clock, read once for all endpoints that are compared. */
uint64_t stride_now(const struct level_clock *clock);
struct stride_turn stride_look(uint64_t now, struct endpoint *endpoint);

/* Takes the turn that was looked at; false: another worker took it. */
bool stride_take(struct level_clock *clock, uint64_t now, struct endpoint *endpoint,
                 const struct stride_turn *turn);

/* Takes the turn after one that another worker took: a little early, but paid for like any other,
 * so that shares stay exact. */
void stride_take_late(struct endpoint *endpoint, const struct stride_turn *turn);

#endif
