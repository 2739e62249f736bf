/*
 * The exchange's beginning and end, and its routing: see exchange.h.
 *
 *   exchange_new ─► exchange_start ─► route ─┬─► own answer ────────────► exchange_end
 *                                            └─► exchange_try ─► ... ─┬─► exchange_end
 *                                                                     └─► exchange_abort
 *
 * exchange_try and what follows it is in exchange_attempt.c. The client may leave at any time:
 * exchange_cancel.
 */
#include "proxy/exchange.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "proxy/exchange_internal.h"
#include "proxy/own_answer.h"
#include "proxy/router.h"
#include "proxy/worker_listener.h"

/* ---- Beginning ---- */

static void exchange_on_timer(struct loop_timer *timer);

static void random_bytes(struct worker *worker, unsigned char *out, size_t n)
{
    for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
        uint64_t r = worker_random(worker);

        memcpy(out + i, &r, n - i < sizeof(r) ? n - i : sizeof(r));
    }
}

/* The client's own request id and trace context are kept when they are well-formed, so that it can
 * find its request in our log; else both begin here. */
static void exchange_identify(struct exchange *x)
{
    const struct http_field *id = http_fields_get(&x->head.fields, HTTP_FIELD_X_REQUEST_ID);
    const struct http_field *trace = http_fields_get(&x->head.fields, HTTP_FIELD_TRACEPARENT);
    unsigned char random[24];

    random_bytes(x->worker, random, sizeof(random));
    if (id != NULL && http_request_id_valid(id->value)) {
        x->request_id = id->value;
    } else {
        char *out = arena_alloc(&x->arena, HTTP_REQUEST_ID_BYTES);

        http_request_id_make(out, random);
        x->request_id = slice_from(out, HTTP_REQUEST_ID_BYTES);
    }
    if (trace != NULL && http_traceparent_valid(trace->value)) {
        x->traceparent = trace->value;
    } else {
        char *out = arena_alloc(&x->arena, HTTP_TRACEPARENT_BYTES);

        http_traceparent_make(out, random);
        x->traceparent = slice_from(out, HTTP_TRACEPARENT_BYTES);
    }
}

/* A listener that was taken away still has the connections that came by it. */
static unsigned index_of_listener(const struct exchange *x)
{
    const struct config *config = x->view->config;

    if (x->listener->snapshot != config)
        return (unsigned)config->listener_count;
    return (unsigned)(x->listener->config - config->listeners);
}

struct exchange *exchange_new(struct worker *worker, struct exchange_request *request,
                              const struct exchange_sink *sink, void *front)
{
    struct arena arena = request->arena;
    struct exchange *x = arena_zalloc(&arena, sizeof(*x));

    x->arena = arena;
    x->worker = worker;
    x->view = worker_view_ref(worker->view);
    x->sink = sink;
    x->front = front;
    x->head = request->head;
    x->listener = request->listener;
    x->listener_index = index_of_listener(x);
    x->client_tls = request->client_tls;
    x->client_host = request->client_host;
    x->protocol = request->protocol;
    x->start_us = request->start_us;
    x->wall_us = clock_wall_us() - (worker->loop.now_us - request->start_us);
    x->bytes_in = request->head_bytes;
    x->connect_us = x->first_byte_us = -1;
    x->body_done = x->head.framing == HTTP_FRAMING_NONE ||
                   (x->head.framing == HTTP_FRAMING_LENGTH && x->head.content_length == 0);
    x->attempt[0] = &x->first_attempt;
    list_init(&x->queue_node);
    balancer_tried_init(&x->tried);
    loop_timer_init(&x->timer, exchange_on_timer);
    loop_timer_init(&x->wait_timer, exchange_on_wait_timer);
    stat_add(&worker->stats.requests_total, 1);
    stat_add(&worker->stats.requests_active, 1);
    exchange_identify(x);
    return x;
}

/* ---- Routing ---- */

void exchange_to_pool(struct exchange *x, unsigned pool)
{
    x->pool_config = &x->view->config->pools[pool];
    x->runtime = x->view->runtimes[pool];
    x->cluster = x->view->clusters[pool];
    exchange_budget_count(x);
    exchange_session_begin(x);
    if (!exchange_is_suppressed(x))
        exchange_try(x);
}

static void exchange_route_to_pool(struct exchange *x)
{
    x->path = router_rewrite(x->route, &x->head, x->path, &x->arena);
    x->idempotent = http_request_is_idempotent(&x->head);
    if (x->route->timeout_ms > 0)
        loop_timer_set(&x->worker->loop, &x->timer, x->route->timeout_ms);
    exchange_to_pool(x, router_pick_pool(x->route, worker_random(x->worker)));
}

