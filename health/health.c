/* The façade's frame: who there is, the lock and the clock of a pool. */
#include "health/health.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "health/health_internal.h"

struct health *health_new(const struct health_params *params)
{
    struct health *health = xcalloc(1, sizeof(*health));

    health->params = *params;
    health->events = events_new(params->events);
    return health;
}

static void health_pool_free(struct health_pool *pool)
{
    pthread_mutex_destroy(&pool->mutex);
    pthread_mutex_destroy(&pool->telling);
    for (unsigned i = 0; i < pool->count; i++)
        free(pool->records[i]);
    free(pool->records);
    free(pool->pending);
    free(pool->name);
    free(pool);
}

void health_free(struct health *health)
{
    if (health == NULL)
        return;
    for (size_t i = 0; i < health->count; i++)
        health_pool_free(health->pools[i]);
    free(health->pools);
    events_free(health->events);
    free(health);
}

struct events *health_events(struct health *health)
{
    return health->events;
}

/* A count that comes late stands in the wrong bucket: so at least once for each. */
uint64_t health_feed_every_us(const struct config_pool *config)
{
    uint64_t every_us = HEALTH_LATENCY_US;

    if (config->breaker.window_ms * 1000 / WINDOW_BUCKETS < every_us)
        every_us = config->breaker.window_ms * 1000 / WINDOW_BUCKETS;
    if (config->outlier.window_ms * 1000 / WINDOW_BUCKETS < every_us)
        every_us = config->outlier.window_ms * 1000 / WINDOW_BUCKETS;
    return every_us > HEALTH_FEED_MIN_US ? every_us : HEALTH_FEED_MIN_US;
}

struct health_pool *health_pool_add(struct health *health, struct balancer_pool *pool,
                                    const struct config_pool *config, uint64_t now_us)
{
    struct health_pool *hp = xcalloc(1, sizeof(*hp));

    *hp = (struct health_pool){
        .health = health,
        .balancer = pool,
        .name = xstrdup(config->name),
        .config = config,
        .random = balancer_hash(slice_str(config->name)) ^ now_us,
        .now_us = now_us,
        .tiers_since_us = now_us,
        .panic_since_us = now_us,
        .feed_every_us = health_feed_every_us(config),
        .changed = true,
    };
    CHECK(pthread_mutex_init(&hp->mutex, NULL) == 0);
    CHECK(pthread_mutex_init(&hp->telling, NULL) == 0);
    window_init(&hp->window, config->outlier.window_ms);
    health->pools = xrealloc(health->pools, (health->count + 1) * sizeof(struct health_pool *));
    health->pools[health->count++] = hp;
    health_wake(hp);
    return hp;
}

void health_pool_remove(struct health *health, struct health_pool *pool)
{
    size_t i = 0;

    while (i < health->count && health->pools[i] != pool)
        i++;
    CHECK(i < health->count);
    health->count--;
    memmove(&health->pools[i], &health->pools[i + 1],
            (health->count - i) * sizeof(struct health_pool *));
    tell_pending(pool, pool->now_us);
    health_pool_free(pool);
}

struct balancer_pool *health_pool_balancer(const struct health_pool *pool)
{
    return pool->balancer;
}

struct record *health_record(const struct endpoint *endpoint)
{
    struct record *r = endpoint->health;

    CHECK(r != NULL && r->endpoint == endpoint);
    return r;
}

/* Workers' clocks differ by a turn of their loops; the machines want one that does not go back. */
uint64_t health_lock(struct health_pool *pool, uint64_t now_us)
{
    pthread_mutex_lock(&pool->mutex);
    if (now_us > pool->now_us)
        pool->now_us = now_us;
    return pool->now_us;
}

void health_unlock(struct health_pool *pool)
{
    pthread_mutex_unlock(&pool->mutex);
}

uint64_t health_random_locked(struct health_pool *pool)
{
    pool->random++;
    return balancer_hash(slice_from((const char *)&pool->random, sizeof(pool->random)));
}

void health_wake(struct health_pool *pool)
{
    struct health *health = pool->health;

    if (!atomic_exchange(&health->woken, true) && health->params.wake != NULL)
        health->params.wake(health->params.arg);
}

void health_wake_changed(struct health_pool *pool)
{
    atomic_store(&pool->changed, true);
    health_wake(pool);
}
