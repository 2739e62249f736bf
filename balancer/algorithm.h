/*
 * The interface every balancing algorithm implements: one file each, algorithm_NAME.c.
 *
 * `choose` looks at the candidates (usable endpoints of the best available preference that were not
 * tried) and returns one, or NULL to let balancer_pick try again (it lost a race). It may use the
 * endpoints' atomics and the pool's own state.
 */
#ifndef EVERGATE_BALANCER_ALGORITHM_H
#define EVERGATE_BALANCER_ALGORITHM_H

#include "balancer/balancer.h"

struct balancer_algorithm {
    const char *name;
    /* State shared by all workers for one pool; NULL when the algorithm has none. */
    void *(*state_new)(struct balancer_pool *pool);
    void (*state_free)(void *state);
    /* Weights or the usable set changed. May be NULL. */
    void (*changed)(struct balancer_pool *pool, void *state);
    struct endpoint *(*choose)(struct balancer_pool *pool, void *state,
                               const struct balancer_request *request,
                               const struct balancer_tried *tried);
};

extern const struct balancer_algorithm balancer_round_robin;
extern const struct balancer_algorithm balancer_weighted;
extern const struct balancer_algorithm balancer_least_connections;
extern const struct balancer_algorithm balancer_ip_hash;
extern const struct balancer_algorithm balancer_random;
extern const struct balancer_algorithm balancer_consistent_hash;
extern const struct balancer_algorithm balancer_least_latency;

#endif
