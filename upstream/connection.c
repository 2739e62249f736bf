/*
 * One connection to one address of one endpoint: the owner of its transport.
 *
 * Vocabulary. To *lease* is to give a connection to an attempt; it is *clean* when an answer ended
 * exactly at its framing's end, with the request sent and both sides persistent. An address is
 * *dialled*; an endpoint whose name has several addresses is dialled one after the other, each by
 * a connection object of its own, until one accepts or the connect timeout is over.
 *
 *         open                  on_connected            release, clean
 *   NEW ───────► CONNECTING ───────────────► ACTIVE ◄─────────────────► IDLE
 *                    │   │                     │          start           │
 *          refused:  │   │ timeout             │ everything else          │ FIN, bytes, timeout,
 *          next one  ▼   ▼                     ▼                          ▼ limit, vanished address
 *                    CLOSED ───────────────► (reaped after the turn)
 *
 * Happy path: upstream_attempt_start finds an idle connection, attaches it and writes the head;
 * on_data feeds the answer to response.c, whose on_end makes the caller release; the connection
 * goes to the head of the idle list. Per request that is one sendmsg, one recv and no allocation.
 *
 * Failures, and who closes:
 *   - refused, unreachable, TLS: this file dials the next address, or fails the attempt;
 *   - the connect timeout fails the attempt here, response and idle timeouts do in deadline.c;
 *   - FIN or reset while leased: response.c and attempt.c decide between the answer's proper end,
 *     the silent repeat and failure;
 *   - an answer that is not HTTP: response.c fails the attempt;
 *   - anything at all while idle: closed here, nobody is told.
 * Failing an attempt always closes its connection first and tells afterwards, so that whatever the
 * caller does in on_failed, this connection is out of its reach.
 *
 * Lifetime. An attempt and its connection point at each other while leased and only then. CLOSED is
 * final: the socket and the TLS session are gone at once, the struct and its hold on the identity
 * after the turn (it may be running on the stack), and in between it touches neither cluster nor
 * endpoint, which may be gone by then.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "upstream/upstream_internal.h"

static const struct transport_ops connection_ops;

static void connection_on_timer(struct loop_timer *timer);
static void connection_on_soon(struct loop_task *task);
static void connection_on_reap(struct loop_task *task);

static struct upstream_connection *connection_of(struct transport *t)
{
    return container_of(t, struct upstream_connection, transport);
}

static struct upstream_connection *connection_new(struct upstream_cluster *cluster,
                                                  struct upstream_endpoint *endpoint)
{
    struct upstream_connection *c = xcalloc(1, sizeof(*c));

    c->cluster = cluster;
    c->endpoint = endpoint;
    c->identity = upstream_identity_ref(endpoint->identity);
    c->generation = endpoint->generation;
    list_init(&c->node);
    loop_timer_init(&c->timer, connection_on_timer);
    loop_task_init(&c->soon, connection_on_soon);
    loop_task_init(&c->reap, connection_on_reap);
    loop_task_init(&c->offer, upstream_idle_on_taken);
    bytes_init(&c->held, UPSTREAM_HELD_BYTES);
    cluster->stats.open++;
    return c;
}

static void connection_on_reap(struct loop_task *task)
{
    struct upstream_connection *c = container_of(task, struct upstream_connection, reap);

    upstream_response_fini(&c->response);
    upstream_identity_unref(c->identity);
    bytes_fini(&c->held);
    free(c->early_detail);
    free(c);
}

static void connection_close(struct upstream_connection *c)
{
    CHECK(c->attempt == NULL);
    c->cluster->stats.open--;
    loop_timer_cancel(&c->timer);
    loop_task_cancel(&c->soon);
    if (c->has_transport)
        transport_fini(&c->transport, false);
    loop_reap(c->cluster->loop, &c->reap);
}

void upstream_connection_set_state(struct upstream_connection *c, enum upstream_state state)
{
    CHECK(c->state != UPSTREAM_CLOSED);
    list_remove(&c->node);
    if (c->state == UPSTREAM_IDLE)
        upstream_idle_leave(c);
    else if (c->state != UPSTREAM_NEW)
        c->endpoint->busy_count--;
    c->state = state;
    switch (state) {
    case UPSTREAM_NEW:
        break;
    case UPSTREAM_CONNECTING:
    case UPSTREAM_ACTIVE:
        list_push_back(&c->cluster->busy, &c->node);
        c->endpoint->busy_count++;
        break;
    case UPSTREAM_IDLE:
        upstream_idle_enter(c);
        break;
    case UPSTREAM_CLOSED:
        connection_close(c);
        break;
    }
}

void upstream_connection_attach(struct upstream_connection *c, struct upstream_attempt *a)
{
    c->attempt = a;
    a->connection = c;
    upstream_response_reset(&c->response);
    c->body_left =
        a->request->framing == HTTP_FRAMING_LENGTH ? a->request->forward.head->content_length : 0;
    c->body_begun = false;
    c->paused = false;
    c->drain_owed = false;
    c->out_mark = 0;
    c->in_base = c->has_transport ? c->transport.bytes_in : 0;
    c->out_base = c->has_transport ? c->transport.bytes_out : 0;
    c->repeat_on_reset = c->requests > 0 && a->request->repeatable;
}

void upstream_connection_detach(struct upstream_connection *c)
{
    upstream_attempt_account(c);
    c->attempt->connection = NULL;
    c->attempt = NULL;
}

/* ---- connecting ---- */

