/*
 * What the traffic shows.
 *
 * The head of an answer and a success at an endpoint that is all right cost a relaxed addition each
 * and a few loads, on the record's own cache lines: they run for every request of every worker. The
 * first failure sets `watched`: from then on every outcome is shown to the machines, under the
 * mutex, until all of them are at rest again. A success that slips through on another thread at
 * that moment is counted and not shown: it came before the failure.
 */
#include "health/health.h"
#include "health/health_internal.h"

/* An answer is sooner or later than the limit, whatever its status. */
static bool report_is_answer(const struct health_report *report)
{
    return report->result == HEALTH_SUCCESS ||
           (report->result == HEALTH_FAILURE && report->error == EG_OK && report->status > 0);
}

/* What waited through a stall is learned as no more than the limit that was broken: see stall.h. */
static void record_learn(struct record *r, uint64_t picked_us, uint64_t latency_us, uint64_t now_us)
{
    uint64_t usual = atomic_load_explicit(&r->usual, memory_order_relaxed), next;

    /* The state first: who finds it clear again finds out that a stall has just ended, too. */
    if (atomic_load_explicit(&r->endpoint->stall, memory_order_acquire) != STALL_CLEAR ||
        picked_us < atomic_load_explicit(&r->stall_over_us, memory_order_relaxed)) {
        uint64_t limit_us = atomic_load_explicit(&r->stall_limit_us, memory_order_relaxed);

        latency_us = latency_us < limit_us ? latency_us : limit_us;
    }
    /* A sample that another thread overtook is looked at again: a peak must not be lost. */
    do {
        next = stall_usual_add(usual, latency_us, now_us);
    } while (next != usual &&
             !atomic_compare_exchange_weak_explicit(&r->usual, &usual, next, memory_order_relaxed,
                                                    memory_order_relaxed));
}

/* Lock-free. */
static void record_answer(struct record *r, uint64_t picked_us, uint64_t latency_us,
                          uint64_t now_us)
{
    uint64_t ms_us = now_us - now_us % 1000;

    if (atomic_load_explicit(&r->answered_us, memory_order_relaxed) < ms_us)
        atomic_store_explicit(&r->answered_us, ms_us, memory_order_relaxed);
    atomic_fetch_add_explicit(&r->answers[histogram_bucket(latency_us)], 1, memory_order_relaxed);
    record_learn(r, picked_us, latency_us, now_us);
}

void record_feed_locked(struct health_pool *pool, struct record *r, uint64_t now_us)
{
    uint64_t all = atomic_load_explicit(&r->successes, memory_order_relaxed), lately = all - r->fed;

    if (lately == 0)
        return;
    r->fed = all;
    breaker_count(&r->breaker, lately, now_us);
    outlier_count(&r->outlier, lately, now_us);
    if (r->leaving)
        return;
    window_add(&pool->window, now_us, lately, 0);
    pool->counted.good += lately;
    r->counted.good += lately;
}

void pool_feed_locked(struct health_pool *pool, uint64_t now_us)
{
    pool->fed_us = now_us;
    for (unsigned i = 0; i < pool->count; i++)
        record_feed_locked(pool, pool->records[i], now_us);
}

/* ---- The careful path. The judges say whether a probe's place is free again. ---- */

static bool judge_breaker_locked(struct health_pool *pool, struct record *r,
                                 const struct health_report *report, uint64_t now_us)
{
    enum breaker_state from = r->breaker.state;
    uint64_t since_us = r->breaker.since_us;
    enum breaker_effect effect = BREAKER_NOTHING;
    struct breaker_outcome outcome = {
        .error = report->error,
        .status = report->status,
        .picked_us = report->picked_us,
        .late = report->late,
    };

    switch (report->result) {
    case HEALTH_SUCCESS:
        effect = breaker_success(&r->breaker, report->picked_us, now_us);
        break;
    case HEALTH_FAILURE:
        effect = breaker_failure(&r->breaker, &outcome, now_us, health_random_locked(pool));
        break;
    case HEALTH_CANCELLED:
        effect = breaker_cancelled(&r->breaker, report->picked_us, now_us);
        break;
    }
    if (effect == BREAKER_CHANGED)
        change_breaker_locked(pool, r, from, since_us, why_breaker(r).text, now_us);
    return effect == BREAKER_PLACE_BACK;
}

