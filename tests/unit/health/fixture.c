/* A pool of endpoints with its health: see fixture.h. */
#include "fixture.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "health/events_internal.h"

static void log_nothing(void *arg, enum event_severity severity, const char *line)
{
}

const struct config_breaker fixture_breaker = {.failure_threshold = 5,
                                               .error_percent = 50,
                                               .window_ms = 10000,
                                               .min_requests = 20,
                                               .recovery_timeout_ms = 10000,
                                               .max_recovery_timeout_ms = 60000,
                                               .half_open_max = 3,
                                               .success_threshold = 2};

void fixture_init(struct fixture *f, unsigned size)
{
    *f = (struct fixture){.now_us = FIXTURE_START_US};
    f->config = (struct config_pool){
        .name = "api",
        .algorithm = CONFIG_ROUND_ROBIN,
        .outlier = {.consecutive_5xx = 5,
                    .min_requests = 20,
                    .window_ms = 10000,
                    .base_ejection_ms = 30000,
                    .max_ejection_ms = 300000,
                    .max_ejected_percent = 50,
                    .stall_factor = 4,
                    .stall_min_ms = 50},
        .breaker = fixture_breaker,
        .failover = {.min_healthy_percent = 70},
        .backends = f->backends,
        .backend_count = size,
    };
    f->checks = (struct config_health){
        .interval_ms = 5000, .fast_interval_ms = 1000, .timeout_ms = 2000, .rise = 2, .fall = 3};
    for (unsigned i = 0; i < size; i++) {
        snprintf(f->ids[i], sizeof(f->ids[i]), size <= 26 ? "%c" : "%u", size <= 26 ? 'a' + i : i);
        snprintf(f->addresses[i], sizeof(f->addresses[i]), "10.0.0.%u:80", i + 1);
        f->backends[i] = (struct config_backend){
            .id = f->ids[i],
            .address = f->addresses[i],
            .weight = 1,
            .checked = true,
            .priority = 1,
            .place = {.region = "", .zone = ""},
        };
    }
}

static void on_wake(void *arg)
{
    struct fixture *f = arg;

    f->wakes++;
}

static void on_status(void *arg, struct health_pool *pool, struct endpoint *endpoint,
                      enum endpoint_status from, enum endpoint_status to)
{
    struct fixture *f = arg;

    cr_assert(pool == f->pool && from != to);
    f->statuses++;
    f->told = endpoint;
    f->from = from;
    f->to = to;
}

/* Freed as soon as it may be, so that nobody holds on to it unseen. */
struct fixture_snapshot {
    struct config_pool pool;
    struct config_health health;
    struct config_backend backends[FIXTURE_MAX];
};

static const struct config_place nowhere = {.region = "", .zone = ""};

static struct fixture_snapshot *snapshot_new(const struct fixture *f)
{
    struct fixture_snapshot *snapshot = xcalloc(1, sizeof(*snapshot));

    snapshot->pool = f->config;
    memcpy(snapshot->backends, f->backends, sizeof(snapshot->backends));
    if (f->config.health != NULL) {
        snapshot->health = *f->config.health;
        snapshot->pool.health = &snapshot->health;
    }
    return snapshot;
}

static void add(struct fixture *f, unsigned index, bool starting)
{
    struct config_backend *backend = &f->snapshot->backends[index];

    *backend = f->backends[index];
    f->endpoints[index] = balancer_pool_add(f->balancer, backend);
    health_pool_join(f->pool, f->endpoints[index], "test", starting, f->now_us);
}

void fixture_start(struct fixture *f)
{
    const struct health_params params = {
        .events = FIXTURE_EVENTS, .wake = on_wake, .on_status = on_status, .arg = f};

    f->snapshot = snapshot_new(f);
    f->balancer = balancer_pool_new(&f->snapshot->pool, &nowhere);
    f->health = health_new(&params);
    events_set_log(health_events(f->health), log_nothing, NULL);
    f->pool = health_pool_add(f->health, f->balancer, &f->snapshot->pool, f->now_us);
    for (unsigned i = 0; i < f->config.backend_count; i++) {
        add(f, i, true);
        fixture_open(f, i);
    }
    fixture_settle(f);
    fixture_keep(f);
    f->wakes = 0;
}

void fixture_fini(struct fixture *f)
{
    health_free(f->health);
    balancer_pool_free(f->balancer);
    free(f->snapshot);
}

void fixture_settle(struct fixture *f)
{
    health_pool_settle(f->pool, f->now_us);
    balancer_pool_reclaim(f->balancer); /* no other thread looks */
}

void fixture_join(struct fixture *f, unsigned index)
{
    add(f, index, false);
    fixture_settle(f);
}

void fixture_open(struct fixture *f, unsigned index)
{
    health_set_resolved(f->pool, f->endpoints[index], true);
}

struct endpoint *fixture_leave(struct fixture *f, unsigned index)
{
    struct endpoint *endpoint = f->endpoints[index];

