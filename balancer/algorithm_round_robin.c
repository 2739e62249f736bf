/*
 * round_robin: one after the other, each as often as its weight.
 *
 * All workers draw numbers from one cursor (for each level), and a number names a point of the
 * line-up (algorithm.h). With equal weights point after point gives strict rotation. With unequal
 * weights the points of one endpoint lie side by side, so they are walked with a wide step that
 * shares no divisor with their number: each point is still met once per round, so that the shares
 * are exact, and neighbours are far apart in time. O(1) with equal weights, else O(log n).
 */
#include <stdlib.h>

#include "balancer/algorithm.h"
#include "base/check.h"

struct cursor {
    _Alignas(64) _Atomic uint64_t next; /* a cache line of its own: every worker writes it */
};

enum { DRAWS = 4 }; /* then a search: what was drawn had been tried */

static void *round_robin_state_new(struct balancer_pool *pool)
{
    unsigned levels = balancer_pool_levels(pool);
    struct cursor *cursors = aligned_alloc(_Alignof(struct cursor), levels * sizeof(*cursors));

    CHECK(cursors != NULL);
    for (unsigned i = 0; i < levels; i++)
        atomic_init(&cursors[i].next, 0);
    return cursors;
}

/* Weights in the ten thousands at thousands of endpoints, some of them in slow start, make so many
 * points that the product needs more than 64 bits. */
static uint64_t point_of(const struct balancer_candidates *c, uint64_t number)
{
    uint64_t place = number % c->points;

    if (c->points > UINT32_MAX)
        return (uint64_t)((unsigned __int128)place * c->step % c->points);
    return place * c->step % c->points;
}

static struct endpoint *round_robin_choose(const struct balancer_candidates *c, void *state,
                                           const struct balancer_request *request)
{
    struct cursor *cursor = (struct cursor *)state + c->level;
    uint64_t number = 0;

    for (unsigned draw = 0; draw < DRAWS; draw++) {
        struct endpoint *e;

        number = atomic_fetch_add_explicit(&cursor->next, 1, memory_order_relaxed);
        e = candidates_at_point(c, point_of(c, number)).endpoint;
        if (candidates_take(c, e))
            return e;
    }
    return candidates_take_from(c, (unsigned)(number % c->count));
}

const struct balancer_algorithm balancer_round_robin = {
    .name = "round_robin",
    .state_new = round_robin_state_new,
    .state_free = free,
    .choose = round_robin_choose,
};
