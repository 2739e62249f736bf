/*
 * Connections to management: how many, and for how long.
 *
 *   accepted ─► waiting ─► counted ─► [request] ─► busy ─► [answer has left] ─► counted ─► ...
 *                             └─► closed: nothing complete came for ADMIN_TIMEOUT_S, or others need
 *                                 the place
 *
 * evhttp has a time limit of its own, but it begins anew with every byte, and it takes as many
 * connections as come. Here whoever has been silent the longest makes room for who comes, so that
 * half a head never keeps an operator out; only those whose request is being answered stay.
 *
 * evhttp does not tell of a new connection. It asks for its bufferevent, though, and sets that up
 * after we return it; so the connection is looked up a moment later, as in proxy/shell.c.
 */
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"

struct admin_connection {
    struct list node; /* admin->connections */
    struct admin *admin;
    struct evhttp_connection *connection;
    uint64_t since_us; /* accepted, or its last answer has left */
    bool busy;         /* a request is being answered */
};

static void on_close(struct evhttp_connection *unused, void *arg)
{
    struct admin_connection *connection = arg;

    connection->admin->connection_count--;
    list_remove(&connection->node);
    free(connection);
}

static struct admin_connection *longest_silent(struct admin *admin)
{
    struct admin_connection *found = NULL;

    list_for_each(it, &admin->connections)
    {
        struct admin_connection *c = container_of(it, struct admin_connection, node);

        if (!c->busy && (!found || c->since_us < found->since_us))
            found = c;
    }
    return found;
}

static void add(struct admin *admin, struct evhttp_connection *evhttp)
{
    struct admin_connection *silent, *connection;

    if (admin->connection_count == ADMIN_CONNECTIONS) {
        silent = longest_silent(admin);
        evhttp_connection_free(silent ? silent->connection : evhttp);
        if (!silent)
            return;
    }
    connection = xcalloc(1, sizeof(*connection));
    connection->admin = admin;
    connection->connection = evhttp;
    connection->since_us = clock_monotonic_us();
    list_push_back(&admin->connections, &connection->node);
    admin->connection_count++;
    evhttp_connection_set_closecb(evhttp, on_close, connection);
}

static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
    struct admin_door *door = arg;
    struct bufferevent *bufferevent = bufferevent_socket_new(base, -1, 0);

    if (!bufferevent)
        return NULL;
    door->waiting =
        xrealloc(door->waiting, (door->waiting_count + 1) * sizeof(struct bufferevent *));
    bufferevent_incref(bufferevent);
    door->waiting[door->waiting_count++] = bufferevent;
    event_active(door->adopt, EV_TIMEOUT, 1);
    return bufferevent;
}

static void on_adopt(evutil_socket_t unused_fd, short what, void *arg)
{
    struct admin_door *door = arg;

    loop_enter(&door->admin->loop);
    for (size_t i = 0; i < door->waiting_count; i++) {
        struct bufferevent *bufferevent = door->waiting[i];
        void *evhttp = NULL;

        /* Its argument is the connection; there is none if evhttp gave up on it at once. */
        bufferevent_getcb(bufferevent, NULL, NULL, NULL, &evhttp);
        if (bufferevent_getfd(bufferevent) >= 0 && evhttp) {
            CHECK(evhttp_connection_get_bufferevent(evhttp) == bufferevent);
            add(door->admin, evhttp);
        }
        bufferevent_decref(bufferevent);
    }
    door->waiting_count = 0;
    loop_leave(&door->admin->loop);
}

int admin_connections_watch(struct admin_door *door)
{
    door->adopt = event_new(door->admin->loop.base, -1, 0, on_adopt, door);
    if (!door->adopt)
        return EG_E_NOMEM;
    evhttp_set_bevcb(door->http, on_accept, door);
    return EG_OK;
}

void admin_connections_unwatch(struct admin_door *door)
{
    for (size_t i = 0; i < door->waiting_count; i++)
        bufferevent_decref(door->waiting[i]);
    free(door->waiting);
    if (door->adopt)
        event_free(door->adopt);
}

/* ---- Requests ---- */

static void on_answer_left(struct evhttp_request *unused, void *arg)
{
    struct admin_connection *connection = arg;

    connection->busy = false;
    connection->since_us = clock_monotonic_us();
}

void admin_connection_busy(struct admin *admin, struct evhttp_request *request)
{
    struct evhttp_connection *evhttp = evhttp_request_get_connection(request);

    list_for_each(it, &admin->connections)
    {
        struct admin_connection *c = container_of(it, struct admin_connection, node);

        if (c->connection != evhttp)
            continue;
        c->busy = true;
        evhttp_request_set_on_complete_cb(request, on_answer_left, c);
        return;
    }
}

/* ---- Time ---- */

static void on_sweep(struct loop_timer *timer)
{
    struct admin *admin = container_of(timer, struct admin, sweep_timer);
    uint64_t now_us = clock_monotonic_us();

    list_for_each_safe(it, tmp, &admin->connections)
    {
        struct admin_connection *c = container_of(it, struct admin_connection, node);

        if (!c->busy && now_us - c->since_us > ADMIN_TIMEOUT_S * (uint64_t)1000000)
            evhttp_connection_free(c->connection);
    }
    loop_timer_set(&admin->loop, timer, ADMIN_SWEEP_MS);
}

void admin_connections_start(struct admin *admin)
{
    loop_timer_init(&admin->sweep_timer, on_sweep);
    loop_timer_set(&admin->loop, &admin->sweep_timer, ADMIN_SWEEP_MS);
}

void admin_connections_stop(struct admin *admin)
{
    loop_timer_cancel(&admin->sweep_timer);
}
