/*
 * The process that starts commands (confine/spawner.h) should outlive us. When it does not, no
 * other can be started any more: we gave up the right to. Serving goes on; checks by commands are
 * skipped (no backend should be out for a fault of ours), recovery commands and SIGUSR2 fail, and
 * this is where operators are told once why.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/check.h"
#include "confine/spawner.h"
#include "proxy/server_internal.h"

static char *describe(int status)
{
    if (status >= 0 && WIFSIGNALED(status))
        return xasprintf("the process that starts commands was ended by signal %d (%s)",
                         WTERMSIG(status), strsignal(WTERMSIG(status)));
    return xstrdup("the process that starts commands has ended");
}

static void on_end(evutil_socket_t pidfd, short what, void *arg)
{
    struct server *server = arg;
    char *why = describe(spawner_status());

    loop_enter(&server->loop);
    health_tell_process(
        server->health, EVENT_HEALTH, EVENT_ERROR, "commands", "no commands", why,
        "until a restart, checks of type exec say nothing new, recovery commands and "
        "SIGUSR2 fail");
    free(why);
    event_free(server->on_spawner_end);
    server->on_spawner_end = NULL;
    loop_leave(&server->loop);
}

void server_spawner_watch(struct server *server)
{
    int pidfd = spawner_pidfd();

    if (pidfd < 0)
        return;
    server->on_spawner_end = event_new(server->loop.base, pidfd, EV_READ, on_end, server);
    CHECK(server->on_spawner_end && event_add(server->on_spawner_end, NULL) == 0);
}

void server_spawner_forget(struct server *server)
{
    if (server->on_spawner_end)
        event_free(server->on_spawner_end);
    server->on_spawner_end = NULL;
}
