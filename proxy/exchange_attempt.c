/*
 * The backend's side of an exchange: choose an endpoint, send, relay the answer, or try another.
 *
 * A failed attempt is repeated on another endpoint when nothing of an answer went out and either
 * the backend cannot have seen the request (it refused the connection) or seeing it twice does no
 * harm (idempotent, RFC 9110 section 9.2.2), and no byte of a body was given away. The tried set
 * keeps it off the endpoints it had.
 */
#include <string.h>

#include "base/log.h"
#include "proxy/exchange_internal.h"

static struct exchange *exchange_of(struct upstream_attempt *a)
{
    return container_of(a, struct exchange, attempt);
}

/* ---- Choosing ---- */

/* The value of one cookie, without its quotes; empty when it is not there. */
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

static struct endpoint *exchange_pick(struct exchange *x, int *ret_error)
{
    struct balancer_request request = {
        .random = worker_random(x->worker),
        .now_us = x->worker->loop.now_us,
    };

    if (algorithm_hashes(x->pool_config->algorithm))
        request.hash = balancer_hash(exchange_hash_key(x));
    return balancer_pick(x->pool, &request, &x->tried, ret_error);
}

/* ---- Sending ---- */

static void exchange_describe_request(struct exchange *x)
{
    bool upgrade = x->head.upgrade.n > 0;
    bool wants_tunnel = upgrade || x->head.method_id == HTTP_METHOD_CONNECT;

    x->upstream_request = (struct upstream_request){
        .forward =
            {
                .head = &x->head,
                .path = x->path,
                .client_host = x->client_host,
                .client_tls = x->client_tls,
                .request_id = x->request_id,
                .traceparent = x->traceparent,
                .edits = &x->route->request_headers,
                .upgrade = upgrade,
                .pass_expect = x->head.expect_continue,
            },
        .method_id = x->head.method_id,
        .framing = x->head.framing,
        .tunnel = wants_tunnel,
        .repeatable = x->body_done && !wants_tunnel && http_request_is_idempotent(&x->head),
    };
}

/* The Host of a request that names none (HTTP/1.0): what the backend itself is called. */
static struct slice fallback_host(const struct endpoint *endpoint)
{
    struct slice address = slice_str(endpoint->address);

    return slice_starts_with(address, SLICE_LIT("unix:")) ? SLICE_LIT("localhost") : address;
}

static const struct upstream_attempt_ops exchange_attempt_ops;

static void exchange_start_attempt(struct exchange *x)
{
    if (x->attempts++ == 0)
        exchange_describe_request(x);
    else
        stat_add(&x->worker->stats.retries, 1);
    x->upstream_request.forward.fallback_host = fallback_host(x->endpoint);
    x->attempt = (struct upstream_attempt){.ops = &exchange_attempt_ops};
    x->attempting = true;
    upstream_attempt_start(&x->attempt, x->cluster, x->endpoint, &x->upstream_request,
                           &x->worker->loop);
    if (x->body_done)
        upstream_attempt_send_end(&x->attempt, NULL);
    else if (x->attempts > 1)
        x->sink->body_wanted(x->front);
}

void exchange_try(struct exchange *x)
{
    int error = EG_E_NO_ENDPOINT;
    struct endpoint *endpoint = exchange_pick(x, &error);

    if (endpoint != NULL) {
        x->endpoint = endpoint;
        exchange_start_attempt(x);
        return;
    }
    /* Out of endpoints after failures: the last failure tells the client more. */
    exchange_fail(x, x->attempts > 0 && x->error != 0 ? x->error : error);
}

void exchange_release_attempt(struct exchange *x, enum balancer_outcome outcome)
{
    struct upstream_attempt *a = &x->attempt;
    uint64_t now_us = x->worker->loop.now_us;

    if (!x->attempting)
        return;
    x->attempting = false;
    if (a->connected_us != 0 && !a->reused)
        x->connect_us = (int64_t)(a->connected_us - a->start_us);
    if (a->first_byte_us != 0)
        x->first_byte_us = (int64_t)(a->first_byte_us - a->start_us);
    balancer_done(x->pool, x->endpoint, outcome,
                  a->first_byte_us != 0 ? a->first_byte_us - a->start_us : 0, now_us);
    upstream_attempt_release(a);
}

