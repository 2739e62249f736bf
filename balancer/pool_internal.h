/*
 * What the balancer's own files share: the pool and its line-up. Algorithms do not include this;
 * they see candidates (algorithm.h).
 */
#ifndef EVERGATE_BALANCER_POOL_INTERNAL_H
#define EVERGATE_BALANCER_POOL_INTERNAL_H

#include "balancer/algorithm.h"

/* One preference's part of the line-up. */
struct lineup_part {
    _Atomic uint64_t range; /* first << 32 | count: one word, so that both always fit each other */
    _Atomic uint64_t unit, points, step;
};

/*
 * The usable endpoints, sorted by preference, with the running sum of their weights: what makes the
 * usual pick O(1) or O(log n) in pools of thousands. Made by lineup_rebuild, read without a lock
 * while that runs (algorithm.h tells why this is safe); all arrays have the pool's size for good.
 */
struct lineup {
    struct lineup_part part[PREFER_COUNT];
    _Atomic(struct endpoint *) *members;
    _Atomic uint64_t *ends; /* the last of a member's points, plus one; counted within its part */
};

struct balancer_pool {
    const struct config_pool *config;
    const struct balancer_algorithm *algorithm;
    void *state;
    struct endpoint **endpoints;
    unsigned size;
    struct lineup lineup;
    /* Calls of balancer_pool_refresh that are not worked into the line-up. On a cache line of its
     * own: what stands above is only read by the hot path. */
    _Alignas(64) _Atomic unsigned changes;
    _Atomic int in_flight; /* only with algorithm->counts_in_flight */
};

void lineup_init(struct lineup *lineup, unsigned size);
void lineup_fini(struct lineup *lineup);
/* One thread at a time. */
void lineup_rebuild(struct lineup *lineup, struct endpoint *const *endpoints, unsigned size);

/* False when the line-up has nobody of that preference. */
bool candidates_init(struct balancer_candidates *c, struct balancer_pool *pool,
                     enum balancer_preference preference, const struct balancer_tried *tried);

struct endpoint *endpoint_new(const struct config_backend *backend, unsigned index);
void endpoint_free(struct endpoint *endpoint);

void balancer_tried_add(struct balancer_tried *tried, unsigned index, unsigned pool_size);

#endif
