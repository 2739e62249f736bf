/*
 * The public API: one request to one endpoint.
 *
 * What is decided here is which connection a request goes onto, what a lost connection means for
 * it, and whether a connection may serve again. What flows is in request.c and response.c.
 */
#include <stdio.h>

#include "base/check.h"
#include "upstream/upstream_internal.h"

/* The caller's memory may have served an earlier attempt: only `ops` is its own. */
static void attempt_init(struct upstream_attempt *a, struct upstream_cluster *cluster,
                         struct endpoint *endpoint, const struct upstream_request *request)
{
    const struct upstream_attempt_ops *ops = a->ops;

    *a = (struct upstream_attempt){
        .ops = ops,
        .cluster = cluster,
        .endpoint = endpoint,
        .request = request,
        .request_done = request->framing == HTTP_FRAMING_NONE,
        .start_us = cluster->loop->now_us,
    };
}

void upstream_attempt_start(struct upstream_attempt *a, struct upstream_cluster *cluster,
                            struct endpoint *endpoint, const struct upstream_request *request,
                            struct loop *loop)
{
    CHECK(loop == cluster->loop);
    attempt_init(a, cluster, endpoint, request);
    if (a->request_done)
        upstream_stall_enter(a);

    /* A request that may be repeated needs no check: should the connection turn out dead, it is
     * sent again (upstream_attempt_lost), which is rarer than a system call each. */
    struct upstream_connection *c =
        upstream_idle_take(upstream_cluster_find(cluster, endpoint), !request->repeatable);
    if (!c) {
        upstream_connection_open(a);
        return;
    }
    cluster->stats.reuses++;
    a->reused = true;
    a->connected_us = a->start_us;
    upstream_connection_attach(c, a);
    upstream_connection_set_state(c, UPSTREAM_ACTIVE);
    upstream_request_begin(c);
    upstream_deadline_touch(c);
}

/* True when what the caller sends still goes somewhere: not after a failure, a complete answer or
 * the death of a tunnel's other half. */
static bool accepts_input(const struct upstream_attempt *a)
{
    const struct upstream_connection *c = a->connection;

    return c && !c->broken && c->response.phase != UPSTREAM_PHASE_OVER;
}

void upstream_attempt_send_body(struct upstream_attempt *a, struct slice data)
{
    if (!accepts_input(a))
        return;
    upstream_request_body(a->connection, data);
    if (a->connection->state == UPSTREAM_ACTIVE)
        upstream_deadline_touch(a->connection);
}

void upstream_attempt_send_end(struct upstream_attempt *a, const struct http_fields *trailers)
{
    if (!accepts_input(a))
        return;
    upstream_request_end(a->connection, trailers);
    if (a->connection->state == UPSTREAM_ACTIVE)
        upstream_deadline_touch(a->connection);
}

bool upstream_attempt_congested(const struct upstream_attempt *a)
{
    struct upstream_connection *c = a->connection;

    if (!accepts_input(a))
        return false;
    if (c->state != UPSTREAM_CONNECTING && !transport_congested(&c->transport))
        return false;
    c->drain_owed = true;
    return true;
}

void upstream_attempt_pause(struct upstream_attempt *a)
{
    struct upstream_connection *c = a->connection;

    if (!c || c->paused)
        return;
    c->paused = true;
    if (c->state == UPSTREAM_ACTIVE)
        transport_pause(&c->transport);
}

void upstream_attempt_resume(struct upstream_attempt *a)
{
    struct upstream_connection *c = a->connection;

    if (!c || !c->paused)
        return;
    c->paused = false;
    if (c->state != UPSTREAM_ACTIVE)
        return;
    if (!c->response.ended)
        upstream_deadline_touch(c);
    transport_resume(&c->transport);
}

/* RFC 9112 section 9.3 and 9.6: persistent on both sides, and nothing of this exchange is left on
 * the way in either direction. */
static bool connection_is_clean(const struct upstream_connection *c)
{
    const struct upstream_response *r = &c->response;

    return c->state == UPSTREAM_ACTIVE && r->phase == UPSTREAM_PHASE_OVER && r->persistent &&
           !r->excess && c->attempt->request_done && !c->eof && !c->broken &&
           transport_flushed(&c->transport);
}

void upstream_attempt_release(struct upstream_attempt *a)
{
    struct upstream_connection *c = a->connection;

    if (!c)
        return;
    upstream_stall_leave(a);
    bool clean = connection_is_clean(c);
    upstream_connection_detach(c);
    if (clean)
        upstream_idle_put(c);
    else
        upstream_connection_set_state(c, UPSTREAM_CLOSED);
}

void upstream_attempt_account(struct upstream_connection *c)
{
    struct upstream_attempt *a = c->attempt;

    if (!c->has_transport)
        return;
    a->bytes_in += c->transport.bytes_in - c->in_base;
    a->bytes_out += c->transport.bytes_out - c->out_base;
    c->in_base = c->transport.bytes_in;
    c->out_base = c->transport.bytes_out;
}

void upstream_attempt_fail(struct upstream_connection *c, int code, const char *detail)
{
    struct upstream_attempt *a = c->attempt;
    char text[UPSTREAM_DETAIL_BYTES];

    snprintf(text, sizeof(text), "%s", detail);
    upstream_stall_leave(a);
    upstream_connection_detach(c);
    upstream_connection_set_state(c, UPSTREAM_CLOSED);
    a->ops->on_failed(a, code, text);
}

/* The usual reason is a backend whose own idle timeout ran out while our request was on its way.
 * It costs nothing to ask again; only once, since the new connection is not a reused one. */
void upstream_attempt_lost(struct upstream_connection *c, int code, const char *detail)
{
    struct upstream_attempt *a = c->attempt;

    if (!c->repeat_on_reset || c->response.started) {
        upstream_attempt_fail(c, code, detail);
        return;
    }
    c->cluster->stats.silent_repeats++;
    upstream_connection_detach(c);
    upstream_connection_set_state(c, UPSTREAM_CLOSED);
    a->reused = false;
    a->connected_us = 0;
    upstream_connection_open(a);
}
