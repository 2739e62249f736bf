/*
 * weighted: in proportion to the weights and as evenly spread in time as they allow, however the
 * weights stand to each other and whatever joins, leaves or changes on the way.
 *
 * Stride scheduling (stride.h): the candidate whose turn comes first. round_robin gives the same
 * shares for less work; this one is for pools where a heavy endpoint must not get its requests in
 * a row, and where changes must not disturb the order. O(n) up to SAMPLE_WHOLE candidates; of more
 * a sample is compared (sample.h), which keeps the shares, but not the order to the turn.
 */
#include "balancer/sample.h"
#include "balancer/stride.h"

struct place {
    struct endpoint *endpoint;
    struct stride_turn turn;
};

static struct place furthest_back(struct sample *sample, uint64_t now)
{
    struct place best = {0};

    for (unsigned i = 0; i < sample->count; i++) {
        struct endpoint *e = sample_next(sample, i);
        struct stride_turn turn = stride_look(now, e);

        if ((best.endpoint == NULL || turn.lead < best.turn.lead) &&
            candidates_have(sample->candidates, e))
            best = (struct place){e, turn};
    }
    return best;
}

static struct endpoint *weighted_choose(const struct balancer_candidates *c, const void *state,
                                        const struct balancer_request *request)
{
    struct sample sample = sample_of(c, request);

    for (unsigned look = 1;; look++) {
        uint64_t now = stride_now(c->clock);
        struct place best = furthest_back(&sample, now);

        if (best.endpoint == NULL && sample_widen(&sample))
            continue;
        if (best.endpoint == NULL)
            return NULL;
        if (look >= CANDIDATES_LOOKS)
            stride_take_late(best.endpoint, &best.turn);
        else if (!stride_take(c->clock, now, best.endpoint, &best.turn))
            continue;
        /* Its last place may be gone: then its turn is lost, and it is not among those any more. */
        if (endpoint_take(best.endpoint))
            return best.endpoint;
        if (look >= CANDIDATES_LOOKS)
            return candidates_take_from(c, 0);
    }
}

const struct balancer_algorithm balancer_weighted = {
    .name = "weighted",
    .choose = weighted_choose,
};
