/*
 * least_connections: the candidate with the fewest requests in flight for its weight, over all
 * workers.
 *
 * Among equals (an idle pool: all have none) turns decide, so that a pool under light load is still
 * shared by weight instead of always starting with the first backend. O(n) up to SAMPLE_WHOLE
 * candidates; of more a sample is compared (sample.h).
 */
#include "balancer/sample.h"
#include "balancer/stride.h"

struct load {
    struct endpoint *endpoint;
    int active;
    unsigned weight;
    struct stride_turn turn;
};

static bool load_less(const struct load *a, const struct load *b)
{
    /* active / weight, without the division */
    uint64_t left = (uint64_t)a->active * b->weight, right = (uint64_t)b->active * a->weight;

    return left != right ? left < right : a->turn.lead < b->turn.lead;
}

static struct load least_loaded(struct sample *sample, uint64_t now)
{
    struct load best = {0};

    for (unsigned i = 0; i < sample->count; i++) {
        struct endpoint *e = sample_next(sample, i);
        struct load load = {
            .endpoint = e,
            .active = endpoint_active(e),
            .weight = endpoint_weight(e),
            .turn = stride_look(now, e),
        };

        if ((best.endpoint == NULL || load_less(&load, &best)) &&
            candidates_have(sample->candidates, e))
            best = load;
    }
    return best;
}

static struct endpoint *least_connections_choose(const struct balancer_candidates *c,
                                                 const void *state,
                                                 const struct balancer_request *request)
{
    struct sample sample = sample_of(c, request);

    for (unsigned look = 1;; look++) {
        uint64_t now = stride_now(c->clock);
        struct load best = least_loaded(&sample, now);

        if (best.endpoint == NULL && sample_widen(&sample))
            continue;
        if (best.endpoint == NULL)
            return NULL;
        if (endpoint_take_seen(best.endpoint, best.active)) {
            /* Losing this race only blurs the order among equals. */
            stride_take(c->clock, now, best.endpoint, &best.turn);
            return best.endpoint;
        }
        if (look >= CANDIDATES_LOOKS)
            return endpoint_take(best.endpoint) ? best.endpoint : candidates_take_from(c, 0);
    }
}

const struct balancer_algorithm balancer_least_connections = {
    .name = "least_connections",
    .choose = least_connections_choose,
};
