/*
 * POST /api/v1/explain: what would become of a request, from the listener on, and why: the routes
 * that pass it over, the one that takes it, what that makes of it, each pool that it may go to with
 * its policies and where they were written, and the endpoint. Asks; sends nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_body.h"
#include "admin/admin_choice.h"
#include "admin/admin_internal.h"
#include "admin/admin_policies.h"
#include "base/alloc.h"
#include "proxy/router.h"
#include "proxy/router_explain.h"

/* Of one request. */
struct explain {
    const struct server *server;
    struct admin_question *question;
    const struct config_listener *listener;
    json_t *answer;
};

/* ---- Routes ---- */

static json_t *rewrite(const struct explain *explain, const struct config_route *route)
{
    struct admin_question *question = explain->question;
    json_t *object;

    if (!route->rewrite_prefix || route->action != CONFIG_ROUTE_POOL)
        return json_null();
    object = json_object();
    admin_json_set_text(object, "from", route->path);
    admin_json_set_text(object, "to", route->rewrite_prefix);
    admin_json_set(object, "path",
                   admin_json_slice(arena_dup(
                       &question->arena,
                       router_rewrite(route, &question->head, question->path, &question->arena))));
    return object;
}

/* What is told of every route that was looked at. */
static json_t *looked_at(const struct config_route *route, const struct router_explanation *told)
{
    json_t *object = json_object();

    admin_json_set_text(object, "name", route->name);
    admin_json_set_bool(object, "matched", told->verdict == ROUTER_TAKES_IT);
    admin_json_set_text(object, "verdict", router_verdict_name(told->verdict));
    admin_json_set_text(object, "why", told->why.p);
    admin_where_set(object, &route->where);
    return object;
}

static json_t *taken(const struct explain *explain, const struct config_route *route,
                     const struct router_explanation *told)
{
    static const char *const actions[] = {"pool", "redirect", "respond"};
    json_t *object = looked_at(route, told);

    admin_json_set_text(object, "action", actions[route->action]);
    admin_json_set(object, "rewrite", rewrite(explain, route));
    admin_json_set(object, "timeout_seconds",
                   route->timeout_ms ? json_real((double)route->timeout_ms / 1000) : json_null());
    return object;
}

/* The route that takes it, or NULL. It and all before it are told of; *ret_method is set when one
 * of those would, but for the method. */
static const struct config_route *walk_routes(struct explain *explain, bool *ret_method)
{
    const struct config *config = explain->server->config;
    struct admin_question *question = explain->question;
    json_t *routes = json_array();

    admin_json_set(explain->answer, "routes", routes);
    admin_json_set(explain->answer, "route", json_null());
    *ret_method = false;
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        struct router_explanation told = router_explain(
            route, explain->listener->name, &question->head, question->path, &question->arena);

        json_array_append_new(routes, looked_at(route, &told));
        *ret_method |= told.verdict == ROUTER_OTHER_METHOD;
        if (told.verdict != ROUTER_TAKES_IT)
            continue;
        admin_json_set(explain->answer, "route", taken(explain, route, &told));
        return route;
    }
    return NULL;
}

/* ---- What evergate answers by itself ---- */

static json_t *refusal(int code)
{
    json_t *object = json_object();

    admin_json_set_number(object, "status", (uint64_t)error_http_status(code));
    admin_json_set_text(object, "type", error_type_name(error_type_of(code)));
    admin_json_set_text(object, "message", error_text(code));
    return object;
}

static json_t *own_answer(const struct config_route *route)
{
    json_t *object = json_object();
    bool redirects = route->action == CONFIG_ROUTE_REDIRECT;

    admin_json_set_number(object, "status",
                          (uint64_t)(redirects ? route->redirect.status : route->respond.status));
    admin_json_set_text(object, "redirect_to", redirects ? route->redirect.to : NULL);
    return object;
}

/* ---- Pools ---- */

static double percent_of(const struct config_route *route, const struct config_weighted_pool *pool)
{
    unsigned total = route->pool_weight_total;

    return route->pool_count == 1 || total == 0 ? 100.0 : 100.0 * pool->weight / total;
}

static json_t *pool_object(const struct explain *explain, const struct config_route *route,
                           const struct config_weighted_pool *weighted)
{
    const struct config_pool *config = &explain->server->config->pools[weighted->pool];
    double percent = percent_of(route, weighted);
    json_t *object = json_object();
    char *why = xasprintf("%.4g %% of the route's requests go to it", percent);

    admin_json_set_text(object, "name", config->name);
    admin_json_set_text(object, "why", why);
    admin_json_set(object, "percent", json_real(percent));
    admin_where_set(object, &config->where);
    free(why);
    return object;
}

