/*
 * Health under threads while endpoints come and go and settings change. A plain program, so that
 * ThreadSanitizer can watch it.
 *
 * Four workers pick and report in turns, as loops do, and hold requests across them. The health
 * thread makes one change after the other: another snapshot, newcomers, then those who leave, each
 * step followed by a turn of every worker, after which what was replaced is freed. An onlooker
 * shows and orders, under the lock that keeps it apart from changes. Whoever is forgotten has had
 * every outcome that was reported of it.
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
#include "turns.h"

enum { WORKERS = TURNS_WORKERS, MEMBERS = 6, LEFT = 16, HELD = 8 };
enum { PER_TURN = 16, CHANGES = 150, IDS = 10, STAYS = MEMBERS + 2 * CHANGES };

/* One stay of an endpoint in the pool; endpoint->tag is its number. */
struct stay {
    _Atomic uint64_t successes, failures;
};

struct snapshot {
    struct config_pool pool;
    struct config_health checks;
    struct config_backend backends[MEMBERS];
};

struct worker {
    struct run *run;
    unsigned number;
    uint64_t random;
};

struct run {
    struct snapshot *snapshot;
    struct balancer_pool *balancer;
    struct health *health;
    struct health_pool *pool;
    struct endpoint *members[MEMBERS], *left[LEFT];
    bool idle[LEFT]; /* nothing was in flight before the latest turn of all */
    unsigned stays, forgotten;
    struct stay stay[STAYS];
    struct worker workers[WORKERS];
    struct turns turns;
    uint64_t random;
    pthread_mutex_t looking; /* the onlooker's, and of changes */
    _Atomic bool ending;
};

static const char *const ids[IDS] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};

static void log_nothing(void *arg, enum event_severity severity, const char *line)
{
    CHECK(strlen(line) > 0);
}

/* ---- Workers ---- */

struct held {
    struct endpoint *endpoint;
    uint64_t picked_us;
};

static void request_start(struct worker *w, struct held *held)
{
    struct balancer_request request = {.random = random_next(&w->random),
                                       .now_us = clock_monotonic_us()};
    struct balancer_tried tried;
    int error;

    balancer_tried_init(&tried);
    held->picked_us = request.now_us;
    held->endpoint = balancer_pick(w->run->balancer, &request, &tried, &error);
    balancer_tried_fini(&tried);
}

/* Endpoints of odd ids fail now and then. */
static struct health_report draw_outcome(struct worker *w, const struct held *held, uint64_t now_us)
{
    struct stay *stay = &w->run->stay[atomic_load(&held->endpoint->tag)];
    struct health_report report = {.picked_us = held->picked_us,
                                   .latency_us = now_us - held->picked_us};
    uint64_t bits = random_next(&w->random);

    if (bits % 32 == 0) {
        report.result = HEALTH_CANCELLED;
    } else if ((held->endpoint->id[0] & 1) != 0 && bits % 3 == 0) {
        report.result = HEALTH_FAILURE;
        report.error = EG_E_CONNECT;
        atomic_fetch_add(&stay->failures, 1);
    } else {
        report.result = HEALTH_SUCCESS;
        report.status = 200;
        atomic_fetch_add(&stay->successes, 1);
    }
    return report;
}

static void request_end(struct worker *w, struct held *held)
{
    uint64_t now_us = clock_monotonic_us();
    struct endpoint *e = held->endpoint;
    struct health_pool *pool = w->run->pool;
    uint64_t limit_us = health_stall_limit_us(pool, e);
    struct health_report report = draw_outcome(w, held, now_us);

    if (limit_us != 0 && now_us - held->picked_us > limit_us)
        health_stalled(pool, e, held->picked_us, now_us);
    if (report.status != 0) {
        health_answered(pool, e, report.picked_us, report.latency_us, now_us);
        report.told = true;
    }
    health_report(pool, e, &report, now_us);
    balancer_done(w->run->balancer, e, BALANCER_SUCCESS, report.latency_us, now_us);
    held->endpoint = NULL;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct held held[HELD] = {{0}};

    while (!atomic_load(&w->run->ending)) {
        for (unsigned i = 0; i < PER_TURN; i++) {
            struct held *h = &held[random_next(&w->random) % HELD];

            if (h->endpoint != NULL)
                request_end(w, h);
            else
                request_start(w, h);
        }
        CHECK(health_retry_after_s(w->run->pool, clock_monotonic_us()) >= 1);
        health_pool_latency_us(w->run->pool, 99);
        turns_pass(&w->run->turns, w->number);
    }
    for (unsigned i = 0; i < HELD; i++) {
        if (held[i].endpoint != NULL)
            request_end(w, &held[i]);
    }
    return NULL;
}

/* ---- Changes: the health thread ---- */

