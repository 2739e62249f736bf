/*
 * The server: everything that `evergate run` keeps alive, on the control thread: workers,
 * endpoints, resolver, access log, signals.
 */
#ifndef EVERGATE_PROXY_SERVER_H
#define EVERGATE_PROXY_SERVER_H

#include "config/config.h"
#include "proxy/access_log.h"
#include "proxy/worker.h"

struct server {
    struct config *config;
    struct loop loop; /* the control thread's */
    struct worker *workers;
    unsigned worker_count;
    struct balancer_pool **pools;
    _Atomic unsigned *listener_connections;
    struct resolver *resolver;
    struct access_log *access_log;
    struct server_watches *watches; /* names being resolved, and who gets their addresses */
    unsigned drained_workers;
    _Atomic bool draining;
    uint64_t started_us;
};

/* Binds every listener before anything starts, so that a port in use is an error and not half a
 * server. Takes a reference of `config`. 0 or an error with a sentence in *ret_why (heap). */
int server_new(struct server **ret_server, struct config *config, char **ret_why) WARN_UNUSED;

/* Serves until drained: SIGTERM/SIGINT drain (up to drain_timeout_ms), a second one exits at once;
 * SIGUSR1 reopens logs. Returns the exit code. */
int server_run(struct server *server);
void server_free(struct server *server);

/* Posted by a worker whose last connection is gone while draining; any thread. */
void server_worker_drained(struct server *server);

/* Processors this process may use: affinity and the cgroup's CPU quota (v1 and v2), rounded up, at
 * least 1. */
unsigned server_usable_cpus(void);

#endif
