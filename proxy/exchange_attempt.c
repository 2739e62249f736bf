/*
 * The backend's side of an exchange: one request to one endpoint, and its answer relayed to the
 * client.
 *
 * Usually there is one attempt. When a second runs beside it (a hedge), their answers race: the
 * first head wins, and the other attempt is released.
 */
#include "base/log.h"
#include "proxy/exchange_internal.h"

static struct exchange_attempt *attempt_of(struct upstream_attempt *a)
{
    return container_of(a, struct exchange_attempt, upstream);
}

/* ---- Beginning ---- */

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
        .repeatable = x->body_done && !wants_tunnel && x->idempotent,
    };
}

/* The Host of a request that names none (HTTP/1.0): what the backend itself is called. */
static struct slice fallback_host(const struct endpoint *endpoint)
{
    struct slice address = slice_str(endpoint->address);

    return slice_starts_with(address, SLICE_LIT("unix:")) ? SLICE_LIT("localhost") : address;
}

/* A place that no attempt uses. The second one is rarely needed, so it is made then. */
static struct exchange_attempt *free_attempt(struct exchange *x)
{
    if (!x->first_attempt.active)
        return &x->first_attempt;
    if (x->attempt[1] == NULL)
        x->attempt[1] = arena_zalloc(&x->arena, sizeof(struct exchange_attempt));
    return x->attempt[1];
}

static const struct upstream_attempt_ops exchange_attempt_ops;

void exchange_attempt_start(struct exchange *x, struct endpoint *endpoint, bool hedge)
{
    struct exchange_attempt *a = free_attempt(x);
    struct upstream_request *request = &x->upstream_request;

    if (x->attempts++ == 0)
        exchange_describe_request(x);
    else
        stat_add(&x->worker->stats.retries, 1);
    x->endpoint_id = arena_dup(&x->arena, slice_str(endpoint->id));
    *a = (struct exchange_attempt){
        .x = x,
        .endpoint = endpoint,
        .endpoint_id = x->endpoint_id,
        .upstream = {.ops = &exchange_attempt_ops},
        .unsent = x->body.first,
        .picked_us = x->picked_us,
        .active = true,
        .hedge = hedge,
    };
    x->leader = a;
    if (hedge) { /* the one beside it may not have been written yet, and has a host of its own */
        request = arena_alloc(&x->arena, sizeof(*request));
        *request = x->upstream_request;
    }
    request->forward.fallback_host = fallback_host(endpoint);
    upstream_attempt_start(&a->upstream, x->cluster, endpoint, request, &x->worker->loop);
    exchange_body_replay(a);
    if (!hedge && !x->finished)
        exchange_hedge_later(x);
}

void exchange_try(struct exchange *x)
{
    int error = EG_E_NO_ENDPOINT;
    struct endpoint *endpoint;

    if (exchange_queue_is_busy(x)) {
        exchange_queue_enter(x);
        return;
    }
    endpoint = exchange_pick(x, &error);
    if (endpoint != NULL)
        exchange_attempt_start(x, endpoint, false);
    else if (error == EG_E_OVERLOAD)
        exchange_queue_enter(x);
    else
        exchange_fail(x, error);
}

/* ---- The end ---- */

static bool exchange_opens_tunnel(const struct exchange *x, int status)
{
    return status == 101 ||
           (x->head.method_id == HTTP_METHOD_CONNECT && status >= 200 && status < 300);
}

/* For the log; those of the last attempt stay. */
static void note_times(struct exchange *x, const struct upstream_attempt *a)
{
    x->connect_us = x->first_byte_us = -1;
    if (a->connected_us != 0 && !a->reused)
        x->connect_us = (int64_t)(a->connected_us - a->start_us);
    if (a->first_byte_us != 0)
        x->first_byte_us = (int64_t)(a->first_byte_us - a->start_us);
}

static struct exchange_attempt *other_attempt(const struct exchange *x,
                                              const struct exchange_attempt *a)
{
    for (unsigned i = 0; i < EXCHANGE_ATTEMPTS; i++) {
        struct exchange_attempt *b = x->attempt[i];

        if (b != NULL && b != a && b->active)
            return b;
    }
    return NULL;
}

void exchange_attempt_release(struct exchange_attempt *a, enum health_result result, int error)
{
    struct exchange *x = a->x;
    struct upstream_attempt *u = &a->upstream;

    if (!a->active)
        return;
    a->active = false;
    if (x->leader == a)
        note_times(x, u);
    exchange_report_end(a, result, error);
    if (x->leader == a) {
        x->leader = other_attempt(x, a);
        if (x->leader != NULL)
            x->endpoint_id = x->leader->endpoint_id;
    }
    upstream_attempt_release(u);
    exchange_queue_kick(x->runtime, x->worker);
}

void exchange_release_all(struct exchange *x, enum health_result result, int error)
{
    for (unsigned i = 0; i < EXCHANGE_ATTEMPTS; i++) {
        if (x->attempt[i] != NULL)
            exchange_attempt_release(x->attempt[i], result, error);
    }
}

/* ---- What the backend says ---- */

static void on_informational(struct upstream_attempt *u, const struct http_response_head *head)
{
    struct exchange_attempt *a = attempt_of(u);

    if (a == a->x->leader) /* of two, only the newer one may speak before its final answer */
        a->x->sink->informational(a->x->front, head);
}

