/*
 * What one pool is at run time: everything of it that the workers share, in one place, and a seat
 * for what each of them has of it alone.
 *
 *   balancer    which endpoint          health   how the endpoints are
 *   budget      how many retries        cache    last good answers, for the fallback
 *   seats       per worker: its connections to the backends, its queue
 *
 * A runtime belongs to the pool's name: it is made when a configuration with that name is applied,
 * and goes when none has it any more and the last request to it has ended. In between its settings
 * and its endpoints change (pool_change.c) while it serves.
 *
 * Life (threads in brackets):
 *
 *   pool_runtime_new [health] ─► seats are taken, by views [worker] ─► pool_runtime_commit [health]
 * ... ─► the last seat is left [worker] ─► pool_runtime_free [health]
 */
#ifndef EVERGATE_PROXY_POOL_RUNTIME_H
#define EVERGATE_PROXY_POOL_RUNTIME_H

#include <stdatomic.h>

#include "balancer/balancer.h"
#include "balancer/retry_budget.h"
#include "base/list.h"
#include "cache/cache.h"
#include "config/config.h"
#include "health/health.h"
#include "net/loop.h"

struct upstream_cluster;
struct worker;

/* Exchanges of one worker that wait for a connection to the pool, first come first served. See
 * exchange_queue.c. */
struct pool_queue {
    struct pool_runtime *runtime;
    struct worker *worker;
    struct list waiting;       /* exchange.queue_node; this worker's thread only */
    struct loop_task dispatch; /* likewise */
    unsigned undeposited;      /* requests that the budget was not told of yet; likewise */
    uint64_t deposited_us;     /* when it was told last; likewise */
    _Alignas(64) _Atomic uint64_t first_ticket; /* of the first in `waiting`; 0: nobody waits */
    _Atomic bool woken;                         /* a wake is on its way to this worker */
};

/* What one worker has of the pool: its thread's, once that runs. */
struct pool_seat {
    struct pool_queue queue;
    struct upstream_cluster *cluster; /* while views > 0 */
    unsigned views;                   /* of this worker, that send requests here */
};

struct pool_runtime {
    struct list node;                 /* server_health.c: all there are; the health thread's */
    const char *name;                 /* owned */
    const struct config_pool *config; /* by the last commit or move; the health thread's */
    struct balancer_pool *balancer;
    struct health_pool *health;
    struct cache *cache; /* NULL: fallback.stale never was on; once made it stays */
    struct retry_budget budget;
    struct slice process_secret; /* for cookies where there is no secret_file */
    struct pool_seat *seats;     /* per worker */
    unsigned worker_count;
    bool served;         /* the configuration that is served has it; the control thread's */
    struct config *last; /* a reference to the last one that had it, once none has; likewise */
    _Alignas(64) _Atomic unsigned pending; /* over all queues */
    _Atomic uint64_t tickets;              /* that were drawn for them */
    _Atomic uint64_t fallback_us;          /* when it last answered from its fallback; 0: not now */
    _Atomic uint64_t overload_us;          /* when it last refused for its limits; 0: not now */
    _Atomic unsigned taken;                /* seats */
};

/* Without endpoints and without a seat taken. `process_secret`: 32 random bytes that outlive it.
 * Health thread, or before it runs. */
struct pool_runtime *pool_runtime_new(const struct config_pool *config,
                                      const struct config_place *place, struct health *health,
                                      struct slice process_secret, struct worker *workers,
                                      unsigned worker_count, uint64_t now_us);
/* No seat is taken. Health thread, or when it has ended. */
void pool_runtime_free(struct pool_runtime *runtime, struct health *health);

/* What signs the cookies of a sticky pool. */
struct slice pool_runtime_secret(const struct pool_runtime *runtime,
                                 const struct config_pool *config);
/* One endpoint by its tag in a sticky cookie; NULL: gone. Any worker, for this turn. */
struct endpoint *pool_runtime_tagged(const struct pool_runtime *runtime, uint64_t tag);

/* ---- pool_change.c: settings and members; the health thread, or before it runs ---- */

/* Settings become those of `config`, which must live until the next commit is settled. Members that
 * stay are told what changed of them; new ones get their slots, and no requests yet. */
void pool_runtime_commit(struct pool_runtime *runtime, const struct config_pool *config,
                         const struct config_place *place, bool starting, uint64_t now_us);
/* In place of both commit and settle, for a pool that is shared (config_pool_is_shared) with the
 * configuration before: it only stands elsewhere. */
void pool_runtime_move(struct pool_runtime *runtime, const struct config_pool *config);
/* Every worker has the new ones: they may be picked, and who was not in the last commit leaves: no
 * request of theirs from now on. Each that leaves is shown to `on_leaving`. */
void pool_runtime_settle(struct pool_runtime *runtime, uint64_t now_us,
                         void (*on_leaving)(void *arg, struct pool_runtime *runtime,
                                            struct endpoint *endpoint),
                         void *arg);

/* ---- exchange_queue.c ---- */

/* Gives places that are free to those who wait. */
void exchange_queue_on_dispatch(struct loop_task *task);

/* A place may be free, on `worker`'s thread; NULL: any other thread, for places that come without a
 * request ending (an endpoint returned, a limit was raised). */
void exchange_queue_kick(struct pool_runtime *runtime, struct worker *worker);

#endif
