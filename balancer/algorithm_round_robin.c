/*
 * round_robin: one after the other, each as often as its weight.
 *
 * All workers draw numbers from one counter (the level's clock), and a number names a point of the
 * line-up (algorithm.h). With equal weights point after point gives strict rotation. With unequal
 * weights the points of one endpoint lie side by side, so they are walked with a wide step that
 * shares no divisor with their number: each point is still met once per round, so that the shares
 * are exact, and neighbours are far apart in time. O(1) with equal weights, else O(log n).
 */
#include "balancer/algorithm.h"

enum { DRAWS = 4 }; /* then a search: what was drawn had been tried */

/* Weights in the ten thousands at thousands of endpoints, some of them in slow start, make so many
 * points that the product needs more than 64 bits. */
static uint64_t point_of(const struct balancer_candidates *c, uint64_t number)
{
    uint64_t place = number % c->points;

    if (c->points > UINT32_MAX)
        return (uint64_t)((unsigned __int128)place * c->step % c->points);
    return place * c->step % c->points;
}

static struct endpoint *round_robin_choose(const struct balancer_candidates *c, const void *state,
                                           const struct balancer_request *request)
{
    uint64_t number = 0;

    for (unsigned draw = 0; draw < DRAWS; draw++) {
        struct endpoint *e;

        number = atomic_fetch_add_explicit(&c->clock->now, 1, memory_order_relaxed);
        e = candidates_at_point(c, point_of(c, number)).endpoint;
        if (candidates_take(c, e))
            return e;
    }
    return candidates_take_from(c, (unsigned)(number % c->count));
}

const struct balancer_algorithm balancer_round_robin = {
    .name = "round_robin",
    .choose = round_robin_choose,
};
