/*
 * Endpoints registered, changed and deregistered: edits of the overlay that lies over the file
 * (config/overlay.h), so that they survive a reload, and a restart where there is a state_file.
 *
 *   POST .../endpoints        201, or 409 when the id is taken
 *   PUT .../endpoints/{id}    all of it anew: 200, or 201 when it was not there
 *   PATCH .../endpoints/{id}  what the body names; null gives a key back to the file (RFC 7396)
 *   DELETE .../endpoints/{id} it finishes what it holds
 *   POST .../{id}/drain       the key `drain`, and at once
 *
 * What is there already is looked at on the control thread, where the edit is made: two that
 * register the same id at the same moment are told apart.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_body.h"
#include "admin/admin_change.h"
#include "admin/admin_internal.h"
#include "admin/admin_objects.h"
#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"

enum verb { REGISTER, REPLACE, CHANGE, DEREGISTER, DRAIN, UNDRAIN };

struct edit {
    enum verb verb;
    const char *pool, *id;
    json_t *fields; /* of REGISTER, REPLACE, CHANGE */
    /* What came of it. */
    int status; /* of a refusal; 0: by the outcome */
    bool created;
};

static const struct config_backend *backend_of(const struct config_pool *pool, const char *id)
{
    for (size_t i = 0; pool && i < pool->backend_count; i++)
        if (strcmp(pool->backends[i].id, id) == 0)
            return &pool->backends[i];
    return NULL;
}

/* Without the overlay. */
static bool file_drains(const struct edit *edit, const struct config *now)
{
    const struct config *base = now->base ? now->base : now;
    const struct config_backend *backend =
        backend_of(admin_config_pool(base, edit->pool), edit->id);

    return backend && backend->drain;
}

static int refuse(struct edit *edit, int status, char *why, char **ret_why)
{
    edit->status = status;
    *ret_why = why;
    return EG_E_INTERNAL;
}

/*
 * An end of a drain gives the key back to the file, so that a later `drain = true` there is obeyed;
 * only where the file drains it now, the overlay has to say no.
 */
static json_t *drain_fields(const struct edit *edit, const struct config *now)
{
    json_t *fields = json_object(), *value = json_true();

    if (edit->verb == UNDRAIN)
        value = file_drains(edit, now) ? json_false() : json_null();
    admin_json_set(fields, "drain", value);
    return fields;
}

static int set_fields(const struct edit *edit, struct config_overlay *overlay,
                      const struct config *now)
{
    json_t *fields = edit->verb >= DRAIN ? drain_fields(edit, now) : json_incref(edit->fields);
    int rc =
        config_overlay_set_endpoint(overlay, edit->pool, edit->id, fields, edit->verb <= REPLACE);

    json_decref(fields);
    return rc;
}

/* The control thread; management waits for it. */
static int apply_edit(void *arg, struct config_overlay *overlay, const struct config *now,
                      char **ret_why)
{
    struct edit *edit = arg;
    const struct config_pool *pool = admin_config_pool(now, edit->pool);
    bool there = backend_of(pool, edit->id) != NULL;

    if (!pool)
        return refuse(edit, 404, xasprintf("there is no pool \"%s\"", edit->pool), ret_why);
    if (there && edit->verb == REGISTER)
        return refuse(edit, 409,
                      xasprintf("pool \"%s\" has an endpoint \"%s\" already", edit->pool, edit->id),
                      ret_why);
    if (!there && edit->verb > REPLACE)
        return refuse(edit, 404,
                      xasprintf("pool \"%s\" has no endpoint \"%s\"", edit->pool, edit->id),
                      ret_why);
    edit->created = !there;
    if (set_fields(edit, overlay, now) == EG_OK)
        return EG_OK;
    return refuse(edit, 409, admin_change_limit(), ret_why);
}

static bool make(struct admin_call *call, struct edit *edit, struct server_outcome *ret_outcome)
{
    server_edit(call->server, apply_edit, edit, ret_outcome);
    return admin_change_made(call, ret_outcome, edit->status);
}

/* ---- Answers ---- */

static char *escaped(const char *text)
{
    char *escaped = evhttp_uriencode(text, -1, 0);

    CHECK(escaped != NULL);
    return escaped;
}

static void add_location(struct admin_call *call, const struct edit *edit)
{
    char *pool = escaped(edit->pool), *id = escaped(edit->id);
    char *location = xasprintf("/api/v1/pools/%s/endpoints/%s", pool, id);

    evhttp_add_header(evhttp_request_get_output_headers(call->request), "Location", location);
    free(location);
    free(pool);
    free(id);
}

/* The endpoint as it now stands; 404 when somebody else took it away in the meantime. */
static void reply_endpoint(struct admin_call *call, const struct edit *edit,
                           const struct server_outcome *outcome)
{
    struct admin_target target;
    json_t *object = NULL;

    server_read_lock(call->server);
    if (admin_find_endpoint(call->server, edit->pool, edit->id, &target))
        object = admin_endpoint_object(&target, admin_now());
    server_read_unlock(call->server);
    if (!object) {
        admin_reply_error(call->request, 404, "not_found", "endpoint \"%s\" is gone again",
                          edit->id);
        return;
    }
    admin_change_note(object, outcome);
    if (edit->created)
        add_location(call, edit);
    admin_reply_json(call->request, edit->created ? 201 : 200, object);
}

