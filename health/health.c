/* The façade: what is learnt of endpoints and what follows from it. */
#include "health/health.h"

#include <stdlib.h>

#include "base/alloc.h"

struct health_pool {
    struct health *health;
    struct balancer_pool *pool;
    const struct config_pool *config;
    _Atomic bool changed;
};

struct health {
    struct health_params params;
    struct health_pool **pools;
    size_t count;
};

struct health *health_new(const struct health_params *params)
{
    struct health *health = xcalloc(1, sizeof(*health));

    health->params = *params;
    return health;
}

void health_free(struct health *health)
{
    if (health == NULL)
        return;
    for (size_t i = 0; i < health->count; i++)
        free(health->pools[i]);
    free(health->pools);
    free(health);
}

struct health_pool *health_pool_add(struct health *health, struct balancer_pool *pool,
                                    const struct config_pool *config, uint64_t now_us)
{
    struct health_pool *hp = xcalloc(1, sizeof(*hp));

    *hp = (struct health_pool){.health = health, .pool = pool, .config = config};
    health->pools = xrealloc(health->pools, (health->count + 1) * sizeof(struct health_pool *));
    health->pools[health->count++] = hp;
    for (unsigned i = 0; i < balancer_pool_size(pool); i++) {
        struct endpoint *e = balancer_pool_endpoint(pool, i);

        atomic_store(&e->status,
                     config->backends[i].drain ? ENDPOINT_DRAINING : ENDPOINT_HEALTHY);
    }
    balancer_pool_refresh(pool, now_us);
    return hp;
}

struct balancer_pool *health_pool_balancer(const struct health_pool *pool)
{
    return pool->pool;
}

const struct config_pool *health_pool_config(const struct health_pool *pool)
{
    return pool->config;
}

uint64_t health_keep(struct health *health, uint64_t now_us)
{
    for (size_t i = 0; i < health->count; i++) {
        if (atomic_exchange(&health->pools[i]->changed, false))
            balancer_pool_refresh(health->pools[i]->pool, now_us);
    }
    return 0;
}

void health_report(struct health_pool *pool, struct endpoint *endpoint,
                   const struct health_report *report, uint64_t now_us)
{
}

uint64_t health_stall_limit_us(const struct health_pool *pool, const struct endpoint *endpoint,
                               uint64_t now_us)
{
    return 0;
}

uint64_t health_answered_us(const struct health_pool *pool, const struct endpoint *endpoint)
{
    return 0;
}

void health_stalled(struct health_pool *pool, struct endpoint *endpoint, uint64_t waiting_since_us,
                    uint64_t now_us)
{
}

void health_set_resolved(struct health_pool *pool, struct endpoint *endpoint, bool resolved)
{
    if (atomic_exchange(&endpoint->resolved, resolved) == resolved)
        return;
    atomic_store(&pool->changed, true);
    if (pool->health->params.wake != NULL)
        pool->health->params.wake(pool->health->params.arg);
}

unsigned health_retry_after_s(struct health_pool *pool, uint64_t now_us)
{
    return 5;
}

uint64_t health_pool_latency_us(const struct health_pool *pool, unsigned percent)
{
    return 0;
}
