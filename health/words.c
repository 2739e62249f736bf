/*
 * What an operator reads of an endpoint: the evidence of each change, and what comes next. The
 * names of states are the machines' own; numbers come with their units; "next" says what will
 * happen by itself.
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/plural.h"
#include "health/duration.h"
#include "health/health_internal.h"

/* ---- Evidence ---- */

struct why why_text(const char *format, ...)
{
    struct why why;
    va_list args;

    va_start(args, format);
    vsnprintf(why.text, sizeof(why.text), format, args);
    va_end(args);
    return why;
}

static struct why failure_text(int error, int status)
{
    if (error != EG_OK)
        return why_text("%s", error_text(error));
    return why_text("status %d", status);
}

static struct duration_text duration_until(uint64_t then_us, uint64_t now_us)
{
    return duration_text(then_us > now_us ? then_us - now_us : 0);
}

static unsigned percent_of(uint64_t part, uint64_t whole)
{
    return whole > 0 ? (unsigned)(part * 100 / whole) : 0;
}

static struct why why_opened(const struct breaker *breaker)
{
    const struct breaker_failure *last = breaker_failure_at(breaker, 0);
    uint64_t all = breaker->evidence.good + breaker->evidence.bad;
    struct why failure;

    CHECK(last != NULL); /* it opened for this one */
    failure = failure_text(last->error, last->status);
    if (breaker->cause == BREAKER_CAUSE_ROW)
        return why_text("%u failure%s in a row, the last: %s", breaker->evidence_row,
                        plural(breaker->evidence_row), failure.text);
    if (breaker->cause == BREAKER_CAUSE_RATE)
        return why_text("%llu of %llu requests in %s failed (%u %%), the last: %s",
                        (unsigned long long)breaker->evidence.bad, (unsigned long long)all,
                        duration_text(breaker->config->window_ms * 1000).text,
                        percent_of(breaker->evidence.bad, all), failure.text);
    return why_text("a probe failed: %s", failure.text);
}

struct why why_breaker(const struct record *r)
{
    const struct breaker *breaker = &r->breaker;
    unsigned needed = breaker->config->success_threshold;

    switch (breaker->state) {
    case BREAKER_OPEN:
        return why_opened(breaker);
    case BREAKER_HALF_OPEN:
        return why_text("the time to try again has come");
    case BREAKER_CLOSED:
        break;
    }
    return needed > 1 ? why_text("%u probes succeeded", needed) : why_text("a probe succeeded");
}

/* Below ten percent a tenth still says something. */
static struct why share_text(struct window_totals totals)
{
    uint64_t all = totals.good + totals.bad, tenths = all > 0 ? totals.bad * 1000 / all : 0;

    if (tenths >= 100 || tenths % 10 == 0)
        return why_text("%u %%", (unsigned)(tenths / 10));
    return why_text("%u.%u %%", (unsigned)(tenths / 10), (unsigned)(tenths % 10));
}

struct why why_outlier(const struct record *r, enum outlier_cause cause,
                       const struct health_report *report)
{
    const struct outlier_evidence *evidence = &r->outlier.evidence;
    struct why failure = failure_text(report->error, report->status);
    unsigned long long bad = evidence->own.bad, all = bad + evidence->own.good;

    if (cause == OUTLIER_CAUSE_ROW)
        return why_text("%u failure%s in a row, the last: %s", r->outlier.row,
                        r->outlier.row == 1 ? "" : "s", failure.text);
    return why_text("%llu of %llu requests in %s failed (%s), of the others' %s, the last: %s", bad,
                    all, duration_text(evidence->span_us).text, share_text(evidence->own).text,
                    share_text(evidence->rest).text, failure.text);
}

struct why why_stall_silent(const struct record *r, enum stall_state from, uint64_t silent_us)
{
    const char *who = from == STALL_PROBING ? "its probe is not answered either, " : "";
    uint64_t usual = atomic_load(&r->usual);

    if (!stall_usual_known(usual))
        return why_text("%sno answer for %s with a request waiting; what is usual is not known yet",
                        who, duration_text(silent_us).text);
    return why_text("%sno answer for %s with a request waiting; usually at most %s", who,
                    duration_text(silent_us).text, duration_text(stall_usual_us(usual)).text);
}