static bool judge_stall_locked(struct health_pool *pool, struct record *r,
                               const struct health_report *report, uint64_t now_us)
{
    enum stall_state from = r->stall.state;
    uint64_t since_us = r->stall.since_us;
    bool changed = false;

    /* What became of an answer that began long ago is no sign of life now. */
    if (from == STALL_CLEAR || report->told)
        return false;
    if (report_is_answer(report))
        changed = stall_answer(&r->stall, now_us);
    else if (report->result == HEALTH_FAILURE)
        changed = stall_failure(&r->stall, report->picked_us, now_us, health_random_locked(pool));
    else
        return stall_cancelled(&r->stall, report->picked_us);
    if (changed)
        change_stall_locked(pool, r, from, since_us, why_stall_outcome(r, report, now_us).text,
                            now_us);
    return false;
}

/* Asked with each failure while the answer is no: so the first look is at what is counted. */
static bool outlier_may_go_locked(const struct health_pool *pool, const struct record *r)
{
    unsigned max_percent = pool_config(pool)->outlier.max_ejected_percent;
    struct outlier_pool facts = {
        .endpoints = pool->members, .ejected = pool->ejected, .others_usable = 1};

    if (!outlier_pool_allows(&facts, max_percent))
        return false;
    facts = (struct outlier_pool){.others_usable = pool_has_usable(pool, r)};
    for (unsigned i = 0; i < pool->count; i++) {
        const struct record *other = pool->records[i];

        if (other->draining || other->leaving || atomic_load(&other->endpoint->weight) == 0)
            continue;
        facts.endpoints++;
        facts.ejected += other->outlier.ejected;
    }
    return outlier_pool_allows(&facts, max_percent);
}

/* What the others had. Its own are part of the pool's, of which some may have gone since its window
 * was cleared. */
static struct window_totals rest_locked(struct health_pool *pool, struct record *r, uint64_t now_us)
{
    struct window_totals own = window_sum(&r->outlier.window, now_us);
    struct window_totals rest = window_sum(&pool->window, now_us);

    rest.good -= own.good < rest.good ? own.good : rest.good;
    rest.bad -= own.bad < rest.bad ? own.bad : rest.bad;
    return rest;
}

/* Everything the others ever had. Of a large pool, under a hail of failures, it is a moment old. */
static struct window_totals others_locked(struct health_pool *pool, const struct record *r,
                                          uint64_t now_us)
{
    if (outlier_compares(&r->outlier) &&
        now_us >= pool->fed_us + (uint64_t)pool->count * HEALTH_FEED_PAUSE_US)
        pool_feed_locked(pool, now_us);
    return (struct window_totals){pool->counted.good - r->counted.good,
                                  pool->counted.bad - r->counted.bad};
}

static void count_failure_locked(struct health_pool *pool, struct record *r, bool late,
                                 uint64_t now_us)
{
    if (late)
        window_turn_bad(&pool->window, now_us);
    else
        window_add(&pool->window, now_us, 0, 1);
    pool->counted.good -= late;
    r->counted.good -= late;
    pool->counted.bad++;
    r->counted.bad++;
}

static void judge_outlier_locked(struct health_pool *pool, struct record *r,
                                 const struct health_report *report, uint64_t now_us)
{
    struct outlier_outcome outcome = {
        .picked_us = report->picked_us,
        .late = report->late,
        .others = others_locked(pool, r, now_us),
        .rest = rest_locked(pool, r, now_us),
    };
    uint64_t since_us = r->outlier.since_us;
    enum outlier_cause cause;
    struct why why;

    if (r->outlier.ejected || r->leaving)
        return;
    count_failure_locked(pool, r, outcome.late, now_us);
    cause = outlier_failure(&r->outlier, &outcome, now_us);
    if (cause == OUTLIER_CAUSE_NONE || !outlier_may_go_locked(pool, r))
        return;
    why = why_outlier(r, cause, report);
    outlier_eject(&r->outlier, now_us);
    change_outlier_locked(pool, r, since_us, why.text, now_us);
}