    f->endpoints[index] = NULL;
    balancer_pool_leave(f->balancer, endpoint);
    health_pool_leave(f->pool, endpoint, "test", f->now_us);
    atomic_store(&endpoint->backend, NULL);
    fixture_settle(f);
    return endpoint;
}

void fixture_forget(struct fixture *f, struct endpoint *endpoint)
{
    health_pool_forget(f->pool, endpoint);
    balancer_pool_forget(f->balancer, endpoint);
    fixture_settle(f);
}

void fixture_change(struct fixture *f)
{
    struct fixture_snapshot *before = f->snapshot;

    f->snapshot = snapshot_new(f);
    balancer_pool_change(f->balancer, &f->snapshot->pool, &nowhere);
    health_pool_change(f->pool, &f->snapshot->pool, f->now_us);
    for (unsigned i = 0; i < FIXTURE_MAX; i++) {
        if (f->endpoints[i] != NULL)
            balancer_endpoint_change(f->balancer, f->endpoints[i], &f->snapshot->backends[i]);
    }
    fixture_settle(f);
    free(before);
}

struct endpoint *fixture_endpoint(struct fixture *f, unsigned index)
{
    return f->endpoints[index];
}

bool fixture_usable(struct fixture *f, unsigned index)
{
    return endpoint_usable(fixture_endpoint(f, index));
}

void fixture_keep(struct fixture *f)
{
    f->next_us = health_keep(f->health, f->now_us);
}

void fixture_pass(struct fixture *f, uint64_t us)
{
    uint64_t end_us = f->now_us + us;

    while (f->next_us != 0 && f->next_us <= end_us) {
        if (f->next_us > f->now_us)
            f->now_us = f->next_us;
        fixture_keep(f);
        cr_assert(f->next_us == 0 || f->next_us > f->now_us, "the health thread would spin");
    }
    f->now_us = end_us;
}

static void fixture_report(struct fixture *f, unsigned index, enum health_result result, int error,
                           int status)
{
    struct health_report report = {.result = result,
                                   .error = error,
                                   .status = status,
                                   .picked_us = f->now_us,
                                   .latency_us = status != 0 ? 1000 : 0};

    f->now_us += 1000;
    health_report(f->pool, fixture_endpoint(f, index), &report, f->now_us);
}

void fixture_success(struct fixture *f, unsigned index)
{
    fixture_report(f, index, HEALTH_SUCCESS, EG_OK, 200);
}

void fixture_cut(struct fixture *f, unsigned index)
{
    struct health_report report = {.result = HEALTH_FAILURE,
                                   .error = EG_E_UPSTREAM_TRUNCATED,
                                   .status = 200,
                                   .picked_us = f->now_us,
                                   .told = true,
                                   .late = true};

    f->now_us += 1000;
    health_report(f->pool, fixture_endpoint(f, index), &report, f->now_us);
}

void fixture_status(struct fixture *f, unsigned index, int status)
{
    fixture_report(f, index, HEALTH_FAILURE, EG_OK, status);
}

void fixture_error(struct fixture *f, unsigned index, int error)
{
    fixture_report(f, index, HEALTH_FAILURE, error, 0);
}

void fixture_check(struct fixture *f, unsigned index, enum check_verdict verdict, const char *why)
{
    struct check_result result = {.verdict = verdict, .why = why, .latency_us = 2000};

    f->now_us += 1000;
    health_check_result(f->pool, fixture_endpoint(f, index), &result, f->now_us);
}

void fixture_successes(struct fixture *f, unsigned index, unsigned count)
{
    while (count-- > 0)
        fixture_success(f, index);
}

void fixture_errors(struct fixture *f, unsigned index, unsigned count)
{
    while (count-- > 0)
        fixture_error(f, index, EG_E_CONNECT);
}

void fixture_checks(struct fixture *f, unsigned index, enum check_verdict verdict, unsigned count)
{
    while (count-- > 0)
        fixture_check(f, index, verdict, "status 503");
}

struct health_view fixture_view(struct fixture *f, unsigned index)
{
    struct health_view view;

    health_view(f->pool, fixture_endpoint(f, index), f->now_us, &view);
    return view;
}

struct health_event fixture_event(struct fixture *f, enum event_type type)
{
    struct health_event *events = xcalloc(FIXTURE_EVENTS, sizeof(*events)), found = {0};
    size_t count;

    fixture_keep(f);
    count = events_read(health_events(f->health), 0, events, FIXTURE_EVENTS);
    for (size_t i = 0; i < count; i++) {
        if (events[i].type == type)
            found = events[i];
    }
    free(events);
    cr_assert_neq(found.id, 0, "no event of type %s", event_type_name(type));
    return found;
}

unsigned fixture_events(struct fixture *f, enum event_type type)
{
    fixture_keep(f);
    return (unsigned)events_count(health_events(f->health), type);
}

const char *fixture_line(struct fixture *f, enum event_type type)
{
    static char line[EVENT_LINE_BYTES];
    struct health_event event = fixture_event(f, type);

    event_format(&event, line, sizeof(line));
    return line;
}

uint64_t fixture_random(uint64_t *state)
{
    uint64_t x = *state += 0x9e3779b97f4a7c15;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}
