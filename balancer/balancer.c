/*
 * Pools: picking, giving back, and keeping the line-up when inputs change.
 *
 *   balancer_pick ─► candidates of the best preference ─► algorithm ─► admit (half-open breaker)
 *                └─► none: look at every endpoint itself ─► one after all, or why there is none
 *
 * The line-up is a summary that may lag behind; so a pick never fails on its word, only on the
 * endpoints' own.
 */
#include "balancer/balancer.h"

#include <stdlib.h>

#include "balancer/pool_internal.h"
#include "base/alloc.h"
#include "base/check.h"

static const struct balancer_algorithm *const algorithms[CONFIG_ALGORITHM_COUNT] = {
    [CONFIG_ROUND_ROBIN] = &balancer_round_robin,
    [CONFIG_WEIGHTED] = &balancer_weighted,
    [CONFIG_LEAST_CONNECTIONS] = &balancer_least_connections,
    [CONFIG_IP_HASH] = &balancer_ip_hash,
    [CONFIG_RANDOM] = &balancer_random,
    [CONFIG_CONSISTENT_HASH] = &balancer_consistent_hash,
    [CONFIG_LEAST_LATENCY] = &balancer_least_latency,
};

struct balancer_pool *balancer_pool_new(const struct config_pool *config,
                                        const struct config_place *place)
{
    struct balancer_pool *pool = aligned_alloc(_Alignof(struct balancer_pool), sizeof(*pool));

    CHECK(pool != NULL && config->algorithm < CONFIG_ALGORITHM_COUNT);
    *pool = (struct balancer_pool){
        .config = config,
        .algorithm = algorithms[config->algorithm],
        .endpoints = xcalloc(config->backend_count, sizeof(struct endpoint *)),
        .size = (unsigned)config->backend_count,
    };
    for (unsigned i = 0; i < pool->size; i++)
        pool->endpoints[i] = endpoint_new(&config->backends[i], i);
    lineup_init(&pool->lineup, pool->size);
    if (pool->algorithm->state_new != NULL)
        pool->state = pool->algorithm->state_new(pool);
    balancer_pool_refresh(pool, 0);
    return pool;
}

void balancer_pool_free(struct balancer_pool *pool)
{
    if (pool == NULL)
        return;
    if (pool->algorithm->state_free != NULL)
        pool->algorithm->state_free(pool->state);
    lineup_fini(&pool->lineup);
    for (unsigned i = 0; i < pool->size; i++)
        endpoint_free(pool->endpoints[i]);
    free(pool->endpoints);
    free(pool);
}

/*
 * One thread works for all that come meanwhile: who finds `changes` at 0 rebuilds, and again until
 * nobody came during its last round. The others only count themselves and return, so nobody ever
 * waits. Acquire and release on `changes` hand their stores to the inputs over.
 */
struct balancer_refresh balancer_pool_refresh(struct balancer_pool *pool, uint64_t now_us)
{
    unsigned seen;

    if (atomic_fetch_add_explicit(&pool->changes, 1, memory_order_acq_rel) != 0)
        return (struct balancer_refresh){0};
    do {
        seen = atomic_load_explicit(&pool->changes, memory_order_acquire);
        lineup_rebuild(&pool->lineup, pool->endpoints, pool->size);
        if (pool->algorithm->changed != NULL)
            pool->algorithm->changed(pool, pool->state);
    } while (!atomic_compare_exchange_strong_explicit(&pool->changes, &seen, 0,
                                                      memory_order_acq_rel, memory_order_relaxed));
    return (struct balancer_refresh){0};
}

void balancer_endpoint_returned(struct balancer_pool *pool, struct endpoint *endpoint,
                                uint64_t now_us)
{
}

void balancer_pool_fail_back(struct balancer_pool *pool)
{
}

unsigned balancer_pool_tiers(const struct balancer_pool *pool, struct balancer_tier *out,
                             unsigned max)
{
    return 0;
}

bool balancer_pool_panicking(const struct balancer_pool *pool)
{
    return false;
}

int balancer_pool_in_flight(const struct balancer_pool *pool)
{
    return 0;
}

unsigned balancer_pool_size(const struct balancer_pool *pool)
{
    return pool->size;
}

struct endpoint *balancer_pool_endpoint(struct balancer_pool *pool, unsigned index)
{
    CHECK(index < pool->size);
    return pool->endpoints[index];
}

