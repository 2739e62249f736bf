/*
 * What follows when a machine has changed its state: the endpoint's atomics, which the balancer
 * reads, the event, and whether the health thread is needed. Nobody else writes those atomics.
 */
#include <stdio.h>

#include "health/health_internal.h"

/* ---- Places of probes ---- */

static unsigned places_wanted(const struct record *r)
{
    if (r->breaker.state == BREAKER_OPEN)
        return 0;
    if (r->stall.state == STALL_PROBING)
        return 1;
    return r->breaker.state == BREAKER_HALF_OPEN ? breaker_places(&r->breaker) : 0;
}

/*
 * endpoint->probes is what is left of `places`. Picks only ever lower it, and only here it is
 * raised: so what is out is known exactly, and never more than `places` at once. When `places`
 * become fewer than are out, the difference is owed by the next ones that come back. When there are
 * to be none, those that are out are probes no more.
 */
static void change_places_locked(struct record *r)
{
    unsigned left = atomic_exchange(&r->endpoint->probes, 0), wanted = places_wanted(r);
    unsigned out = wanted > 0 ? r->places + r->overdrawn - left : 0;

    r->places = wanted;
    r->overdrawn = out > wanted ? out - wanted : 0;
    atomic_store(&r->endpoint->probes, out < wanted ? wanted - out : 0);
}

void change_settings_locked(struct record *r)
{
    if (places_wanted(r) != r->places)
        change_places_locked(r);
}

void change_place_back_locked(struct record *r)
{
    if (r->overdrawn > 0)
        r->overdrawn--;
    else if (atomic_load(&r->endpoint->probes) < r->places)
        atomic_fetch_add(&r->endpoint->probes, 1);
}

bool record_place_left(const struct record *r)
{
    return atomic_load(&r->endpoint->probes) > 0;
}

/* ---- The machines ---- */

/* One that stalls holds what it is given, and one whose breaker is half open takes a few at a time:
 * neither can stand in for another. */
bool pool_has_usable(const struct health_pool *pool, const struct record *besides)
{
    for (unsigned i = 0; i < pool->count; i++) {
        const struct record *r = pool->records[i];

        if (r != besides && r->stall.state == STALL_CLEAR && r->breaker.state == BREAKER_CLOSED &&
            endpoint_usable(r->endpoint))
            return true;
    }
    return false;
}

/* One endpoint less is a warning, the last one is worse. */
static enum event_severity loss_severity(const struct health_pool *pool)
{
    return pool_has_usable(pool, NULL) ? EVENT_WARN : EVENT_ERROR;
}

static void event_init(struct health_event *event, enum event_type type, const char *from,
                       const char *to, const char *why, uint64_t was_us)
{
    *event = (struct health_event){.type = type, .was_us = was_us};
    snprintf(event->from, sizeof(event->from), "%s", from);
    snprintf(event->to, sizeof(event->to), "%s", to);
    snprintf(event->why, sizeof(event->why), "%s", why);
}

static const char *stall_name(enum stall_state state)
{
    static const char *const names[] = {
        [STALL_CLEAR] = "clear", [STALL_STALLED] = "stalled", [STALL_PROBING] = "probing"};

    return names[state];
}

void change_breaker_locked(struct health_pool *pool, struct record *r, enum breaker_state from,
                           uint64_t since_us, const char *why, uint64_t now_us)
{
    enum breaker_state to = r->breaker.state;
    struct health_event event;

    atomic_store(&r->endpoint->tripped, breaker_is_tripped(&r->breaker));
    /* Places before the state that gives them out, and the state before they are taken away. */
    if (to == BREAKER_HALF_OPEN) {
        change_places_locked(r);
        atomic_store(&r->endpoint->breaker, to);
    } else {
        atomic_store(&r->endpoint->breaker, to);
        change_places_locked(r);
    }
    snprintf(r->breaker_why, sizeof(r->breaker_why), "%s", why);
    event_init(&event, EVENT_BREAKER, breaker_state_name(from), breaker_state_name(to), why,
               now_us - since_us);
    event.severity = to == BREAKER_OPEN ? loss_severity(pool) : EVENT_INFO;
    next_breaker(pool, r, now_us, &event);
    tell_locked(pool, r, &event);
    health_wake_changed(pool);
    /* The one that finds out for the breaker finds out for the stall as well. */
    since_us = r->stall.since_us;
    if (to == BREAKER_HALF_OPEN && stall_probe_now(&r->stall, now_us))
        change_stall_locked(pool, r, STALL_STALLED, since_us, "its breaker went half open", now_us);
}

bool record_counts_as_ejected(const struct record *r)
{
    return r->outlier.ejected && !r->leaving && !r->draining;
}

