/* A call taken apart: see admin_call.h. */
#include "admin/admin_call.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/admin_body.h"
#include "base/alloc.h"
#include "config/plan.h"

struct admin_target admin_target(const struct server *server, unsigned pool)
{
    return (struct admin_target){
        .pool = pool,
        .config = &server->config->pools[pool],
        .balancer = server->runtimes[pool]->balancer,
        .health = server->runtimes[pool]->health,
    };
}

static bool find_pool(const struct server *server, const char *name,
                      struct admin_target *ret_target)
{
    size_t at = config_pool_near(server->config, name, 0);

    if (at == server->config->pool_count)
        return false;
    *ret_target = admin_target(server, (unsigned)at);
    return true;
}

/* One that leaves may have a successor of the same id: it is no longer meant. */
static bool find_endpoint(struct admin_target *target, const char *id)
{
    target->endpoint = balancer_pool_find(target->balancer, id);
    return target->endpoint != NULL;
}

bool admin_find_endpoint(const struct server *server, const char *pool, const char *id,
                         struct admin_target *ret_target)
{
    struct admin_target target;

    if (!find_pool(server, pool, &target) || !find_endpoint(&target, id))
        return false;
    *ret_target = target;
    return true;
}

bool admin_call_pool(struct admin_call *call, struct admin_target *ret_target)
{
    const char *name = call->parameters.v[0];

    if (find_pool(call->server, name, ret_target))
        return true;
    admin_reply_error(call->request, 404, "not_found", "there is no pool \"%s\"", name);
    return false;
}

bool admin_call_endpoint(struct admin_call *call, struct admin_target *ret_target)
{
    const char *id = call->parameters.v[1];
    struct admin_target target;

    if (!admin_call_pool(call, &target))
        return false;
    if (find_endpoint(&target, id)) {
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

bool admin_call_why(struct admin_call *call, char **ret_why)
{
    json_t *object, *why = NULL;
    bool good;

    if (!admin_body_optional(call, &object))
        return false;
    if (object)
        why = json_object_get(object, "why");
    good = json_object_size(object) == (why ? 1 : 0) && (!why || json_is_string(why));
    if (!good)
        admin_reply_error(call->request, 422, "validation",
                          "the body may be an object with \"why\", a text, and nothing else");
    else if (why)
        *ret_why = xasprintf("asked by an operator: %s", json_string_value(why));
    else
        *ret_why = xstrdup("asked by an operator");
    json_decref(object);
    return good;
}
