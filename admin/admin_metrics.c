/* GET /metrics: the instance as a whole. Pools and endpoints have files of their own. */
#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin/admin_internal.h"
#include "admin/admin_metrics_text.h"
#include "proxy/server_change.h"
#include "proxy/server_health.h"
#include "proxy/shared_listener.h"

typedef unsigned long long ull;

static void put_requests(struct evbuffer *out, const struct server_totals *t)
{
    metrics_single(out, "evergate_requests_active", "gauge", "Requests being served.",
                   t->requests_active);
    metrics_single(out, "evergate_own_answers_total", "counter",
                   "Requests that were answered without a backend.", t->own_answers);
    metrics_single(out, "evergate_retries_total", "counter",
                   "Attempts after the first of a request.", t->retries);
    metrics_single(out, "evergate_tunnels_total", "counter",
                   "Connections that were upgraded to tunnels.", t->tunnels);
}

static void put_connections(struct evbuffer *out, const struct server_totals *t)
{
    metrics_single(out, "evergate_connections", "gauge", "Open connections of clients.",
                   t->connections);
    metrics_single(out, "evergate_connections_total", "counter", "Connections accepted.",
                   t->connections_total);
    metrics_single(out, "evergate_connections_shed_total", "counter",
                   "Connections closed at once: a limit, or no descriptors.", t->sheds);
    metrics_family(out, "evergate_bytes_total", "counter", "Bytes from (in) and to (out) clients.");
    evbuffer_add_printf(out, "evergate_bytes_total{direction=\"in\"} %llu\n", (ull)t->bytes_in);
    evbuffer_add_printf(out, "evergate_bytes_total{direction=\"out\"} %llu\n", (ull)t->bytes_out);
    metrics_family(out, "evergate_tls_handshakes_total", "counter", "TLS handshakes with clients.");
    evbuffer_add_printf(out, "evergate_tls_handshakes_total{result=\"ok\"} %llu\n",
                        (ull)t->tls_handshakes);
    evbuffer_add_printf(out, "evergate_tls_handshakes_total{result=\"failed\"} %llu\n",
                        (ull)t->tls_failures);
    metrics_single(out, "evergate_tls_resumed_total", "counter",
                   "Handshakes that resumed a session.", t->tls_resumed);
}

static void put_failover(struct evbuffer *out, const struct server *server,
                         const struct server_totals *t)
{
    struct checks_stats checks = server_checks_stats(server);

    metrics_single(out, "evergate_retries_denied_total", "counter",
                   "Retries that the budget did not allow.", t->retries_denied);
    metrics_single(out, "evergate_hedges_total", "counter",
                   "Requests that were asked a second time elsewhere for slowness or a stall.",
                   t->hedges);
    metrics_single(out, "evergate_hedges_won_total", "counter",
                   "Of these, those that the second answered first.", t->hedges_won);
    metrics_single(out, "evergate_pending_timeouts_total", "counter",
                   "Requests for which no connection became free in time.", t->pending_timeouts);
    metrics_single(out, "evergate_fallbacks_total", "counter",
                   "Requests answered by a fallback: stale, another pool, a file.", t->fallbacks);
    metrics_single(out, "evergate_stale_served_total", "counter",
                   "Of these, those answered with a stored answer.", t->stale_served);
    metrics_single(out, "evergate_health_checks_late_total", "counter",
                   "Checks that began late for supervision.checks_per_second.", checks.late);
    metrics_single(out, "evergate_recoveries_total", "counter", "Recovery actions that were begun.",
                   checks.recoveries_started);
    metrics_single(out, "evergate_recoveries_failed_total", "counter",
                   "Recovery actions that failed.", checks.recoveries_failed);
}

static void put_events(struct evbuffer *out, const struct server *server)
{
    struct events *events = health_events(server->health);

    metrics_family(out, "evergate_events_total", "counter", "Events by type.");
    for (unsigned type = 0; type < EVENT_TYPE_COUNT; type++)
        evbuffer_add_printf(out, "evergate_events_total{type=\"%s\"} %llu\n", event_type_name(type),
                            (ull)events_count(events, type));
    metrics_single(out, "evergate_failovers_total", "counter",
                   "Times the load of a pool moved to a later tier.",
                   events_count(events, EVENT_FAILOVER));
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
    metrics_family(out, "process_cpu_seconds_total", "counter", "User and system time.");
    evbuffer_add_printf(out, "process_cpu_seconds_total %.6f\n",
                        (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                            (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000000);
    metrics_family(out, "process_start_time_seconds", "gauge",
                   "Start, in seconds since the epoch.");
    evbuffer_add_printf(out, "process_start_time_seconds %.3f\n",
                        (double)server->started_wall_us / 1000000);
    metrics_single(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
                   resident_bytes());
    metrics_single(out, "process_open_fds", "gauge", "Open file descriptors.", count_descriptors());
    metrics_single(out, "process_max_fds", "gauge", "Limit of open file descriptors.",
                   limit.rlim_cur);
}

static void put_commands(struct evbuffer *out, const struct server *server)
{
    metrics_single(out, "evergate_commands_available", "gauge",
                   "Whether checks, recoveries and upgrades can start programs.",
                   atomic_load(&server->commands_lost) == NULL);
}

static void put_configuration(struct evbuffer *out, const struct server *server)
{
    static const char name[] = "evergate_config_reloads_total";

    metrics_single(out, "evergate_config_generation", "gauge",
                   "Generation of the configuration: 1, and one more per change.",
                   atomic_load(&server->generation));
    metrics_family(out, name, "counter", "Reloads of the file that were asked for.");
    metrics_line(out, name, NULL, "result=\"done\"", atomic_load(&server->reloads_done));
    metrics_line(out, name, NULL, "result=\"refused\"", atomic_load(&server->reloads_refused));
}

static void put_listeners(struct evbuffer *out, const struct server *server)
{
    static const char name[] = "evergate_listener_connections";

    metrics_family(out, name, "gauge", "Open connections of clients, by listener.");
    for (size_t i = 0; i < server->config->listener_count; i++) {
        char *labels = metrics_labels_of("listener", server->config->listeners[i].name, NULL, NULL);

        metrics_line(out, name, labels, NULL, atomic_load(&server->listeners[i]->connections));
        free(labels);
    }
}

static void put_all(struct evbuffer *out, const struct admin_collection *collection)
{
    const struct server *server = collection->admin->server;
    struct server_totals totals = server_totals(server);

    admin_metrics_traffic(out, collection);
    put_requests(out, &totals);
    put_connections(out, &totals);
    put_listeners(out, server);
    admin_metrics_pools(out, collection);
    admin_metrics_endpoints(out, collection);
    admin_metrics_discovery(out, server);
    put_failover(out, server, &totals);
    put_events(out, server);
    metrics_single(out, "evergate_access_log_dropped_total", "counter",
                   "Lines of the access log that were not written.",
                   server->access_log ? access_log_dropped(server->access_log) : 0);
    put_configuration(out, server);
    put_commands(out, server);
    metrics_single(out, "evergate_workers", "gauge", "Worker threads.", server->worker_count);
    put_process(out, server);
}

static void on_collected(struct admin_collection *collection)
{
    struct server *server = collection->admin->server;
    struct evbuffer *out = evbuffer_new();

    server_read_lock(server);
    put_all(out, collection);
    server_read_unlock(server);
    admin_reply(collection->request, 200, "text/plain; version=0.0.4; charset=utf-8", out);
    evbuffer_free(out);
}

void admin_metrics(struct admin_call *call)
{
    admin_collect(call, on_collected);
}
