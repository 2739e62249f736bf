/* GET /api/v1/events?since=ID&limit=N: what happened, oldest first. */
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "base/alloc.h"

enum { EVENTS_LIMIT = 100, EVENTS_LIMIT_MAX = 1000 };

static json_t *event_object(const struct health_event *event)
{
    static const char *const severities[] = {"info", "warn", "error"};
    json_t *object = json_object();

    admin_json_set_number(object, "id", event->id);
    admin_json_set(object, "time", admin_json_time(event->wall_us));
    admin_json_set_text(object, "type", event_type_name(event->type));
    admin_json_set_text(object, "severity", severities[event->severity]);
    admin_json_set_text(object, "pool", event->pool[0] ? event->pool : NULL);
    admin_json_set_text(object, "endpoint", event->endpoint[0] ? event->endpoint : NULL);
    admin_json_set_text(object, "address", event->address[0] ? event->address : NULL);
    admin_json_set_text(object, "from", event->from);
    admin_json_set_text(object, "to", event->to);
    admin_json_set_text(object, "why", event->why);
    admin_json_set(object, "was_seconds",
                   event->was_us ? json_real((double)event->was_us / 1000000) : json_null());
    admin_json_set_text(object, "next", event->next);
    return object;
}

/*
 * last_id is what to give as `since` next time: nothing is missed when there were more than
 * `limit`, and one below `since` tells that the process is a new one.
 *
 * Without `since`, the latest ones: whoever asks for the first time wants to know how things are,
 * not how they were when the ring began.
 */
void admin_events(struct admin_call *call)
{
    struct events *events = health_events(call->server->health);
    uint64_t last = events_last_id(events), since, limit;
    struct health_event *found;
    struct evbuffer *out;
    size_t n;

    if (!admin_call_number(call, "limit", EVENTS_LIMIT, EVENTS_LIMIT_MAX, &limit) ||
        !admin_call_number(call, "since", last > limit ? last - limit : 0, UINT64_MAX, &since))
        return;
    found = xcalloc(limit > 0 ? limit : 1, sizeof(*found));
    n = events_read(events, since, found, limit);
    if (n > 0)
        last = found[n - 1].id;
    out = evbuffer_new();
    evbuffer_add_printf(out, "{\"events\":[");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            evbuffer_add(out, ",", 1);
        admin_json_add(out, event_object(&found[i]));
    }
    evbuffer_add_printf(out, "],\"last_id\":%llu}\n", (unsigned long long)last);
    admin_reply(call->request, 200, "application/json", out);
    evbuffer_free(out);
    free(found);
}
