/*
 * GET /metrics: Prometheus' text format, version 0.0.4.
 *
 * A family's lines stand together under one HELP and TYPE, so the families that have a line per
 * pool or endpoint are each written by one loop.
 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin/admin_internal.h"

typedef unsigned long long ull;

static void family(struct evbuffer *out, const char *name, const char *type, const char *help)
{
    evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(struct evbuffer *out, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    family(out, name, type, help);
    evbuffer_add_printf(out, "%s %llu\n", name, (ull)value);
}

/* A label's value: backslash, quote and newline are escaped. */
static void label(struct evbuffer *out, const char *name, const char *value)
{
    evbuffer_add_printf(out, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            evbuffer_add(out, "\\", 1);
        evbuffer_add(out, *value == '\n' ? "\\n" : value, *value == '\n' ? 2 : 1);
    }
    evbuffer_add(out, "\"", 1);
}

static void put_requests(struct evbuffer *out, const struct server_totals *t)
{
    static const char *const classes[6] = {"499", "1xx", "2xx", "3xx", "4xx", "5xx"};

    family(out, "evergate_requests_total", "counter",
           "Requests by class of status; 499: the client left or the answer was cut.");
    for (size_t i = 0; i < 6; i++)
        evbuffer_add_printf(out, "evergate_requests_total{code=\"%s\"} %llu\n", classes[i],
                            (ull)t->requests_by_class[i]);
    single(out, "evergate_requests_active", "gauge", "Requests being served.", t->requests_active);
    single(out, "evergate_own_answers_total", "counter",
           "Requests that were answered without a backend.", t->own_answers);
    single(out, "evergate_retries_total", "counter", "Attempts after the first of a request.",
           t->retries);
    single(out, "evergate_tunnels_total", "counter", "Connections that were upgraded to tunnels.",
           t->tunnels);
}

static void put_connections(struct evbuffer *out, const struct server_totals *t)
{
    single(out, "evergate_connections", "gauge", "Open connections of clients.", t->connections);
    single(out, "evergate_connections_total", "counter", "Connections accepted.",
           t->connections_total);
    single(out, "evergate_connections_shed_total", "counter",
           "Connections closed at once: a limit, or no descriptors.", t->sheds);
    family(out, "evergate_bytes_total", "counter", "Bytes from (in) and to (out) clients.");
    evbuffer_add_printf(out, "evergate_bytes_total{direction=\"in\"} %llu\n", (ull)t->bytes_in);
    evbuffer_add_printf(out, "evergate_bytes_total{direction=\"out\"} %llu\n", (ull)t->bytes_out);
    family(out, "evergate_tls_handshakes_total", "counter", "TLS handshakes with clients.");
    evbuffer_add_printf(out, "evergate_tls_handshakes_total{result=\"ok\"} %llu\n",
                        (ull)t->tls_handshakes);
    evbuffer_add_printf(out, "evergate_tls_handshakes_total{result=\"failed\"} %llu\n",
                        (ull)t->tls_failures);
    single(out, "evergate_tls_resumed_total", "counter", "Handshakes that resumed a session.",
           t->tls_resumed);
}

static void pool_line(struct evbuffer *out, const char *name, const char *pool, uint64_t value)
{
    evbuffer_add_printf(out, "%s{", name);
    label(out, "pool", pool);
    evbuffer_add_printf(out, "} %llu\n", (ull)value);
}

#define POOL_FAMILY(family_name, type, help, member)                                               \
    do {                                                                                           \
        family(out, family_name, type, help);                                                      \
        for (size_t i = 0; i < config->pool_count; i++)                                            \
            pool_line(out, family_name, config->pools[i].name, collection->pools[i].member);       \
    } while (0)

static void put_upstreams(struct evbuffer *out, const struct config *config,
                          const struct admin_collection *collection)
{
    POOL_FAMILY("evergate_upstream_connects_total", "counter", "Connections opened to backends.",
                connects);
    POOL_FAMILY("evergate_upstream_connect_failures_total", "counter",
                "Connections to backends that could not be opened.", connect_failures);
    POOL_FAMILY("evergate_upstream_reuse_total", "counter",
                "Requests sent on a connection that had served before.", reuses);
    POOL_FAMILY("evergate_upstream_silent_repeats_total", "counter",
                "Requests sent again because the idle connection had just been closed.",
                silent_repeats);
    POOL_FAMILY("evergate_upstream_connections", "gauge", "Open connections to backends.", open);
    POOL_FAMILY("evergate_upstream_connections_idle", "gauge",
                "Open connections to backends without a request.", idle);
}

static void endpoint_labels(struct evbuffer *out, const char *name, const char *pool,
                            const struct endpoint *endpoint)
{
    evbuffer_add_printf(out, "%s{", name);
    label(out, "pool", pool);
    evbuffer_add(out, ",", 1);
    label(out, "endpoint", endpoint->id);
}

