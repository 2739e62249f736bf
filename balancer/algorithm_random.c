/*
 * random: the less loaded of two candidates drawn at random.
 *
 * Two choices avoid the long queues of one random choice almost as well as a look at all of them
 * would (Mitzenmacher 2001), at the cost of two endpoints' cache lines. Both are drawn by weight
 * and compared by load for their weight; while loads are equal the first draw stands, which keeps
 * the shares proportional in an idle pool. O(1) with equal weights, else O(log n).
 */
#include "balancer/algorithm.h"

enum { DRAWS = 4 }; /* then a search: what was drawn had been tried */

static bool less_loaded(const struct endpoint *a, const struct endpoint *b)
{
    return (uint64_t)endpoint_active(a) * endpoint_weight(b) <
           (uint64_t)endpoint_active(b) * endpoint_weight(a);
}

/* Another one than `first`: a point among all but its own, which are skipped. */
static struct endpoint *draw_other(const struct balancer_candidates *c,
                                   const struct candidates_share *first, uint64_t bits)
{
    uint64_t width = first->end - first->start, point;

    if (width >= c->points) /* there is no other */
        return first->endpoint;
    point = balancer_scale(bits, c->points - width);
    if (point >= first->start)
        point += width;
    return candidates_at_point(c, point).endpoint;
}

static struct endpoint *random_choose(const struct balancer_candidates *c, const void *state,
                                      const struct balancer_request *request)
{
    uint64_t bits = request->random + c->tried->count;

    for (unsigned draw = 0; draw < DRAWS; draw++) {
        struct candidates_share share;
        struct endpoint *first, *second;

        bits = balancer_mix(bits + BALANCER_GOLDEN);
        share = candidates_at_point(c, balancer_scale(bits, c->points));
        first = share.endpoint;
        bits = balancer_mix(bits + BALANCER_GOLDEN);
        second = draw_other(c, &share, bits);
        if (!candidates_have(c, first))
            first = candidates_have(c, second) ? second : NULL;
        else if (less_loaded(second, first) && candidates_have(c, second))
            first = second;
        if (first != NULL && endpoint_take(first))
            return first;
    }
    return candidates_take_from(c, (unsigned)balancer_scale(bits, c->count));
}

const struct balancer_algorithm balancer_random = {
    .name = "random",
    .choose = random_choose,
};
