/* How views are made; for worker_adoption.c. See worker.h for what they are. */
#ifndef EVERGATE_PROXY_WORKER_VIEW_H
#define EVERGATE_PROXY_WORKER_VIEW_H

#include "proxy/worker.h"

/* One reference, and no seat taken yet. `pools` are those of `config`, in its order. Control
 * thread; from then on the worker's. */
struct worker_view *worker_view_new(struct worker *worker, struct config *config,
                                    struct pool_runtime *const *pools);

/* Once for each pool: its connections are those that the worker has there, or `cluster` (owned from
 * here) where it has none yet. The worker's thread. */
void worker_view_take_seat(struct worker_view *view, size_t pool, struct upstream_cluster *cluster);

#endif
