/*
 * Endpoints and settings that come and go while workers report.
 *
 *   join ──► member ──► leave ──► leaving ──► forget
 *                                 late outcomes are taken, nothing is told any more
 *
 * A record is an allocation of its own and its address is the endpoint's: so nothing that a worker
 * reaches ever moves. The pool's array is for those who look at all of them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "health/health.h"
#include "health/health_internal.h"

static bool is_to_be_checked(const struct health_pool *pool, const struct endpoint *endpoint)
{
    const struct config_backend *backend = atomic_load(&endpoint->backend);

    return pool_config(pool)->health != NULL && (backend == NULL || backend->checked);
}

static enum config_reported reported_of(const struct endpoint *endpoint)
{
    const struct config_backend *backend = atomic_load(&endpoint->backend);

    return backend != NULL ? backend->reported : CONFIG_REPORTED_NOTHING;
}

static struct record *record_new(const struct health_pool *pool, struct endpoint *endpoint,
                                 uint64_t now_us)
{
    const struct config_pool *config = pool_config(pool);
    struct record *r = aligned_alloc(_Alignof(struct record), sizeof(*r));

    CHECK(r != NULL);
    memset(r, 0, sizeof(*r));
    r->endpoint = endpoint;
    check_count_init(&r->check);
    breaker_init(&r->breaker, &config->breaker, now_us);
    outlier_init(&r->outlier, &config->outlier, now_us);
    stall_init(&r->stall, now_us);
    r->draining = atomic_load(&endpoint->draining);
    r->checked = is_to_be_checked(pool, endpoint);
    r->reported = reported_of(endpoint);
    return r;
}

static void records_add_locked(struct health_pool *pool, struct record *r)
{
    if (pool->count == pool->room) {
        pool->room = pool->room == 0 ? 8 : pool->room * 2;
        pool->records = xrealloc(pool->records, pool->room * sizeof(struct record *));
    }
    r->position = pool->count;
    pool->records[pool->count++] = r;
    pool->members++;
}

static void records_remove_locked(struct health_pool *pool, struct record *r)
{
    struct record *last = pool->records[--pool->count];

    pool->records[r->position] = last;
    last->position = r->position;
}

void health_pool_join(struct health_pool *pool, struct endpoint *endpoint, const char *why,
                      bool starting, uint64_t now_us)
{
    struct record *r;

    CHECK(endpoint->health == NULL);
    now_us = health_lock(pool, now_us);
    r = record_new(pool, endpoint, now_us);
    endpoint->health = r;
    records_add_locked(pool, r);
    change_join_locked(pool, r, why, starting, now_us);
    change_settle_locked(pool, r);
    health_unlock(pool);
    tell_pending(pool, now_us);
}

/* What it had is no measure for the others any more. */
void health_pool_leave(struct health_pool *pool, struct endpoint *endpoint, const char *why,
                       uint64_t now_us)
{
    struct record *r = health_record(endpoint);

    now_us = health_lock(pool, now_us);
    CHECK(!r->leaving);
    record_feed_locked(pool, r, now_us);
    window_subtract(&pool->window, &r->outlier.window, now_us);
    pool->members--;
    pool->ejected -= record_counts_as_ejected(r);
    change_leave_locked(pool, r, why, now_us);
    change_settle_locked(pool, r);
    health_unlock(pool);
    tell_pending(pool, now_us);
}

void health_pool_forget(struct health_pool *pool, struct endpoint *endpoint)
{
    struct record *r = health_record(endpoint);
    uint64_t now_us = health_lock(pool, 0);

    CHECK(r->leaving && atomic_load(&endpoint->active) == 0);
    if (r->left_busy)
        tell_gone_locked(pool, r);
    records_remove_locked(pool, r);
    health_unlock(pool);
    endpoint->health = NULL;
    free(r);
    tell_pending(pool, now_us);
}

/* ---- Settings ---- */

/* Checks begin or end for it; an endpoint that serves is not doubted for that. */
static void record_check_locked(struct health_pool *pool, struct record *r, uint64_t now_us)
{
    bool checked = is_to_be_checked(pool, r->endpoint);

    if (r->leaving || checked == r->checked)
        return;
    r->checked = checked;
    if (checked) {
        check_count_trust(&r->check);
        return;
    }
    check_count_forget(&r->check);
    change_status_locked(pool, r, "no longer checked", now_us);
    change_settle_locked(pool, r);
}

static void record_change_locked(struct health_pool *pool, struct record *r, uint64_t now_us)
{
    const struct config_pool *config = pool_config(pool);

    breaker_change(&r->breaker, &config->breaker);
    outlier_change(&r->outlier, &config->outlier);
    change_settings_locked(r);
    record_check_locked(pool, r, now_us);
}

void health_endpoint_changed(struct health_pool *pool, struct endpoint *endpoint, uint64_t now_us)
{
    struct record *r = health_record(endpoint);

    now_us = health_lock(pool, now_us);
    record_check_locked(pool, r, now_us);
    change_report_locked(pool, r, reported_of(endpoint), now_us);
    health_unlock(pool);
    tell_pending(pool, now_us);
}

void health_pool_change(struct health_pool *pool, const struct config_pool *config, uint64_t now_us)
{
    now_us = health_lock(pool, now_us);
    /* What was counted until now was under the old settings. */
    pool_feed_locked(pool, now_us);
    atomic_store_explicit(&pool->config, config, memory_order_release);
    window_change(&pool->window, config->outlier.window_ms);
    pool->feed_every_us = health_feed_every_us(config);
    for (unsigned i = 0; i < pool->count; i++)
        record_change_locked(pool, pool->records[i], now_us);
    health_unlock(pool);
    pool->feed_us = 0; /* a shorter window is fed sooner */
    health_wake_changed(pool);
    tell_pending(pool, now_us);
}

void health_pool_move(struct health_pool *pool, const struct config_pool *config)
{
    health_lock(pool, 0);
    atomic_store_explicit(&pool->config, config, memory_order_release);
    for (unsigned i = 0; i < pool->count; i++) {
        breaker_change(&pool->records[i]->breaker, &config->breaker);
        outlier_change(&pool->records[i]->outlier, &config->outlier);
    }
    health_unlock(pool);
}
