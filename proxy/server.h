/*
 * The server: everything that `evergate run` keeps alive, on the control thread: workers,
 * endpoints, resolver, access log, signals.
 *
 *   server_new ──► server_run ──► server_free
 *   binds,         RESOLVING ─► SERVING ─► DRAINING ─► STOPPED
 *   allocates      (names, 2 s)  (threads)  (SIGTERM)   (joined)
 */
#ifndef EVERGATE_PROXY_SERVER_H
#define EVERGATE_PROXY_SERVER_H

#include "config/config.h"
#include "health/health.h"
#include "proxy/access_log.h"
#include "proxy/worker.h"

enum { SERVER_SECRET_BYTES = 32 };

struct server_health;
struct server_names;
struct server_signals;
struct listen_set;
struct upgrade;

/* Changed by server_set_phase only; read by any thread. */
enum server_phase {
    SERVER_RESOLVING, /* bound; the names of backends are looked up for the first time */
    SERVER_SERVING,   /* the workers run */
    SERVER_DRAINING,  /* no new connections; work in flight finishes */
    SERVER_STOPPED,   /* the workers were joined */
};

struct server {
    struct config *config;
    struct loop loop; /* the control thread's */
    struct worker *workers;
    unsigned worker_count;
    struct pool_runtime **runtimes; /* config->pool_count */
    struct health *health;          /* the endpoints' condition, and the events */
    struct server_health *keeper;   /* the health thread */
    unsigned char
        sticky_secret[SERVER_SECRET_BYTES]; /* of this process, for pools without a file */
    struct listen_set *listen; /* per listener: descriptors until workers have them, addresses */
    _Atomic unsigned *listener_connections;
    unsigned client_limit; /* over all workers, by the descriptors there are; 0: none */
    struct resolver *resolver;
    struct access_log *access_log;
    struct server_names *names; /* being resolved, and who gets their addresses */
    struct server_signals *signals;
    struct upgrade *upgrade; /* SIGUSR2's, under way or done; NULL: none */
    void (*on_doors)(void *arg, bool open);
    void *doors_arg;
    struct loop_timer resolve_timer, drain_timer, tickets_timer;
    unsigned drained_workers;
    unsigned initialised_workers;
    uint64_t drain_started_us;
    _Atomic enum server_phase phase;
    _Atomic uint64_t generation; /* of the configuration: 1, and one more per reload */
    uint64_t started_us;         /* monotonic */
    uint64_t started_wall_us;
    int exit_code;
};

/* Binds every listener before anything starts, so that a port in use is an error and not half a
 * server. Takes a reference of `config`. 0 or an error with a sentence in *ret_why (heap). */
int server_new(struct server **ret_server, struct config *config, char **ret_why) WARN_UNUSED;

/* Serves until drained: SIGTERM/SIGINT drain (up to drain_timeout_ms), a second one exits at once;
 * SIGUSR1 reopens logs, SIGUSR2 starts the binary anew and drains (upgrade.h). Returns the exit
 * code. */
int server_run(struct server *server);
void server_free(struct server *server);

/* Posted by a worker whose last connection is gone while draining; any thread. */
void server_worker_drained(struct server *server);

/* As SIGTERM does it. Any thread. */
void server_stop(struct server *server);

/* For management: `on_doors` is called on the control thread with true when the server begins to
 * serve, with false when another process has taken over and is the one to ask. NULL: nobody. */
void server_watch_doors(struct server *server, void (*on_doors)(void *arg, bool open), void *arg);

/* For management; any thread. Check an endpoint now; let a pool's load return to where it belongs
 * (balancer_pool_fail_back). */
void server_check_now(struct server *server, unsigned pool, unsigned endpoint);
void server_fail_back(struct server *server, unsigned pool);

static inline enum server_phase server_phase(const struct server *server)
{
    return atomic_load_explicit(&server->phase, memory_order_acquire);
}

/* Can it serve: not draining, and at least one pool has a usable endpoint (or there is no pool)?
 * Any thread. */
bool server_ready(const struct server *server);

/* The sum of all workers' counters at about this moment; any thread, no lock. */
struct server_totals {
    uint64_t connections_total, requests_total, bytes_in, bytes_out;
    uint64_t requests_by_class[6];
    uint64_t own_answers, retries, tunnels, sheds, tls_handshakes, tls_resumed, tls_failures;
    uint64_t retries_denied, hedges, hedges_won, pending_timeouts, fallbacks, stale_served;
    uint64_t connections, requests_active;
};
struct server_totals server_totals(const struct server *server);

/* Processors this process may use: affinity and the cgroup's CPU quota (v1 and v2), rounded up, at
 * least 1. */
unsigned server_usable_cpus(void);

/* One client more than there are descriptors for, with a connection to a backend each? Any thread.
 */
bool server_is_full(const struct server *server);

#endif
