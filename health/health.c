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
    free(pool->pending);
    free(pool->records);
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

static void record_init(struct health_pool *pool, unsigned index, uint64_t now_us)
{
    struct record *r = &pool->records[index];

    r->endpoint = balancer_pool_endpoint(pool->balancer, index);
    check_count_init(&r->check);
    breaker_init(&r->breaker, &pool->config->breaker, now_us);
    outlier_init(&r->outlier, &pool->config->outlier, now_us);
    stall_init(&r->stall, now_us);
    r->status_since_us = now_us;
    r->draining = atomic_load(&r->endpoint->draining);
    r->heard_of = pool->config->health != NULL ? ENDPOINT_UNKNOWN : ENDPOINT_HEALTHY;
    if (r->draining) {
        r->heard_of = ENDPOINT_DRAINING;
        strncpy(r->why, "drained by the configuration", sizeof(r->why) - 1);
    }
    atomic_store(&r->endpoint->status, r->heard_of);
}

/* A count that comes late stands in the wrong bucket: so at least once for each. */
static uint64_t feed_every_us(const struct config_pool *config)
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
        .config = config,
        .size = balancer_pool_size(pool),
        .random = balancer_hash(slice_str(config->name)) ^ now_us,
        .now_us = now_us,
        .tiers_since_us = now_us,
        .panic_since_us = now_us,
        .feed_every_us = feed_every_us(config),
    };
    /* At least one, because aligned_alloc of nothing may be NULL. */
    hp->records = aligned_alloc(_Alignof(struct record), (hp->size + 1) * sizeof(struct record));
    CHECK(hp->records != NULL);
    memset(hp->records, 0, (hp->size + 1) * sizeof(struct record));
    pthread_mutex_init(&hp->mutex, NULL);
    pthread_mutex_init(&hp->telling, NULL);
    window_init(&hp->window, config->outlier.window_ms);
    for (unsigned i = 0; i < hp->size; i++)
        record_init(hp, i, now_us);
    hp->refresh_us = balancer_pool_refresh(pool, now_us).next_us;
    hp->tier_count = balancer_pool_tiers(pool, hp->tiers, HEALTH_TIERS);
    hp->panicking = balancer_pool_panicking(pool);
    health->pools = xrealloc(health->pools, (health->count + 1) * sizeof(struct health_pool *));
    health->pools[health->count++] = hp;
    return hp;
}

struct balancer_pool *health_pool_balancer(const struct health_pool *pool)
{
    return pool->balancer;
}

struct record *health_record(struct health_pool *pool, const struct endpoint *endpoint)
{
    CHECK(endpoint->index < pool->size && pool->records[endpoint->index].endpoint == endpoint);
    return &pool->records[endpoint->index];
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
