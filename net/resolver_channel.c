/* c-ares on a loop: its descriptors as events, its timeouts as one timer. */
#include <pthread.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "net/resolver_internal.h"

enum { QUERY_TIMEOUT_MS = 2000, QUERY_TRIES = 3 };

struct resolver_socket {
    struct list node;
    struct resolver *resolver;
    ares_socket_t fd;
    struct event *event;
};

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void library_init(void)
{
    CHECK(ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS);
}

static void process(struct resolver *resolver, ares_socket_t readable, ares_socket_t writable)
{
    ares_process_fd(resolver->channel, readable, writable);
    resolver_channel_arm(resolver);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
    struct resolver_socket *socket = arg;
    struct resolver *resolver = socket->resolver; /* `socket` may go in between */
    struct loop *loop = resolver->loop;

    loop_enter(loop);
    process(resolver, what & EV_READ ? fd : ARES_SOCKET_BAD,
            what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    loop_leave(loop);
}

static void on_timeout(struct loop_timer *timer)
{
    process(container_of(timer, struct resolver, timeout), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static struct resolver_socket *socket_find(struct resolver *resolver, ares_socket_t fd)
{
    list_for_each(it, &resolver->sockets)
    {
        struct resolver_socket *socket = container_of(it, struct resolver_socket, node);
        if (socket->fd == fd)
            return socket;
    }
    return NULL;
}

static void socket_free(struct resolver_socket *socket)
{
    list_remove(&socket->node);
    event_free(socket->event);
    free(socket);
}

/* c-ares tells what it waits for, and that it waits no more before it closes a descriptor. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
    struct resolver *resolver = arg;
    struct resolver_socket *socket = socket_find(resolver, fd);
    short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

    if (socket)
        socket_free(socket);
    if (what == 0)
        return;
    socket = xmalloc(sizeof(*socket));
    socket->resolver = resolver;
    socket->fd = fd;
    socket->event =
        event_new(resolver->loop->base, fd, (short)(what | EV_PERSIST), on_socket, socket);
    CHECK(socket->event && event_add(socket->event, NULL) == 0);
    list_push_back(&resolver->sockets, &socket->node);
}

void resolver_channel_arm(struct resolver *resolver)
{
    struct timeval tv;

    loop_timer_cancel(&resolver->timeout);
    if (ares_timeout(resolver->channel, NULL, &tv))
        loop_timer_set(resolver->loop, &resolver->timeout,
                       (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 + 1);
}

static int channel_make(struct resolver *resolver, ares_channel *ret_channel)
{
    struct ares_options options = {
        /* EDNS (RFC 6891): answers of up to 1280 bytes need no second question over TCP. A server
         * that does not know it is asked again without. */
        .flags = ARES_FLAG_EDNS,          .timeout = QUERY_TIMEOUT_MS,    .tries = QUERY_TRIES,
        .sock_state_cb = on_socket_state, .sock_state_cb_data = resolver,
    };

    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;

    if (resolver->conf.path) {
        options.resolvconf_path = (char *)resolver->conf.path; /* it is copied */
        mask |= ARES_OPT_RESOLVCONF;
    }
    if (resolver->conf.port != 0) {
        options.udp_port = options.tcp_port = resolver->conf.port;
        mask |= ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT;
    }
    pthread_once(&library_once, library_init);
    return ares_init_options(ret_channel, &options, mask) == ARES_SUCCESS ? 0 : EG_E_INTERNAL;
}

int resolver_channel_open(struct resolver *resolver)
{
    list_init(&resolver->sockets);
    loop_timer_init(&resolver->timeout, on_timeout);
    return channel_make(resolver, &resolver->channel);
}

int resolver_channel_renew(struct resolver *resolver)
{
    ares_channel old = resolver->channel, fresh;

    if (channel_make(resolver, &fresh) != 0)
        return EG_E_INTERNAL;
    resolver->channel = fresh;
    resolver->servers = (struct resolver_servers){0};
    ares_destroy(old);
    resolver_channel_arm(resolver);
    return 0;
}

void resolver_channel_close(struct resolver *resolver)
{
    ares_destroy(resolver->channel);
    loop_timer_cancel(&resolver->timeout);
    while (!list_empty(&resolver->sockets))
        socket_free(container_of(resolver->sockets.next, struct resolver_socket, node));
}