static void record_judge(struct health_pool *pool, struct record *r,
                         const struct health_report *report, uint64_t now_us)
{
    bool closed, place_back;

    now_us = health_lock(pool, now_us);
    record_feed_locked(pool, r, now_us);
    closed = r->breaker.state == BREAKER_CLOSED;
    place_back = judge_stall_locked(pool, r, report, now_us);
    place_back |= judge_breaker_locked(pool, r, report, now_us);
    if (place_back)
        change_place_back_locked(r);
    /* A breaker that is not closed, or opened just now, has the matter in hand. */
    closed = closed && r->breaker.state == BREAKER_CLOSED;
    if (report->result == HEALTH_SUCCESS)
        outlier_success(&r->outlier, report->picked_us);
    else if (report->result == HEALTH_FAILURE && closed)
        judge_outlier_locked(pool, r, report, now_us);
    r->failures += report->result == HEALTH_FAILURE;
    change_settle_locked(pool, r);
    health_unlock(pool);
}

void health_answered(struct health_pool *pool, struct endpoint *endpoint, uint64_t picked_us,
                     uint64_t latency_us, uint64_t now_us)
{
    const struct health_report answer = {
        .result = HEALTH_SUCCESS, .picked_us = picked_us, .latency_us = latency_us};
    struct record *r = health_record(endpoint);

    record_answer(r, picked_us, latency_us, now_us);
    if (atomic_load_explicit(&endpoint->stall, memory_order_relaxed) == STALL_CLEAR)
        return;
    now_us = health_lock(pool, now_us);
    if (judge_stall_locked(pool, r, &answer, now_us))
        change_place_back_locked(r);
    change_settle_locked(pool, r);
    health_unlock(pool);
}

void health_report(struct health_pool *pool, struct endpoint *endpoint,
                   const struct health_report *report, uint64_t now_us)
{
    struct record *r = health_record(endpoint);

    if (report_is_answer(report) && !report->told)
        record_answer(r, report->picked_us, report->latency_us, now_us);
    if (report->result == HEALTH_SUCCESS)
        atomic_fetch_add_explicit(&r->successes, 1, memory_order_relaxed);
    if (report->result == HEALTH_FAILURE || atomic_load_explicit(&r->watched, memory_order_relaxed))
        record_judge(pool, r, report, now_us);
}

uint64_t health_stall_limit_us(const struct health_pool *pool, const struct endpoint *endpoint)
{
    const struct config_pool *config = pool_config(pool);
    const struct record *r = health_record(endpoint);
    uint64_t usual = atomic_load_explicit(&r->usual, memory_order_relaxed);
    uint64_t p99_us = atomic_load_explicit(&r->percentiles_us[LATENCY_P99], memory_order_relaxed);

    return stall_limit_us(usual, p99_us, config->timeouts.response_ms * 1000, &config->outlier);
}

uint64_t health_answered_us(const struct health_pool *pool, const struct endpoint *endpoint)
{
    (void)pool;
    return atomic_load_explicit(&health_record(endpoint)->answered_us, memory_order_relaxed);
}

void health_stalled(struct health_pool *pool, struct endpoint *endpoint, uint64_t waiting_since_us,
                    uint64_t now_us)
{
    struct record *r = health_record(endpoint);
    uint64_t limit_us = health_stall_limit_us(pool, endpoint), silent_us, since_us;
    enum stall_state from;

    now_us = health_lock(pool, now_us);
    /* Whoever noticed looked a moment ago: another worker may have had an answer since. */
    silent_us = health_answered_us(pool, endpoint);
    silent_us = silent_us > waiting_since_us ? silent_us : waiting_since_us;
    silent_us = now_us > silent_us ? now_us - silent_us : 0;
    from = r->stall.state;
    since_us = r->stall.since_us;
    if (limit_us > 0 && silent_us >= limit_us &&
        stall_silent(&r->stall, waiting_since_us, now_us, health_random_locked(pool))) {
        atomic_store_explicit(&r->stall_limit_us, limit_us, memory_order_relaxed);
        change_stall_locked(pool, r, from, since_us, why_stall_silent(r, from, silent_us).text,
                            now_us);
        change_settle_locked(pool, r);
    }
    health_unlock(pool);
}