struct why why_stall_outcome(const struct record *r, const struct health_report *report,
                             uint64_t now_us)
{
    if (r->stall.state == STALL_CLEAR)
        return why_text("it answered again, %s after it was found stalled",
                        duration_text(now_us - r->stall.stalled_us).text);
    return why_text("its probe failed: %s", failure_text(report->error, report->status).text);
}

struct why why_stall_time(const struct record *r)
{
    if (r->stall.state == STALL_PROBING)
        return why_text("the time to try again has come");
    return why_text("nothing was heard of its probe");
}

static struct why row_text(unsigned count, const char *what)
{
    if (count == 1)
        return why_text("a check %s", what);
    return why_text("%u checks in a row %s", count, what);
}

struct why why_check(const struct record *r, enum endpoint_status from, const char *verdict)
{
    const struct check_count *check = &r->check;
    bool detail = verdict != NULL && verdict[0] != '\0';
    struct why row;

    if (check->status == ENDPOINT_UNHEALTHY)
        row = row_text(check->failed, "failed");
    else if (check->status == ENDPOINT_HEALTHY)
        row = row_text(check->passed, "passed");
    else if (from == ENDPOINT_HEALTHY)
        row = row_text(check->doubted, "did not pass");
    else
        row = row_text(check->alive, "did not fail");
    if (!detail)
        return row;
    return why_text("%.60s, the last: %.*s", row.text, HEALTH_VERDICT_BYTES, verdict);
}

static const char *reported_name(enum config_reported reported)
{
    static const char *const names[] = {
        [CONFIG_REPORTED_NOTHING] = "nothing",
        [CONFIG_REPORTED_HEALTHY] = "healthy",
        [CONFIG_REPORTED_DEGRADED] = "degraded",
        [CONFIG_REPORTED_UNHEALTHY] = "unhealthy",
    };

    return names[reported];
}

static struct why why_reported(const struct record *r)
{
    if (r->reported == CONFIG_REPORTED_NOTHING)
        return why_text("no longer judged by discovery");
    return why_text("reported %s by discovery", reported_name(r->reported));
}

struct why why_status(const struct record *r, enum endpoint_status status, const char *why)
{
    bool held = record_is_held_by_report(r);

    if (why == NULL && (held || status == ENDPOINT_HEALTHY))
        return why_reported(r);
    if (why == NULL)
        return why_text("%s; %s by our own checks", why_reported(r).text,
                        endpoint_status_name(status));
    if (held)
        return why_text("%.110s; %s", why, why_reported(r).text);
    return why_text("%s", why);
}

struct why why_first(const struct record *r)
{
    if (r->draining)
        return why_text("drained by the configuration");
    return record_is_held_by_report(r) ? why_reported(r) : why_text("%s", "");
}

/* ---- What comes next ---- */

/* What else keeps it from serving, now that this does not; "" when nothing does. */
static struct why obstacle_text(const struct health_pool *pool, const struct record *r,
                                uint64_t now_us)
{
    enum endpoint_status status = atomic_load(&r->endpoint->status);

    if (status == ENDPOINT_DRAINING)
        return why_text("it is still draining");
    if (atomic_load(&r->endpoint->weight) == 0)
        return why_text("its weight is 0: no requests");
    if (status == ENDPOINT_UNHEALTHY && record_is_held_by_report(r))
        return why_text("discovery still reports it unhealthy: no requests");
    if (status == ENDPOINT_UNHEALTHY)
        return why_text("checks still find it unhealthy: no requests");
    if (breaker_is_tripped(&r->breaker))
        return why_text("its breaker was opened by hand: no requests until it is reset");
    if (r->breaker.state == BREAKER_OPEN)
        return why_text("its breaker is still open, for %s",
                        duration_until(breaker_due_us(&r->breaker), now_us).text);
    if (r->outlier.ejected)
        return why_text("it is still ejected, for %s",
                        duration_until(r->outlier.until_us, now_us).text);
    if (r->breaker.state == BREAKER_HALF_OPEN)
        return why_text("its breaker is half open: %u at a time find out",
                        breaker_places(&r->breaker));
    if (r->stall.state != STALL_CLEAR)
        return why_text("it is still stalled: new requests go elsewhere");
    return why_text("%s", "");
}