/* ---- What the backend says ---- */

static void on_informational(struct upstream_attempt *a, const struct http_response_head *head)
{
    struct exchange *x = exchange_of(a);

    x->sink->informational(x->front, head);
}

static bool exchange_opens_tunnel(const struct exchange *x, int status)
{
    return status == 101 ||
           (x->head.method_id == HTTP_METHOD_CONNECT && status >= 200 && status < 300);
}

void exchange_tunnel_touch(struct exchange *x)
{
    uint64_t idle_ms = x->pool_config->timeouts.idle_ms;

    if (idle_ms > 0)
        loop_timer_set(&x->worker->loop, &x->timer, idle_ms);
}

static void on_head(struct upstream_attempt *a, const struct http_response_head *head)
{
    struct exchange *x = exchange_of(a);

    loop_timer_cancel(&x->timer);
    x->head_sent = true;
    x->status = head->status;
    x->error = EG_OK;
    x->tunnel = exchange_opens_tunnel(x, head->status);
    x->sink->head(x->front, head, &x->route->response_headers);
    if (x->tunnel && !x->finished) {
        x->body_done = false; /* the client's direction is open again, until its FIN */
        exchange_tunnel_touch(x);
        x->sink->tunnel(x->front);
    }
}

static void on_data(struct upstream_attempt *a, struct slice data)
{
    struct exchange *x = exchange_of(a);

    if (x->tunnel)
        exchange_tunnel_touch(x);
    x->sink->data(x->front, data);
    if (!x->finished && x->sink->congested(x->front))
        upstream_attempt_pause(a);
}

static void on_end(struct upstream_attempt *a, const struct http_fields *trailers)
{
    struct exchange *x = exchange_of(a);

    if (x->tunnel && !x->body_done) {
        x->backend_done = true;
        x->sink->half_close(x->front);
        return;
    }
    /* The sink first: trailers belong to the attempt until it is released. */
    x->sink->end(x->front, trailers);
    exchange_release_attempt(x, BALANCER_SUCCESS);
    exchange_finish(x);
}

static bool exchange_may_retry(const struct exchange *x, const struct upstream_attempt *a)
{
    if (x->head_sent || x->body_passed)
        return false;
    if (!a->sent)
        return x->attempts < EXCHANGE_MAX_CONNECTS;
    return x->upstream_request.repeatable && x->attempts_sent < EXCHANGE_MAX_SENT;
}

static void on_failed(struct upstream_attempt *a, int code, const char *detail)
{
    struct exchange *x = exchange_of(a);
    bool ours = code == EG_E_OVERLOAD, retry;

    x->attempts_sent += a->sent;
    retry = exchange_may_retry(x, a);
    log_debug("pool \"%s\": endpoint \"%s\": %s (%s)", x->pool_config->name, x->endpoint->id,
              error_text(code), detail != NULL ? detail : "");
    x->error = code;
    /* Our own lack of descriptors is not the endpoint's fault, and another one could not help. */
    exchange_release_attempt(x, ours ? BALANCER_CANCELLED : BALANCER_FAILURE);
    if (retry && !ours)
        exchange_try(x);
    else
        exchange_fail(x, code);
}

static void on_drained(struct upstream_attempt *a)
{
    struct exchange *x = exchange_of(a);

    if (x->tunnel)
        exchange_tunnel_touch(x);
    x->sink->body_wanted(x->front);
}

static const struct upstream_attempt_ops exchange_attempt_ops = {
    .on_informational = on_informational,
    .on_head = on_head,
    .on_data = on_data,
    .on_end = on_end,
    .on_failed = on_failed,
    .on_drained = on_drained,
};
