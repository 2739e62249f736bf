/* GET /api/v1/status: the instance in one JSON object. */
#include <string.h>
#include <unistd.h>

#include "admin/admin_internal.h"
#include "base/clock.h"
#include "discovery/discovery.h"
#include "proxy/shared_listener.h"

static const char *phase_name(enum server_phase phase)
{
    static const char *const names[] = {"starting", "serving", "leaving", "draining", "stopped"};

    return names[phase];
}

static json_t *listeners(const struct server *server)
{
    json_t *array = json_array();

    for (size_t i = 0; i < server->config->listener_count; i++) {
        char address[ADDRESS_TEXT_BYTES];
        json_t *object = json_object();

        admin_json_set_text(object, "name", server->config->listeners[i].name);
        admin_json_set_text(object, "address",
                            address_format(&server->listeners[i]->set.address, address));
        admin_json_set_number(
            object, "connections",
            atomic_load_explicit(&server->listeners[i]->connections, memory_order_relaxed));
        json_array_append_new(array, object);
    }
    return array;
}

static json_t *pair(const char *first, uint64_t a, const char *second, uint64_t b)
{
    json_t *object = json_object();

    admin_json_set_number(object, first, a);
    admin_json_set_number(object, second, b);
    return object;
}

/* Those that do not answer, whole: an operator need not ask further. */
static json_t *failing_sources(const json_t *sources)
{
    json_t *failing = json_array();
    json_t *source;
    size_t i;

    json_array_foreach(sources, i, source)
    {
        const char *state = json_string_value(json_object_get(source, "state"));

        if (state != NULL && strcmp(state, "failing") == 0)
            json_array_append(failing, source);
    }
    return failing;
}

static json_t *discovery_of(const struct server *server)
{
    json_t *sources = server->discovery != NULL ? discovery_json(server->discovery) : json_array();
    json_t *object = json_object();

    admin_json_set_number(object, "sources", json_array_size(sources));
    admin_json_set(object, "failing", failing_sources(sources));
    json_decref(sources);
    return object;
}

/* Checks by commands, recoveries and upgrades need them. */
static json_t *commands_of(const struct server *server)
{
    const char *lost = atomic_load(&server->commands_lost);
    json_t *object = json_object();

    admin_json_set_bool(object, "available", lost == NULL);
    if (lost != NULL)
        admin_json_set_text(object, "why", lost);
    return object;
}

void admin_status(struct admin_call *call)
{
    const struct server *server = call->server;
    struct server_totals totals = server_totals(server);
    json_t *object = json_object(), *config = json_object();

    admin_json_set_text(config, "file", server->config->file);
    admin_json_set_number(config, "generation", atomic_load(&server->generation));
    admin_json_set_text(object, "version", EVERGATE_VERSION);
    admin_json_set_number(object, "pid", (uint64_t)getpid());
    admin_json_set_text(object, "state", phase_name(server_phase(server)));
    admin_json_set_bool(object, "ready", server_ready(server));
    admin_json_set(object, "started_at", admin_json_time(server->started_wall_us));
    admin_json_set_seconds(object, "uptime_seconds", clock_monotonic_us() - server->started_us);
    admin_json_set_number(object, "workers", server->worker_count);
    admin_json_set(object, "config", config);
    admin_json_set(object, "connections",
                   pair("open", totals.connections, "total", totals.connections_total));
    admin_json_set(object, "requests",
                   pair("active", totals.requests_active, "total", totals.requests_total));
    admin_json_set_number(object, "last_event", events_last_id(health_events(server->health)));
    admin_json_set(object, "listeners", listeners(server));
    admin_json_set(object, "discovery", discovery_of(server));
    admin_json_set(object, "commands", commands_of(server));
    admin_reply_json(call->request, 200, object);
}
