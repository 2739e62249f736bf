/*
 * The transport's output: references of this turn, one sendmsg, and `out` for the rest.
 *
 *   transport_write ─► output (references) ─ flush ─► sendmsg ─ rest ─► out ─ EV_WRITE ─► send
 *
 * Nothing in this file calls the owner except transport_on_write (on_connected, on_drained). A send
 * that fails marks the stream (write_failed) and leaves the verdict to the reading side, which may
 * still hold an answer that the peer sent before it hung up.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/check.h"
#include "net/transport_internal.h"

/* ---- the lease ---------------------------------------------------------------------------- */

static void flush_task(struct loop_task *task)
{
    transport_flush(container_of(task, struct transport_output, flush)->t);
}

static struct transport_output *output_lease(struct transport *t)
{
    struct loop *loop = t->loop;
    struct transport_output *o;

    if (t->output)
        return t->output;
    if (list_empty(&loop->spare)) {
        o = xmalloc(sizeof(*o));
        loop_task_init(&o->flush, flush_task);
    } else {
        o = container_of(loop->spare.next, struct transport_output, flush.node);
        list_remove(&o->flush.node);
    }
    o->t = t;
    o->size = o->count = 0;
    o->whole = t->out.size <= TRANSPORT_HIGH_WATER;
    list_push_back(&loop->dirty, &o->flush.node);
    t->output = o;
    return o;
}

void transport_drop_output(struct transport *t)
{
    struct transport_output *o = t->output;

    if (!o)
        return;
    t->output = NULL;
    list_remove(&o->flush.node);
    list_push_front(&t->loop->spare, &o->flush.node);
}

void transport_mark_dirty(struct transport *t)
{
    output_lease(t);
    /* A task or a callback of somebody else's turn: that turn's end flushes. Outside of any turn
     * nobody would, so have one. */
    if (t->loop->depth == 0)
        loop_soon(t->loop, &t->later);
}

/* ---- blocked ------------------------------------------------------------------------------ */

void transport_arm_write(struct transport *t)
{
    if (t->blocked)
        return;
    t->blocked = 1;
    /* Edge-triggered, since libevent refuses to mix both kinds on one descriptor; being added
     * reports a socket that is writable already. */
    if (event_add(&t->write_event, NULL) != 0)
        transport_fail(t, EG_E_UPSTREAM_RESET, errno);
}

void transport_disarm_write(struct transport *t)
{
    if (!t->blocked)
        return;
    t->blocked = 0;
    event_del(&t->write_event);
}

void transport_queue(struct transport *t, const char *data, size_t n)
{
    bool congested = t->out.size > TRANSPORT_HIGH_WATER;

    if (t->error || t->write_failed)
        return;
    if (congested && !t->flush_whole && n + t->out.size > TRANSPORT_OUT_LIMIT) {
        transport_fail(t, EG_E_OVERLOAD, 0);
        return;
    }
    CHECK(bytes_append(&t->out, data, n) == 0);
    if (t->out.size > TRANSPORT_HIGH_WATER)
        t->was_congested = 1;
}

/* The peer may have answered before it hung up: `later` reads what is left, then tells. */
static void write_failed(struct transport *t, int sys_errno)
{
    t->write_failed = 1;
    t->sys_errno = sys_errno;
    t->readable = 1;
    bytes_fini(&t->out);
    transport_disarm_write(t);
    loop_soon(t->loop, &t->later);
}

/* ---- sending ------------------------------------------------------------------------------ */