static int dial_address(struct upstream_connection *c)
{
    struct upstream_cluster *cluster = c->cluster;
    struct upstream_endpoint *endpoint = c->endpoint;
    struct upstream_identity *identity = c->identity;
    struct tls_session *tls = NULL;

    c->addresses_left--;
    c->address = endpoint->addresses[c->address_index++ % endpoint->address_count];
    if (cluster->tls)
        tls = tls_session_new_client(cluster->tls, identity->server_name, &identity->resume_slot);
    cluster->stats.connects++;
    c->has_transport = true;
    int code = transport_init_connect(&c->transport, cluster->loop, &c->address, tls,
                                      UPSTREAM_IN_BYTES, &connection_ops);
    if (code != EG_OK) {
        cluster->stats.connect_failures++;
        upstream_connection_fail_soon(c, code, transport_error_text(&c->transport));
        transport_fini(&c->transport, false);
        c->has_transport = false;
    }
    return code;
}

/* Tries address after address until one does not fail at once. */
static void dial(struct upstream_connection *c)
{
    struct loop *loop = c->cluster->loop;

    if (c->connect_deadline_ms > 0) {
        uint64_t deadline_ms = c->connect_deadline_ms;
        loop_timer_set(loop, &c->timer,
                       deadline_ms > loop->now_ms ? deadline_ms - loop->now_ms : 1);
    }
    while (c->addresses_left > 0 && c->endpoint->address_count > 0) {
        if (dial_address(c) != EG_OK)
            continue;
        c->early_code = 0; /* an earlier address of this turn's failed */
        return;
    }
    if (c->early_code == 0)
        upstream_connection_fail_soon(c, EG_E_RESOLVE, "no address is known yet");
}

void upstream_connection_open(struct upstream_attempt *a)
{
    struct upstream_cluster *cluster = a->cluster;
    struct upstream_endpoint *endpoint = upstream_cluster_find(cluster, a->endpoint);
    struct upstream_connection *c = connection_new(cluster, endpoint);
    uint64_t timeout_ms = cluster->config->timeouts.connect_ms;

    c->connect_deadline_ms = timeout_ms > 0 ? cluster->loop->now_ms + timeout_ms : 0;
    c->addresses_left = endpoint->address_count;
    c->address_index = endpoint->next_address++;
    upstream_connection_attach(c, a);
    upstream_connection_set_state(c, UPSTREAM_CONNECTING);
    dial(c);
}

/* One address failed: a new object dials the next one and takes over what the attempt has given so
 * far. (Not the same object: its transport is running this callback.) */
static void dial_next(struct upstream_connection *failed)
{
    struct upstream_connection *c = connection_new(failed->cluster, failed->endpoint);
    struct upstream_attempt *a = failed->attempt;

    upstream_connection_detach(failed);
    upstream_connection_attach(c, a);
    c->connect_deadline_ms = failed->connect_deadline_ms;
    c->addresses_left = failed->addresses_left;
    c->address_index = failed->address_index;
    c->body_left = failed->body_left;
    c->body_begun = failed->body_begun;
    c->paused = failed->paused;
    c->drain_owed = failed->drain_owed;
    c->held = failed->held;
    bytes_init(&failed->held, 0);
    upstream_connection_set_state(failed, UPSTREAM_CLOSED);
    upstream_connection_set_state(c, UPSTREAM_CONNECTING);
    dial(c);
}

void upstream_connection_fail_soon(struct upstream_connection *c, int code, const char *detail)
{
    free(c->early_detail);
    c->early_code = code;
    c->early_detail = xstrdup(detail);
    loop_task_cancel(&c->soon);
    loop_soon(c->cluster->loop, &c->soon);
}

/* Everything of this turn was flushed: `held` is on its way. */
static void connection_on_soon(struct loop_task *task)
{
    struct upstream_connection *c = container_of(task, struct upstream_connection, soon);

    if (c->early_code != 0)
        upstream_attempt_fail(c, c->early_code, c->early_detail);
    else if (c->state != UPSTREAM_CONNECTING)
        bytes_fini(&c->held);
}

