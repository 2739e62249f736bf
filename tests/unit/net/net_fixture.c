#include "net_fixture.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "net/tls.h"

/* Wakes the loop now and then to look at the guard and at what other threads do. */
static void on_glance(evutil_socket_t fd, short what, void *arg)
{
}

bool fixture_run_until(struct loop *loop, bool (*done)(void *arg), void *arg)
{
    uint64_t guard_us = clock_monotonic_us() + 10u * 1000000u;
    const struct timeval every = {0, 50000};
    struct event *glance = event_new(loop->base, -1, EV_PERSIST, on_glance, NULL);
    bool is_done;

    event_add(glance, &every);
    while (!(is_done = done(arg)) && clock_monotonic_us() < guard_us)
        event_base_loop(loop->base, EVLOOP_ONCE);
    event_free(glance);
    return is_done;
}

void fixture_settle(struct loop *loop)
{
    for (int i = 0; i < 20; i++)
        event_base_loop(loop->base, EVLOOP_NONBLOCK);
}

static void end(struct peer *p)
{
    transport_fini(&p->t, false);
}

static void on_connected(struct transport *t)
{
    struct peer *p = container_of(t, struct peer, t);

    p->connected++;
    if (p->greeting)
        transport_write(t, p->greeting, strlen(p->greeting));
    if (p->pause_in_connected)
        transport_pause(t);
    if (p->fini_in_connected)
        end(p);
}

static void echo(struct peer *p, const char *data, size_t n)
{
    transport_write(&p->echo_to->t, data, n);
    if (transport_congested(&p->echo_to->t))
        transport_pause(&p->t);
    size_t out = transport_pending_out(&p->echo_to->t);
    if (out > p->out_peak)
        p->out_peak = out;
}

static size_t on_data(struct transport *t, const char *data, size_t n)
{
    struct peer *p = container_of(t, struct peer, t);

    p->datas++;
    if (p->fini_in_data) {
        end(p);
        return 0;
    }
    if (p->consume_at_most && n > p->consume_at_most)
        n = p->consume_at_most;
    if (p->consume_prefix && p->received_size + n > p->consume_prefix)
        n = p->consume_prefix - p->received_size;
    if (p->echo_to) {
        echo(p, data, n);
    } else {
        p->received = xrealloc(p->received, p->received_size + n + 1);
        memcpy(p->received + p->received_size, data, n);
        p->received[p->received_size + n] = '\0';
    }
    p->received_size += n;
    if (p->start_tls && p->received_size == p->consume_prefix) {
        p->consume_prefix = 0;
        transport_start_tls(t, p->start_tls);
        p->start_tls = NULL;
    }
    if (p->pause_in_data)
        transport_pause(t);
    return n;
}

static void on_eof(struct transport *t)
{
    struct peer *p = container_of(t, struct peer, t);

    p->eofs++;
    if (p->fini_in_eof)
        end(p);
}

static void on_peer_closed(struct transport *t)
{
    container_of(t, struct peer, t)->closeds++;
}

static void on_error(struct transport *t, int code)
{
    struct peer *p = container_of(t, struct peer, t);

    p->errors++;
    p->error = code;
    snprintf(p->error_text, sizeof(p->error_text), "%s", transport_error_text(t));
    if (p->fini_in_error)
        end(p);
}

static void on_drained(struct transport *t)
{
    struct peer *p = container_of(t, struct peer, t);

    p->drains++;
    if (p->echo_to)
        transport_resume(&p->echo_to->t);
    transport_resume(t);
    if (p->fini_in_drained)
        end(p);
}

const struct transport_ops peer_ops = {
    .on_connected = on_connected,
    .on_data = on_data,
    .on_eof = on_eof,
    .on_peer_closed = on_peer_closed,
    .on_error = on_error,
    .on_drained = on_drained,
};

void peer_init(struct peer *p)
{
    memset(p, 0, sizeof(*p));
}

int peer_with_raw(struct loop *loop, struct peer *p, size_t in_limit)
{
    int fds[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    peer_init(p);
    transport_init_accepted(&p->t, loop, fds[0], NULL, in_limit, &peer_ops);
    return fds[1];
}

void peer_pair(struct loop *loop, struct peer *a, struct peer *b, size_t in_limit)
{
    int fd = peer_with_raw(loop, a, in_limit);

    peer_init(b);
    transport_init_accepted(&b->t, loop, fd, NULL, in_limit, &peer_ops);
}

void peer_fini(struct peer *p)
{
    transport_fini(&p->t, false);
    free(p->received);
    p->received = NULL;
}

int tcp_listen(struct address *ret_address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(address_parse(ret_address, SLICE_LIT("127.0.0.1:0")), 0);
    cr_assert_eq(bind(fd, &ret_address->sa, ret_address->length), 0);
    transport_prepare_listener(fd);
    cr_assert_eq(listen(fd, 16), 0);
    cr_assert_eq(getsockname(fd, &ret_address->sa, &ret_address->length), 0);
    return fd;
}

void tcp_pair(int fds[2])
{
    struct address address;
    int listener = tcp_listen(&address);

    fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(connect(fds[1], &address.sa, address.length), 0);
    fds[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    cr_assert_geq(fds[0], 0);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    close(listener);
}
