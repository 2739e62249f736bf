/*
 * consistent_hash: a key keeps its endpoint, as long as that has no more than a quarter over its
 * fair share of the load (consistent hashing with bounded loads, Mirrokni, Thorup and
 * Zadimoghaddam 2017).
 *
 * The fair share of an endpoint is its weight's part of all requests in flight at its level, this
 * one included, over all workers. A key whose endpoint is full goes on along its own sequence of
 * slots, so a hot key spreads over as many endpoints as its load needs, always the same ones.
 *
 * The bounds of all candidates add up to more than what is in flight, so somebody always has room;
 * unless those with room were tried already: then the bound gives way, not the request. Probing
 * is O(1): at most four out of five endpoints can be full at a time.
 */
#include "balancer/hash_slots.h"

/* Rounded up: a bound below 1 would refuse the first request. */
static uint64_t bound_of(const struct balancer_candidates *c, const struct endpoint *endpoint)
{
    uint64_t weights = c->points * c->unit;

    return (5 * c->in_flight * endpoint_weight(endpoint) + 4 * weights - 1) / (4 * weights);
}

static bool has_room(const struct balancer_candidates *c, const struct endpoint *endpoint)
{
    return (uint64_t)endpoint_active(endpoint) < bound_of(c, endpoint);
}

/* By compare-and-swap, so that two workers cannot both take the last place. */
static bool take_room(const struct balancer_candidates *c, struct endpoint *endpoint)
{
    uint64_t bound = bound_of(c, endpoint);
    int active;

    do {
        active = endpoint_active(endpoint);
        if ((uint64_t)active >= bound)
            return false;
    } while (!endpoint_take_seen(endpoint, active));
    return true;
}

static struct endpoint *consistent_hash_choose(const struct balancer_candidates *c,
                                               const void *state,
                                               const struct balancer_request *request)
{
    uint64_t hash = hash_slots_key(request);
    struct endpoint *e;

    for (unsigned step = 0; step < HASH_SLOTS_STEPS; step++) {
        e = hash_slots_owner(c, state, hash, step);
        if (e != NULL && candidates_have(c, e) && take_room(c, e))
            return e;
    }
    while ((e = hash_slots_race(c, hash, has_room)) != NULL) {
        if (take_room(c, e))
            return e;
    }
    return hash_slots_race_take(c, hash);
}

const struct balancer_algorithm balancer_consistent_hash = {
    .name = "consistent_hash",
    .by_key = true,
    .state_new = hash_slots_new,
    .state_free = hash_slots_free,
    .changed = hash_slots_changed,
    .choose = consistent_hash_choose,
};
