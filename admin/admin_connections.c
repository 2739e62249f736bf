/*
 * Connections to management: how many, and for how long.
 *
 *   accepted ─► QUIET ─ request ─► HELD ─ answer made ─► SENDING ─ answer has left ─► QUIET ─► ...
 *                 └── too long ──────────────────────────────┴─► closed; so is whoever has been in
 *                                                               one of these two the longest, when
 *                                                               another needs the place
 *
 * evhttp has a time limit of its own, but it begins anew with every byte, and it takes as many
 * connections as come. Here neither half a head nor an answer that is read byte by byte keeps an
 * operator out.
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

enum connection_state {
    CONNECTION_QUIET,   /* no request, or not the whole of one yet */
    CONNECTION_HELD,    /* a handler has the request: evhttp must not free it */
    CONNECTION_SENDING, /* the answer is on its way */
    CONNECTION_REFUSED, /* the same, an answer of evhttp's own */
    CONNECTION_OVER,    /* that has left: it closes */
};

struct admin_connection {
    struct list node; /* admin->connections */
    struct admin *admin;
    struct evhttp_connection *connection;
    enum connection_state state;
    uint64_t since_us; /* in this state */
    struct evbuffer *output;
    struct evbuffer_cb_entry *output_watch;
    struct event *look; /* at an output that is none of ours */
};

static void set_state(struct admin_connection *connection, enum connection_state state)
{
    connection->state = state;
    connection->since_us = clock_monotonic_us();
}

static void on_close(struct evhttp_connection *evhttp, void *arg)
{
    struct admin_connection *connection = arg;

    if (connection->state == CONNECTION_OVER)
        admin_farewell_start(connection->admin,
                             bufferevent_getfd(evhttp_connection_get_bufferevent(evhttp)));
    evbuffer_remove_cb_entry(connection->output, connection->output_watch);
    event_free(connection->look);
    connection->admin->connection_count--;
    list_remove(&connection->node);
    free(connection);
}

/* ---- Answers that are not ours ---- */

/* The page is whole now, and not a byte of it has left; or all has. Then evhttp closes by itself,
 * but after a CONNECT it would go on with what the client has sent behind it. */
static void on_look(evutil_socket_t unused_fd, short what, void *arg)
{
    struct admin_connection *connection = arg;
    struct loop *loop = &connection->admin->loop;

    loop_enter(loop);
    if (connection->state == CONNECTION_QUIET && admin_refusal_translate(connection->output))
        set_state(connection, CONNECTION_REFUSED);
    else if (connection->state == CONNECTION_OVER)
        evhttp_connection_free(connection->connection);
    loop_leave(loop);
}

/*
 * Nobody has asked us anything: it is evhttp that answers. It has only begun to write; what we
 * activate runs before the loop asks the kernel again, and so before anything is sent. (But where a
 * 100 (Continue) waits to be sent still: then the page may go out as it is.)
 */
static void on_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
    struct admin_connection *connection = arg;
    bool begins = connection->state == CONNECTION_QUIET && info->n_added > 0;
    bool ends = connection->state == CONNECTION_REFUSED && evbuffer_get_length(output) == 0;

    if (ends)
        set_state(connection, CONNECTION_OVER);
    if (begins || ends)
        event_active(connection->look, EV_TIMEOUT, 1);
}

static void watch_output(struct admin_connection *connection)
{
    struct event_base *base = connection->admin->loop.base;

    connection->output =
        bufferevent_get_output(evhttp_connection_get_bufferevent(connection->connection));
    connection->look = event_new(base, -1, 0, on_look, connection);
    connection->output_watch = evbuffer_add_cb(connection->output, on_output, connection);
    CHECK(connection->look && connection->output_watch);
}

/* ---- Places ---- */

static struct admin_connection *slowest(struct admin *admin)
{
    struct admin_connection *found = NULL;

    list_for_each(it, &admin->connections)
    {
        struct admin_connection *c = container_of(it, struct admin_connection, node);

        if (c->state != CONNECTION_HELD && (!found || c->since_us < found->since_us))
            found = c;
    }
    return found;
}

static void add(struct admin *admin, struct evhttp_connection *evhttp)
{
    struct admin_connection *slow, *connection;

    if (admin->connection_count == ADMIN_CONNECTIONS) {
        slow = slowest(admin);
        evhttp_connection_free(slow ? slow->connection : evhttp);
        if (!slow)
            return;
    }
    connection = xcalloc(1, sizeof(*connection));
    connection->admin = admin;
    connection->connection = evhttp;
    set_state(connection, CONNECTION_QUIET);
    list_push_back(&admin->connections, &connection->node);
    admin->connection_count++;
    evhttp_connection_set_closecb(evhttp, on_close, connection);
    watch_output(connection);
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

/* A bufferevent's argument is the connection; there is none if evhttp gave up on it at once. */
static void adopt(struct admin *admin, struct bufferevent *bufferevent)
{
    void *evhttp = NULL;

    bufferevent_getcb(bufferevent, NULL, NULL, NULL, &evhttp);
    if (bufferevent_getfd(bufferevent) < 0 || !evhttp)
        return;
    CHECK(evhttp_connection_get_bufferevent(evhttp) == bufferevent);
    add(admin, evhttp);
}

static void on_adopt(evutil_socket_t unused_fd, short what, void *arg)
{
    struct admin_door *door = arg;

    loop_enter(&door->admin->loop);
    for (size_t i = 0; i < door->waiting_count; i++) {
        adopt(door->admin, door->waiting[i]);
        bufferevent_decref(door->waiting[i]);
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
    set_state(arg, CONNECTION_QUIET);
}

static struct admin_connection *connection_of(struct admin *admin, struct evhttp_request *request)
{
    struct evhttp_connection *evhttp = evhttp_request_get_connection(request);

    list_for_each(it, &admin->connections)
    {
        struct admin_connection *c = container_of(it, struct admin_connection, node);

        if (c->connection == evhttp)
            return c;
    }
    return NULL;
}

void admin_connection_hold(struct admin *admin, struct evhttp_request *request)
{
    struct admin_connection *connection = connection_of(admin, request);

    if (!connection)
        return;
    set_state(connection, CONNECTION_HELD);
    evhttp_request_set_on_complete_cb(request, on_answer_left, connection);
}

void admin_connection_release(struct admin *admin, struct evhttp_request *request)
{
    struct admin_connection *connection = connection_of(admin, request);

    if (connection)
        set_state(connection, CONNECTION_SENDING);
}

/* ---- Time ---- */

static bool is_over(const struct admin_connection *connection, uint64_t now_us)
{
    uint64_t age_s = (now_us - connection->since_us) / 1000000;

    switch (connection->state) {
    case CONNECTION_QUIET:
        return age_s > ADMIN_TIMEOUT_S;
    case CONNECTION_SENDING:
    case CONNECTION_REFUSED:
    case CONNECTION_OVER:
        return age_s > ADMIN_ANSWER_S;
    case CONNECTION_HELD:
        break;
    }
    return false;
}

static void on_sweep(struct loop_timer *timer)
{
    struct admin *admin = container_of(timer, struct admin, sweep_timer);
    uint64_t now_us = clock_monotonic_us();

    list_for_each_safe(it, tmp, &admin->connections)
    {
        struct admin_connection *c = container_of(it, struct admin_connection, node);

        if (is_over(c, now_us))
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
