/*
 * The health thread's turn: what time does to the machines, once a second the windows and the
 * percentiles, then outside of the mutex the balancer's line-up, the events and the hooks.
 */
#include "health/events_internal.h"
#include "health/health.h"
#include "health/health_internal.h"

static uint64_t earlier(uint64_t a_us, uint64_t b_us)
{
    if (a_us == 0 || b_us == 0)
        return a_us + b_us;
    return a_us < b_us ? a_us : b_us;
}

static void keep_breaker_locked(struct health_pool *pool, struct record *r, uint64_t now_us)
{
    enum breaker_state from = r->breaker.state;
    uint64_t since_us = r->breaker.since_us;
    enum breaker_effect effect = breaker_keep(&r->breaker, record_place_left(r), now_us);

    if (effect == BREAKER_CHANGED)
        change_breaker_locked(pool, r, from, since_us, why_breaker(r).text, now_us);
    else if (effect == BREAKER_PLACE_BACK)
        change_place_back_locked(r);
}

static void keep_record_locked(struct health_pool *pool, struct record *r, uint64_t now_us)
{
    enum stall_state from = r->stall.state;
    uint64_t since_us = r->stall.since_us;
    /* Where there is no place nobody can have taken it: the breaker is open. */
    bool place_left = r->places == 0 || record_place_left(r);

    if (stall_keep(&r->stall, place_left, now_us, health_random_locked(pool)))
        change_stall_locked(pool, r, from, since_us, why_stall_time(r).text, now_us);
    keep_breaker_locked(pool, r, now_us);
    since_us = r->outlier.since_us;
    if (outlier_keep(&r->outlier, now_us))
        change_outlier_locked(pool, r, since_us, "its time is over", now_us);
    change_settle_locked(pool, r);
}

/* Only when something is due: otherwise the records are left alone. */
static void keep_due_locked(struct health_pool *pool, uint64_t now_us)
{
    uint64_t due_us = atomic_load(&pool->due_us), first_us = 0;

    if (due_us == 0 || now_us < due_us)
        return;
    for (unsigned i = 0; i < pool->count; i++) {
        due_us = record_due_us(pool->records[i]);
        if (due_us != 0 && due_us <= now_us)
            keep_record_locked(pool, pool->records[i], now_us);
        first_us = earlier(first_us, record_due_us(pool->records[i]));
    }
    atomic_store(&pool->due_us, first_us);
}

static void keep_windows_locked(struct health_pool *pool, uint64_t now_us)
{
    if (now_us < pool->feed_us)
        return;
    pool->feed_us = now_us + pool->feed_every_us;
    pool_feed_locked(pool, now_us);
}

/* Its slow start begins with the next refresh; not while nobody can reach it, or it would be over
 * before the first request comes. Then health_changed asks for another look. */
static void keep_returns_locked(struct health_pool *pool, uint64_t now_us)
{
    if (!atomic_exchange(&pool->someone_returns, false))
        return;
    for (unsigned i = 0; i < pool->count; i++) {
        struct record *r = pool->records[i];

        if (!r->returning || !atomic_load(&r->endpoint->resolved) ||
            atomic_load(&r->endpoint->weight) == 0)
            continue;
        r->returning = false;
        balancer_endpoint_returned(pool->balancer, r->endpoint, now_us);
    }
}

/* Pauses between line-ups of a large pool: with a thousand checks a second a pool of thousands may
 * change a thousand times, and a line-up takes milliseconds. Whoever may not be used any more is
 * left out without it. */
static uint64_t lineup_pause_us(const struct health_pool *pool)
{
    uint64_t pause_us = (uint64_t)pool->count * HEALTH_LINEUP_US;

    if (pool->count <= HEALTH_SMALL_POOL)
        return 0;
    return pause_us < HEALTH_LINEUP_MAX_US ? pause_us : HEALTH_LINEUP_MAX_US;
}

static void keep_refresh(struct health_pool *pool, uint64_t now_us)
{
    struct balancer_refresh refresh;

    atomic_store(&pool->changed, false);
    refresh = balancer_pool_refresh(pool->balancer, now_us);
    pool->refresh_us = refresh.next_us;
    pool->lineup_us = now_us + lineup_pause_us(pool);
    if (refresh.panic_changed)
        tell_panic(pool, now_us);
    /* Tiers come and go with their endpoints, even where no load moves. */
    tell_tiers(pool, now_us);
}

/* Returns when it is due again; 0: not before a change. */
static uint64_t keep_lineup(struct health_pool *pool, uint64_t now_us)
{
    bool due = pool->refresh_us != 0 && now_us >= pool->refresh_us;

    if (!atomic_load(&pool->changed) && !due)
        return pool->refresh_us;
    if (now_us < pool->lineup_us)
        return pool->lineup_us;
    keep_refresh(pool, now_us);
    return pool->refresh_us;
}

void health_pool_settle(struct health_pool *pool, uint64_t now_us)
{
    now_us = health_lock(pool, now_us);
    atomic_store(&pool->someone_returns, true);
    keep_returns_locked(pool, now_us);
    health_unlock(pool);
    keep_refresh(pool, now_us);
    tell_pending(pool, now_us);
    /* What time asks for next may have become another. */
    health_wake(pool);
}

static void keep_hooks(struct health_pool *pool)
{
    const struct health_params *params = &pool->health->params;

    for (unsigned i = 0; i < pool->count; i++) {
        struct record *r = pool->records[i];
        enum endpoint_status from = r->heard_of, to = atomic_load(&r->judged);

        if (from == to || r->leaving)
            continue;
        r->heard_of = to;
        if (params->on_status != NULL)
            params->on_status(params->arg, pool, r->endpoint, from, to);
    }
}

static uint64_t pool_keep(struct health_pool *pool, uint64_t now_us)
{
    uint64_t lineup_us;
    bool status_changed;

    now_us = health_lock(pool, now_us);
    keep_windows_locked(pool, now_us);
    keep_due_locked(pool, now_us);
    keep_returns_locked(pool, now_us);
    status_changed = pool->status_changed;
    pool->status_changed = false;
    health_unlock(pool);

    if (now_us >= pool->latency_us) {
        pool->latency_us = now_us + HEALTH_LATENCY_US;
        latency_tick(pool, now_us);
    }
    lineup_us = keep_lineup(pool, now_us);
    tell_pending(pool, now_us);
    if (status_changed)
        keep_hooks(pool);
    return earlier(earlier(pool->feed_us, pool->latency_us),
                   earlier(atomic_load(&pool->due_us), lineup_us));
}

uint64_t health_keep(struct health *health, uint64_t now_us)
{
    uint64_t next_us;

    /* First: what comes from here on asks for another turn. */
    atomic_store(&health->woken, false);
    next_us = events_keep(health->events, now_us);
    for (size_t i = 0; i < health->count; i++)
        next_us = earlier(next_us, pool_keep(health->pools[i], now_us));
    return next_us;
}
