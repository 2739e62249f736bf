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

/* Makes server->health, the checks and the thread's loop; starts nothing, knows no pool yet. 0 or
 * an error with a sentence in *ret_why (heap). */
int server_health_new(struct server *server, unsigned events, char **ret_why) WARN_UNUSED;
/* After the workers are gone. Frees all that server_health_new made, and every pool's runtime. */
void server_health_free(struct server *server);

/* Runs `act(arg, now_us)` on the health thread and waits for it, or runs it at once while that does
 * not run. Control thread. */
void server_health_do(struct server *server, void (*act)(void *arg, uint64_t now_us), void *arg);
/* The same while nobody holds the read lock: for what takes away what its holders may look at. */
void server_health_do_unseen(struct server *server, void (*act)(void *arg, uint64_t now_us),
                             void *arg);

/* For those that run there. A runtime is kept among those that are looked after until it is freed.
 */
void server_health_keep_pool(struct server *server, struct pool_runtime *runtime);
struct checks *server_health_checks(struct server *server);

int server_health_start(struct server *server) WARN_UNUSED; /* the thread */
void server_health_stop(struct server *server);             /* joins it; after the workers' */

/* Any thread. New addresses of an endpoint that is known by name (copied). */
void server_health_set_addresses(struct server *server, struct pool_runtime *pool,
                                 struct endpoint *endpoint, const struct address *addresses,
                                 size_t count);

/* Any thread; zeroes where there are no checks. */
struct checks_stats server_checks_stats(const struct server *server);

#endif