void change_outlier_locked(struct health_pool *pool, struct record *r, uint64_t since_us,
                           const char *why, uint64_t now_us)
{
    bool ejected = r->outlier.ejected;
    struct health_event event;

    atomic_store(&r->endpoint->ejected, ejected);
    snprintf(r->ejected_why, sizeof(r->ejected_why), "%s", ejected ? why : "");
    if (!r->leaving && !r->draining)
        pool->ejected += ejected ? 1 : -1;
    event_init(&event, EVENT_OUTLIER, ejected ? "serving" : "ejected",
               ejected ? "ejected" : "returned", why, now_us - since_us);
    event.severity = ejected ? loss_severity(pool) : EVENT_INFO;
    next_outlier(pool, r, now_us, &event);
    tell_locked(pool, r, &event);
    health_wake_changed(pool);
}

void change_stall_locked(struct health_pool *pool, struct record *r, enum stall_state from,
                         uint64_t since_us, const char *why, uint64_t now_us)
{
    enum stall_state to = r->stall.state;
    struct health_event event;

    if (to == STALL_CLEAR)
        atomic_store(&r->stall_over_us, now_us);
    if (to == STALL_PROBING) {
        change_places_locked(r);
        atomic_store(&r->endpoint->stall, to);
    } else {
        atomic_store(&r->endpoint->stall, to);
        change_places_locked(r);
    }
    event_init(&event, EVENT_STALL, stall_name(from), stall_name(to), why, now_us - since_us);
    event.severity = to == STALL_STALLED ? EVENT_WARN : EVENT_INFO; /* it may still be used */
    next_stall(pool, r, now_us, &event);
    tell_locked(pool, r, &event);
    health_wake_changed(pool);
}

/* As drains and our own checks have it. */
static enum endpoint_status record_judged(const struct record *r)
{
    if (r->draining || r->leaving)
        return ENDPOINT_DRAINING;
    return r->checked ? r->check.status : ENDPOINT_HEALTHY;
}

static enum endpoint_status reported_status(enum config_reported reported)
{
    switch (reported) {
    case CONFIG_REPORTED_NOTHING:
    case CONFIG_REPORTED_HEALTHY:
        return ENDPOINT_HEALTHY;
    case CONFIG_REPORTED_DEGRADED:
        return ENDPOINT_DEGRADED;
    case CONFIG_REPORTED_UNHEALTHY:
        break;
    }
    return ENDPOINT_UNHEALTHY;
}

/* The worse of what our checks find and of what was reported: either of the two may see what the
 * other cannot. One that is not checked yet is doubted more than a degraded one, as by the
 * balancer. */
static enum endpoint_status record_status(const struct record *r)
{
    static const unsigned char badness[] = {
        [ENDPOINT_HEALTHY] = 0,   [ENDPOINT_DEGRADED] = 1, [ENDPOINT_UNKNOWN] = 2,
        [ENDPOINT_UNHEALTHY] = 3, [ENDPOINT_DRAINING] = 4,
    };
    enum endpoint_status judged = record_judged(r), reported = reported_status(r->reported);

    return badness[reported] > badness[judged] ? reported : judged;
}

bool record_is_held_by_report(const struct record *r)
{
    return record_status(r) != record_judged(r);
}

static void status_store(struct record *r, enum endpoint_status to, const char *why,
                         uint64_t now_us)
{
    atomic_store(&r->endpoint->draining, to == ENDPOINT_DRAINING);
    atomic_store(&r->endpoint->status, to);
    snprintf(r->why, sizeof(r->why), "%s", why);
    r->status_since_us = now_us;
}

/* Hooks hear of what we found ourselves: a recovery is for whom our own checks find unhealthy, and
 * they alone can tell whether it helped. */
static void judged_store_locked(struct health_pool *pool, struct record *r)
{
    enum endpoint_status judged = record_judged(r);

    if (atomic_exchange(&r->judged, judged) == judged)
        return;
    pool->status_changed = true;
    health_wake(pool);
}