/* Where most of the route's requests go. */
static const struct config_weighted_pool *likeliest(const struct config_route *route)
{
    const struct config_weighted_pool *found = &route->pools[0];

    for (size_t i = 1; i < route->pool_count; i++)
        if (route->pools[i].weight > found->weight)
            found = &route->pools[i];
    return found;
}

static json_t *choice_in(const struct explain *explain, const struct config_weighted_pool *pool)
{
    struct admin_target target = admin_target(explain->server, pool->pool);

    return admin_choice_object(explain->server, &target, explain->question);
}

/* The rest, with a choice of their own each. */
static json_t *other_pools(const struct explain *explain, const struct config_route *route,
                           const struct config_weighted_pool *told)
{
    json_t *array = json_array();

    for (size_t i = 0; i < route->pool_count; i++) {
        const struct config_weighted_pool *pool = &route->pools[i];
        json_t *object;

        if (pool == told)
            continue;
        object = pool_object(explain, route, pool);
        admin_json_set(object, "select", choice_in(explain, pool));
        json_array_append_new(array, object);
    }
    return array;
}

/* The answer goes on with the members of the choice in the likeliest pool. */
static void set_pools(struct explain *explain, const struct config_route *route)
{
    const struct config *config = explain->server->config;
    const struct config_weighted_pool *pool = likeliest(route);
    json_t *choice = choice_in(explain, pool);

    admin_json_set(explain->answer, "pool", pool_object(explain, route, pool));
    json_object_update(explain->answer, choice);
    admin_json_set(explain->answer, "policies",
                   admin_policies_array(config, &config->pools[pool->pool]));
    admin_json_set(explain->answer, "other_pools", other_pools(explain, route, pool));
    json_decref(choice);
}

/* ---- The whole ---- */

static json_t *request_object(const struct admin_question *question)
{
    json_t *object = json_object();

    admin_json_set(object, "client_ip", admin_json_slice(question->client_host));
    admin_json_set(object, "method", admin_json_slice(question->head.method));
    admin_json_set(object, "host", admin_json_slice(question->head.authority));
    admin_json_set(object, "path", admin_json_slice(question->head.path));
    admin_json_set(object, "matched_path", admin_json_slice(question->path));
    return object;
}

static json_t *listener_object(const struct config_listener *listener)
{
    json_t *object = json_object();

    admin_json_set_text(object, "name", listener->name);
    admin_json_set_text(object, "bind", listener->bind);
    admin_json_set_bool(object, "tls", listener->tls != NULL);
    admin_where_set(object, &listener->where);
    return object;
}

static json_t *explain_object(struct explain *explain)
{
    json_t *answer = explain->answer = json_object();
    const struct config_route *route;
    bool other_method;

    admin_json_set(answer, "listener", listener_object(explain->listener));
    admin_json_set(answer, "request", request_object(explain->question));
    route = walk_routes(explain, &other_method);
    admin_json_set(answer, "pool", json_null());
    admin_json_set(answer, "endpoint", json_null());
    admin_json_set(answer, "answer", json_null());
    if (!route)
        admin_json_set(answer, "answer",
                       refusal(other_method ? EG_E_METHOD_NOT_ALLOWED : EG_E_NO_ROUTE));
    else if (route->action != CONFIG_ROUTE_POOL)
        admin_json_set(answer, "answer", own_answer(route));
    else
        set_pools(explain, route);
    return answer;
}

/* The one that the body names, else the first; its limits hold for the request. NULL after the
 * answer. */
static const struct config_listener *find_listener(struct admin_call *call, const json_t *body)
{
    const struct config *config = call->server->config;
    json_t *name = json_object_get(body, "listener");

    for (size_t i = 0; i < config->listener_count; i++)
        if (!name || (json_is_string(name) &&
                      strcmp(json_string_value(name), config->listeners[i].name) == 0))
            return &config->listeners[i];
    admin_reply_error(call->request, 422, "validation", "listener: there is no such listener");
    return NULL;
}

void admin_explain(struct admin_call *call)
{
    struct admin_question question;
    struct explain explain = {.server = call->server, .question = &question};
    char *why = NULL;
    json_t *body;

    if (!admin_body_optional(call, &body))
        return;
    explain.listener = find_listener(call, body);
    if (!explain.listener) {
        json_decref(body);
        return;
    }
    if (admin_question_read(&question, body, true, &explain.listener->limits.head, &why) == EG_OK) {
        admin_reply_json(call->request, 200, explain_object(&explain));
        admin_question_fini(&question);
    } else {
        admin_reply_error(call->request, 422, "validation", "%s", why);
    }
    json_decref(body);
    free(why);
}
