/*
 * Life and death of client connections: states, timers, closing, drain. Their beginning is
 * front_accept.c's; the vocabulary and the failure modes are in front_internal.h.
 */
#include "proxy/front_http1.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "proxy/front_internal.h"

/* ---- States and timers ---- */

static uint64_t front_state_limit_ms(const struct front *f, enum front_state state)
{
    const struct config_listener *config = f->listener->config;

    switch (state) {
    case FRONT_PROXY_HEADER:
    case FRONT_HANDSHAKE:
    case FRONT_HEAD:
        return config->timeouts.header_ms;
    case FRONT_IDLE:
        if (front_is_ending(f))
            return FRONT_DRAIN_SILENCE_MS;
        return f->served ? config->timeouts.idle_ms : config->timeouts.header_ms;
    case FRONT_EXCHANGE:
        return f->request_done ? 0 : config->timeouts.body_ms;
    case FRONT_DISCARD:
        return config->timeouts.body_ms;
    case FRONT_LINGER:
        return FRONT_LINGER_MS;
    case FRONT_TUNNEL: /* the exchange's timer */
    case FRONT_CLOSED:
        break;
    }
    return 0;
}

/* The one place where a front's state changes. The header timeout runs from the accept (or the
 * first byte of a later head) through PROXY header, handshake and head: moving between them does
 * not extend it. */
void front_set_state(struct front *f, enum front_state state)
{
    bool extends_header_time =
        state == FRONT_HEAD || state == FRONT_HANDSHAKE || (state == FRONT_IDLE && !f->served);
    uint64_t limit_ms = front_state_limit_ms(f, state);

    if (extends_header_time && !f->served && f->timer.deadline_ms != 0) {
        f->state = state;
        return;
    }
    f->state = state;
    if (limit_ms > 0)
        loop_timer_set(&f->worker->loop, &f->timer, limit_ms);
    else
        loop_timer_cancel(&f->timer);
}

/*
 * A client that closed its sending side may be waiting for its answer, or may have left: TCP shows
 * the same FIN. Writing tells them apart, since one that left resets. An interim answer may be sent
 * at any time before the final one (RFC 9110 section 15.2) and 100 is the one that every client
 * ignores when it did not ask.
 */