static void make_and_reply(struct admin_call *call, struct edit *edit)
{
    struct server_outcome outcome;

    if (make(call, edit, &outcome))
        reply_endpoint(call, edit, &outcome);
    server_outcome_free(&outcome);
}

/* ---- Handlers ---- */

/* The new endpoint's id: the body's, or its address, as the file has it. Heap; NULL after the
 * answer. */
static char *new_id(struct admin_call *call, const json_t *fields)
{
    json_t *id = json_object_get(fields, "id");
    char *text = json_is_string(id) ? xstrdup(json_string_value(id)) : NULL;

    if (!id)
        text = config_endpoint_id(fields);
    if (text && text[0] != '\0')
        return text;
    if (id)
        admin_reply_error(call->request, 422, "validation", "id: a text that is not empty");
    else
        admin_reply_error(call->request, 422, "validation",
                          "address is missing: \"10.0.0.1:8080\" or \"unix:/path\"");
    free(text);
    return NULL;
}

void admin_register(struct admin_call *call)
{
    json_t *fields = admin_body_object(call);
    char *id = fields ? new_id(call, fields) : NULL;
    struct edit edit = {
        .verb = REGISTER, .pool = call->parameters.v[0], .id = id, .fields = fields};

    if (id) {
        json_object_del(fields, "id");
        make_and_reply(call, &edit);
    }
    free(id);
    json_decref(fields);
}

/* An id in the body must be that of the path: an endpoint does not change its name. */
static bool take_id(struct admin_call *call, json_t *fields)
{
    json_t *id = json_object_get(fields, "id");
    const char *text = json_string_value(id);

    if (id && (!text || strcmp(text, call->parameters.v[1]) != 0)) {
        admin_reply_error(call->request, 422, "validation",
                          "id: it is \"%s\" and cannot be changed; register another endpoint",
                          call->parameters.v[1]);
        return false;
    }
    json_object_del(fields, "id");
    return true;
}

static void change(struct admin_call *call, enum verb verb)
{
    json_t *fields = admin_body_object(call);
    struct edit edit = {
        .verb = verb, .pool = call->parameters.v[0], .id = call->parameters.v[1], .fields = fields};

    if (fields && take_id(call, fields))
        make_and_reply(call, &edit);
    json_decref(fields);
}

void admin_replace(struct admin_call *call)
{
    change(call, REPLACE);
}

void admin_change(struct admin_call *call)
{
    change(call, CHANGE);
}

/* The object as it last stood, since it may be gone by the time of the answer. */
void admin_deregister(struct admin_call *call)
{
    struct edit edit = {
        .verb = DEREGISTER, .pool = call->parameters.v[0], .id = call->parameters.v[1]};
    struct server_outcome outcome;
    struct admin_target target;
    json_t *object = NULL;
    bool there;

    server_read_lock(call->server);
    there = admin_call_endpoint(call, &target);
    if (there)
        object = admin_endpoint_object(&target, admin_now());
    server_read_unlock(call->server);
    if (!there)
        return;
    if (make(call, &edit, &outcome)) {
        admin_json_set_bool(object, "leaving", true);
        admin_change_note(object, &outcome);
        admin_reply_json(call->request, 200, json_incref(object));
    }
    server_outcome_free(&outcome);
    json_decref(object);
}

/* ---- Drain ---- */

/* At once, and with the operator's reason in event and status. Did that change anything? */
static bool drain_now(const struct admin_call *call, const struct edit *edit, bool draining,
                      const char *why)
{
    struct admin_target target;
    bool changed;

    server_read_lock(call->server);
    changed =
        admin_find_endpoint(call->server, edit->pool, edit->id, &target) &&
        health_set_draining(target.health, target.endpoint, draining, why, clock_monotonic_us());
    server_read_unlock(call->server);
    return changed;
}

/* The edit makes it last. Where that is refused, things are again as they were. */
static void set_drain(struct admin_call *call, bool draining)
{
    struct edit edit = {.verb = draining ? DRAIN : UNDRAIN,
                        .pool = call->parameters.v[0],
                        .id = call->parameters.v[1]};
    struct server_outcome outcome;
    bool changed;
    char *why;

    if (!admin_call_why(call, &why))
        return;
    changed = drain_now(call, &edit, draining, why);
    if (make(call, &edit, &outcome))
        reply_endpoint(call, &edit, &outcome);
    else if (changed)
        drain_now(call, &edit, !draining, "the change of the configuration was refused");
    server_outcome_free(&outcome);
    free(why);
}

void admin_drain(struct admin_call *call)
{
    set_drain(call, true);
}

void admin_undrain(struct admin_call *call)
{
    set_drain(call, false);
}
