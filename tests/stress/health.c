/*
 * Health under threads. A plain program, so that ThreadSanitizer can watch it.
 *
 *   stress_health           first the places of a half open breaker: four workers pick and cancel,
 *                           and never hold more than there are. Then everything at once: workers
 *                           report outcomes of endpoints whose moods change, the health thread
 *                           keeps and checks, an operator trips, resets and drains, a reader looks
 *                           on. Afterwards the counts add up, and a reset brings all to rest.
 *                           (Endpoints that come and go meanwhile: health_members.c.)
 *   stress_health --bench   nanoseconds of CPU per answer and success, for one and for two threads
 *
 * Time is real here, with limits of milliseconds, because threads cannot share a faked clock
 * without the very synchronisation that is to be tested.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/algorithm.h"
#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"
#include "health/events_internal.h"
#include "health/health.h"
#include "random.h"

enum { WORKERS = 4, SIZE = 4, PLACES = 3, CANCELS = 5000, REPORTS = 40000, HELD = 8 };
/* So many turns of the health thread at least, however fast the workers are. */
enum { KEEPS = 1500 };
enum { BENCH_REPORTS = 20000000 };

struct run {
    struct config_pool config;
    struct config_health checks;
    struct config_backend backends[SIZE];
    struct balancer_pool *balancer;
    struct health *health;
    struct health_pool *pool;
    _Atomic unsigned bad_percent[SIZE]; /* moods */
    _Atomic uint64_t successes[SIZE], failures[SIZE];
    _Atomic int held;
    _Atomic bool ending;
    _Atomic unsigned woken, keeps;
    enum endpoint_status last_status[SIZE]; /* as on_status told it */
    unsigned statuses;
};

struct work {
    struct run *run;
    uint64_t random;
};

static void on_wake(void *arg)
{
    struct run *run = arg;

    atomic_fetch_add(&run->woken, 1);
}

/* Each change begins where the last one ended. */
static void on_status(void *arg, struct health_pool *pool, struct endpoint *endpoint,
                      enum endpoint_status from, enum endpoint_status to)
{
    struct run *run = arg;

    CHECK(pool == run->pool && from != to && run->last_status[endpoint->index] == from);
    run->last_status[endpoint->index] = to;
    run->statuses++;
}

static void log_nothing(void *arg, enum event_severity severity, const char *line)
{
    CHECK(strlen(line) > 0);
}

static void run_init(struct run *run, unsigned size)
{
    static const char *const ids[SIZE] = {"a", "b", "c", "d"};

    *run = (struct run){
        .checks = {.interval_ms = 20, .fast_interval_ms = 5, .rise = 1, .fall = 3},
        .config = {.name = "stress",
                   .algorithm = CONFIG_RANDOM,
                   .hash_name = "",
                   .slow_start_ms = 5,
                   .outlier = {.consecutive_5xx = 4,
                               .error_percent = 30,
                               .min_requests = 20,
                               .window_ms = 50,
                               .base_ejection_ms = 2,
                               .max_ejection_ms = 20,
                               .max_ejected_percent = 50,
                               .stall_factor = 4,
                               .stall_min_ms = 1},
                   .breaker = {.failure_threshold = 5,
                               .error_percent = 50,
                               .window_ms = 50,
                               .min_requests = 20,
                               .recovery_timeout_ms = 2,
                               .max_recovery_timeout_ms = 20,
                               .half_open_max = PLACES,
                               .success_threshold = 2},
                   .failover = {.min_healthy_percent = 70},
                   .backends = run->backends,
                   .backend_count = size},
    };
    for (unsigned i = 0; i < size; i++) {
        run->backends[i] = (struct config_backend){.id = ids[i],
                                                   .checked = true,
                                                   .address = "10.0.0.1:80",
                                                   .weight = 1,
                                                   .priority = 1,
                                                   .place = {.region = "", .zone = ""}};
    }
}