/* One sendmsg: its byte count, 0 when the kernel takes none, -1 when the stream failed. */
static ssize_t send_vector(struct transport *t, struct iovec *v, unsigned count)
{
    struct msghdr message = {.msg_iov = v, .msg_iovlen = count};
    ssize_t n;

    do {
        n = sendmsg(t->fd, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        t->bytes_out += (size_t)n;
        return n;
    }
    if (errno == EAGAIN || errno == ENOBUFS)
        return 0;
    write_failed(t, errno);
    return -1;
}

static void queue_vector(struct transport *t, const struct iovec *v, unsigned count, size_t skip)
{
    for (unsigned i = 0; i < count; i++) {
        size_t n = v[i].iov_len;

        if (skip >= n) {
            skip -= n;
            continue;
        }
        transport_queue(t, (const char *)v[i].iov_base + skip, n - skip);
        skip = 0;
    }
}

void transport_send(struct transport *t, const struct iovec *v, unsigned count, size_t size)
{
    struct iovec all[TRANSPORT_IOVECS + 1];
    size_t waiting = t->out.size;
    unsigned n_all = 0;

    CHECK(count <= TRANSPORT_IOVECS);
    if (t->error || t->write_failed || waiting + size == 0)
        return;
    if (t->blocked) {
        queue_vector(t, v, count, 0);
        return;
    }
    if (waiting > 0)
        all[n_all++] = (struct iovec){(void *)bytes_data(&t->out), waiting};
    for (unsigned i = 0; i < count; i++)
        all[n_all++] = v[i];

    ssize_t sent = send_vector(t, all, n_all);
    if (sent < 0)
        return;
    size_t of_out = (size_t)sent < waiting ? (size_t)sent : waiting;
    if (of_out > 0)
        bytes_consume(&t->out, of_out);
    if ((size_t)sent == waiting + size)
        return;
    queue_vector(t, v, count, (size_t)sent - of_out);
    transport_arm_write(t);
}

void transport_flush(struct transport *t)
{
    struct transport_output *o = t->output;

    if (!o)
        return;
    t->flush_whole = o->whole;
    if (t->tls)
        transport_tls_flush(t, o->v, o->count);
    else
        transport_send(t, o->v, o->count, o->size);
    t->flush_whole = 0;
    transport_drop_output(t);
    transport_finish_shutdown(t);
}

void transport_finish_shutdown(struct transport *t)
{
    if (!t->shut_write || t->shut_done || t->error || t->write_failed || t->connecting || t->output)
        return;
    if (t->out.size > 0)
        return;
    t->shut_done = 1;
    shutdown(t->fd, SHUT_WR);
}

/* ---- the owner's calls -------------------------------------------------------------------- */

void transport_write(struct transport *t, const char *data, size_t size)
{
    if (size == 0 || t->error || t->finished || t->write_failed || t->shut_write)
        return;
    if (t->tls && !transport_tls_writable(t))
        return;
    transport_mark_dirty(t);
    struct transport_output *o = t->output;
    struct iovec *last = o->count > 0 ? &o->v[o->count - 1] : NULL;

    if (last && (const char *)last->iov_base + last->iov_len == data) {
        last->iov_len += size;
        o->size += size;
        return;
    }
    if (o->count == TRANSPORT_IOVECS) {
        bool whole = o->whole; /* of this turn, which goes on */

        transport_flush(t);
        transport_mark_dirty(t);
        o = t->output;
        o->whole = whole;
    }
    o->v[o->count++] = (struct iovec){(void *)data, size};
    o->size += size;
}

bool transport_congested(const struct transport *t)
{
    /* What was noted in this turn counts only if it is known that the kernel will not take it. */
    size_t noted = t->blocked && t->output ? t->output->size : 0;

    return t->out.size + noted > TRANSPORT_HIGH_WATER;
}

bool transport_flushed(const struct transport *t)
{
    return t->out.size == 0 && (!t->output || t->output->size == 0) &&
           t->shut_write == t->shut_done;
}

void transport_shutdown_write(struct transport *t)
{
    if (t->shut_write || t->error || t->finished)
        return;
    t->shut_write = 1;
    transport_mark_dirty(t);
}

/* ---- EV_WRITE ----------------------------------------------------------------------------- */

/* True when connected. */
static bool finish_connect(struct transport *t)
{
    int err = 0;
    socklen_t length = sizeof(err);

    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &err, &length) != 0)
        err = errno;
    t->connecting = 0;
    if (err != 0) {
        transport_fail(t, EG_E_CONNECT, err);
        return false;
    }
    /* First the one, then the other away: the descriptor never leaves epoll. */
    if (event_add(&t->read_event, NULL) != 0) {
        transport_fail(t, EG_E_UPSTREAM_RESET, errno);
        return false;
    }
    return true;
}

/* Until the kernel takes no more (an edge will follow) or nothing is left. */
static void drain_out(struct transport *t)
{
    while (t->out.size > 0) {
        struct iovec v = {(void *)bytes_data(&t->out), t->out.size};
        ssize_t n = send_vector(t, &v, 1);

        if (n <= 0)
            return;
        bytes_consume(&t->out, (size_t)n);
    }
    transport_disarm_write(t);
    transport_finish_shutdown(t);
}

void transport_on_write(evutil_socket_t fd, short what, void *arg)
{
    struct transport *t = arg;
    struct loop *loop = t->loop;

    loop_enter(loop);
    if (!t->connecting) {
        drain_out(t);
    } else if (finish_connect(t)) {
        drain_out(t);
        if (t->tls)
            transport_tls_pump(t);
        else
            t->ops->on_connected(t);
    }
    if (!t->finished && t->was_congested && t->out.size < TRANSPORT_LOW_WATER && !t->error &&
        !t->write_failed) {
        t->was_congested = 0;
        t->ops->on_drained(t);
    }
    loop_leave(loop);
}
