/* For the files of the server only: server.c (making and ending it), server_run.c (phases),
 * server_signals.c, server_names.c. All on the control thread. */
#ifndef EVERGATE_PROXY_SERVER_INTERNAL_H
#define EVERGATE_PROXY_SERVER_INTERNAL_H

#include "proxy/server.h"

enum {
    SERVER_RESOLVE_WAIT_MS = 2000,
    SERVER_TICKETS_MS = 12 * 3600 * 1000,
};

/* server_run.c */
void server_set_phase(struct server *server, enum server_phase phase);
void server_timers_init(struct server *server);
void server_names_answered(struct server *server); /* every name got its first answer */
void server_drain(struct server *server, const char *why);
void server_open_doors(struct server *server, bool open);
void server_exit_now(struct server *server, const char *why);

/* server_signals.c: from now on SIGTERM and its like are events of the loop. */
int server_signals_start(struct server *server) WARN_UNUSED;
void server_signals_stop(struct server *server);

/* server_names.c: a watch per backend whose address is a name. Ends in server_names_answered, which
 * is called from within when there is nothing to wait for. */
void server_names_start(struct server *server);
void server_names_stop(struct server *server);
unsigned server_names_waiting(const struct server *server);

#endif
