/*
 * Pools: made, shown, and kept up to date when inputs change. Picking is in pick.c.
 *
 *   balancer_pool_refresh ─► panic ─► shares (slow start) ─► load (tiers) ─► line-up ─► algorithm
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

/* Nothing is known about anybody yet; the first refresh follows. */
static void pool_init_parts(struct balancer_pool *pool, const struct config_place *place)
{
    const struct config_pool *config = pool->config;

    pool->endpoints = xcalloc(pool->size, sizeof(struct endpoint *));
    for (unsigned i = 0; i < pool->size; i++)
        pool->endpoints[i] = endpoint_new(&config->backends[i], i);
    tiers_init(&pool->tiers, config, place, pool->endpoints);
    lineup_init(&pool->lineup, pool->size, &pool->tiers);
    pool->load.shares = xcalloc(pool->tiers.count, sizeof(*pool->load.shares));
    pool->slow_start = slow_start_make(config->slow_start_ms, pool->algorithm->by_key);
    pool->began_us = xcalloc(pool->size, sizeof(*pool->began_us));
    if (pool->algorithm->state_new != NULL)
        pool->state = pool->algorithm->state_new(pool);
}

struct balancer_pool *balancer_pool_new(const struct config_pool *config,
                                        const struct config_place *place)
{
    struct balancer_pool *pool = aligned_alloc(_Alignof(struct balancer_pool), sizeof(*pool));

    CHECK(pool != NULL && config->algorithm < CONFIG_ALGORITHM_COUNT);
    *pool = (struct balancer_pool){
        .config = config,
        .algorithm = algorithms[config->algorithm],
        .size = (unsigned)config->backend_count,
    };
    pool->counted = pool->algorithm->counts_in_flight || config->max_connections > 0;
    pool_init_parts(pool, place);
    balancer_pool_refresh(pool, 0);
    return pool;
}

void balancer_pool_free(struct balancer_pool *pool)
{
    if (pool == NULL)
        return;
    if (pool->algorithm->state_free != NULL)
        pool->algorithm->state_free(pool->state);
    free(pool->began_us);
    free(pool->load.shares);
    lineup_fini(&pool->lineup);
    tiers_fini(&pool->tiers);
    for (unsigned i = 0; i < pool->size; i++)
        endpoint_free(pool->endpoints[i]);
    free(pool->endpoints);
    free(pool);
}

/* ---- Refreshing ---- */

static bool is_meant_to_serve(const struct endpoint *e)
{
    return atomic_load(&e->weight) > 0 && !atomic_load(&e->draining) &&
           atomic_load(&e->status) != ENDPOINT_DRAINING;
}

