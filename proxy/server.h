/*
 * The server: everything that `evergate run` keeps alive, on the control thread: workers,
 * endpoints, resolver, access log, signals.
 *
 *   server_new ──► server_run ──► server_free
 *   binds,         RESOLVING ─► SERVING ─► LEAVING ──────► DRAINING ────► STOPPED
 *   allocates      (names, 2 s)  (threads)  (drain_delay)  (drain_timeout)  (joined)
 */
#ifndef EVERGATE_PROXY_SERVER_H
#define EVERGATE_PROXY_SERVER_H

#include "config/config.h"
#include "health/health.h"
#include "proxy/access_log.h"
#include "proxy/worker.h"

enum { SERVER_SECRET_BYTES = 32 };

struct config_overlay;
struct discovery;
struct server_discovery;
struct server_health;
struct server_leavers;
struct server_names;
struct server_orders;
struct server_signals;
struct server_watch;
struct shared_listener;
struct upgrade;

/* Changed by server_set_phase only; read by any thread. */
enum server_phase {
    SERVER_RESOLVING, /* bound; the names of backends are looked up for the first time */
    SERVER_SERVING,   /* the workers run */
    SERVER_LEAVING,   /* told to stop: not ready, and serves on while others learn it */
    SERVER_DRAINING,  /* no new connections; work in flight finishes */
    SERVER_STOPPED,   /* the workers were joined */
};

struct server {
    /* What is served. Changed by the control thread with the write lock held; other threads read it
     * with the read lock (server_change.h). */
    pthread_rwlock_t structure;
    struct config *config;              /* the file, what was found, the overlay */
    struct pool_runtime **runtimes;     /* config->pool_count */
    struct shared_listener **listeners; /* config->listener_count */
    struct discovery *discovery;        /* NULL: no configuration has had a block of it yet */

    struct config *base;                 /* what the file says; the control thread's */
    struct config_overlay *overlay;      /* what was changed over the API; likewise */
    struct server_orders *orders;        /* changes that were asked for */
    struct server_leavers *leavers;      /* what goes once it is not used any more */
    struct server_discovery *discoverer; /* what becomes of that which discovery finds */
    struct loop loop;                    /* the control thread's */
    struct worker *workers;
    unsigned worker_count;
    struct health *health;        /* the endpoints' condition, and the events */
    struct server_health *keeper; /* the health thread */
    unsigned char
        sticky_secret[SERVER_SECRET_BYTES]; /* of this process, for pools without a file */
    unsigned client_limit; /* over all workers, by the descriptors there are; 0: none */
    struct resolver *resolver;
    struct access_log *access_log;
    struct server_names *names; /* being resolved, and who gets their addresses */
    struct server_signals *signals;
    struct event *on_spawner_end;
    struct event *on_orphan_end;   /* NULL unless we are process 1 */
    _Atomic(char *) commands_lost; /* why none can be started any more; NULL: they can */
    struct server_watch *watch;    /* of the configuration's files; NULL: it does not serve yet */
    struct upgrade *upgrade;       /* SIGUSR2's, under way or done; NULL: none */
    void (*on_doors)(void *arg, bool open);
    void *doors_arg;
    struct loop_timer leave_timer, drain_timer, tickets_timer;
    unsigned drained_workers;
    unsigned initialised_workers;
    uint64_t drain_started_us;
    _Atomic enum server_phase phase;
    _Atomic uint64_t generation; /* of what is served: 1, and one more per change */
    _Atomic uint64_t reloads_done, reloads_refused;
    void (*on_changed)(void *arg); /* after each change; set before server_run; control thread */
    void *on_changed_arg;
    uint64_t started_us; /* monotonic */
    uint64_t started_wall_us;
    int exit_code;
};

/* Binds every listener before anything starts, so that a port in use is an error and not half a
 * server. Takes a reference of `config`, which is what the file says; what its state_file holds is
 * laid over it. 0, an error with a sentence in *ret_why (heap), or EG_E_DRAINING without one: it
 * was told to stop while it waited for discovery. */
int server_new(struct server **ret_server, struct config *config, char **ret_why) WARN_UNUSED;

/* Serves until drained: SIGTERM/SIGINT leave (drain_delay_ms) and drain (up to drain_timeout_ms), a
 * second one exits at once; SIGUSR1 reopens logs, SIGUSR2 starts the binary anew and drains
 * (upgrade.h). Returns the exit code. */
int server_run(struct server *server);
void server_free(struct server *server);

/* Posted by a worker whose last connection is gone while draining; any thread. */
void server_worker_drained(struct server *server);

/* As SIGTERM does it. Any thread. */
void server_stop(struct server *server);

/* For management: `on_doors` is called on the control thread with true when the server begins to
 * serve, with false when another process has taken over and is the one to ask. NULL: nobody. */
void server_watch_doors(struct server *server, void (*on_doors)(void *arg, bool open), void *arg);

/* For management, with the read lock. Check an endpoint now; let a pool's load return to where it
 * belongs (balancer_pool_fail_back). */
void server_check_now(struct server *server, struct pool_runtime *pool, struct endpoint *endpoint);
void server_fail_back(struct server *server, struct pool_runtime *pool);

/* The last worker has left a pool's last seat; any thread. Where no configuration has the pool any
 * more, it goes. */
void server_pool_left(struct server *server, struct pool_runtime *pool);

static inline enum server_phase server_phase(const struct server *server)
{
    return atomic_load_explicit(&server->phase, memory_order_acquire);
}

/* Do requests come in and changes take effect? Ready or not. Any thread. */
static inline bool server_serves(const struct server *server)
{
    enum server_phase phase = server_phase(server);

    return phase == SERVER_SERVING || phase == SERVER_LEAVING;
}

/* Can it serve: not told to stop, and at least one pool has a usable endpoint (or there is no
 * pool)? Any thread. */
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
