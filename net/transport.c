/*
 * The transport's life: made from an accepted or a connecting socket, paused and resumed, ended.
 * Reading is in transport_read.c, writing in transport_write.c.
 *
 * Who calls the owner, and when: on_data, on_eof, on_peer_closed, on_drained and on_connected come
 * straight from a libevent callback or from the task `later`; on_error only from `later`. Thus no
 * function that the owner may call ever calls back from within. Each place that calls the owner
 * looks at `finished` before it touches anything else; the struct itself is there until the turn is
 * over (lifetime rule 1).
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/tls.h"
#include "net/transport_internal.h"

static void transport_init(struct transport *t, struct loop *loop, int fd, struct tls_session *tls,
                           size_t in_limit_bytes, const struct transport_ops *ops)
{
    memset(t, 0, sizeof(*t));
    t->loop = loop;
    t->ops = ops;
    t->fd = fd;
    bytes_init(&t->in, in_limit_bytes);
    bytes_init(&t->out, SIZE_MAX); /* transport_queue knows its limit */
    loop_task_init(&t->later, transport_on_later);
    loop_timer_init(&t->quiet, transport_on_quiet);
    transport_tls_attach(t, tls);
    event_assign(&t->read_event, loop->base, fd, EV_READ | EV_CLOSED | EV_PERSIST | EV_ET,
                 transport_on_read, t);
    event_assign(&t->write_event, loop->base, fd, EV_WRITE | EV_PERSIST | EV_ET, transport_on_write,
                 t);
}

/* Heads and bodies leave in one sendmsg each, so Nagle's algorithm could only delay them. Fails
 * harmlessly on Unix sockets. */
static void set_nodelay(int fd)
{
    const int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void transport_prepare_listener(int fd)
{
    set_nodelay(fd);
}

/* It is asked after a quarter of the time, and three times more. */
void transport_watch_peer(struct transport *t)
{
    const int on = 1, apart_s = TRANSPORT_LOST_S / 4, times = 3;
    const unsigned lost_ms = TRANSPORT_LOST_S * 1000;

    if (setsockopt(t->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) != 0)
        return;
    (void)setsockopt(t->fd, IPPROTO_TCP, TCP_KEEPIDLE, &apart_s, sizeof(apart_s));
    (void)setsockopt(t->fd, IPPROTO_TCP, TCP_KEEPINTVL, &apart_s, sizeof(apart_s));
    (void)setsockopt(t->fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
    (void)setsockopt(t->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost_ms, sizeof(lost_ms));
}

void transport_init_accepted(struct transport *t, struct loop *loop, int fd,
                             struct tls_session *tls, size_t in_limit_bytes,
                             const struct transport_ops *ops)
{
    transport_init(t, loop, fd, tls, in_limit_bytes, ops);
    t->accepted = 1;
    if (event_add(&t->read_event, NULL) != 0)
        transport_fail(t, EG_E_UPSTREAM_RESET, errno);
}

static bool is_out_of_descriptors(int err)
{
    return err == EMFILE || err == ENFILE;
}

/* What somebody is waiting for goes before what is kept for later. -1 with errno. */
static int open_socket(struct loop *loop, int family)
{
    int fd;

    do
        fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    while (fd < 0 && is_out_of_descriptors(errno) && loop_take_descriptor(loop));
    return fd;
}

int transport_init_connect(struct transport *t, struct loop *loop, const struct address *to,
                           struct tls_session *tls, size_t in_limit_bytes,
                           const struct transport_ops *ops)
{
    int fd = open_socket(loop, to->sa.sa_family);
    int socket_errno = errno;

    transport_init(t, loop, fd, tls, in_limit_bytes, ops);
    if (fd < 0) {
        t->error = is_out_of_descriptors(socket_errno) ? EG_E_OVERLOAD : EG_E_CONNECT;
        t->error_told = 1;
        t->sys_errno = socket_errno;
        return t->error;
    }
    if (to->sa.sa_family != AF_UNIX)
        set_nodelay(fd);
    t->connecting = 1;
    /* EAGAIN is a Unix socket's full backlog: a refusal, nothing will tell when there is room. A
     * connection that stands at once (Unix sockets) is writable, so EV_WRITE tells of it too. */
    if (connect(fd, &to->sa, to->length) != 0 && errno != EINPROGRESS)
        transport_fail(t, EG_E_CONNECT, errno);
    else
        transport_arm_write(t);
    return 0;
}

void transport_fail(struct transport *t, int code, int sys_errno)
{
    if (t->error || t->finished)
        return;
    t->error = code;
    t->sys_errno = sys_errno;
    t->readable = 0;
    transport_drop_output(t);
    bytes_fini(&t->out);
    transport_disarm_write(t);
    loop_soon(t->loop, &t->later);
}

void transport_pause(struct transport *t)
{
    t->paused = 1;
}

void transport_resume(struct transport *t)
{
    if (t->finished || t->error)
        return;
    t->paused = 0;
    t->offer = 1;
    loop_soon(t->loop, &t->later);
}

bool transport_alive(struct transport *t)
{
    char byte;

    if (t->finished || t->error || t->eof || t->fin_seen || t->write_failed || t->in.size > 0)
        return false;
    if (t->tls && transport_tls_waiting(t))
        return false;
    ssize_t n = recv(t->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0)
        return t->tls && transport_tls_idle_ok(t);
    return n < 0 && errno == EAGAIN;
}

void transport_fini(struct transport *t, bool keep_fd)
{
    if (t->finished)
        return;
    if (t->tls && t->fd >= 0)
        transport_tls_close(t);
    if (t->fd >= 0)
        transport_flush(t);
    t->finished = 1;
    /* References of this turn may point into what is freed here. */
    if (t->in.size > 0 && !t->offering) {
        loop_flush_references(t->loop);
        bytes_fini(&t->in);
    }
    transport_drop_output(t);
    bytes_fini(&t->out);
    loop_task_cancel(&t->later);
    loop_timer_cancel(&t->quiet);
    tls_session_free(t->tls);
    t->tls = NULL;
    if (t->fd < 0)
        return;
    event_del(&t->read_event);
    event_del(&t->write_event);
    if (!keep_fd)
        close(t->fd);
    t->fd = -1;
}

const char *transport_error_text(const struct transport *t)
{
    const char *text = t->sys_errno ? strerrordesc_np(t->sys_errno) : NULL;

    if (!text && t->tls && *transport_tls_error_text(t))
        return transport_tls_error_text(t);
    return text ? text : error_text(t->error);
}
