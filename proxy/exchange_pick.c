/* Which endpoint: whom a session belongs to, and the pick. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/exchange_internal.h"
#include "proxy/request_key.h"
#include "proxy/sticky_token.h"

/* ---- Sessions ---- */

void exchange_session_begin(struct exchange *x)
{
    const struct config_sticky *sticky = x->pool_config->sticky;
    struct slice pool = slice_str(x->pool_config->name), value;
    struct sticky_token token;
    uint64_t now_s;

    x->session.number = 0;
    x->session.tag = 0;
    x->session.renew = false;
    if (sticky == NULL)
        return;
    now_s = clock_wall_us() / 1000000;
    value = request_cookie(&x->head.fields, slice_str(sticky->cookie));
    if (value.n > 0 && sticky_token_read(pool_runtime_secret(x->runtime, x->pool_config), pool,
                                         value, now_s, &token)) {
        x->session.number = token.session;
        x->session.tag = token.endpoint_tag;
        x->session.renew = (token.expires_s - now_s) * 1000 < sticky->ttl_ms / 2;
    }
    while (x->session.number == 0)
        x->session.number = worker_random(x->worker);
}

/* RFC 6265 section 4.1. No Domain: the cookie goes back to this host alone. */
static struct slice session_cookie(struct exchange *x, const struct endpoint *endpoint)
{
    const struct config_sticky *sticky = x->pool_config->sticky;
    size_t capacity = strlen(sticky->cookie) + STICKY_TOKEN_BYTES + 96;
    char *out = arena_alloc(&x->arena, capacity), value[STICKY_TOKEN_BYTES];
    const struct sticky_token token = {
        .session = x->session.number,
        .endpoint_tag = atomic_load_explicit(&endpoint->tag, memory_order_relaxed),
        .expires_s = (clock_wall_us() / 1000 + sticky->ttl_ms) / 1000,
    };
    int n;

    sticky_token_make(value, pool_runtime_secret(x->runtime, x->pool_config),
                      slice_str(x->pool_config->name), &token);
    n = snprintf(out, capacity, "%s=%.*s; Path=/; Max-Age=%llu; HttpOnly; SameSite=Lax%s",
                 sticky->cookie, STICKY_TOKEN_BYTES, value,
                 (unsigned long long)(sticky->ttl_ms / 1000), x->client_tls ? "; Secure" : "");
    return slice_from(out, (size_t)n);
}

static bool is_at_home(const struct exchange *x, const struct endpoint *endpoint)
{
    return x->session.tag != 0 &&
           atomic_load_explicit(&endpoint->tag, memory_order_relaxed) == x->session.tag;
}

const struct http_header_edits *exchange_answer_edits(struct exchange *x,
                                                      const struct endpoint *endpoint)
{
    const struct http_header_edits *route = &x->route->response_headers;
    struct http_header_edits *edits;
    struct http_header_edit *add;

    if (x->session.number == 0 || (is_at_home(x, endpoint) && !x->session.renew))
        return route;
    edits = arena_alloc(&x->arena, sizeof(*edits));
    add = arena_alloc(&x->arena, (route->add_count + 1) * sizeof(*add));
    if (route->add_count > 0)
        memcpy(add, route->add, route->add_count * sizeof(*add));
    add[route->add_count] =
        (struct http_header_edit){SLICE_LIT("Set-Cookie"), session_cookie(x, endpoint)};
    *edits = *route;
    edits->add = add;
    edits->add_count = route->add_count + 1;
    return edits;
}

/* ---- The pick ---- */

struct endpoint *exchange_pick(struct exchange *x, int *ret_error)
{
    struct balancer_request request = {
        .random = worker_random(x->worker),
        .now_us = x->worker->loop.now_us,
        .session = x->session.number,
    };

    x->picked_us = request.now_us;
    if (x->session.tag != 0) /* looked up for each pick: it may have left since the last one */
        request.session_endpoint = pool_runtime_tagged(x->runtime, x->session.tag);
    if (request_key_matters(x->pool_config))
        request.hash = balancer_hash(request_key_of(x->pool_config, &x->head, x->client_host));
    return balancer_pick(x->runtime->balancer, &request, &x->tried, ret_error);
}

void exchange_forget_tried(struct exchange *x)
{
    balancer_tried_fini(&x->tried);
    balancer_tried_init(&x->tried);
}

void exchange_give_back(struct exchange *x, struct endpoint *endpoint)
{
    uint64_t now_us = x->worker->loop.now_us;
    const struct health_report report = {.result = HEALTH_CANCELLED, .picked_us = x->picked_us};

    health_report(x->runtime->health, endpoint, &report, now_us);
    balancer_done(x->runtime->balancer, endpoint, BALANCER_CANCELLED, 0, now_us);
    balancer_tried_remove(&x->tried, endpoint->index);
    exchange_queue_kick(x->runtime, x->worker);
}