static void front_probe_client(struct front *f)
{
    if (f->minor_version == 0 || f->answer_started)
        return;
    transport_write(&f->transport, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    if (f->probe_interval_ms < FRONT_PROBE_MAX_MS)
        f->probe_interval_ms *= 2;
    loop_timer_set(&f->worker->loop, &f->timer, f->probe_interval_ms);
}

/* Still taking its answer: the write timer is the one to lose patience. */
static void front_await_reader(struct front *f)
{
    if (f->write_timer.deadline_ms == 0)
        front_watch_output(f);
    front_set_state(f, f->state);
}

static void front_on_timer(struct loop_timer *timer)
{
    struct front *f = container_of(timer, struct front, timer);

    switch (f->state) {
    case FRONT_HEAD:
        front_refuse(f, EG_E_HEAD_TIMEOUT);
        break;
    case FRONT_EXCHANGE:
        if (f->transport.paused && !f->request_done) /* it is us who keeps it waiting */
            front_set_state(f, FRONT_EXCHANGE);
        else if (!f->request_done)
            front_body_failed(f, EG_E_BODY_TIMEOUT);
        else if (f->client_eof)
            front_probe_client(f);
        break;
    case FRONT_PROXY_HEADER:
    case FRONT_HANDSHAKE:
    case FRONT_TUNNEL:
    case FRONT_CLOSED:
        front_close(f);
        break;
    case FRONT_DISCARD:
        front_close_when_flushed(f);
        break;
    case FRONT_IDLE:
    case FRONT_LINGER:
        if (transport_flushed(&f->transport))
            front_close(f);
        else
            front_await_reader(f);
        break;
    }
}

static void front_cancel_exchange(struct front *f, int code)
{
    struct exchange *x = f->exchange;

    f->exchange = NULL;
    if (x != NULL)
        exchange_cancel(x, code);
}

/* The write timeout: the client must take something in each period while bytes wait for it. */
static void front_on_write_timer(struct loop_timer *timer)
{
    struct front *f = container_of(timer, struct front, write_timer);

    if (transport_flushed(&f->transport))
        return;
    if (f->transport.bytes_out != f->write_progress) {
        front_watch_output(f);
        return;
    }
    front_cancel_exchange(f, EG_E_WRITE_TIMEOUT);
    front_close(f);
}

void front_watch_output(struct front *f)
{
    uint64_t limit_ms = f->listener->config->timeouts.write_ms;

    if (limit_ms == 0)
        return;
    f->write_progress = f->transport.bytes_out;
    loop_timer_set(&f->worker->loop, &f->write_timer, limit_ms);
}

/* ---- The end ---- */

static void front_on_reap(struct loop_task *task)
{
    struct front *f = container_of(task, struct front, after_turn);
    struct worker *worker = f->worker;

    shell_free(&f->shell);
    worker_listener_unref(f->listener);
    free(f);
    worker_note_gone(worker);
}

void front_close(struct front *f)
{
    if (f->state == FRONT_CLOSED)
        return;
    front_cancel_exchange(f, EG_E_CLIENT_GONE);
    front_set_state(f, FRONT_CLOSED);
    loop_timer_cancel(&f->write_timer);
    http_body_fini(&f->body);
    list_remove(&f->node);
    if (f->counted)
        atomic_fetch_sub_explicit(&f->listener->shared->connections, 1, memory_order_relaxed);
    stat_sub(&f->worker->stats.connections, 1);
    transport_fini(&f->transport, true); /* evhttp closes the descriptor */
    loop_task_cancel(&f->after_turn);
    loop_task_init(&f->after_turn, front_on_reap);
    loop_reap(&f->worker->loop, &f->after_turn);
}

/*
 * An abortive close: for an answer whose end would otherwise look like its proper one. Dissolving
 * the association sends the RST at once (connect(2)); with SO_LINGER the FIN of evhttp's own
 * shutdown would come before it, and so would close_notify. A Unix socket knows no reset.
 */
static void front_reset(struct front *f)
{
    const struct sockaddr nobody = {.sa_family = AF_UNSPEC};

    (void)connect(f->transport.fd, &nobody, sizeof(nobody));
    front_close(f);
}

/* Runs after the turn's flush: a client that has everything and owes nothing needs no lingering. */
static void front_on_flushed(struct loop_task *task)
{
    struct front *f = container_of(task, struct front, after_turn);

    if (f->state != FRONT_LINGER)
        return;
    if (f->reset) {
        front_reset(f);
        return;
    }
    if (transport_flushed(&f->transport) &&
        (f->client_eof || (f->request_done && f->transport.in.size == 0))) {
        front_close(f);
        return;
    }
    /* Closing with unread bytes in the socket would reset the connection and could destroy the
     * answer before the client has read it (RFC 9112 section 9.6). */
    transport_shutdown_write(&f->transport);
    front_watch_output(f);
    transport_resume(&f->transport);
}

void front_close_gracefully(struct front *f)
{
    if (f->state == FRONT_CLOSED || f->state == FRONT_LINGER)
        return;
    front_set_state(f, FRONT_LINGER);
    f->discarded_bytes = 0;
    loop_soon(&f->worker->loop, &f->after_turn);
}

void front_close_when_flushed(struct front *f)
{
    if (transport_flushed(&f->transport))
        front_close(f);
    else
        front_close_gracefully(f);
}

void front_init(struct front *f)
{
    loop_timer_init(&f->timer, front_on_timer);
    loop_timer_init(&f->write_timer, front_on_write_timer);
    loop_task_init(&f->after_turn, front_on_flushed);
}

/* ---- Drain ---- */

bool front_is_ending(const struct front *f)
{
    /* Who switches TLS on does not mean it for newcomers alone. */
    bool other_tls = (f->transport.tls != NULL) != (f->listener->tls != NULL);

    return f->worker->draining || f->listener->retired || other_tls;
}

/* A request may be on its way, but not for long: its answer will say that the connection ends.
 * Closing at once would lose it. */
static void front_end(struct front *f)
{
    if (f->state == FRONT_IDLE || (!f->served && f->state != FRONT_HEAD))
        loop_timer_set(&f->worker->loop, &f->timer, FRONT_DRAIN_SILENCE_MS);
}

void front_http1_end_listener(struct worker_listener *listener)
{
    list_for_each_safe(node, next, &listener->worker->connections)
    {
        struct front *f = container_of(node, struct front, node);

        if (f->listener == listener)
            front_end(f);
    }
}

void front_http1_drain(struct worker *worker)
{
    list_for_each_safe(node, next, &worker->listeners)
        worker_listener_retire(container_of(node, struct worker_listener, node));
    list_for_each_safe(node, next, &worker->connections)
        front_end(container_of(node, struct front, node));
    worker_note_gone(worker);
}

void front_http1_close_all(struct worker *worker)
{
    list_for_each_safe(node, next, &worker->connections)
    {
        struct front *f = container_of(node, struct front, node);

        front_cancel_exchange(f, EG_E_DRAINING);
        front_close(f);
    }
}
