/*
 * After a refusal. evhttp closes the connection as soon as the answer has left; when the client is
 * still sending its body, the kernel answers that with a reset, and the client may lose the answer
 * before it has read it (RFC 9112 section 9.6). So the socket outlives its connection: our side
 * says that no more comes, and what the client sends is dropped until it has closed too, for a
 * while.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/admin_internal.h"
#include "base/alloc.h"
#include "base/check.h"

enum {
    FAREWELL_MS = 5000,
    FAREWELL_BYTES = 16 * 1024 * 1024, /* by then it has had the time to look at the answer */
    FAREWELL_READ_BYTES = 16 * 1024,
};

struct admin_farewell {
    struct list node; /* admin->farewells */
    struct admin *admin;
    int fd;
    size_t left_bytes;
    struct event *event;
    struct loop_timer timer;
};

static void farewell_free(struct admin_farewell *farewell)
{
    list_remove(&farewell->node);
    farewell->admin->farewell_count--;
    loop_timer_cancel(&farewell->timer);
    event_free(farewell->event);
    close(farewell->fd);
    free(farewell);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct admin_farewell *farewell = arg;
    struct loop *loop = &farewell->admin->loop; /* `farewell` may go in between */
    char dropped[FAREWELL_READ_BYTES];
    ssize_t n = recv(fd, dropped, sizeof(dropped), MSG_DONTWAIT);

    loop_enter(loop);
    if (n > 0 && (size_t)n < farewell->left_bytes)
        farewell->left_bytes -= (size_t)n;
    else if (n >= 0 || (errno != EAGAIN && errno != EINTR))
        farewell_free(farewell);
    loop_leave(loop);
}

static void on_timer(struct loop_timer *timer)
{
    farewell_free(container_of(timer, struct admin_farewell, timer));
}

void admin_farewell_start(struct admin *admin, int fd)
{
    struct admin_farewell *farewell;
    int kept = admin->farewell_count < ADMIN_FAREWELLS ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;

    if (kept < 0)
        return;
    shutdown(kept, SHUT_WR);
    farewell = xcalloc(1, sizeof(*farewell));
    farewell->admin = admin;
    farewell->fd = kept;
    farewell->left_bytes = FAREWELL_BYTES;
    farewell->event =
        event_new(admin->loop.base, kept, EV_READ | EV_PERSIST, on_readable, farewell);
    CHECK(farewell->event && event_add(farewell->event, NULL) == 0);
    loop_timer_init(&farewell->timer, on_timer);
    loop_timer_set(&admin->loop, &farewell->timer, FAREWELL_MS);
    list_push_back(&admin->farewells, &farewell->node);
    admin->farewell_count++;
}

void admin_farewells_stop(struct admin *admin)
{
    while (!list_empty(&admin->farewells))
        farewell_free(container_of(admin->farewells.next, struct admin_farewell, node));
}