/* Every worker has passed a turn that began after this call. */
static void wait_for_turns(struct run *run)
{
    struct turns_mark now = turns_now(&run->turns);

    while (!turns_passed(&run->turns, &now, 2)) {
        health_keep(run->health, clock_monotonic_us());
        sched_yield();
    }
    balancer_pool_reclaim(run->balancer);
}

static struct snapshot *snapshot_draw(struct run *run)
{
    struct snapshot *s = xcalloc(1, sizeof(*s));
    uint64_t bits = random_next(&run->random);

    s->checks =
        (struct config_health){.interval_ms = 20, .fast_interval_ms = 5, .rise = 1, .fall = 3};
    s->pool = (struct config_pool){
        .name = "stress",
        .algorithm = bits & 1 ? CONFIG_RANDOM : CONFIG_ROUND_ROBIN,
        .hash_name = "",
        .slow_start_ms = bits >> 1 & 1 ? 5 : 0,
        .health = bits >> 2 & 1 ? &s->checks : NULL,
        .outlier = {.consecutive_5xx = 4,
                    .window_ms = bits >> 3 & 1 ? 50 : 100,
                    .base_ejection_ms = 2,
                    .max_ejection_ms = 20,
                    .max_ejected_percent = 50,
                    .stall_factor = 4,
                    .stall_min_ms = 1},
        .breaker = {.failure_threshold = 5,
                    .window_ms = bits >> 4 & 1 ? 50 : 100,
                    .recovery_timeout_ms = 2,
                    .max_recovery_timeout_ms = 20,
                    .half_open_max = 1 + (bits >> 5 & 3),
                    .success_threshold = 2},
        .failover = {.min_healthy_percent = 70},
        .backends = s->backends,
        .backend_count = MEMBERS,
    };
    return s;
}

static void member_set(struct run *run, unsigned i, bool newcomer)
{
    struct config_backend *backend = &run->snapshot->backends[i];
    const char *id = newcomer ? ids[random_next(&run->random) % IDS] : run->members[i]->id;

    *backend = (struct config_backend){.id = id,
                                       .checked = true,
                                       .address = "10.0.0.1:80",
                                       .weight = 1 + (unsigned)(random_next(&run->random) % 3),
                                       .priority = 1 + i % 2,
                                       .place = {.region = "", .zone = ""}};
    if (!newcomer) {
        balancer_endpoint_change(run->balancer, run->members[i], backend);
        return;
    }
    run->members[i] = balancer_pool_add(run->balancer, backend);
    CHECK(run->stays < STAYS);
    atomic_store(&run->members[i]->tag, run->stays++);
    health_pool_join(run->pool, run->members[i], "stress", false, clock_monotonic_us());
}

static void member_leave(struct run *run, struct endpoint *endpoint)
{
    unsigned i = 0;

    while (run->left[i] != NULL)
        CHECK(++i < LEFT);
    run->left[i] = endpoint;
    run->idle[i] = false;
    balancer_pool_leave(run->balancer, endpoint);
    health_pool_leave(run->pool, endpoint, "stress", clock_monotonic_us());
    atomic_store(&endpoint->backend, NULL);
}

static void member_forget(struct run *run, unsigned i)
{
    struct endpoint *e = run->left[i];
    const struct stay *stay = &run->stay[atomic_load(&e->tag)];
    struct health_view view;

    health_view(run->pool, e, clock_monotonic_us(), &view);
    CHECK(view.successes == atomic_load(&stay->successes));
    CHECK(view.failures == atomic_load(&stay->failures));
    CHECK(view.status == ENDPOINT_DRAINING);
    health_pool_forget(run->pool, e);
    balancer_pool_forget(run->balancer, e);
    run->left[i] = NULL;
    run->forgotten++;
}

/* Those that were idle before all workers passed a turn. */
static void forget_idle(struct run *run)
{
    for (unsigned i = 0; i < LEFT; i++) {
        if (run->left[i] == NULL)
            continue;
        if (run->idle[i])
            member_forget(run, i);
        else
            run->idle[i] = atomic_load(&run->left[i]->active) == 0;
    }
}

static unsigned left_count(const struct run *run)
{
    unsigned count = 0;

    for (unsigned i = 0; i < LEFT; i++)
        count += run->left[i] != NULL;
    return count;
}

