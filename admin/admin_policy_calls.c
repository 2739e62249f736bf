/*
 * GET and PATCH /api/v1/pools/{pool}/policy: how a pool chooses, retries, breaks and fails over, in
 * the words and units of the configuration file. What is changed here lies over the file
 * (config/overlay.h); a null gives a key back to it (RFC 7396), and a revert the whole pool.
 */
#include <string.h>

#include "admin/admin_body.h"
#include "admin/admin_change.h"
#include "admin/admin_internal.h"
#include "admin/admin_objects.h"
#include "base/alloc.h"

struct edit {
    const char *pool;
    json_t *fields;
    int status; /* of a refusal; 0: by the outcome */
};

void admin_policy(struct admin_call *call)
{
    struct admin_target pool;

    if (admin_call_pool(call, &pool))
        admin_reply_json(call->request, 200, config_policy_json(pool.config));
}

static int refuse(struct edit *edit, int status, char *why, char **ret_why)
{
    edit->status = status;
    *ret_why = why;
    return EG_E_INTERNAL;
}

static bool has_endpoint(const struct config_pool *pool, const char *id)
{
    for (size_t i = 0; i < pool->backend_count; i++)
        if (strcmp(pool->backends[i].id, id) == 0)
            return true;
    return false;
}

/* The first of `weights` that names no endpoint; NULL when all do. */
static const char *stranger(const struct config_pool *pool, const json_t *weights)
{
    const char *id;
    json_t *weight;

    json_object_foreach((json_t *)weights, id, weight)
    {
        if (!has_endpoint(pool, id))
            return id;
    }
    return NULL;
}

/* The control thread; management waits for it. */
static int apply_edit(void *arg, struct config_overlay *overlay, const struct config *now,
                      char **ret_why)
{
    struct edit *edit = arg;
    const struct config_pool *pool = admin_config_pool(now, edit->pool);
    const char *id;

    if (!pool)
        return refuse(edit, 404, xasprintf("there is no pool \"%s\"", edit->pool), ret_why);
    id = stranger(pool, json_object_get(edit->fields, "weights"));
    if (id)
        return refuse(edit, 422,
                      xasprintf("weights: pool \"%s\" has no endpoint \"%s\"", edit->pool, id),
                      ret_why);
    if (config_overlay_set_policy(overlay, edit->pool, edit->fields) != EG_OK)
        return refuse(edit, 409, admin_change_limit(), ret_why);
    return EG_OK;
}

static void reply_policy(struct admin_call *call, const struct server_outcome *outcome)
{
    struct admin_target pool;
    json_t *object;

    server_read_lock(call->server);
    if (admin_call_pool(call, &pool)) {
        object = config_policy_json(pool.config);
        admin_change_note(object, outcome);
        admin_reply_json(call->request, 200, object);
    }
    server_read_unlock(call->server);
}

void admin_change_policy(struct admin_call *call)
{
    struct edit edit = {.pool = call->parameters.v[0]};
    struct server_outcome outcome;

    edit.fields = admin_body_object(call);
    if (!edit.fields)
        return;
    server_edit(call->server, apply_edit, &edit, &outcome);
    if (admin_change_made(call, &outcome, edit.status))
        reply_policy(call, &outcome);
    server_outcome_free(&outcome);
    json_decref(edit.fields);
}

/* ---- POST /api/v1/pools/{pool}/revert: the file's word alone counts again ---- */

static int apply_revert(void *arg, struct config_overlay *overlay, const struct config *now,
                        char **ret_why)
{
    struct edit *edit = arg;

    if (!admin_config_pool(now, edit->pool))
        return refuse(edit, 404, xasprintf("there is no pool \"%s\"", edit->pool), ret_why);
    config_overlay_clear_pool(overlay, edit->pool);
    return EG_OK;
}

void admin_revert(struct admin_call *call)
{
    struct edit edit = {.pool = call->parameters.v[0]};
    struct server_outcome outcome;

    if (!admin_body_says_nothing(call))
        return;
    server_edit(call->server, apply_revert, &edit, &outcome);
    if (admin_change_made(call, &outcome, edit.status))
        admin_reply_json(call->request, 200, admin_change_object(&outcome));
    server_outcome_free(&outcome);
}
