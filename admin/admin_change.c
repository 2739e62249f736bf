/* What became of a change, as an answer: see admin_change.h. */
#include "admin/admin_change.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

const struct config_pool *admin_config_pool(const struct config *config, const char *name)
{
    size_t at = config_pool_near(config, name, 0);

    return at < config->pool_count ? &config->pools[at] : NULL;
}

char *admin_change_limit(void)
{
    return xasprintf("%d endpoints were changed over the API already, which is the limit",
                     CONFIG_OVERLAY_ENDPOINTS);
}

/* What the API said stands in no file. */
static json_t *mistake_object(const struct config_error *mistake)
{
    bool placed = mistake->line > 0 || strcmp(mistake->file, "api") != 0;
    json_t *object = json_object();

    admin_json_set_text(object, "file", placed ? mistake->file : NULL);
    admin_json_set(object, "line", mistake->line ? json_integer(mistake->line) : json_null());
    admin_json_set_text(object, "message", mistake->message);
    return object;
}

/* The first mistake with its place, since many a client shows only that. */
static json_t *first_message(const struct config_error *mistake)
{
    char *text = mistake->line > 0
                     ? xasprintf("%s:%u: %s", mistake->file, mistake->line, mistake->message)
                     : xstrdup(mistake->message);
    json_t *json = admin_json_text(text);

    free(text);
    return json;
}

static void reply_mistakes(struct admin_call *call, const struct config_errors *mistakes)
{
    json_t *answer = json_object(), *error = json_object(), *details = json_array();

    for (size_t i = 0; i < mistakes->count; i++)
        json_array_append_new(details, mistake_object(&mistakes->v[i]));
    admin_json_set_text(error, "type", "validation");
    admin_json_set(error, "message", first_message(&mistakes->v[0]));
    admin_json_set(error, "details", details);
    admin_json_set(answer, "error", error);
    admin_reply_json(call->request, 422, answer);
}

static const char *type_of(int status)
{
    return status == 404 ? "not_found" : status == 409 ? "conflict" : "validation";
}

bool admin_change_made(struct admin_call *call, const struct server_outcome *outcome, int status)
{
    if (outcome->verdict == SERVER_CHANGE_DONE)
        return true;
    if (outcome->verdict == SERVER_CHANGE_STOPPING) {
        admin_reply_error(call->request, 503, "unavailable",
                          "nothing can be changed any more: this process is about to end");
    } else if (status == 0 && outcome->errors.count > 0) {
        reply_mistakes(call, &outcome->errors);
    } else {
        status = status ? status : 422;
        admin_reply_error(call->request, status, type_of(status), "%s",
                          outcome->why ? outcome->why : "the change was refused");
    }
    return false;
}

void admin_change_note(json_t *object, const struct server_outcome *outcome)
{
    if (outcome->not_saved)
        admin_json_set_text(object, "not_saved", outcome->not_saved);
}

json_t *admin_change_object(const struct server_outcome *outcome)
{
    json_t *object = json_object(), *plan = config_plan_json(outcome->plan);

    admin_json_set_number(object, "generation", outcome->generation);
    admin_json_set_bool(object, "changed", outcome->plan->count > 0);
    admin_json_set(object, "risk", json_incref(json_object_get(plan, "risk")));
    admin_json_set(object, "kept", json_incref(json_object_get(plan, "kept")));
    admin_json_set_number(object, "closing", outcome->closing);
    admin_json_set_number(object, "draining", outcome->draining);
    admin_json_set(object, "plan", plan);
    admin_change_note(object, outcome);
    return object;
}