/* By number of endpoints. True when it began or ended. */
static bool refresh_panic(struct balancer_pool *pool)
{
    unsigned meant = 0, usable = 0;
    bool before = atomic_load(&pool->panicking), panic;

    for (unsigned i = 0; i < pool->size; i++) {
        meant += is_meant_to_serve(pool->endpoints[i]);
        usable += endpoint_condition(pool->endpoints[i]) != PREFER_NEVER;
    }
    panic = (uint64_t)usable * 100 < (uint64_t)meant * pool->config->failover.panic_percent;
    if (panic == before)
        return false;
    for (unsigned i = 0; i < pool->size; i++)
        atomic_store(&pool->endpoints[i]->panicking, panic);
    atomic_store(&pool->panicking, panic);
    return true;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

/* Sets one endpoint's share; returns when it grows next. */
static uint64_t refresh_share(struct balancer_pool *pool, struct endpoint *e, uint64_t now_us)
{
    uint64_t began_us = pool->began_us[e->index], next_us = 0;
    unsigned percent = 100;

    if (began_us != 0) {
        percent = slow_start_percent(&pool->slow_start, began_us, now_us);
        next_us = slow_start_next_us(&pool->slow_start, began_us, now_us);
    }
    if (next_us == 0)
        pool->began_us[e->index] = 0;
    atomic_store_explicit(&e->share, atomic_load(&e->weight) * percent, memory_order_relaxed);
    return next_us;
}

static uint64_t refresh_shares(struct balancer_pool *pool, uint64_t now_us)
{
    uint64_t next_us = 0;
    bool limited = false;

    for (unsigned i = 0; i < pool->size; i++) {
        struct endpoint *e = pool->endpoints[i];

        next_us = earlier(next_us, refresh_share(pool, e, now_us));
        limited = limited || atomic_load(&e->max_connections) > 0;
    }
    atomic_store_explicit(&pool->load.limited, limited, memory_order_relaxed);
    return next_us;
}

/* Would the load not find it, and nobody learn that it is well again? */
static bool needs_probe(const struct balancer_pool *pool, const struct endpoint *e,
                        enum balancer_preference serving)
{
    enum balancer_preference standing = endpoint_standing(e);

    return e->level < pool->tiers.regular && standing <= PREFER_DEGRADED && endpoint_probing(e) &&
           (standing != serving || pool->tiers.load[e->level] == 0);
}

/* What pick reads of the tiers. */
static void publish_load(struct balancer_pool *pool, enum balancer_preference serving)
{
    struct pool_load *load = &pool->load;
    unsigned home = 0, probing = 0;

    for (unsigned level = 0; level < pool->tiers.count; level++) {
        unsigned share = pool->tiers.load[level];

        atomic_store_explicit(&load->shares[level], share, memory_order_relaxed);
        if (share == SPILL_WHOLE)
            home = lineup_part_at(&pool->lineup, serving, level);
        else if (share > 0)
            home = LOAD_DRAWN;
    }
    for (unsigned i = 0; i < pool->size; i++) {
        struct endpoint *e = pool->endpoints[i];

        if (needs_probe(pool, e, serving))
            atomic_store_explicit(&pool->lineup.probing[probing++], e, memory_order_relaxed);
    }
    atomic_store_explicit(&load->preference, serving, memory_order_relaxed);
    atomic_store_explicit(&load->home, home, memory_order_relaxed);
    atomic_store_explicit(&load->probing_count, probing, memory_order_release);
}

struct balancer_refresh balancer_pool_refresh(struct balancer_pool *pool, uint64_t now_us)
{
    struct balancer_refresh result = {.panic_changed = refresh_panic(pool)};
    struct tiers_input input = {
        .endpoints = pool->endpoints,
        .size = pool->size,
        .panicking = atomic_load(&pool->panicking),
        .fail_back = atomic_exchange(&pool->fail_back, false),
        .now_us = now_us,
    };
    struct tiers_result tiers;

    result.next_us = refresh_shares(pool, now_us);
    tiers = tiers_refresh(&pool->tiers, &input);
    result.tiers_changed = tiers.changed;
    result.next_us = earlier(result.next_us, tiers.next_us);
    lineup_rebuild(&pool->lineup, pool->endpoints, pool->size);
    publish_load(pool, tiers.preference);
    if (pool->algorithm->changed != NULL)
        pool->algorithm->changed(pool, pool->state);
    return result;
}

void balancer_endpoint_returned(struct balancer_pool *pool, struct endpoint *endpoint,
                                uint64_t now_us)
{
    if (pool->slow_start.tick_us > 0)
        pool->began_us[endpoint->index] = now_us > 0 ? now_us : 1;
}

void balancer_pool_fail_back(struct balancer_pool *pool)
{
    atomic_store(&pool->fail_back, true);
}

/* ---- To be shown ---- */

unsigned balancer_pool_tiers(const struct balancer_pool *pool, struct balancer_tier *out,
                             unsigned max)
{
    /* Only its lock is changed. */
    return tiers_show((struct tiers *)&pool->tiers, out, max);
}

bool balancer_pool_panicking(const struct balancer_pool *pool)
{
    return atomic_load(&pool->panicking);
}

int balancer_pool_in_flight(const struct balancer_pool *pool)
{
    return atomic_load_explicit(&pool->in_flight, memory_order_relaxed);
}

unsigned balancer_pool_size(const struct balancer_pool *pool)
{
    return pool->size;
}

unsigned balancer_pool_levels(const struct balancer_pool *pool)
{
    return pool->tiers.count > 0 ? pool->tiers.count : 1;
}

struct endpoint *balancer_pool_endpoint(struct balancer_pool *pool, unsigned index)
{
    CHECK(index < pool->size);
    return pool->endpoints[index];
}
