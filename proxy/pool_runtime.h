/*
 * What one pool is at run time: everything of it that the workers share, in one place.
 *
 *   balancer    which endpoint          health   how the endpoints are
 *   budget      how many retries        cache    last good answers, for the fallback
 *   queues      who waits for a connection, one queue per worker
 *   sticky      the key of its cookies and what stands for an endpoint in them
 *
 * Made before the workers start and freed after them. What is written at run time is atomic or
 * belongs to one worker; the comments say which.
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

struct pool_runtime {
    const struct config_pool *config;
    struct balancer_pool *balancer;
    struct health_pool *health;
    struct cache *cache; /* NULL: fallback.stale is off */
    struct retry_budget budget;
    struct slice sticky_secret; /* config's or this process's own */
    uint64_t *sticky_tags;      /* by endpoint index; NULL: not sticky */
    struct pool_queue *queues;  /* per worker */
    unsigned worker_count;
    _Alignas(64) _Atomic unsigned pending; /* over all queues */
    _Atomic uint64_t tickets;              /* that were drawn for them */
    _Atomic uint64_t fallback_us;          /* when it last answered from its fallback; 0: not now */
    _Atomic uint64_t overload_us;          /* when it last refused for its limits; 0: not now */
};

/* `process_secret`: 32 random bytes for the cookies of pools without a secret_file. */
struct pool_runtime *pool_runtime_new(const struct config_pool *config,
                                      const struct config_place *place, struct health *health,
                                      struct slice process_secret, uint64_t now_us);
/* Once the workers exist, before they run. */
void pool_runtime_add_workers(struct pool_runtime *runtime, struct worker *workers, unsigned count);
/* The balancer's pool goes too; health must have been freed before. */
void pool_runtime_free(struct pool_runtime *runtime);

/* exchange_queue.c: gives places that are free to those who wait. */
void exchange_queue_on_dispatch(struct loop_task *task);

/* exchange_queue.c: a place may be free, on `worker`'s thread; NULL: any other thread, for places
 * that come without a request ending (an endpoint returned, a limit was raised). */
void exchange_queue_kick(struct pool_runtime *runtime, struct worker *worker);

/* One endpoint by its tag in a sticky cookie; NULL: gone. */
struct endpoint *pool_runtime_tagged(const struct pool_runtime *runtime, uint64_t tag);

#endif
