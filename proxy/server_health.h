/*
 * The health thread: a loop of its own for what must neither delay a worker nor wait for one: time
 * that passes in health's state machines, the balancer's line-ups, active checks, recovery actions.
 *
 *   workers, control ─ health_* ─► wake ─► [health thread] health_keep ─► line-ups, events, hooks
 *                                          [health thread] checks ─► health_check_result
 */
#ifndef EVERGATE_PROXY_SERVER_HEALTH_H
#define EVERGATE_PROXY_SERVER_HEALTH_H

#include "checks/checks.h"
#include "net/address.h"
#include "proxy/server.h"

struct server_health;

/* Makes server->health, the pools' runtimes and the thread's loop; starts nothing. Before the
 * workers are made. 0 or an error with a sentence in *ret_why (heap). */
int server_health_new(struct server *server, char **ret_why) WARN_UNUSED;
/* After the workers are gone. Frees all that server_health_new made. */
void server_health_free(struct server *server);

/* The checks, which need certificates and programs to be there. 0 or an error with a sentence. */
int server_health_open_checks(struct server *server, char **ret_why) WARN_UNUSED;
int server_health_start(struct server *server) WARN_UNUSED; /* the thread */
void server_health_stop(struct server *server);             /* joins it; after the workers' */

/* Any thread. New addresses of an endpoint that is known by name (copied). */
void server_health_set_addresses(struct server *server, unsigned pool, unsigned endpoint,
                                 const struct address *addresses, size_t count);

/* Any thread; zeroes where there are no checks. */
struct checks_stats server_checks_stats(const struct server *server);

#endif