static void run_start(struct run *run)
{
    const struct health_params params = {
        .events = 256, .wake = on_wake, .on_status = on_status, .arg = run};
    const struct config_place place = {.region = "", .zone = ""};

    run->balancer = balancer_pool_new(&run->config, &place);
    run->health = health_new(&params);
    events_set_log(health_events(run->health), log_nothing, NULL);
    run->pool = health_pool_add(run->health, run->balancer, &run->config, clock_monotonic_us());
    for (unsigned i = 0; i < run->config.backend_count; i++) {
        struct endpoint *e = balancer_pool_add(run->balancer, &run->backends[i]);

        health_pool_join(run->pool, e, "", true, clock_monotonic_us());
        health_set_resolved(run->pool, e, true);
    }
    health_pool_settle(run->pool, clock_monotonic_us());
    balancer_pool_reclaim(run->balancer);
    for (unsigned i = 0; i < run->config.backend_count; i++)
        run->last_status[i] = atomic_load(&balancer_pool_endpoint(run->balancer, i)->status);
}

static void run_stop(struct run *run)
{
    health_free(run->health);
    balancer_pool_free(run->balancer);
}

static struct endpoint *pick(struct run *run, uint64_t *random, uint64_t now_us)
{
    struct balancer_request request = {.random = random_next(random), .now_us = now_us};
    struct balancer_tried tried;
    struct endpoint *e;
    int error;

    balancer_tried_init(&tried);
    e = balancer_pick(run->balancer, &request, &tried, &error);
    balancer_tried_fini(&tried);
    return e;
}