/* Up to two of the members are replaced. */
static void change(struct run *run)
{
    struct snapshot *before = run->snapshot;
    struct endpoint *going[2] = {NULL};
    unsigned first = (unsigned)(random_next(&run->random) % MEMBERS);
    unsigned count = left_count(run) < LEFT - 2 ? (unsigned)(random_next(&run->random) % 3) : 0;

    pthread_mutex_lock(&run->looking);
    forget_idle(run);
    run->snapshot = snapshot_draw(run);
    balancer_pool_change(run->balancer, &run->snapshot->pool, NULL);
    health_pool_change(run->pool, &run->snapshot->pool, clock_monotonic_us());
    for (unsigned i = 0; i < count; i++)
        going[i] = run->members[(first + i) % MEMBERS];
    for (unsigned i = 0; i < MEMBERS; i++)
        member_set(run, i, (i + MEMBERS - first) % MEMBERS < count);
    health_pool_settle(run->pool, clock_monotonic_us());
    pthread_mutex_unlock(&run->looking);
    wait_for_turns(run);

    pthread_mutex_lock(&run->looking);
    for (unsigned i = 0; i < MEMBERS; i++)
        health_set_resolved(run->pool, run->members[i], true);
    for (unsigned i = 0; i < count; i++)
        member_leave(run, going[i]);
    health_pool_settle(run->pool, clock_monotonic_us());
    pthread_mutex_unlock(&run->looking);
    wait_for_turns(run);
    free(before);
}

static void check_some(struct run *run)
{
    uint64_t bits = random_next(&run->random);
    struct check_result result = {
        .verdict = bits % 8 < 6 ? CHECK_PASS : CHECK_FAIL, .why = "status 503", .latency_us = 100};

    health_check_result(run->pool, run->members[bits / 8 % MEMBERS], &result, clock_monotonic_us());
}

/* ---- Whoever looks on ---- */

static void look(struct run *run, uint64_t bits)
{
    unsigned i = (unsigned)(bits % balancer_pool_size(run->balancer));
    struct endpoint *e = balancer_pool_endpoint(run->balancer, i);
    uint64_t now_us = clock_monotonic_us();
    struct health_view view;

    if (e == NULL)
        return;
    health_view(run->pool, e, now_us, &view);
    CHECK(!atomic_load(&e->leaving) || view.status == ENDPOINT_DRAINING);
    if (bits >> 8 & 1)
        health_set_draining(run->pool, e, bits >> 9 & 1, "stress", now_us);
    else if (bits >> 10 & 1)
        health_reset(run->pool, e, "stress", now_us);
    else if ((bits >> 11 & 7) == 0)
        health_trip(run->pool, e, "stress", now_us);
}

static void *onlooker_main(void *arg)
{
    struct run *run = arg;
    uint64_t random = 77;

    while (!atomic_load(&run->ending)) {
        pthread_mutex_lock(&run->looking);
        look(run, random_next(&random));
        pthread_mutex_unlock(&run->looking);
        sched_yield();
    }
    return NULL;
}

/* ---- The run ---- */

static void run_start(struct run *run)
{
    const struct health_params params = {.events = 256, .arg = run};

    run->random = 1;
    pthread_mutex_init(&run->looking, NULL);
    run->snapshot = snapshot_draw(run);
    run->balancer = balancer_pool_new(&run->snapshot->pool, NULL);
    run->health = health_new(&params);
    events_set_log(health_events(run->health), log_nothing, NULL);
    run->pool =
        health_pool_add(run->health, run->balancer, &run->snapshot->pool, clock_monotonic_us());
    for (unsigned i = 0; i < MEMBERS; i++) {
        member_set(run, i, true);
        health_set_resolved(run->pool, run->members[i], true);
    }
    health_pool_settle(run->pool, clock_monotonic_us());
    balancer_pool_reclaim(run->balancer);
}

static void run_end(struct run *run)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct endpoint *e = run->members[i];

        CHECK(atomic_load(&e->active) == 0);
        health_reset(run->pool, e, "over", clock_monotonic_us());
        CHECK(atomic_load(&e->probes) == 0);
    }
    forget_idle(run);
    forget_idle(run);
    CHECK(left_count(run) == 0 && run->forgotten > 0);
    printf("changes: %u, stays: %u, forgotten: %u, events: %llu\n", CHANGES, run->stays,
           run->forgotten, (unsigned long long)events_last_id(health_events(run->health)));
    health_pool_remove(run->health, run->pool);
    health_free(run->health);
    balancer_pool_free(run->balancer);
    free(run->snapshot);
    pthread_mutex_destroy(&run->looking);
}

int main(void)
{
    static struct run run;
    pthread_t workers[WORKERS], onlooker;

    run_start(&run);
    for (unsigned i = 0; i < WORKERS; i++) {
        run.workers[i].run = &run;
        run.workers[i].number = i;
        run.workers[i].random = i + 1;
        CHECK(pthread_create(&workers[i], NULL, worker_main, &run.workers[i]) == 0);
    }
    CHECK(pthread_create(&onlooker, NULL, onlooker_main, &run) == 0);
    for (unsigned i = 0; i < CHANGES; i++) {
        change(&run);
        check_some(&run);
        health_keep(run.health, clock_monotonic_us());
    }
    atomic_store(&run.ending, true);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    pthread_join(onlooker, NULL);
    run_end(&run);
    return 0;
}
