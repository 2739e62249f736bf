/* What checks find, what operators want, what the resolver knows. */
#include <stdio.h>

#include "health/health.h"
#include "health/health_internal.h"

static void note_check_locked(struct record *r, const struct check_result *result, uint64_t now_us)
{
    r->checked_us = now_us;
    r->check_latency_us = result->latency_us;
    if (result->verdict == CHECK_PASS)
        return;
    r->check_failed_us = now_us;
    snprintf(r->check_why, sizeof(r->check_why), "%s", result->why != NULL ? result->why : "");
}

void health_check_result(struct health_pool *pool, struct endpoint *endpoint,
                         const struct check_result *result, uint64_t now_us)
{
    struct record *r = health_record(endpoint);
    const struct config_health *config = pool_config(pool)->health;
    enum endpoint_status before;

    if (config == NULL)
        return; /* a late one: checks were switched off */
    now_us = health_lock(pool, now_us);
    before = r->check.status;
    note_check_locked(r, result, now_us);
    if (check_count_add(&r->check, config, result->verdict)) {
        change_status_locked(pool, r, why_check(r, before, result->why).text, now_us);
        if (before == ENDPOINT_UNHEALTHY)
            change_returned_locked(pool, r, "checks find it up again", now_us);
        change_settle_locked(pool, r);
    }
    health_unlock(pool);
    tell_pending(pool, now_us);
}

uint64_t health_check_interval_ms(struct health_pool *pool, const struct endpoint *endpoint)
{
    const struct config_health *config = pool_config(pool)->health;
    struct record *r = health_record(endpoint);
    bool hurries;

    if (config == NULL)
        return 0;
    pthread_mutex_lock(&pool->mutex);
    hurries = check_count_hurries(&r->check);
    health_unlock(pool);
    return hurries && config->fast_interval_ms > 0 ? config->fast_interval_ms : config->interval_ms;
}

bool health_set_draining(struct health_pool *pool, struct endpoint *endpoint, bool draining,
                         const char *why, uint64_t now_us)
{
    struct record *r = health_record(endpoint);
    bool changes;

    now_us = health_lock(pool, now_us);
    changes = r->draining != draining && !r->leaving;
    if (changes) {
        pool->ejected -= record_counts_as_ejected(r);
        r->draining = draining;
        pool->ejected += record_counts_as_ejected(r);
        /* What checks found meanwhile was about an endpoint that somebody worked on. */
        if (!draining)
            check_count_forget(&r->check);
        change_status_locked(pool, r, why, now_us);
        change_settle_locked(pool, r);
    }
    health_unlock(pool);
    tell_pending(pool, now_us);
    return changes;
}

void health_trip(struct health_pool *pool, struct endpoint *endpoint, const char *why,
                 uint64_t now_us)
{
    struct record *r = health_record(endpoint);
    enum breaker_state from;
    uint64_t since_us;

    now_us = health_lock(pool, now_us);
    from = r->breaker.state;
    since_us = r->breaker.since_us;
    record_feed_locked(pool, r, now_us);
    if (breaker_trip(&r->breaker, now_us) == BREAKER_CHANGED) {
        change_breaker_locked(pool, r, from, since_us, why_text("by hand: %s", why).text, now_us);
        change_settle_locked(pool, r);
    }
    health_unlock(pool);
    tell_pending(pool, now_us);
}

void health_reset(struct health_pool *pool, struct endpoint *endpoint, const char *why,
                  uint64_t now_us)
{
    struct record *r = health_record(endpoint);
    struct why by_hand = why_text("by hand: %s", why);
    enum breaker_state breaker;
    enum stall_state stall;
    uint64_t since_us;

    now_us = health_lock(pool, now_us);
    record_feed_locked(pool, r, now_us);
    breaker = r->breaker.state;
    since_us = r->breaker.since_us;
    if (breaker_reset(&r->breaker, now_us) == BREAKER_CHANGED)
        change_breaker_locked(pool, r, breaker, since_us, by_hand.text, now_us);
    since_us = r->outlier.since_us;
    if (outlier_reset(&r->outlier, now_us))
        change_outlier_locked(pool, r, since_us, by_hand.text, now_us);
    stall = r->stall.state;
    since_us = r->stall.since_us;
    if (stall_reset(&r->stall, now_us))
        change_stall_locked(pool, r, stall, since_us, by_hand.text, now_us);
    change_settle_locked(pool, r);
    health_unlock(pool);
    tell_pending(pool, now_us);
}

void health_set_weight(struct health_pool *pool, struct endpoint *endpoint, unsigned weight)
{
    if (atomic_exchange(&endpoint->weight, weight) != weight)
        health_changed(pool);
}

void health_set_resolved(struct health_pool *pool, struct endpoint *endpoint, bool resolved)
{
    if (atomic_exchange(&endpoint->resolved, resolved) != resolved)
        health_changed(pool);
}

void health_changed(struct health_pool *pool)
{
    /* Whoever waits for its slow start may be reached now. */
    atomic_store(&pool->someone_returns, true);
    health_wake_changed(pool);
}
