/*
 * The process that starts commands (confine/spawner.h) should outlive us. When it does not, no
 * other can be started any more: we gave up the right to. Serving goes on; checks by commands are
 * skipped (no backend should be out for a fault of ours), recovery commands and SIGUSR2 fail, and
 * this is where operators are told once why.
 *
 * As process 1 we also bury those whose parents have ended before them.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "confine/spawner.h"
#include "proxy/server_internal.h"

static void forget(struct event **event)
{
    if (*event != NULL)
        event_free(*event);
    *event = NULL;
}

static void on_end(evutil_socket_t pidfd, short what, void *arg)
{
    struct server *server = arg;
    char *how = spawner_describe_end();
    char *why = xasprintf("the process that starts commands %s", how);

    loop_enter(&server->loop);
    atomic_store(&server->commands_lost, why);
    health_tell_process(
        server->health, EVENT_HEALTH, EVENT_ERROR, "commands", "no commands", why,
        "until a restart, checks of type exec say nothing new, recovery commands and "
        "SIGUSR2 fail");
    free(how);
    forget(&server->on_spawner_end);
    loop_leave(&server->loop);
}

static void on_orphan_end(evutil_socket_t number, short what, void *arg)
{
    spawner_reap_orphans();
}

void server_spawner_watch(struct server *server)
{
    struct event_base *base = server->loop.base;
    int pidfd = spawner_pidfd();

    if (pidfd < 0)
        return;
    server->on_spawner_end = event_new(base, pidfd, EV_READ, on_end, server);
    CHECK(server->on_spawner_end && event_add(server->on_spawner_end, NULL) == 0);
    if (getpid() != 1)
        return;
    server->on_orphan_end = evsignal_new(base, SIGCHLD, on_orphan_end, NULL);
    CHECK(server->on_orphan_end && event_add(server->on_orphan_end, NULL) == 0);
}

void server_spawner_forget(struct server *server)
{
    forget(&server->on_spawner_end);
    forget(&server->on_orphan_end);
    free(atomic_exchange(&server->commands_lost, NULL));
}
