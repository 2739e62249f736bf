/* Which endpoint: what the hashing algorithms hash, whom a session belongs to, and the pick. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/exchange_internal.h"
#include "proxy/sticky_token.h"

/* ---- Keys ---- */

/* The value of one cookie; empty when it is not there. */
static struct slice cookie_value(const struct http_fields *fields, struct slice name)
{
    const struct http_field *cookie = http_fields_get(fields, HTTP_FIELD_COOKIE);
    struct slice rest = cookie != NULL ? cookie->value : slice_from("", 0);

    while (rest.n > 0) {
        const char *semicolon = memchr(rest.p, ';', rest.n);
        size_t size = semicolon != NULL ? (size_t)(semicolon - rest.p) : rest.n;
        struct slice pair = slice_trim(slice_from(rest.p, size));

        if (pair.n > name.n && pair.p[name.n] == '=' && slice_starts_with(pair, name))
            return slice_from(pair.p + name.n + 1, pair.n - name.n - 1);
        size += semicolon != NULL;
        rest = slice_from(rest.p + size, rest.n - size);
    }
    return slice_from("", 0);
}

/* What the hashing algorithms hash. A request without the header or cookie falls back to the
 * client's address: better a stable choice by address than all such requests on one endpoint. */
static struct slice exchange_hash_key(const struct exchange *x)
{
    const struct config_pool *config = x->pool_config;
    struct slice name = slice_str(config->hash_name);
    struct slice key = slice_from("", 0);
    const struct http_field *field;

    if (config->algorithm == CONFIG_IP_HASH)
        return x->client_host;
    switch (config->hash_key) {
    case CONFIG_HASH_URI:
        key = x->head.path;
        break;
    case CONFIG_HASH_HEADER:
        field = http_fields_find(&x->head.fields, name);
        if (field != NULL)
            key = field->value;
        break;
    case CONFIG_HASH_COOKIE:
        key = cookie_value(&x->head.fields, name);
        break;
    case CONFIG_HASH_IP:
        break;
    }
    return key.n > 0 ? key : x->client_host;
}

static bool algorithm_hashes(enum config_algorithm algorithm)
{
    return algorithm == CONFIG_IP_HASH || algorithm == CONFIG_CONSISTENT_HASH;
}

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
    value = cookie_value(&x->head.fields, slice_str(sticky->cookie));
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
    if (algorithm_hashes(x->pool_config->algorithm))
        request.hash = balancer_hash(exchange_hash_key(x));
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