static void put_status(struct evbuffer *out, const char *pool, const struct endpoint *endpoint)
{
    enum endpoint_status now = atomic_load(&endpoint->status);

    for (unsigned s = ENDPOINT_UNKNOWN; s <= ENDPOINT_DRAINING; s++) {
        endpoint_labels(out, "evergate_endpoint_status", pool, endpoint);
        evbuffer_add_printf(out, ",status=\"%s\"} %d\n", endpoint_status_name(s), s == now);
    }
}

static void put_breaker(struct evbuffer *out, const char *pool, const struct endpoint *endpoint)
{
    enum breaker_state now = atomic_load(&endpoint->breaker);

    for (unsigned s = BREAKER_CLOSED; s <= BREAKER_HALF_OPEN; s++) {
        endpoint_labels(out, "evergate_breaker_state", pool, endpoint);
        evbuffer_add_printf(out, ",state=\"%s\"} %d\n", breaker_state_name(s), s == now);
    }
}

static void put_picks(struct evbuffer *out, const char *pool, const struct endpoint *endpoint)
{
    endpoint_labels(out, "evergate_endpoint_picks_total", pool, endpoint);
    evbuffer_add_printf(out, "} %llu\n", (ull)atomic_load(&endpoint->picks));
}

static void put_active(struct evbuffer *out, const char *pool, const struct endpoint *endpoint)
{
    endpoint_labels(out, "evergate_endpoint_active", pool, endpoint);
    evbuffer_add_printf(out, "} %d\n", atomic_load(&endpoint->active));
}

static void put_endpoints(struct evbuffer *out, const struct server *server)
{
    static const struct {
        const char *name, *type, *help;
        void (*put)(struct evbuffer *out, const char *pool, const struct endpoint *endpoint);
    } families[] = {
        {"evergate_endpoint_status", "gauge", "1 for the endpoint's status.", put_status},
        {"evergate_breaker_state", "gauge", "1 for the state of its breaker.", put_breaker},
        {"evergate_endpoint_picks_total", "counter", "Times it was chosen.", put_picks},
        {"evergate_endpoint_active", "gauge", "Requests it is serving.", put_active},
    };

    for (size_t f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
        family(out, families[f].name, families[f].type, families[f].help);
        for (size_t p = 0; p < server->config->pool_count; p++)
            for (unsigned e = 0; e < balancer_pool_size(server->pools[p]); e++)
                families[f].put(out, server->config->pools[p].name,
                                balancer_pool_endpoint(server->pools[p], e));
    }
}

static uint64_t count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    uint64_t count = 0;

    if (!dir)
        return 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the directory's own */
}

static uint64_t resident_bytes(void)
{
    char text[128];
    FILE *file = fopen("/proc/self/statm", "re");
    char *second, *end;
    unsigned long long pages = 0;

    if (!file)
        return 0;
    if (fgets(text, sizeof(text), file) && (second = strchr(text, ' ')))
        pages = strtoull(second, &end, 10);
    fclose(file);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_process(struct evbuffer *out, const struct server *server)
{
    struct rusage usage = {0};
    struct rlimit limit = {0};

    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &limit);
    family(out, "process_cpu_seconds_total", "counter", "User and system time.");
    evbuffer_add_printf(out, "process_cpu_seconds_total %.6f\n",
                        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000000);
    family(out, "process_start_time_seconds", "gauge", "Start, in seconds since the epoch.");
    evbuffer_add_printf(out, "process_start_time_seconds %.3f\n",
                        (double)server->started_wall_us / 1000000);
    single(out, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    single(out, "process_open_fds", "gauge", "Open file descriptors.", count_descriptors());
    single(out, "process_max_fds", "gauge", "Limit of open file descriptors.", limit.rlim_cur);
}

static void on_collected(struct admin_collection *collection)
{
    const struct server *server = collection->admin->server;
    struct server_totals totals = server_totals(server);
    struct evbuffer *out = evbuffer_new();

    put_requests(out, &totals);
    put_connections(out, &totals);
    put_upstreams(out, server->config, collection);
    put_endpoints(out, server);
    single(out, "evergate_access_log_dropped_total", "counter",
           "Lines of the access log that were not written.",
           server->access_log ? access_log_dropped(server->access_log) : 0);
    single(out, "evergate_config_generation", "gauge",
           "Generation of the configuration: 1, and one more per reload.",
           atomic_load(&server->generation));
    single(out, "evergate_workers", "gauge", "Worker threads.", server->worker_count);
    put_process(out, server);
    admin_reply(collection->request, 200, "text/plain; version=0.0.4; charset=utf-8", out);
    evbuffer_free(out);
}

void admin_metrics(struct admin *admin, struct evhttp_request *request)
{
    admin_collect(admin, request, on_collected);
}