/* A half-open breaker lets a counted number of requests through: take one of them, or learn that
 * another worker got the last. */
static bool endpoint_admit(struct endpoint *e)
{
    unsigned left;

    if (atomic_load_explicit(&e->breaker, memory_order_relaxed) != BREAKER_HALF_OPEN)
        return true;
    left = atomic_load_explicit(&e->probes, memory_order_relaxed);
    while (left > 0) {
        if (atomic_compare_exchange_weak_explicit(&e->probes, &left, left - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

/* Adds to the pool's requests in flight, where its algorithm wants them; returns their number. */
static int pool_count(struct balancer_pool *pool, int change)
{
    if (!pool->algorithm->counts_in_flight)
        return 0;
    return atomic_fetch_add_explicit(&pool->in_flight, change, memory_order_relaxed) + change;
}

static struct endpoint *pick_preference(struct balancer_pool *pool,
                                        enum balancer_preference preference,
                                        const struct balancer_request *request,
                                        const struct balancer_tried *tried, int in_flight)
{
    struct balancer_candidates c;
    struct endpoint *e;

    /* A lost probe makes its endpoint unusable, so each round has one candidate less. */
    while (candidates_init(&c, pool, preference, tried)) {
        c.in_flight = (uint64_t)in_flight;
        e = pool->algorithm->choose(&c, pool->state, request);
        if (e == NULL || endpoint_admit(e))
            return e;
        atomic_fetch_sub_explicit(&e->active, 1, memory_order_relaxed);
    }
    return NULL;
}

/* The line-up had nobody: perhaps it is just being rewritten. The first endpoint of the best
 * preference, whatever the algorithm. */
static struct endpoint *pick_any(struct balancer_pool *pool, const struct balancer_tried *tried)
{
    struct balancer_candidates c = {.pool = pool, .tried = tried};

    for (unsigned p = 0; p < PREFER_COUNT; p++) {
        c.preference = p;
        for (unsigned i = 0; i < pool->size; i++) {
            struct endpoint *e = pool->endpoints[i];

            if (candidates_have(&c, e) && endpoint_admit(e))
                return endpoint_take(e);
        }
    }
    return NULL;
}

/* Why there is none. Only endpoints that are meant to serve have a say: see balancer_pick. */
static int pick_error(const struct balancer_pool *pool)
{
    unsigned open = 0, unresolved = 0, others = 0;

    for (unsigned i = 0; i < pool->size; i++) {
        const struct endpoint *e = pool->endpoints[i];
        enum endpoint_status status = atomic_load(&e->status);

        if (atomic_load(&e->weight) == 0 || atomic_load(&e->draining) ||
            status == ENDPOINT_DRAINING)
            continue;
        if (endpoint_usable(e) || status == ENDPOINT_UNHEALTHY)
            others++; /* usable and still not picked: it was tried */
        else if (!atomic_load(&e->resolved))
            unresolved++;
        else
            open++;
    }
    if (open > 0 && unresolved + others == 0)
        return EG_E_BREAKER_OPEN;
    if (unresolved > 0 && open + others == 0)
        return EG_E_RESOLVE;
    return EG_E_NO_ENDPOINT;
}

struct endpoint *balancer_pick(struct balancer_pool *pool, const struct balancer_request *request,
                               struct balancer_tried *tried, int *ret_error)
{
    /* Counted before the choice: of two workers that choose at once, one sees both requests. */
    int in_flight = pool_count(pool, 1);
    struct endpoint *e = NULL;

    for (unsigned p = 0; p < PREFER_COUNT && e == NULL; p++)
        e = pick_preference(pool, p, request, tried, in_flight);
    if (e == NULL)
        e = pick_any(pool, tried);
    if (e == NULL) {
        pool_count(pool, -1);
        *ret_error = pick_error(pool);
        return NULL;
    }
    atomic_fetch_add_explicit(&e->picks, 1, memory_order_relaxed);
    balancer_tried_add(tried, e->index, pool->size);
    return e;
}

void balancer_done(struct balancer_pool *pool, struct endpoint *endpoint,
                   enum balancer_outcome outcome, uint64_t latency_us, uint64_t now_us)
{
    int before = atomic_fetch_sub_explicit(&endpoint->active, 1, memory_order_relaxed);

    CHECK(before > 0);
    pool_count(pool, -1);
    if (pool->algorithm->done != NULL)
        pool->algorithm->done(pool->state, endpoint, outcome, latency_us, now_us);
}
