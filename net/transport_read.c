/*
 * The transport's input: edges, recv into the loop's buffer, the owner's leftovers, and the end of
 * the stream.
 *
 * `readable` remembers an edge: it is set when libevent reports one and cleared when a recv came
 * back short or empty. A short recv is not proof while EV_CLOSED was seen: the FIN stands behind
 * the bytes and makes no edge of its own, so recv goes on until it returns 0.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/check.h"
#include "net/transport_internal.h"

size_t transport_room(const struct transport *t)
{
    size_t room = t->in.limit - t->in.size;

    return room < LOOP_READ_BYTES ? room : LOOP_READ_BYTES;
}

/* ---- giving to the owner ------------------------------------------------------------------ */

static size_t call_on_data(struct transport *t, const char *data, size_t n)
{
    t->in_on_data = 1;
    size_t used = t->ops->on_data(t, data, n);
    t->in_on_data = 0;
    CHECK(t->finished || used <= n);
    return used;
}

/* Offers what the owner left. Its references into `in` are sent before `in` moves. */
static void offer_kept(struct transport *t)
{
    t->offer = 0;
    t->offering = 1;
    size_t used = call_on_data(t, bytes_data(&t->in), t->in.size);
    loop_flush(t->loop);
    t->offering = 0;
    if (t->finished)
        bytes_fini(&t->in);
    else if (used > 0)
        bytes_consume(&t->in, used);
    if (t->tls_fresh && !t->finished)
        transport_tls_adopt(t);
}

void transport_deliver(struct transport *t, const char *data, size_t n)
{
    if (t->in.size > 0) {
        CHECK(bytes_append(&t->in, data, n) == 0);
        offer_kept(t);
        return;
    }
    size_t used = call_on_data(t, data, n);
    if (!t->finished && used < n)
        CHECK(bytes_append(&t->in, data + used, n - used) == 0);
    if (t->tls_fresh && !t->finished)
        transport_tls_adopt(t);
}

void transport_tell_end(struct transport *t)
{
    if (t->finished || t->error || t->eof_told)
        return;
    if (t->eof && !(t->paused && t->in.size > 0)) {
        t->eof_told = 1;
        t->ops->on_eof(t);
    } else if (t->paused && (t->eof || t->fin_seen) && !t->closed_told) {
        t->closed_told = 1;
        if (t->ops->on_peer_closed)
            t->ops->on_peer_closed(t);
    }
}

/* ---- receiving ---------------------------------------------------------------------------- */

/* recv returned 0 or failed. */
static void receive_ended(struct transport *t, ssize_t n, int sys_errno)
{
    t->readable = 0;
    if (n == 0)
        t->eof = 1;
    if (t->write_failed)
        transport_fail(t, EG_E_UPSTREAM_RESET, t->sys_errno);
    else if (n == 0 && t->tls)
        transport_tls_fin(t);
    else if (n < 0 && sys_errno != EAGAIN)
        transport_fail(t, EG_E_UPSTREAM_RESET, sys_errno);
}

static void read_once(struct transport *t)
{
    struct loop *loop = t->loop;
    size_t want = transport_room(t);
    ssize_t n;

    loop_flush(loop); /* the buffer is about to be reused */
    do {
        n = recv(t->fd, loop->read_buffer, want, 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        receive_ended(t, n, errno);
        return;
    }
    t->bytes_in += (size_t)n;
    if ((size_t)n < want && !t->fin_seen && !t->write_failed) {
        t->readable = 0;
        loop_timer_set(loop, &t->quiet, TRANSPORT_QUIET_MS);
    }
    if (t->tls)
        transport_tls_feed(t, loop->read_buffer, (size_t)n);
    else
        transport_deliver(t, loop->read_buffer, (size_t)n);
}

/* A handshake goes on while paused: it is plaintext that the owner does not want. */
static bool is_held(const struct transport *t)
{
    return t->paused && !(t->tls && !transport_tls_writable(t));
}

static bool may_read(const struct transport *t)
{
    return t->readable && !t->finished && !is_held(t) && !t->error && !t->connecting &&
           transport_room(t) > 0 && !(t->tls && transport_tls_waiting(t));
}

void transport_read(struct transport *t)
{
    if (t->tls && !is_held(t) && transport_tls_waiting(t)) {
        loop_flush(t->loop); /* the plaintext buffer is about to be reused */
        transport_tls_pump(t);
    }
    for (unsigned round = 0; may_read(t); round++) {
        if (round == TRANSPORT_READ_ROUNDS) {
            loop_soon(t->loop, &t->later);
            return;
        }
        read_once(t);
    }
    transport_tell_end(t);
}

/* Nothing is read now, but the end must be noticed: a FIN while paused, a reset also behind a FIN.
 * libevent reports a reset as EV_READ without EV_CLOSED. */
static void look_for_end(struct transport *t)
{
    char byte;
    int err = 0;
    socklen_t length = sizeof(err);

    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &err, &length) == 0 && err != 0) {
        t->sys_errno = err; /* asking cleared it in the kernel */
        if (t->accepted || t->eof_told)
            transport_fail(t, EG_E_UPSTREAM_RESET, err);
        else if (!t->eof)
            t->write_failed = 1; /* told behind the bytes that are still to be read */
    } else if (t->fin_seen && !t->eof && !t->tls && recv(t->fd, &byte, 1, MSG_PEEK) == 0) {
        receive_ended(t, 0, 0);
    }
    transport_tell_end(t);
}

static void look_or_read(struct transport *t)
{
    if (t->error)
        return;
    if (!t->eof)
        t->readable = 1;
    if (t->eof || is_held(t))
        look_for_end(t);
    else
        transport_read(t);
}

void transport_on_read(evutil_socket_t fd, short what, void *arg)
{
    struct transport *t = arg;
    struct loop *loop = t->loop;

    loop_enter(loop);
    if (what & EV_CLOSED)
        t->fin_seen = 1;
    look_or_read(t);
    loop_leave(loop);
}

void transport_on_quiet(struct loop_timer *timer)
{
    look_or_read(container_of(timer, struct transport, quiet));
}

/* ---- the turn's end ----------------------------------------------------------------------- */

static void report_error(struct transport *t)
{
    if (t->error_told)
        return;
    t->error_told = 1;
    t->ops->on_error(t, t->error);
}

void transport_on_later(struct loop_task *task)
{
    struct transport *t = container_of(task, struct transport, later);

    if (t->error) {
        report_error(t);
        return;
    }
    if (is_held(t)) {
        /* A send failed. An accepted transport has no use for what is still unread. */
        if (t->write_failed && t->accepted)
            transport_fail(t, EG_E_UPSTREAM_RESET, t->sys_errno);
        transport_tell_end(t);
        return;
    }
    if (t->offer && t->in.size > 0)
        offer_kept(t);
    t->offer = 0;
    if (!t->finished)
        transport_read(t);
}
