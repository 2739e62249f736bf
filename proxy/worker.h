/*
 * A worker: one thread with its loop, its listeners, its view of the configuration and its
 * counters. Workers share endpoints (atomics) and nothing else.
 *
 * A view is what one configuration snapshot looks like to one worker: clusters and TLS contexts. It
 * is counted by plain integers, since only its own thread touches it: every exchange and every
 * connection holds one; the last one out frees it. A reload gives the worker a new view; work in
 * flight goes on in the old one.
 */
#ifndef EVERGATE_PROXY_WORKER_H
#define EVERGATE_PROXY_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "config/config.h"
#include "net/loop.h"
#include "net/tls.h"
#include "proxy/access_log.h"
#include "proxy/pool_runtime.h"
#include "upstream/upstream.h"

struct server;
struct worker;
struct worker_view;
struct shell_nursery;

struct worker_listener {
    const struct config_listener *config;
    struct worker_view *view;
    struct worker *worker;
    struct tls_context *tls;       /* NULL: plain */
    struct shell_nursery *nursery; /* its evhttp: owns accept socket, connections, requests */
    _Atomic unsigned *connections; /* of this listener, over all workers: max_connections */
    int reserve_fd;                /* given up to accept and shed when descriptors run out */
};

struct worker_view {
    struct worker *worker;
    struct config *config;              /* one reference */
    unsigned refs;                      /* plain: this worker's thread only */
    struct worker_listener *listeners;  /* config->listener_count */
    struct upstream_cluster **clusters; /* config->pool_count */
    struct pool_runtime **runtimes;     /* likewise; shared with the other workers */
};

/* Written by the worker's thread, read by any: relaxed atomics, one writer. */
struct worker_stats {
    _Atomic uint64_t connections_total, requests_total, bytes_in, bytes_out;
    _Atomic uint64_t requests_by_class[6]; /* [2]: 2xx ...; [0]: 499 and aborted */
    _Atomic uint64_t own_answers, retries, tunnels, sheds, tls_handshakes, tls_resumed,
        tls_failures;
    _Atomic uint64_t retries_denied, hedges, hedges_won, pending_timeouts; /* by the budget ... */
    _Atomic uint64_t fallbacks,
        stale_served; /* all ways of falling back; of them, from the cache */
    _Atomic uint64_t connections, requests_active; /* gauges */
};

struct worker {
    struct server *server;
    unsigned index;
    pthread_t thread;
    struct loop loop;
    struct worker_view *view;
    struct worker_stats stats;
    struct access_log_ring *access_log; /* NULL: off */
    struct list connections;            /* front_http1 connections, for drain */
    bool draining;
    bool drained; /* worker_connections_gone was called */
    bool running; /* the thread was started; control thread only */
    uint64_t random_state[2];
    char date[32]; /* an HTTP date, refreshed each second */
    uint64_t date_s;
};

static inline void stat_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void stat_sub(_Atomic uint64_t *gauge, uint64_t n)
{
    stat_add(gauge, (uint64_t)0 - n);
}

struct worker_view *worker_view_ref(struct worker_view *view);
void worker_view_unref(struct worker_view *view);

uint64_t worker_random(struct worker *worker);   /* fast, not for secrets */
struct slice worker_date(struct worker *worker); /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Sets up the loop and, from the server's configuration, pools and access log, the view: TLS
 * contexts, clusters, accept sockets (`listen_fds`, one per listener, owned from here). 0 or an
 * error with a sentence in *ret_why (heap); then the worker needs no worker_fini. */
int worker_init(struct worker *worker, struct server *server, unsigned index, const int *listen_fds,
                char **ret_why) WARN_UNUSED;
void worker_fini(struct worker *worker);

/* One more accept socket (owned) for a listener. Before the thread starts. */
int worker_listen_also(struct worker *worker, size_t listener, int listen_fd) WARN_UNUSED;

int worker_start(struct worker *worker) WARN_UNUSED; /* the thread */

/* The frontend's word that the last connection of a draining worker is gone. Worker's thread; only
 * the first call counts. */
void worker_connections_gone(struct worker *worker);

/* Any thread. Drain: stops accepting, tells keep-alive clients to close, calls
 * server_worker_drained when the last connection is gone. */
void worker_drain(struct worker *worker);

/* Control thread. Ends the loop, cutting what is left, and joins the thread. */
void worker_stop(struct worker *worker);

/* Control thread. New addresses of an endpoint (copied), applied on the worker's thread, or at once
 * while it does not run yet; then `on_applied(arg)`, if given, on that thread. */
void worker_set_addresses(struct worker *worker, unsigned pool, unsigned endpoint,
                          const struct address *addresses, size_t count,
                          void (*on_applied)(void *arg), void *arg);

#endif
