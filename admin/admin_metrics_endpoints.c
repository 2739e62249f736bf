/*
 * The metrics of endpoints. A scrape asks each endpoint's health once, keeps what it needs of it
 * with its labels, and writes the families from that: with thousands of endpoints, one lock and one
 * escaping for each.
 *
 * A state is shown as Prometheus' practice has it: a series per value, 1 for the current one.
 */
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "admin/admin_metrics_text.h"
#include "base/alloc.h"
#include "base/clock.h"

struct sample {
    char *labels;
    bool checked; /* its pool has checks */
    enum endpoint_status status;
    enum breaker_state breaker;
    uint64_t ejected, ejections, stalled, stalls;
    uint64_t breaker_entered[HEALTH_BREAKER_STATES];
    uint64_t active, requests, successes, failures;
    uint64_t checks, failed_checks, check_latency_us;
    uint64_t p50_us, p90_us, p99_us;
    const struct durations *durations; /* the collection's; NULL: it has not answered */
};

static struct sample sample_of(const struct admin_target *pool, const struct endpoint *endpoint,
                               const struct admin_pool_sums *sums, uint64_t now_us)
{
    int active = atomic_load(&endpoint->active);
    struct health_view view;
    struct sample sample;

    health_view(pool->health, endpoint, now_us, &view);
    sample = (struct sample){
        .labels = metrics_labels(pool->config->name, endpoint->id),
        .checked = pool->config->health != NULL,
        .status = view.status,
        .breaker = view.breaker,
        .ejected = view.ejected,
        .stalled = view.stall != STALL_CLEAR,
        .ejections = view.ejections,
        .stalls = view.stalls,
        .active = active > 0 ? (uint64_t)active : 0,
        .requests = atomic_load(&endpoint->picks),
        .successes = view.successes,
        .failures = view.failures,
        .checks = view.checks,
        .failed_checks = view.failed_checks,
        .check_latency_us = view.check_latency_us,
        .p50_us = view.p50_us,
        .p90_us = view.p90_us,
        .p99_us = view.p99_us,
        .durations = admin_collected_answers(sums, endpoint),
    };
    for (unsigned i = 0; i < HEALTH_BREAKER_STATES; i++)
        sample.breaker_entered[i] = view.breaker_entered[i];
    return sample;
}

static void put_status(struct evbuffer *out, const char *name, const struct sample *s)
{
    static const char *const labels[] = {
        "status=\"unknown\"",   "status=\"healthy\"",  "status=\"degraded\"",
        "status=\"unhealthy\"", "status=\"draining\"",
    };

    for (unsigned i = ENDPOINT_UNKNOWN; i <= ENDPOINT_DRAINING; i++)
        metrics_line(out, name, s->labels, labels[i], s->status == i);
}

static void put_breaker(struct evbuffer *out, const char *name, const struct sample *s)
{
    static const char *const labels[] = {"state=\"closed\"", "state=\"open\"",
                                         "state=\"half_open\""};

    for (unsigned i = BREAKER_CLOSED; i <= BREAKER_HALF_OPEN; i++)
        metrics_line(out, name, s->labels, labels[i], s->breaker == i);
}

static void put_transitions(struct evbuffer *out, const char *name, const struct sample *s)
{
    static const char *const labels[HEALTH_BREAKER_STATES] = {
        [BREAKER_CLOSED] = "to=\"closed\"",
        [BREAKER_OPEN] = "to=\"open\"",
        [BREAKER_HALF_OPEN] = "to=\"half_open\"",
    };

    for (unsigned i = 0; i < HEALTH_BREAKER_STATES; i++)
        metrics_line(out, name, s->labels, labels[i], s->breaker_entered[i]);
}

static void put_results(struct evbuffer *out, const char *name, const struct sample *s)
{
    metrics_line(out, name, s->labels, "result=\"success\"", s->successes);
    metrics_line(out, name, s->labels, "result=\"failure\"", s->failures);
}

static void put_latency(struct evbuffer *out, const char *name, const struct sample *s)
{
    if (s->p50_us == 0)
        return; /* too few answers lately */
    metrics_line_seconds(out, name, s->labels, "quantile=\"0.5\"", s->p50_us);
    metrics_line_seconds(out, name, s->labels, "quantile=\"0.9\"", s->p90_us);
    if (s->p99_us > 0)
        metrics_line_seconds(out, name, s->labels, "quantile=\"0.99\"", s->p99_us);
}

static void put_durations(struct evbuffer *out, const char *name, const struct sample *s)
{
    if (s->durations)
        metrics_histogram(out, name, s->labels, s->durations);
}

