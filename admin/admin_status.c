/* GET /api/v1/status: the instance in one JSON object. */
#include "admin/admin_internal.h"
#include "base/clock.h"
#include "base/timestamp.h"

static const char *phase_name(enum server_phase phase)
{
    static const char *const names[] = {"starting", "serving", "draining", "stopped"};

    return names[phase];
}

static void put_listeners(struct evbuffer *out, const struct server *server)
{
    evbuffer_add_printf(out, ",\"listeners\":[");
    for (size_t i = 0; i < server->config->listener_count; i++) {
        char address[ADDRESS_TEXT_BYTES];
        unsigned open =
            atomic_load_explicit(&server->listener_connections[i], memory_order_relaxed);

        evbuffer_add_printf(out, "%s{\"name\":", i ? "," : "");
        admin_json_string(out, server->config->listeners[i].name);
        evbuffer_add_printf(out, ",\"address\":");
        admin_json_string(out, address_format(&server->listen[i].address, address));
        evbuffer_add_printf(out, ",\"connections\":%u}", open);
    }
    evbuffer_add_printf(out, "]");
}

void admin_status(struct admin *admin, struct evhttp_request *request)
{
    const struct server *server = admin->server;
    struct server_totals totals = server_totals(server);
    struct evbuffer *out = evbuffer_new();
    char started[TIMESTAMP_LOG_BYTES];

    timestamp_log(started, server->started_wall_us);
    evbuffer_add_printf(out, "{\"version\":\"%s\",\"state\":\"%s\"", EVERGATE_VERSION,
                        phase_name(server_phase(server)));
    evbuffer_add_printf(out, ",\"started_at\":\"%.*s\",\"uptime_seconds\":%.3f",
                        TIMESTAMP_LOG_BYTES, started,
                        (double)(clock_monotonic_us() - server->started_us) / 1000000);
    evbuffer_add_printf(out, ",\"workers\":%u,\"config\":{\"file\":", server->worker_count);
    admin_json_string(out, server->config->file);
    evbuffer_add_printf(out, ",\"generation\":%llu}",
                        (unsigned long long)atomic_load(&server->generation));
    evbuffer_add_printf(out, ",\"connections\":{\"open\":%llu,\"total\":%llu}",
                        (unsigned long long)totals.connections,
                        (unsigned long long)totals.connections_total);
    evbuffer_add_printf(out, ",\"requests\":{\"active\":%llu,\"total\":%llu}",
                        (unsigned long long)totals.requests_active,
                        (unsigned long long)totals.requests_total);
    put_listeners(out, server);
    evbuffer_add_printf(out, "}\n");
    admin_reply(request, 200, "application/json", out);
    evbuffer_free(out);
}