void exchange_start(struct exchange *x)
{
    struct router_result found;

    x->path = route_path_normalise(x->head.path, &x->arena);
    found = router_match(x->view->config, x->listener->config->name, &x->head, x->path, &x->arena);
    x->route = found.route;
    if (found.route == NULL && found.method_mismatch != NULL) {
        x->route = found.method_mismatch;
        exchange_fail(x, EG_E_METHOD_NOT_ALLOWED);
        return;
    }
    if (found.route == NULL) {
        exchange_fail(x, EG_E_NO_ROUTE);
        return;
    }
    switch (x->route->action) {
    case CONFIG_ROUTE_POOL:
        exchange_route_to_pool(x);
        break;
    case CONFIG_ROUTE_REDIRECT:
        own_answer_redirect(x, x->route);
        exchange_end(x, NULL);
        break;
    case CONFIG_ROUTE_RESPOND:
        own_answer_respond(x, x->route);
        exchange_end(x, NULL);
        break;
    }
}

void exchange_refuse(struct exchange *x, int code)
{
    exchange_fail(x, code);
}

/* ---- What the frontend tells meanwhile; the body itself is exchange_body.c's ---- */

void exchange_body_failed(struct exchange *x, int code)
{
    exchange_stop_waiting(x);
    exchange_release_all(x, HEALTH_CANCELLED, EG_OK);
    exchange_fail(x, code);
}

void exchange_drained(struct exchange *x)
{
    if (x->tunnel) /* a peer that takes what we hold is not idle, however slow it is */
        exchange_tunnel_touch(x);
    if (x->leader != NULL)
        upstream_attempt_resume(&x->leader->upstream);
}

void exchange_count(struct exchange *x, uint64_t bytes_in, uint64_t bytes_out)
{
    x->bytes_in += bytes_in;
    x->bytes_out += bytes_out;
}

/* ---- The end ---- */

static void exchange_on_reap(struct loop_task *task)
{
    struct exchange *x = container_of(task, struct exchange, after_turn);
    struct arena arena = x->arena;

    /* What was sent of it by reference has left by now. */
    cache_release(&x->stale);
    worker_view_unref(x->view);
    arena_fini(&arena); /* x goes with it */
}

void exchange_finish(struct exchange *x)
{
    CHECK(!x->finished);
    x->finished = true;
    exchange_stop_waiting(x);
    exchange_release_all(x, HEALTH_CANCELLED, EG_OK);
    cache_record_drop(&x->recording);
    loop_timer_cancel(&x->timer);
    balancer_tried_fini(&x->tried);
    stat_sub(&x->worker->stats.requests_active, 1);
    exchange_log(x);
    loop_task_init(&x->after_turn, exchange_on_reap);
    loop_reap(&x->worker->loop, &x->after_turn);
}

void exchange_end(struct exchange *x, const struct http_fields *trailers)
{
    x->sink->end(x->front, trailers);
    exchange_finish(x);
}

void exchange_abort(struct exchange *x, int code)
{
    x->error = code;
    x->sink->abort(x->front);
    exchange_finish(x);
}

void exchange_fail(struct exchange *x, int code)
{
    x->error = code;
    if (x->head_sent) {
        exchange_abort(x, code);
        return;
    }
    if (exchange_fall_back(x, code))
        return;
    own_answer_error(x, code);
    exchange_end(x, NULL);
}

void exchange_cancel(struct exchange *x, int code)
{
    x->error = code;
    x->status = error_http_status(code);
    exchange_finish(x);
}

/* Whose time was it? The endpoint's that had the whole request for at least half of it; else the
 * client's, or that of the attempts before. */
static enum health_result result_of_timeout(const struct exchange_attempt *a)
{
    const struct exchange *x = a->x;
    uint64_t asked_us = a->upstream.asked_us;

    if (asked_us == 0 || (x->worker->loop.now_us - asked_us) * 2 < x->route->timeout_ms * 1000)
        return HEALTH_CANCELLED;
    return HEALTH_FAILURE;
}

static void release_timed_out(struct exchange *x)
{
    for (unsigned i = 0; i < EXCHANGE_ATTEMPTS; i++) {
        struct exchange_attempt *a = x->attempt[i];

        if (a != NULL && a->active)
            exchange_attempt_release(a, result_of_timeout(a), EG_E_ROUTE_TIMEOUT);
    }
}

static void exchange_on_timer(struct loop_timer *timer)
{
    struct exchange *x = container_of(timer, struct exchange, timer);

    if (x->tunnel) {
        exchange_end(x, NULL);
        return;
    }
    if (x->head_sent)
        return;
    exchange_stop_waiting(x);
    release_timed_out(x);
    exchange_fail(x, EG_E_ROUTE_TIMEOUT);
}