static void put_checks(struct evbuffer *out, const char *name, const struct sample *s)
{
    if (!s->checked)
        return;
    metrics_line(out, name, s->labels, "result=\"passed\"", s->checks - s->failed_checks);
    metrics_line(out, name, s->labels, "result=\"failed\"", s->failed_checks);
}

static void put_check_latency(struct evbuffer *out, const char *name, const struct sample *s)
{
    if (s->checked && s->checks > 0)
        metrics_line_seconds(out, name, s->labels, NULL, s->check_latency_us);
}

/* A line per endpoint: `put`, or else just the number at `offset` in the sample. */
static const struct {
    const char *name, *type, *help;
    void (*put)(struct evbuffer *out, const char *name, const struct sample *s);
    size_t offset;
} families[] = {
#define NUMBER(member) .offset = offsetof(struct sample, member)
    {"evergate_endpoint_status", "gauge", "1 for the endpoint's status.", .put = put_status},
    {"evergate_breaker_state", "gauge", "1 for the state of its breaker.", .put = put_breaker},
    {"evergate_breaker_transitions_total", "counter", "Times its breaker came to a state.",
     .put = put_transitions},
    {"evergate_endpoint_ejected", "gauge", "1 while outlier detection keeps it out.",
     NUMBER(ejected)},
    {"evergate_ejections_total", "counter", "Times it was ejected.", NUMBER(ejections)},
    {"evergate_endpoint_stalled", "gauge", "1 while it holds requests and answers none.",
     NUMBER(stalled)},
    {"evergate_stalls_total", "counter", "Times it stalled.", NUMBER(stalls)},
    {"evergate_endpoint_active", "gauge", "Requests it is serving.", NUMBER(active)},
    {"evergate_upstream_requests_total", "counter", "Requests sent to it, retries included.",
     NUMBER(requests)},
    {"evergate_upstream_results_total", "counter",
     "What became of them; a 5xx is a failure, what a client gave up is neither.",
     .put = put_results},
    {"evergate_upstream_latency_seconds", "gauge",
     "Time to an answer's head that so many of the latest answers stay under.", .put = put_latency},
    {"evergate_upstream_duration_seconds", "histogram",
     "Time from the end of a request to the head of its answer.", .put = put_durations},
    {"evergate_health_checks_total", "counter", "Active checks of it.", .put = put_checks},
    {"evergate_health_check_seconds", "gauge", "How long its last check took.",
     .put = put_check_latency},
#undef NUMBER
};

static void put_family(struct evbuffer *out, size_t f, const struct sample *samples, size_t count)
{
    const char *name = families[f].name;

    metrics_family(out, name, families[f].type, families[f].help);
    for (size_t i = 0; i < count; i++) {
        const char *bytes = (const char *)&samples[i];

        if (families[f].put)
            families[f].put(out, name, &samples[i]);
        else
            metrics_line(out, name, samples[i].labels, NULL,
                         *(const uint64_t *)(bytes + families[f].offset));
    }
}

/* Of a pool's endpoints from samples[n] on; returns how many there are then. */
static size_t sample_pool(struct sample *samples, size_t n, const struct admin_target *pool,
                          const struct admin_collection *collection, uint64_t now_us)
{
    const struct admin_pool_sums *sums =
        admin_collected(collection, pool->config->name, pool->pool);

    for (unsigned e = 0; e < balancer_pool_size(pool->balancer); e++) {
        const struct endpoint *endpoint = balancer_pool_endpoint(pool->balancer, e);

        /* One that leaves may have a successor of the same id, and so of the same labels. */
        if (endpoint && !atomic_load(&endpoint->leaving))
            samples[n++] = sample_of(pool, endpoint, sums, now_us);
    }
    return n;
}

static struct sample *take_samples(const struct admin_collection *collection, size_t *ret_count)
{
    const struct server *server = collection->admin->server;
    uint64_t now_us = clock_monotonic_us();
    size_t count = 0, n = 0;
    struct sample *samples;

    for (size_t p = 0; p < server->config->pool_count; p++)
        count += balancer_pool_size(server->runtimes[p]->balancer);
    samples = xcalloc(count + 1, sizeof(*samples));
    for (unsigned p = 0; p < server->config->pool_count; p++) {
        struct admin_target pool = admin_target(server, p);

        n = sample_pool(samples, n, &pool, collection, now_us);
    }
    *ret_count = n;
    return samples;
}

void admin_metrics_endpoints(struct evbuffer *out, const struct admin_collection *collection)
{
    size_t count;
    struct sample *samples = take_samples(collection, &count);

    for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++)
        put_family(out, f, samples, count);
    for (size_t i = 0; i < count; i++)
        free(samples[i].labels);
    free(samples);
}
