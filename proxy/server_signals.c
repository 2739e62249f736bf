/*
 * Signals, as events of the control thread's loop. Other threads block every signal
 * (base/thread.h), so each one arrives here.
 */
#include <signal.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proxy/server_internal.h"
#include "proxy/upgrade.h"

static void on_terminate(struct server *server, const char *name)
{
    upgrade_abandon(server, name);
    if (server_phase(server) >= SERVER_LEAVING)
        server_exit_now(server, name);
    else
        server_leave(server, name);
}

static void on_reopen(struct server *server, const char *name)
{
    log_info("%s: reopening the access log", name);
    if (server->access_log)
        access_log_reopen(server->access_log);
}

static void on_reload(struct server *server, const char *name)
{
    server_reload_soon(server, name);
}

static void on_upgrade(struct server *server, const char *name)
{
    server_upgrade_soon(server, name);
}

static const struct signal_action {
    int number;
    const char *name;
    void (*act)(struct server *server, const char *name);
} actions[] = {
    {SIGTERM, "SIGTERM", on_terminate}, {SIGINT, "SIGINT", on_terminate},
    {SIGUSR1, "SIGUSR1", on_reopen},    {SIGHUP, "SIGHUP", on_reload},
    {SIGUSR2, "SIGUSR2", on_upgrade},
};

enum { ACTION_COUNT = sizeof(actions) / sizeof(actions[0]) };

struct server_signals {
    struct event *events[ACTION_COUNT];
};

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct server *server = arg;

    loop_enter(&server->loop);
    for (size_t i = 0; i < ACTION_COUNT; i++)
        if (actions[i].number == number)
            actions[i].act(server, actions[i].name);
    loop_leave(&server->loop);
}

int server_signals_start(struct server *server)
{
    struct server_signals *signals = xcalloc(1, sizeof(*signals));

    server->signals = signals;
    /* A peer that closed is told by EPIPE where it matters. */
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ACTION_COUNT; i++) {
        signals->events[i] = evsignal_new(server->loop.base, actions[i].number, on_signal, server);
        if (!signals->events[i] || event_add(signals->events[i], NULL) < 0)
            return EG_E_INTERNAL;
    }
    return EG_OK;
}

void server_signals_stop(struct server *server)
{
    if (!server->signals)
        return;
    for (size_t i = 0; i < ACTION_COUNT; i++) {
        if (server->signals->events[i])
            event_free(server->signals->events[i]);
        /* All that is left is to free memory: none of them may change how that ends. */
        signal(actions[i].number, SIG_IGN);
    }
    free(server->signals);
    server->signals = NULL;
}
