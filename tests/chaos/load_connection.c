/*
 * The load's connections.
 *
 *   FREE ─► CONNECTING ─► BUSY ◄─► IDLE (in load->idle)
 *     ▲         │           │        │
 *     └─────────┴───────────┴────────┘  the peer closed, or the request took too long
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/chaos/load.h"

static void connection_settle(struct load *load, struct load_connection *c, enum load_result result,
                              const struct load_answer *answer)
{
    struct load_request *request = &load->requests[c->request];

    request->latency_us = (uint32_t)(load_now_us() - request->due_us);
    request->result = (char)result;
    if (answer != NULL) {
        request->status = answer->status;
        request->backend = answer->backend;
    }
    load->in_flight--;
}

static void connection_forget_idle(struct load *load, struct load_connection *c)
{
    struct load_connection **place = &load->idle;

    while (*place != NULL && *place != c)
        place = &(*place)->next_idle;
    if (*place != NULL)
        *place = c->next_idle;
}

static void connection_close(struct load *load, struct load_connection *c)
{
    if (c->state == LOAD_IDLE)
        connection_forget_idle(load, c);
    close(c->fd);
    c->fd = -1;
    c->state = LOAD_FREE;
}

static void connection_fail(struct load *load, struct load_connection *c, enum load_result result)
{
    if (c->state == LOAD_CONNECTING || c->state == LOAD_BUSY)
        connection_settle(load, c, result, NULL);
    connection_close(load, c);
}

static void connection_make_idle(struct load *load, struct load_connection *c)
{
    c->state = LOAD_IDLE;
    c->next_idle = load->idle;
    load->idle = c;
}

/* The request is small and its connection has nothing unsent: a short write means it is gone. */
static void connection_send(struct load *load, struct load_connection *c)
{
    ssize_t n = send(c->fd, load->text, load->text_bytes, MSG_NOSIGNAL);

    c->state = LOAD_BUSY;
    c->used = 0;
    if (n != (ssize_t)load->text_bytes)
        connection_fail(load, c, LOAD_CLOSED);
}

static bool connection_open(struct load *load, struct load_connection *c)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET | EPOLLRDHUP, .data.ptr = c};
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return false;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if ((connect(c->fd, (struct sockaddr *)&load->target, sizeof(load->target)) != 0 &&
         errno != EINPROGRESS) ||
        epoll_ctl(load->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) {
        close(c->fd);
        c->fd = -1;
        return false;
    }
    c->state = LOAD_CONNECTING;
    return true;
}

static struct load_connection *connection_find_free(struct load *load)
{
    for (size_t i = 0; i < load->connection_count; i++)
        if (load->connections[i].state == LOAD_FREE)
            return &load->connections[i];
    return NULL;
}

/* Gives the next due request to a connection; false: there is none left. */
static bool connection_dispatch_one(struct load *load)
{
    struct load_connection *c = load->idle;
    bool was_idle = c != NULL;

    if (!was_idle)
        c = connection_find_free(load);
    if (c == NULL)
        return false;
    c->request = load->sent++;
    load->in_flight++;
    if (was_idle) {
        uint64_t delay_us = load_now_us() - load->requests[c->request].due_us;

        if (delay_us > load->worst_delay_us)
            load->worst_delay_us = delay_us;
        load->idle = c->next_idle;
        connection_send(load, c);
    } else if (!connection_open(load, c)) {
        connection_settle(load, c, LOAD_REFUSED, NULL);
    }
    return true;
}

void load_connection_dispatch(struct load *load)
{
    while (load->sent < load->due && connection_dispatch_one(load))
        ;
}

static void connection_on_data(struct load *load, struct load_connection *c)
{
    struct load_answer answer;

    switch (load_answer_read(c->buffer, c->used, &answer)) {
    case LOAD_ANSWER_INCOMPLETE:
        return;
    case LOAD_ANSWER_WRONG:
        connection_fail(load, c, LOAD_CUT);
        return;
    case LOAD_ANSWER_COMPLETE:
        connection_settle(load, c, LOAD_ANSWERED, &answer);
        c->state = LOAD_FREE;
        if (answer.close)
            connection_close(load, c);
        else
            connection_make_idle(load, c);
        return;
    }
}

static void connection_read(struct load *load, struct load_connection *c)
{
    while (c->state == LOAD_BUSY || c->state == LOAD_IDLE) {
        size_t room = sizeof(c->buffer) - c->used;
        ssize_t n = recv(c->fd, c->buffer + c->used, room, 0);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0 || c->state == LOAD_IDLE) {
            connection_fail(load, c, c->used > 0 ? LOAD_CUT : LOAD_CLOSED);
            return;
        }
        c->used += (size_t)n;
        connection_on_data(load, c);
        if (c->state == LOAD_IDLE)
            c->used = 0;
    }
}

void load_connection_event(struct load *load, struct load_connection *c, uint32_t events)
{
    int error = 0;
    socklen_t size = sizeof(error);

    if (c->state == LOAD_CONNECTING) {
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            connection_fail(load, c, LOAD_REFUSED);
            return;
        }
        if ((events & EPOLLOUT) == 0)
            return;
        connection_send(load, c);
    }
    if (c->state != LOAD_FREE)
        connection_read(load, c);
}

void load_connection_expire(struct load *load, bool all)
{
    uint64_t now_us = load_now_us();

    for (size_t i = 0; i < load->connection_count; i++) {
        struct load_connection *c = &load->connections[i];

        if (c->state != LOAD_CONNECTING && c->state != LOAD_BUSY)
            continue;
        if (all || now_us - load->requests[c->request].due_us > load->limit_us)
            connection_fail(load, c, LOAD_LATE);
    }
}
