/* What is shown of an endpoint, and when something may be better. */
#include <stdio.h>
#include <string.h>

#include "health/health.h"
#include "health/health_internal.h"

static uint64_t until_us(uint64_t then_us, uint64_t now_us)
{
    return then_us > now_us ? then_us - now_us : 0;
}

/* When the endpoint may be let in again; 0: nothing keeps it out, or nobody knows for how long. */
static uint64_t record_retry_us(const struct record *r)
{
    uint64_t at_us = 0;

    if (r->breaker.state == BREAKER_OPEN)
        at_us = breaker_due_us(&r->breaker);
    if (r->outlier.ejected && r->outlier.until_us > at_us)
        at_us = r->outlier.until_us;
    return at_us;
}

static void view_outcomes(const struct record *r, uint64_t now_us, struct health_view *view)
{
    const struct breaker_failure *failure;

    while (view->outcome_count < HEALTH_OUTCOMES &&
           (failure = breaker_failure_at(&r->breaker, view->outcome_count)) != NULL) {
        view->outcomes[view->outcome_count++] = (struct health_outcome){
            .ago_us = until_us(now_us, failure->at_us),
            .error = failure->error,
            .status = failure->status,
        };
    }
}

void health_view(struct health_pool *pool, const struct endpoint *endpoint, uint64_t now_us,
                 struct health_view *ret_view)
{
    struct record *r = health_record(endpoint);

    now_us = health_lock(pool, now_us);
    *ret_view = (struct health_view){
        .status = atomic_load(&r->endpoint->status),
        .breaker = r->breaker.state,
        .stall = r->stall.state,
        .by_report = record_is_held_by_report(r),
        .ejected = r->outlier.ejected,
        .ejected_for_us = r->outlier.ejected ? now_us - r->outlier.since_us : 0,
        .status_for_us = now_us - r->status_since_us,
        .breaker_for_us = now_us - r->breaker.since_us,
        .retry_in_us = until_us(record_retry_us(r), now_us),
        .ejections = r->outlier.ejections,
        .stalls = r->stall.stalls,
        .consecutive_failures = r->breaker.row,
        .successes = atomic_load(&r->successes),
        .failures = r->failures,
        .checks = r->check.verdicts,
        .failed_checks = r->check.verdicts_fail,
        .check_latency_us = r->check_latency_us,
        .checked_ago_us = r->checked_us == 0 ? 0 : now_us - r->checked_us + 1,
        .check_failed_ago_us = r->check_failed_us == 0 ? 0 : now_us - r->check_failed_us + 1,
        .p50_us = atomic_load(&r->percentiles_us[LATENCY_P50]),
        .p90_us = atomic_load(&r->percentiles_us[LATENCY_P90]),
        .p99_us = atomic_load(&r->percentiles_us[LATENCY_P99]),
        .usual_us = stall_usual_us(atomic_load(&r->usual)),
        .tripped = breaker_is_tripped(&r->breaker),
    };
    memcpy(ret_view->why, r->why, sizeof(r->why));
    memcpy(ret_view->breaker_why, r->breaker_why, sizeof(r->breaker_why));
    memcpy(ret_view->breaker_entered, r->breaker.entered, sizeof(r->breaker.entered));
    memcpy(ret_view->ejected_why, r->ejected_why, sizeof(r->ejected_why));
    memcpy(ret_view->check_why, r->check_why, sizeof(r->check_why));
    view_outcomes(r, now_us, ret_view);
    health_unlock(pool);
}

/* When the endpoint may be better: its breaker, its ejection, or its next check. The schedule is
 * not known here, but what it aims at is. */
static uint64_t record_better_us(const struct health_pool *pool, const struct record *r)
{
    const struct config_health *config = pool_config(pool)->health;
    uint64_t at_us = record_retry_us(r);

    if (r->leaving)
        return 0;
    if (at_us != 0 || config == NULL || r->check.status != ENDPOINT_UNHEALTHY)
        return at_us;
    return r->checked_us +
           1000 * (config->fast_interval_ms > 0 ? config->fast_interval_ms : config->interval_ms);
}

static unsigned pool_retry_s_locked(const struct health_pool *pool, uint64_t now_us)
{
    uint64_t first_us = 0;

    for (unsigned i = 0; i < pool->count; i++) {
        uint64_t at_us = record_better_us(pool, pool->records[i]);

        if (at_us != 0 && (first_us == 0 || at_us < first_us))
            first_us = at_us;
    }
    if (first_us == 0)
        return HEALTH_RETRY_DEFAULT_S;
    return (unsigned)(until_us(first_us, now_us) / 1000000 + 1);
}

/* Asked for with every 503: in the worst moment of a pool, its endpoints are looked through four
 * times a second and not for each request. */
unsigned health_retry_after_s(struct health_pool *pool, uint64_t now_us)
{
    uint64_t known = atomic_load_explicit(&pool->retry, memory_order_relaxed);
    unsigned retry_s;

    if (known != 0 && now_us / HEALTH_RETRY_KNOWN_US == known >> RETRY_SECONDS_BITS)
        return (unsigned)(known & ((1u << RETRY_SECONDS_BITS) - 1));
    now_us = health_lock(pool, now_us);
    retry_s = pool_retry_s_locked(pool, now_us);
    health_unlock(pool);
    if (retry_s >= 1u << RETRY_SECONDS_BITS)
        retry_s = (1u << RETRY_SECONDS_BITS) - 1;
    atomic_store_explicit(&pool->retry,
                          now_us / HEALTH_RETRY_KNOWN_US << RETRY_SECONDS_BITS | retry_s,
                          memory_order_relaxed);
    return retry_s;
}