static void next_serves(const struct health_pool *pool, const struct record *r, uint64_t now_us,
                        struct health_event *event)
{
    uint64_t slow_start_us = pool_config(pool)->slow_start_ms * 1000;
    struct why obstacle = obstacle_text(pool, r, now_us);
    bool again = event->type != EVENT_ENDPOINT && (r->away || event->type == EVENT_STALL);

    if (obstacle.text[0] != '\0')
        snprintf(event->next, sizeof(event->next), "%.120s", obstacle.text);
    else if (r->away && slow_start_us > 0)
        snprintf(event->next, sizeof(event->next), "it serves%s, its share growing for %s",
                 again ? " again" : "", duration_text(slow_start_us).text);
    else
        snprintf(event->next, sizeof(event->next), "it serves%s", again ? " again" : "");
}

void next_breaker(const struct health_pool *pool, const struct record *r, uint64_t now_us,
                  struct health_event *event)
{
    const struct breaker *breaker = &r->breaker;
    unsigned places = breaker_places(breaker), needed = breaker->config->success_threshold;

    if (breaker->state == BREAKER_CLOSED)
        next_serves(pool, r, now_us, event);
    else if (breaker->state == BREAKER_HALF_OPEN)
        snprintf(event->next, sizeof(event->next),
                 "at most %u request%s at once find%s out; %u success%s close%s it", places,
                 plural(places), places == 1 ? "s" : "", needed, needed == 1 ? "" : "es",
                 needed == 1 ? "s" : "");
    else if (breaker_is_tripped(breaker))
        snprintf(event->next, sizeof(event->next), "no requests until it is reset");
    else
        snprintf(
            event->next, sizeof(event->next), "no requests for %s, then %u at a time find%s out",
            duration_until(breaker->half_open_us, now_us).text, places, places == 1 ? "s" : "");
}

void next_outlier(const struct health_pool *pool, const struct record *r, uint64_t now_us,
                  struct health_event *event)
{

    if (!r->outlier.ejected) {
        next_serves(pool, r, now_us, event);
        return;
    }
    snprintf(event->next, sizeof(event->next), "no requests for %s; %u of %u endpoints ejected now",
             duration_until(r->outlier.until_us, now_us).text, pool->ejected, pool->members);
}

void next_stall(const struct health_pool *pool, const struct record *r, uint64_t now_us,
                struct health_event *event)
{
    if (r->stall.state == STALL_CLEAR)
        next_serves(pool, r, now_us, event);
    else if (r->stall.state == STALL_PROBING)
        snprintf(event->next, sizeof(event->next), "one request finds out");
    else
        snprintf(event->next, sizeof(event->next),
                 "%s; after %s one finds out, any answer clears it",
                 pool_has_usable(pool, r) ? "new requests go elsewhere"
                                          : "it still gets requests, there is nothing better",
                 duration_until(r->stall.probe_us, now_us).text);
}

static void next_unhealthy(const struct health_pool *pool, const struct record *r,
                           struct health_event *event)
{
    const struct config_health *config = pool_config(pool)->health;

    if (config == NULL || record_is_held_by_report(r)) {
        snprintf(event->next, sizeof(event->next), "no requests until it is reported better");
        return;
    }
    snprintf(event->next, sizeof(event->next),
             "no requests; checked every %s, %u passed in a row bring it back",
             duration_text(1000 * (config->fast_interval_ms > 0 ? config->fast_interval_ms
                                                                : config->interval_ms))
                 .text,
             config->rise);
}

void next_status(const struct health_pool *pool, const struct record *r,
                 enum endpoint_status status, uint64_t now_us, struct health_event *event)
{
    int active = atomic_load(&r->endpoint->active);

    switch (status) {
    case ENDPOINT_HEALTHY:
        next_serves(pool, r, now_us, event);
        break;
    case ENDPOINT_DEGRADED:
        snprintf(event->next, sizeof(event->next), "used when no healthy one can serve");
        break;
    case ENDPOINT_UNHEALTHY:
        next_unhealthy(pool, r, event);
        break;
    case ENDPOINT_DRAINING:
        if (active == 0)
            snprintf(event->next, sizeof(event->next), "no new requests; none is in flight");
        else
            snprintf(event->next, sizeof(event->next), "no new requests; %d in flight go%s on",
                     active, active == 1 ? "es" : "");
        break;
    case ENDPOINT_UNKNOWN:
        snprintf(event->next, sizeof(event->next),
                 "used when nothing else can serve, until a check says more");
        break;
    }
}
