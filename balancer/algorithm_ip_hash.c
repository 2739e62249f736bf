/*
 * ip_hash: a client address always goes to the same endpoint.
 *
 * hash_slots.h tells how: by weight, and when an endpoint leaves, only its own clients move. There
 * is no limit on what one endpoint gets; consistent_hash has one. O(1) in the usual case.
 */
#include "balancer/hash_slots.h"

static struct endpoint *ip_hash_choose(const struct balancer_candidates *c, const void *state,
                                       const struct balancer_request *request)
{
    uint64_t hash = hash_slots_key(request);

    for (unsigned step = 0; step < HASH_SLOTS_STEPS; step++) {
        struct endpoint *e = hash_slots_owner(c, state, hash, step);

        if (e != NULL && candidates_take(c, e))
            return e;
    }
    return hash_slots_race_take(c, hash);
}

const struct balancer_algorithm balancer_ip_hash = {
    .name = "ip_hash",
    .by_key = true,
    .state_new = hash_slots_new,
    .state_free = hash_slots_free,
    .changed = hash_slots_changed,
    .choose = ip_hash_choose,
};
