/*
 * One worker's side of a listener: where it accepts, and by which settings. It lives while it
 * accepts or a connection that came by it lasts; its settings are swapped by a change, so that the
 * next request on an old connection goes by the new ones. All on the worker's thread.
 */
#ifndef EVERGATE_PROXY_WORKER_LISTENER_H
#define EVERGATE_PROXY_WORKER_LISTENER_H

#include "base/list.h"
#include "config/config.h"
#include "net/loop.h"
#include "net/tls.h"
#include "proxy/shared_listener.h"

struct shell_nursery;
struct worker;

struct worker_listener {
    struct list node; /* worker->listeners, then worker->retiring */
    unsigned refs;    /* plain: those lists', and one per connection */
    struct worker *worker;
    struct shared_listener *shared;       /* a reference */
    struct config *snapshot;              /* a reference, for `config` */
    const struct config_listener *config; /* the settings */
    struct tls_context *tls;              /* NULL: plain */
    struct shell_nursery *nursery; /* its evhttp: owns accept socket, connections, requests */
    int reserve_fd;                /* given up to accept and shed when descriptors run out */
    struct loop_timer retire_timer;
    unsigned retire_ticks;
    bool retired; /* accepts no more; its connections end with what they are doing */
};

/* Accepts on `count` sockets (owned from here), usually one, by these settings; `tls` (owned from
 * here) is NULL for plain ones. NULL: evhttp cannot be had, and everything was given back. */
struct worker_listener *worker_listener_new(struct worker *worker, struct shared_listener *shared,
                                            struct config *snapshot,
                                            const struct config_listener *config,
                                            struct tls_context *tls, const int *listen_fds,
                                            size_t count);

struct worker_listener *worker_listener_find(struct worker *worker,
                                             const struct shared_listener *shared);

/* Other settings: for new connections at once, for the others with their next request. */
void worker_listener_change(struct worker_listener *listener, struct config *snapshot,
                            const struct config_listener *config, struct tls_context *tls);

/* The same settings, in another snapshot. */
void worker_listener_move(struct worker_listener *listener, struct config *snapshot,
                          const struct config_listener *config);

/* Accepts what is queued in the kernel and then no more. Its connections are front_http1.c's to
 * end; it goes with the last of them. */
void worker_listener_retire(struct worker_listener *listener);

/* The worker ends, and no connection is left: every listener goes. */
void worker_listener_free_all(struct worker *worker);

struct worker_listener *worker_listener_ref(struct worker_listener *listener);
void worker_listener_unref(struct worker_listener *listener);

#endif