static void threads_run(struct run *run, unsigned count, void *(*main_of)(void *))
{
    pthread_t threads[WORKERS];
    struct work work[WORKERS];

    for (unsigned i = 0; i < count; i++) {
        work[i] = (struct work){.run = run, .random = i + 1};
        CHECK(pthread_create(&threads[i], NULL, main_of, &work[i]) == 0);
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* ---- The places of half_open ---- */

static void *canceller_main(void *arg)
{
    struct work *w = arg;
    struct run *run = w->run;

    for (unsigned got = 0; got < CANCELS;) {
        uint64_t now_us = clock_monotonic_us();
        struct endpoint *e = pick(run, &w->random, now_us);
        struct health_report report = {.result = HEALTH_CANCELLED, .picked_us = now_us};

        if (e == NULL) {
            sched_yield();
            continue;
        }
        got++;
        CHECK(atomic_fetch_add(&run->held, 1) < PLACES);
        if (random_next(&w->random) % 4 == 0)
            sched_yield();
        atomic_fetch_sub(&run->held, 1);
        balancer_done(run->balancer, e, BALANCER_CANCELLED, 0, now_us);
        health_report(run->pool, e, &report, clock_monotonic_us());
    }
    return NULL;
}

static void phase_places(void)
{
    struct run run;
    struct endpoint *e;

    run_init(&run, 1);
    run.config.breaker.max_recovery_timeout_ms = 600000; /* no place is thought lost */
    run_start(&run);
    e = balancer_pool_endpoint(run.balancer, 0);
    for (unsigned i = 0; i < 5; i++) {
        uint64_t now_us = clock_monotonic_us();
        struct health_report report = {
            .result = HEALTH_FAILURE, .error = EG_E_CONNECT, .picked_us = now_us};

        health_report(run.pool, e, &report, now_us);
    }
    CHECK(atomic_load(&e->breaker) == BREAKER_OPEN);
    while (atomic_load(&e->breaker) != BREAKER_HALF_OPEN)
        health_keep(run.health, clock_monotonic_us());
    threads_run(&run, WORKERS, canceller_main);
    CHECK(atomic_load(&e->probes) == PLACES && atomic_load(&e->active) == 0);
    run_stop(&run);
}

/* ---- Everything at once ---- */

struct request {
    struct endpoint *endpoint;
    uint64_t picked_us;
};

static struct health_report draw_outcome(struct run *run, const struct request *request,
                                         uint64_t *random, uint64_t now_us)
{
    unsigned i = request->endpoint->index;
    uint64_t bits = random_next(random);
    struct health_report report = {.picked_us = request->picked_us,
                                   .latency_us = now_us - request->picked_us};

    if (bits % 32 == 0) {
        report.result = HEALTH_CANCELLED;
    } else if (bits / 32 % 100 < atomic_load(&run->bad_percent[i])) {
        report.result = HEALTH_FAILURE;
        report.error = bits >> 40 & 1 ? EG_E_CONNECT : EG_OK;
        report.status = bits >> 40 & 1 ? 0 : 503;
        atomic_fetch_add(&run->failures[i], 1);
    } else {
        report.result = HEALTH_SUCCESS;
        report.status = 200;
        atomic_fetch_add(&run->successes[i], 1);
    }
    return report;
}

static void request_end(struct run *run, struct request *request, uint64_t *random)
{
    uint64_t now_us = clock_monotonic_us();
    struct endpoint *e = request->endpoint;
    uint64_t limit_us = health_stall_limit_us(run->pool, e);
    struct health_report report = draw_outcome(run, request, random, now_us);

    if (limit_us != 0 && now_us - request->picked_us > limit_us)
        health_stalled(run->pool, e, request->picked_us, now_us);
    if (report.status != 0) {
        health_answered(run->pool, e, report.picked_us, report.latency_us, now_us);
        report.told = true;
    }
    health_report(run->pool, e, &report, now_us);
    balancer_done(run->balancer, e,
                  report.result == HEALTH_SUCCESS ? BALANCER_SUCCESS : BALANCER_FAILURE,
                  report.latency_us, now_us);
    CHECK(atomic_load(&e->probes) <= PLACES);
    request->endpoint = NULL;
}

static void *worker_main(void *arg)
{
    struct work *w = arg;
    struct request held[HELD] = {{0}};

    for (unsigned i = 0; i < REPORTS || atomic_load(&w->run->keeps) < KEEPS; i++) {
        struct request *request = &held[random_next(&w->random) % HELD];

        if (request->endpoint != NULL)
            request_end(w->run, request, &w->random);
        /* At times a clock that is a turn of the loop behind. */
        request->picked_us = clock_monotonic_us() - (i % 16 == 0 ? 300 : 0);
        request->endpoint = pick(w->run, &w->random, request->picked_us);
    }
    for (unsigned i = 0; i < HELD; i++) {
        if (held[i].endpoint != NULL)
            request_end(w->run, &held[i], &w->random);
    }
    return NULL;
}

static void *health_main(void *arg)
{
    struct work *w = arg;
    struct run *run = w->run;

    while (!atomic_load(&run->ending)) {
        uint64_t now_us = clock_monotonic_us();
        uint64_t bits = random_next(&w->random);
        struct check_result result = {
            .verdict = bits % 8 < 5   ? CHECK_PASS
                       : bits % 8 < 6 ? CHECK_DEGRADED
                                      : CHECK_FAIL,
            .why = "status 503",
            .latency_us = 100,
        };

        health_check_result(run->pool, balancer_pool_endpoint(run->balancer, bits >> 8 & 3),
                            &result, now_us);
        health_keep(run->health, now_us);
        atomic_fetch_add(&run->keeps, 1);
        sched_yield();
    }
    return NULL;
}

static void *operator_main(void *arg)
{
    struct work *w = arg;
    struct run *run = w->run;

    while (!atomic_load(&run->ending)) {
        uint64_t bits = random_next(&w->random), now_us = clock_monotonic_us();
        unsigned i = bits >> 8 & 3;
        struct endpoint *e = balancer_pool_endpoint(run->balancer, i);

        atomic_store(&run->bad_percent[i], bits % 3 == 0 ? 100 : bits % 3 == 1 ? 20 : 0);
        if ((bits >> 16) % 64 == 0)
            health_trip(run->pool, e, "stress", now_us);
        else if ((bits >> 16) % 4 == 0)
            health_reset(run->pool, e, "stress", now_us);
        else if ((bits >> 16) % 16 < 6)
            health_set_draining(run->pool, e, bits >> 32 & 1, "stress", now_us);
        health_set_weight(run->pool, e, 1 + (bits >> 40 & 3));
        sched_yield();
    }
    return NULL;
}

static void *reader_main(void *arg)
{
    static struct health_event events[256];
    struct work *w = arg;
    struct run *run = w->run;

    while (!atomic_load(&run->ending)) {
        unsigned i = random_next(&w->random) & 3;
        struct endpoint *e = balancer_pool_endpoint(run->balancer, i);
        size_t count = events_read(health_events(run->health), 0, events, 256);
        struct health_view view;

        health_view(run->pool, e, clock_monotonic_us(), &view);
        CHECK(view.outcome_count <= HEALTH_OUTCOMES && view.failed_checks <= view.checks);
        CHECK(health_retry_after_s(run->pool, clock_monotonic_us()) >= 1);
        CHECK(health_check_interval_ms(run->pool, e) > 0);
        health_pool_latency_us(run->pool, 99);
        for (size_t n = 1; n < count; n++)
            CHECK(events[n].id == events[n - 1].id + 1);
        sched_yield();
    }
    return NULL;
}

static void run_check(struct run *run)
{
    unsigned openings = 0;

    for (unsigned i = 0; i < SIZE; i++) {
        struct endpoint *e = balancer_pool_endpoint(run->balancer, i);
        struct health_view view;

        health_set_draining(run->pool, e, false, "over", clock_monotonic_us());
        health_reset(run->pool, e, "over", clock_monotonic_us());
        health_view(run->pool, e, clock_monotonic_us(), &view);
        CHECK(view.successes == atomic_load(&run->successes[i]));
        CHECK(view.failures == atomic_load(&run->failures[i]));
        CHECK(view.breaker == BREAKER_CLOSED && view.stall == STALL_CLEAR && !view.ejected);
        CHECK(atomic_load(&e->breaker) == BREAKER_CLOSED && atomic_load(&e->probes) == 0);
        CHECK(atomic_load(&e->stall) == STALL_CLEAR && !atomic_load(&e->ejected));
        CHECK(atomic_load(&e->active) == 0);
        openings += view.breaker_entered[BREAKER_OPEN];
    }
    health_keep(run->health, clock_monotonic_us());
    for (unsigned i = 0; i < SIZE; i++) {
        struct endpoint *e = balancer_pool_endpoint(run->balancer, i);

        CHECK(run->last_status[i] == atomic_load(&e->status));
    }
    CHECK(run->statuses > 0 && openings > 0 && atomic_load(&run->woken) > 0);
}

static void phase_all(void)
{
    static void *(*const mains[])(void *) = {health_main, operator_main, reader_main};
    pthread_t threads[3];
    struct work work[3];
    struct run run;

    run_init(&run, SIZE);
    run.config.health = &run.checks;
    run_start(&run);
    for (unsigned i = 0; i < 3; i++) {
        work[i] = (struct work){.run = &run, .random = 100 + i};
        CHECK(pthread_create(&threads[i], NULL, mains[i], &work[i]) == 0);
    }
    threads_run(&run, WORKERS, worker_main);
    atomic_store(&run.ending, true);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    run_check(&run);
    printf("events: %llu, changes of status: %u\n",
           (unsigned long long)events_last_id(health_events(run.health)), run.statuses);
    run_stop(&run);
}

/* ---- What a success costs ---- */

static void *bench_main(void *arg)
{
    struct work *w = arg;
    struct endpoint *e = balancer_pool_endpoint(w->run->balancer, 0);
    uint64_t begin_us = clock_monotonic_us();

    for (uint64_t i = 0; i < BENCH_REPORTS; i++) {
        uint64_t now_us = begin_us + i / 16;
        struct health_report report = {.result = HEALTH_SUCCESS,
                                       .status = 200,
                                       .picked_us = now_us - 500,
                                       .latency_us = 300 + (i & 255),
                                       .told = true};

        health_answered(w->run->pool, e, report.picked_us, report.latency_us, now_us);
        health_report(w->run->pool, e, &report, now_us);
    }
    return NULL;
}

static void bench(unsigned threads)
{
    struct run run;
    double took_ns;
    struct timespec cpu;

    run_init(&run, 1);
    run_start(&run);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    took_ns = -((double)cpu.tv_sec * 1e9 + (double)cpu.tv_nsec);
    threads_run(&run, threads, bench_main);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    took_ns += (double)cpu.tv_sec * 1e9 + (double)cpu.tv_nsec;
    printf("%u threads: %.1f ns of CPU per answer and success\n", threads,
           took_ns / BENCH_REPORTS / threads);
    run_stop(&run);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        bench(1);
        bench(2);
        return 0;
    }
    phase_places();
    phase_all();
    return 0;
}
