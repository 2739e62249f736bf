/*
 * A worker: one thread with its loop, its listeners, its view of the configuration and its
 * counters. Workers share endpoints (atomics) and nothing else.
 *
 * A view is what one configuration snapshot looks like to one worker: its routes, and the pools
 * that they lead to. It is counted by plain integers, since only its own thread touches it: every
 * exchange holds one; the last one out frees it. A change gives the worker a new view
 * (worker_adoption.h), and every request that begins from then on goes by that one; requests in
 * flight go on in theirs.
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
#include "proxy/access_log.h"
#include "proxy/pool_runtime.h"
#include "proxy/traffic.h"
#include "upstream/upstream.h"

struct server;
struct worker;
struct worker_adoption;

struct worker_view {
    struct worker *worker;
    struct config *config;              /* one reference */
    unsigned refs;                      /* plain: this worker's thread only */
    struct pool_runtime **runtimes;     /* config->pool_count; shared with the other workers */
    struct upstream_cluster **clusters; /* likewise: those of this worker's seats */
    struct traffic_table traffic;       /* what is counted of requests, by listener and route */
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
    struct worker_view *view; /* NULL until the first adoption */
    struct list listeners;    /* worker_listener.node: those that accept, */
    struct list retiring;     /* ... and those that are about to stop */
    struct worker_stats stats;
    struct traffic traffic;             /* the rows of its views' tables */
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
/* The last one leaves the seats in the view's pools, and with a pool's last view on this worker its
 * connections go. The worker's thread. */
void worker_view_unref(struct worker_view *view);

uint64_t worker_random(struct worker *worker);   /* fast, not for secrets */
struct slice worker_date(struct worker *worker); /* "Sun, 06 Nov 1994 08:49:37 GMT" */

/* Sets up the loop; what to serve comes by worker_adopt. 0 or an error with a sentence in *ret_why
 * (heap); then the worker needs no worker_fini. */
int worker_init(struct worker *worker, struct server *server, unsigned index,
                char **ret_why) WARN_UNUSED;
void worker_fini(struct worker *worker);

int worker_start(struct worker *worker) WARN_UNUSED; /* the thread */

/* The frontend's word that a connection or an accepting listener is gone. The last one of a
 * draining worker ends the drain: server_worker_drained. Worker's thread. */
void worker_note_gone(struct worker *worker);

/* Any thread. Drain: stops accepting, tells keep-alive clients to close, calls
 * server_worker_drained when the last connection is gone. */
void worker_drain(struct worker *worker);

/* Control thread. Ends the loop, cutting what is left, and joins the thread. */
void worker_stop(struct worker *worker);

/* Control thread. Runs `act(worker, arg)` on the worker's thread, or at once while it does not run.
 * In the order of the calls. */
void worker_do(struct worker *worker, void (*act)(struct worker *worker, void *arg), void *arg);

#endif