/* ---- the timer ---- */

static void connection_on_timer(struct loop_timer *timer)
{
    struct upstream_connection *c = container_of(timer, struct upstream_connection, timer);

    switch (c->state) {
    case UPSTREAM_CONNECTING:
        c->cluster->stats.connect_failures++;
        upstream_attempt_fail(c, EG_E_CONNECT_TIMEOUT, "not connected within timeouts.connect");
        break;
    case UPSTREAM_ACTIVE:
        upstream_deadline_passed(c);
        break;
    case UPSTREAM_IDLE:
        upstream_connection_set_state(c, UPSTREAM_CLOSED);
        break;
    case UPSTREAM_NEW:
    case UPSTREAM_CLOSED:
        CHECK(!"a timer runs only in a list");
    }
}

/* ---- the transport's callbacks ---- */

static void tell_drained(struct upstream_connection *c)
{
    if (!c->drain_owed || c->early_code)
        return;
    c->drain_owed = false;
    c->attempt->ops->on_drained(c->attempt);
}

static void connection_on_connected(struct transport *t)
{
    struct upstream_connection *c = connection_of(t);

    c->attempt->connected_us = c->cluster->loop->now_us;
    upstream_connection_set_state(c, UPSTREAM_ACTIVE);
    if (c->paused)
        transport_pause(t);
    upstream_request_begin(c);
    upstream_request_send_held(c);
    upstream_deadline_touch(c);
    tell_drained(c);
}

static size_t connection_on_data(struct transport *t, const char *data, size_t size)
{
    struct upstream_connection *c = connection_of(t);

    if (c->state == UPSTREAM_IDLE) {
        /* Bytes nobody asked for would become the answer to the next request. */
        upstream_connection_set_state(c, UPSTREAM_CLOSED);
        return size;
    }
    CHECK(c->state == UPSTREAM_ACTIVE);
    size_t used = upstream_response_feed(c, data, size);
    /* `started` is false when on_end made a new attempt begin on this connection. */
    if (c->state == UPSTREAM_ACTIVE && c->response.started && !c->response.ended)
        transport_expect_more(t);
    return used;
}

/* Nothing of the request was sent, so the next address may have it. A backend that cannot prove who
 * it is ends the search: it answered, and its siblings have the same certificate. */
static void connecting_on_error(struct upstream_connection *c, int code, const char *detail)
{
    c->cluster->stats.connect_failures++;
    if (code != EG_E_UPSTREAM_TLS && c->addresses_left > 0)
        dial_next(c);
    else
        upstream_attempt_fail(c, code, detail);
}

static void connection_on_eof(struct transport *t)
{
    struct upstream_connection *c = connection_of(t);

    c->eof = true;
    if (c->state == UPSTREAM_IDLE)
        upstream_connection_set_state(c, UPSTREAM_CLOSED);
    else if (c->state == UPSTREAM_CONNECTING)
        connecting_on_error(c, EG_E_UPSTREAM_RESET, "closed during the TLS handshake");
    else
        upstream_response_eof(c);
}

static void active_on_error(struct upstream_connection *c, int code, const char *detail)
{
    c->broken = true;
    if (c->response.ended)
        tell_drained(c); /* what a tunnel's client still sends is dropped from here on */
    else if (c->response.phase == UPSTREAM_PHASE_HEAD)
        upstream_attempt_lost(c, code, detail);
    else if (c->response.phase == UPSTREAM_PHASE_BODY)
        upstream_attempt_fail(c, EG_E_UPSTREAM_TRUNCATED, detail);
    else
        upstream_attempt_fail(c, code, detail);
}

static void connection_on_error(struct transport *t, int code)
{
    struct upstream_connection *c = connection_of(t);
    const char *detail = transport_error_text(t);

    if (c->state == UPSTREAM_CONNECTING)
        connecting_on_error(c, code, detail);
    else if (c->state == UPSTREAM_ACTIVE)
        active_on_error(c, code, detail);
    else
        upstream_connection_set_state(c, UPSTREAM_CLOSED);
}

static void connection_on_drained(struct transport *t)
{
    struct upstream_connection *c = connection_of(t);

    if (c->state != UPSTREAM_ACTIVE || c->response.phase == UPSTREAM_PHASE_OVER)
        return;
    if (!c->response.ended)
        upstream_deadline_touch(c);
    tell_drained(c);
}

static const struct transport_ops connection_ops = {
    .on_connected = connection_on_connected,
    .on_data = connection_on_data,
    .on_eof = connection_on_eof,
    .on_error = connection_on_error,
    .on_drained = connection_on_drained,
};