void exchange_tunnel_touch(struct exchange *x)
{
    uint64_t idle_ms = x->pool_config->timeouts.idle_ms;

    if (idle_ms > 0)
        loop_timer_set(&x->worker->loop, &x->timer, idle_ms);
}

/* It has the client's answer: whoever else runs is let go. */
static void attempt_wins(struct exchange_attempt *a)
{
    struct exchange *x = a->x;
    struct exchange_attempt *loser = other_attempt(x, a);

    exchange_stop_waiting(x);
    if (a->hedge)
        stat_add(&x->worker->stats.hedges_won, 1);
    if (loser != NULL)
        exchange_attempt_release(loser, HEALTH_CANCELLED, EG_OK);
    x->leader = a;
    x->endpoint_id = a->endpoint_id;
}

static void relay_head(struct exchange_attempt *a, const struct http_response_head *head)
{
    struct exchange *x = a->x;

    attempt_wins(a);
    loop_timer_cancel(&x->timer);
    x->head_sent = true;
    x->status = head->status;
    x->error = EG_OK;
    x->tunnel = exchange_opens_tunnel(x, head->status);
    exchange_record_head(x, head);
    x->sink->head(x->front, head, exchange_answer_edits(x, a->endpoint));
    if (x->tunnel && !x->finished) {
        x->body_done = false; /* the client's direction is open again, until its FIN */
        exchange_tunnel_touch(x);
        x->sink->tunnel(x->front);
    }
}

/* RFC 5861 section 4: what stale-if-error calls an error. */
static bool is_covered(int status)
{
    return status == 500 || (status >= 502 && status <= 504);
}

/* A server error: another attempt where the policy says so, or while another one runs anyway; else
 * a stored answer. False: the client gets the answer as it is. */
static bool replace_server_error(struct exchange_attempt *a, const struct http_response_head *head)
{
    struct exchange *x = a->x;

    x->attempts_sent++;
    if (other_attempt(x, a) != NULL || exchange_repeat(x, a, EG_OK, head)) {
        exchange_attempt_release(a, HEALTH_CANCELLED, EG_OK); /* reported already */
        return true;
    }
    return is_covered(head->status) && exchange_serve_stale(x, http_reason(head->status));
}

static void on_head(struct upstream_attempt *u, const struct http_response_head *head)
{
    struct exchange_attempt *a = attempt_of(u);
    struct exchange *x = a->x;
    bool server_error = head->status >= 500;

    exchange_report_head(a, head->status, exchange_opens_tunnel(x, head->status));
    if ((server_error || config_statuses_have(&x->pool_config->retry.on_status, head->status)) &&
        replace_server_error(a, head))
        return;
    relay_head(a, head);
}

static void on_data(struct upstream_attempt *u, struct slice data)
{
    struct exchange_attempt *a = attempt_of(u);
    struct exchange *x = a->x;

    exchange_report_going_on(a);
    if (x->tunnel)
        exchange_tunnel_touch(x);
    if (x->recording != NULL)
        exchange_record_data(x, data);
    x->sink->data(x->front, data);
    if (!x->finished && x->sink->congested(x->front))
        upstream_attempt_pause(u);
}

static void on_end(struct upstream_attempt *u, const struct http_fields *trailers)
{
    struct exchange_attempt *a = attempt_of(u);
    struct exchange *x = a->x;

    if (x->tunnel && !x->body_done) {
        x->backend_done = true;
        x->sink->half_close(x->front);
        return;
    }
    if (x->recording != NULL)
        exchange_record_end(x);
    /* The sink first: trailers belong to the attempt until it is released. */
    x->sink->end(x->front, trailers);
    exchange_attempt_release(a, HEALTH_SUCCESS, EG_OK);
    exchange_finish(x);
}

static void on_failed(struct upstream_attempt *u, int code, const char *detail)
{
    struct exchange_attempt *a = attempt_of(u);
    struct exchange *x = a->x;
    /* Our own lack of descriptors is not the endpoint's fault, and another one could not help. Nor
     * is the end of a tunnel, which its client can bring about by what it says in it. */
    bool ours = code == EG_E_OVERLOAD || x->tunnel;

    if (u->sent)
        x->attempts_sent += !a->reported;
    else
        x->attempts_unsent++;
    log_debug("pool \"%s\": endpoint \"%s\": %s (%s)", x->pool_config->name, a->endpoint->id,
              error_text(code), detail != NULL ? detail : "");
    x->error = code;
    exchange_attempt_release(a, ours ? HEALTH_CANCELLED : HEALTH_FAILURE, code);
    if (!x->head_sent && x->leader != NULL)
        return; /* the one beside it goes on */
    if (x->head_sent || ours || !exchange_repeat(x, a, code, NULL))
        exchange_fail(x, code);
}

static void on_stalled(struct upstream_attempt *u)
{
    exchange_on_stalled(attempt_of(u));
}

static void on_drained(struct upstream_attempt *u)
{
    struct exchange_attempt *a = attempt_of(u);

    if (a->x->tunnel)
        exchange_tunnel_touch(a->x);
    exchange_body_replay(a);
}

static const struct upstream_attempt_ops exchange_attempt_ops = {
    .on_informational = on_informational,
    .on_head = on_head,
    .on_data = on_data,
    .on_end = on_end,
    .on_failed = on_failed,
    .on_stalled = on_stalled,
    .on_drained = on_drained,
};
