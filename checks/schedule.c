/*
 * The schedule: when which endpoint is asked.
 *
 *   IDLE ── an address ──► WAITING ── its time has come ──► READY ── the pace allows ──► ASKING
 *                             ▲                                                            │
 *                             └──────── interval, jittered, from the check's begin ◄───────┘
 *
 * Each endpoint has a timer of its own in the loop's wheel, so that thousands of them cost what is
 * due and nothing else. What is due queues in `ready`, first come first served, and leaves it at
 * the pace of supervision.checks_per_second, one by one: neither a start with 5,000 endpoints nor
 * an interval that was set too short can make a burst.
 *
 * Jitter is drawn anew for each check, to both sides of the interval: the mean stays, and checks
 * that once fell together drift apart.
 */
#include <inttypes.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/log.h"
#include "checks/checks_internal.h"

/* First verdicts are awaited: soon, but not all at once. */
enum { FIRST_CHECK_SPREAD_MS = 1000 };

/* ---- chance ---- */

/* A Weyl sequence, mixed: even enough to spread checks. */
static uint64_t schedule_random(struct schedule *schedule)
{
    uint64_t x = schedule->random += 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    x = (x ^ x >> 32) * 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

/* 0 to n, both included. */
static uint64_t random_up_to(struct schedule *schedule, uint64_t n)
{
    return schedule_random(schedule) % (n + 1);
}

static uint64_t jittered_us(struct schedule *schedule, uint64_t interval_ms, unsigned percent)
{
    uint64_t interval_us = interval_ms * 1000;
    uint64_t reach_us = interval_us * percent / 100;

    return interval_us - reach_us + random_up_to(schedule, 2 * reach_us);
}

/* ---- phases ---- */

static void schedule_run(struct checks *checks);

static struct schedule *schedule_of(struct checks_endpoint *e)
{
    return &e->pool->checks->schedule;
}

static void schedule_set_phase(struct checks_endpoint *e, enum schedule_phase phase)
{
    if (e->phase == SCHEDULE_ASKING)
        probe_cancel(&e->probe);
    loop_timer_cancel(&e->due);
    list_remove(&e->ready);
    e->phase = phase;
}

/* Health may have learned already that there are no checks any more, and says 0. */
static uint64_t interval_ms_of(const struct checks_endpoint *e)
{
    uint64_t interval_ms = health_check_interval_ms(e->pool->health, e->endpoint);

    return interval_ms > 0 ? interval_ms : e->pool->config->health->interval_ms;
}

/* The queue it waits in. */
static struct list *ready_list(struct checks_endpoint *e)
{
    bool is_faster = interval_ms_of(e) < e->pool->config->health->interval_ms;

    return &schedule_of(e)->ready[is_faster];
}

static void wait_until(struct checks_endpoint *e, uint64_t due_us)
{
    struct loop *loop = e->pool->checks->loop;
    uint64_t wait_us = due_us > loop->now_us ? due_us - loop->now_us : 0;

    schedule_set_phase(e, SCHEDULE_WAITING);
    e->due_us = due_us;
    loop_timer_set(loop, &e->due, wait_us / 1000);
}

static void schedule_on_due(struct loop_timer *timer)
{
    struct checks_endpoint *e = container_of(timer, struct checks_endpoint, due);

    schedule_set_phase(e, SCHEDULE_READY);
    e->ready_us = e->pool->checks->loop->now_us;
    list_push_back(ready_list(e), &e->ready);
    schedule_run(e->pool->checks);
}

/* ---- one check ---- */

static void count_verdict(struct checks *checks, enum check_verdict verdict)
{
    switch (verdict) {
    case CHECK_PASS:
        checks_count(&checks->stats.passed);
        break;
    case CHECK_DEGRADED:
        checks_count(&checks->stats.degraded);
        break;
    case CHECK_FAIL:
        checks_count(&checks->stats.failed);
        break;
    }
}

static void take_result(struct checks_endpoint *e, const struct check_result *result)
{
    struct checks *checks = e->pool->checks;

    count_verdict(checks, result->verdict);
    health_check_result(e->pool->health, e->endpoint, result, checks->loop->now_us);
    if (e->recovery)
        recovery_on_check(e->recovery, e->began_us, result);
}

/* The next one's time counts from this one's begin, so that slow answers do not slow the rhythm. */
static void schedule_next(struct checks_endpoint *e)
{
    const struct config_health *health = e->pool->config->health;
    uint64_t interval_ms = interval_ms_of(e);
    bool again = e->again;

    e->again = false;
    wait_until(e, e->began_us + jittered_us(schedule_of(e), interval_ms, health->jitter_percent));
    if (again)
        schedule_endpoint_now(e);
}

static void schedule_on_done(void *arg, const struct check_result *result)
{
    struct checks_endpoint *e = arg;

    e->probe = NULL;
    if (result)
        take_result(e, result);
    schedule_next(e);
}

/* Names have several addresses: each check asks the next one. */
static struct address next_address(struct checks_endpoint *e)
{
    return e->addresses.v[e->next_address++ % e->addresses.count];
}

static void note_lateness(struct checks_endpoint *e, uint64_t now_us)
{
    static struct log_limiter limiter;
    struct checks *checks = e->pool->checks;
    uint64_t late_ms = (now_us - e->ready_us) / 1000;

    if (late_ms <= interval_ms_of(e))
        return;
    checks_count(&checks->stats.late);
    log_warn_limited(&limiter,
                     "health checks are %" PRIu64 " ms late: more are due than "
                     "supervision.checks_per_second = %u allows",
                     late_ms, checks->config->supervision.checks_per_second);
}

static void begin(struct checks_endpoint *e)
{
    struct checks *checks = e->pool->checks;
    const struct probe_target target = {
        .pool = &e->pool->method->shared,
        .config = e->pool->config,
        .backend = e->backend,
        .snapshot = checks->config,
        .memory = &e->memory,
        .address = next_address(e),
        .server_name = e->server_name,
    };

    note_lateness(e, checks->loop->now_us);
    schedule_set_phase(e, SCHEDULE_ASKING);
    e->began_us = checks->loop->now_us;
    e->probe = probe_start(e->pool->method->type, &target, schedule_on_done, e);
}

/* ---- the pace ---- */

static void wake_in(struct schedule *schedule, uint64_t wait_us)
{
    struct timeval wait = {.tv_sec = (time_t)(wait_us / 1000000),
                           .tv_usec = (suseconds_t)(wait_us % 1000000)};

    CHECK(event_add(schedule->pace, &wait) == 0);
}

/* The queue whose turn it is, or the other one; NULL when both are empty. Its turn is over when it
 * was served, not when it was looked at: else a pace of one at a time could pass over the same
 * queue again and again. */
static struct list *next_queue(struct schedule *schedule)
{
    struct list *mine = &schedule->ready[schedule->turn];
    struct list *other = &schedule->ready[schedule->turn ^ 1];

    if (!list_empty(mine))
        return mine;
    return list_empty(other) ? NULL : other;
}

static void schedule_run(struct checks *checks)
{
    struct schedule *schedule = &checks->schedule;
    uint64_t now_us = checks->loop->now_us;
    struct list *queue;

    while ((queue = next_queue(schedule)) != NULL && pacer_take(&schedule->pacer, now_us)) {
        schedule->turn = queue == &schedule->ready[0]; /* the other one's */
        begin(container_of(queue->next, struct checks_endpoint, ready));
    }
    if (queue)
        wake_in(schedule, pacer_wait_us(&schedule->pacer, now_us));
}

static void on_pace(evutil_socket_t fd, short what, void *arg)
{
    struct checks *checks = arg;

    loop_enter(checks->loop);
    schedule_run(checks);
    loop_leave(checks->loop);
}

/* ---- for checks.c ---- */

void schedule_init(struct checks *checks)
{
    struct schedule *schedule = &checks->schedule;

    pacer_init(&schedule->pacer, 1); /* until there is a configuration, and something to check */
    list_init(&schedule->ready[0]);
    list_init(&schedule->ready[1]);
    schedule->pace = event_new(checks->loop->base, -1, 0, on_pace, checks);
    CHECK(schedule->pace != NULL);
    /* Where the kernel has none to give yet, the address of the heap does as well. */
    if (getrandom(&schedule->random, sizeof(schedule->random), GRND_NONBLOCK) < 0)
        schedule->random = checks->loop->now_us ^ (uintptr_t)checks;
}

void schedule_fini(struct checks *checks)
{
    if (checks->schedule.pace)
        event_free(checks->schedule.pace);
    checks->schedule.pace = NULL;
}

void schedule_set_pace(struct checks *checks, unsigned per_second)
{
    pacer_change(&checks->schedule.pacer, per_second);
}

void schedule_endpoint_init(struct checks_endpoint *e)
{
    list_init(&e->ready);
    loop_timer_init(&e->due, schedule_on_due);
}

void schedule_endpoint_start(struct checks_endpoint *e)
{
    uint64_t interval_ms = e->pool->config->health->interval_ms;
    uint64_t spread_ms = interval_ms < FIRST_CHECK_SPREAD_MS ? interval_ms : FIRST_CHECK_SPREAD_MS;
    uint64_t wait_us = random_up_to(schedule_of(e), spread_ms * 1000);

    wait_until(e, e->pool->checks->loop->now_us + wait_us);
}

void schedule_endpoint_stop(struct checks_endpoint *e)
{
    schedule_set_phase(e, SCHEDULE_IDLE);
    e->again = false;
}

void schedule_endpoint_now(struct checks_endpoint *e)
{
    struct checks *checks = e->pool->checks;

    if (e->phase == SCHEDULE_IDLE)
        return;
    if (e->phase == SCHEDULE_ASKING) {
        e->again = true;
        return;
    }
    schedule_set_phase(e, SCHEDULE_READY);
    e->ready_us = checks->loop->now_us;
    list_push_front(ready_list(e), &e->ready);
    schedule_run(checks);
}
