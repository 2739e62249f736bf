/* A call taken apart: see admin_call.h. */
#include "admin/admin_call.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

struct admin_target admin_target(const struct server *server, unsigned pool)
{
    return (struct admin_target){
        .pool = pool,
        .config = &server->config->pools[pool],
        .balancer = server->runtimes[pool]->balancer,
        .health = server->runtimes[pool]->health,
    };
}

bool admin_call_pool(struct admin_call *call, struct admin_target *ret_target)
{
    const char *name = call->parameters.v[0];
    const struct config *config = call->server->config;

    for (unsigned i = 0; i < config->pool_count; i++) {
        if (strcmp(config->pools[i].name, name) != 0)
            continue;
        *ret_target = admin_target(call->server, i);
        return true;
    }
    admin_reply_error(call->request, 404, "not_found", "there is no pool \"%s\"", name);
    return false;
}

bool admin_call_endpoint(struct admin_call *call, struct admin_target *ret_target)
{
    const char *id = call->parameters.v[1];
    struct admin_target target;

    if (!admin_call_pool(call, &target))
        return false;
    for (unsigned i = 0; i < balancer_pool_size(target.balancer); i++) {
        struct endpoint *endpoint = balancer_pool_endpoint(target.balancer, i);

        if (endpoint == NULL || atomic_load(&endpoint->leaving) || strcmp(endpoint->id, id) != 0)
            continue;
        target.endpoint = endpoint;
        target.backend = atomic_load(&endpoint->backend);
        *ret_target = target;
        return true;
    }
    admin_reply_error(call->request, 404, "not_found", "pool \"%s\" has no endpoint \"%s\"",
                      target.config->name, id);
    return false;
}

bool admin_call_number(struct admin_call *call, const char *name, uint64_t fallback, uint64_t max,
                       uint64_t *ret_number)
{
    const char *text = evhttp_find_header(&call->query, name);
    unsigned long long number = fallback;

    if (text && (!slice_to_u64(slice_str(text), &number) || number > max)) {
        admin_reply_error(call->request, 400, "validation",
                          "%s: \"%s\" is no number from 0 to %llu", name, text,
                          (unsigned long long)max);
        return false;
    }
    *ret_number = number;
    return true;
}

bool admin_call_flag(struct admin_call *call, const char *name, bool fallback, bool *ret_flag)
{
    const char *text = evhttp_find_header(&call->query, name);

    *ret_flag = text ? strcmp(text, "true") == 0 : fallback;
    if (!text || *ret_flag || strcmp(text, "false") == 0)
        return true;
    admin_reply_error(call->request, 400, "validation", "%s: \"%s\" is neither true nor false",
                      name, text);
    return false;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; names && *names; names++)
        if (strcasecmp(name, *names) == 0) /* as evhttp_find_header compares */
            return true;
    return false;
}

bool admin_call_query_known(struct admin_call *call, const char *const *names)
{
    for (struct evkeyval *q = call->query.tqh_first; q; q = q->next.tqe_next) {
        if (is_one_of(q->key, names))
            continue;
        admin_reply_error(call->request, 400, "validation", "%s takes no parameter \"%s\"",
                          call->path, q->key);
        return false;
    }
    return true;
}

/* A page of another site can send a body, but not call it JSON without asking first (CORS). */
static bool is_json(struct evhttp_request *request)
{
    static const struct slice json = {"application/json", 16};
    struct slice type =
        slice_str(evhttp_find_header(evhttp_request_get_input_headers(request), "Content-Type"));

    return type.n >= json.n && slice_ieq(slice_from(type.p, json.n), json) &&
           (type.n == json.n || type.p[json.n] == ';' || type.p[json.n] == ' ');
}

/* The body's one value, or NULL after the answer. */
static json_t *parse_body(struct admin_call *call, struct evbuffer *body)
{
    size_t n = evbuffer_get_length(body);
    json_error_t error;
    json_t *value;

    if (!is_json(call->request)) {
        admin_reply_error(call->request, 400, "validation",
                          "a body needs \"Content-Type: application/json\"");
        return NULL;
    }
    value = json_loadb((const char *)evbuffer_pullup(body, -1), n,
                       JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!value)
        admin_reply_error(call->request, 400, "validation", "the body is no JSON: line %d: %s",
                          error.line, error.text);
    return value;
}

bool admin_call_why(struct admin_call *call, char **ret_why)
{
    struct evbuffer *body = evhttp_request_get_input_buffer(call->request);
    json_t *object;
    const char *why;
    bool good;

    if (evbuffer_get_length(body) == 0) {
        *ret_why = xstrdup("asked by an operator");
        return true;
    }
    object = parse_body(call, body);
    if (!object)
        return false;
    why = json_string_value(json_object_get(object, "why"));
    good = json_is_object(object) && json_object_size(object) == (why ? 1 : 0);
    if (good)
        *ret_why =
            why ? xasprintf("asked by an operator: %s", why) : xstrdup("asked by an operator");
    else
        admin_reply_error(call->request, 422, "validation",
                          "the body may be an object with \"why\", a text, and nothing else");
    json_decref(object);
    return good;
}
