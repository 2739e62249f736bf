/* See fake_backend.h. Plain sockets and libevent events: shares no code with what it tests. */
#include "tests/lib/fake_backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"

static void record(struct fake_connection *c, const char *p, size_t n)
{
    size_t room = FAKE_RECORD_BYTES - 1 - c->recorded;
    size_t kept = n < room ? n : room;

    memcpy(c->record + c->recorded, p, kept);
    c->recorded += kept;
    c->record[c->recorded] = '\0';
    c->received += n;
}

static void answer_heads(struct fake_connection *c)
{
    const char *end;

    while (c->backend->answer && c->fd >= 0 &&
           (end = strstr(c->record + c->answered, "\r\n\r\n")) != NULL) {
        c->answered = (size_t)(end - c->record) + 4;
        fake_send(c, c->backend->answer);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    static char buffer[64 * 1024];
    struct fake_connection *c = arg;
    ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

    if (n > 0) {
        record(c, buffer, (size_t)n);
        answer_heads(c);
    } else if (n == 0 || errno != EAGAIN) {
        c->eof = true;
        event_del(c->read);
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    static const char filler[32 * 1024];
    struct fake_connection *c = arg;

    while (c->bulk_left > 0) {
        size_t want = c->bulk_left < sizeof(filler) ? c->bulk_left : sizeof(filler);
        ssize_t n = send(fd, filler, want, MSG_NOSIGNAL);

        if (n <= 0)
            break;
        c->bulk_left -= (size_t)n;
        c->bulk_sent += (size_t)n;
    }
    if (c->bulk_left == 0)
        event_del(c->write);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct fake_backend *b = arg;
    int accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (accepted < 0)
        return;
    CHECK(b->count < FAKE_CONNECTIONS);
    struct fake_connection *c = xcalloc(1, sizeof(*c));
    b->connections[b->count++] = c;
    c->backend = b;
    c->fd = accepted;
    c->read = event_new(b->loop->base, accepted, EV_READ | EV_PERSIST, on_readable, c);
    c->write = event_new(b->loop->base, accepted, EV_WRITE | EV_PERSIST, on_writable, c);
    event_add(c->read, NULL);
}

void fake_backend_start(struct fake_backend *b, struct loop *loop, const char *address)
{
    memset(b, 0, sizeof(*b));
    b->loop = loop;
    CHECK(address_parse(&b->address, slice_str(address)) == EG_OK);
    b->fd = socket(b->address.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(b->fd >= 0);
    CHECK(bind(b->fd, &b->address.sa, b->address.length) == 0);
    CHECK(listen(b->fd, FAKE_CONNECTIONS) == 0);
    b->address.length = sizeof(b->address.storage);
    CHECK(getsockname(b->fd, &b->address.sa, &b->address.length) == 0);
    address_format(&b->address, b->text);
    b->accept = event_new(loop->base, b->fd, EV_READ | EV_PERSIST, on_accept, b);
    event_add(b->accept, NULL);
}

void fake_backend_refuse(struct fake_backend *b)
{
    if (b->fd < 0)
        return;
    event_free(b->accept);
    close(b->fd);
    b->fd = -1;
}

void fake_backend_stop(struct fake_backend *b)
{
    fake_backend_refuse(b);
    for (unsigned i = 0; i < b->count; i++) {
        fake_close(b->connections[i]);
        free(b->connections[i]);
    }
    b->count = 0;
}

void fake_send_bytes(struct fake_connection *c, const char *p, size_t n)
{
    CHECK(send(c->fd, p, n, MSG_NOSIGNAL) == (ssize_t)n);
}

void fake_send(struct fake_connection *c, const char *text)
{
    fake_send_bytes(c, text, strlen(text));
}

void fake_send_bulk(struct fake_connection *c, size_t n)
{
    c->bulk_left += n;
    event_add(c->write, NULL);
}

void fake_read_stop(struct fake_connection *c)
{
    event_del(c->read);
}

void fake_read_start(struct fake_connection *c)
{
    event_add(c->read, NULL);
}

void fake_finish(struct fake_connection *c)
{
    shutdown(c->fd, SHUT_WR);
}

void fake_close(struct fake_connection *c)
{
    if (c->fd < 0)
        return;
    event_free(c->read);
    event_free(c->write);
    close(c->fd);
    c->fd = -1;
}

void fake_reset(struct fake_connection *c)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    fake_close(c);
}