void change_status_locked(struct health_pool *pool, struct record *r, const char *why,
                          uint64_t now_us)
{
    enum endpoint_status from = atomic_load(&r->endpoint->status), to = record_status(r);
    bool drain = from == ENDPOINT_DRAINING || to == ENDPOINT_DRAINING;
    struct health_event event;
    struct why all;

    judged_store_locked(pool, r);
    all = why_status(r, to, why);
    if (from == to) { /* but what keeps it there may be another thing */
        if (to == ENDPOINT_DEGRADED || to == ENDPOINT_UNHEALTHY)
            snprintf(r->why, sizeof(r->why), "%s", all.text);
        return;
    }
    event_init(&event, drain ? EVENT_DRAIN : EVENT_HEALTH, endpoint_status_name(from),
               endpoint_status_name(to), all.text, now_us - r->status_since_us);
    event.severity = to == ENDPOINT_UNHEALTHY  ? loss_severity(pool)
                     : to == ENDPOINT_DEGRADED ? EVENT_WARN
                                               : EVENT_INFO;
    status_store(r, to, all.text, now_us);
    next_status(pool, r, to, now_us, &event);
    tell_locked(pool, r, &event);
    health_wake_changed(pool);
}

void change_returned_locked(struct health_pool *pool, struct record *r, const char *why,
                            uint64_t now_us)
{
    enum breaker_state from = r->breaker.state;
    uint64_t since_us = r->breaker.since_us;

    if (breaker_returned(&r->breaker, now_us) == BREAKER_CHANGED)
        change_breaker_locked(pool, r, from, since_us, why, now_us);
}

void change_report_locked(struct health_pool *pool, struct record *r, enum config_reported reported,
                          uint64_t now_us)
{
    enum endpoint_status before = record_status(r);

    if (r->leaving || reported == r->reported)
        return;
    r->reported = reported;
    change_status_locked(pool, r, NULL, now_us);
    if (before == ENDPOINT_UNHEALTHY && record_status(r) != ENDPOINT_UNHEALTHY)
        change_returned_locked(pool, r, "discovery reports it up again", now_us);
    change_settle_locked(pool, r);
}

/* ---- Coming and going ---- */

void change_join_locked(struct health_pool *pool, struct record *r, const char *why, bool starting,
                        uint64_t now_us)
{
    enum endpoint_status status = record_status(r);
    struct health_event event;

    status_store(r, status, why_first(r).text, now_us);
    r->heard_of = record_judged(r);
    atomic_store(&r->judged, r->heard_of);
    if (!starting) {
        r->away = true; /* it has never served: so it starts slowly */
        event_init(&event, EVENT_ENDPOINT, "", "registered", why, 0);
        next_status(pool, r, status, now_us, &event);
        tell_locked(pool, r, &event);
    }
    health_wake_changed(pool);
}

void change_leave_locked(struct health_pool *pool, struct record *r, const char *why,
                         uint64_t now_us)
{
    struct health_event event;

    event_init(&event, EVENT_ENDPOINT, "", "deregistered", why, 0);
    next_status(pool, r, ENDPOINT_DRAINING, now_us, &event);
    tell_locked(pool, r, &event);
    r->leaving = true;
    r->left_busy = atomic_load(&r->endpoint->active) > 0;
    status_store(r, ENDPOINT_DRAINING, why, now_us);
    health_wake_changed(pool);
}

/* ---- After anything ---- */

uint64_t record_due_us(const struct record *r)
{
    uint64_t due_us[] = {breaker_due_us(&r->breaker), stall_due_us(&r->stall),
                         r->outlier.ejected ? r->outlier.until_us : 0};
    uint64_t first_us = 0;

    for (unsigned i = 0; i < sizeof(due_us) / sizeof(due_us[0]); i++) {
        if (due_us[i] != 0 && (first_us == 0 || due_us[i] < first_us))
            first_us = due_us[i];
    }
    return first_us;
}

/* Away until it serves as before; half_open is not there yet. */
static void settle_return_locked(struct health_pool *pool, struct record *r)
{
    enum endpoint_status status = record_status(r);
    bool serves = status == ENDPOINT_HEALTHY || status == ENDPOINT_DEGRADED;

    if (status == ENDPOINT_UNHEALTHY || status == ENDPOINT_DRAINING || r->outlier.ejected ||
        r->breaker.state != BREAKER_CLOSED) {
        r->away = true;
        r->returning = false;
    } else if (r->away && serves) {
        r->away = false;
        r->returning = true;
        atomic_store(&pool->someone_returns, true);
        health_wake_changed(pool);
    }
}

void change_settle_locked(struct health_pool *pool, struct record *r)
{
    uint64_t due_us = record_due_us(r), first_us = atomic_load(&pool->due_us);
    bool watched = r->breaker.state != BREAKER_CLOSED || r->breaker.row > 0 || r->outlier.ejected ||
                   r->outlier.row > 0 || r->stall.state != STALL_CLEAR;

    atomic_store_explicit(&r->watched, watched, memory_order_relaxed);
    settle_return_locked(pool, r);
    if (due_us != 0 && (first_us == 0 || due_us < first_us)) {
        atomic_store(&pool->due_us, due_us);
        health_wake(pool);
    }
}
