/*
 * Asking the workers for what only their threads may read: connections to backends, requests by
 * listener and route, how long endpoints take to answer.
 *
 *   management ─► worker 0 ─► worker 1 ─► ... ─► management: on_done
 *
 * Each adds its own on its thread. The collection travels: nobody else has it meanwhile, so it
 * needs no lock. It is laid out by the configuration that was served when it began and holds a
 * reference to that; a worker that has another one by then, and the answer, find things by name.
 */
#ifndef EVERGATE_ADMIN_ADMIN_COLLECT_H
#define EVERGATE_ADMIN_ADMIN_COLLECT_H

#include "admin/admin_call.h"
#include "base/durations.h"
#include "base/list.h"
#include "proxy/traffic.h"
#include "upstream/upstream.h"

/* How long one endpoint took to answer. */
struct admin_answers {
    const struct endpoint *endpoint; /* whose they are: compared, never followed */
    struct durations durations;
};

struct admin_pool_sums {
    struct upstream_cluster_stats stats;
    struct admin_answers *answers; /* by slot */
    unsigned slots;
};

struct admin_traffic_sums {
    uint64_t by_class[TRAFFIC_CLASSES];
    struct durations durations;
};

struct admin_collection {
    struct list node; /* admin->collections */
    struct admin *admin;
    struct evhttp_request *request;
    void (*on_done)(struct admin_collection *collection);
    unsigned next_worker;
    struct config *config;               /* a reference */
    struct admin_pool_sums *pools;       /* of its pools */
    struct admin_traffic_sums **traffic; /* traffic_places(config); NULL: no request */
};

/* With the read lock. `on_done` is called on management's thread without it; at once and with
 * zeroes while no worker runs. */
void admin_collect(struct admin_call *call, void (*on_done)(struct admin_collection *collection));
void admin_collections_free(struct admin *admin); /* those that never came back, at the end */

/* Of the pool of that name, which is most likely that of the index `guess`; zeroes where the
 * collection does not know it. */
const struct admin_pool_sums *admin_collected(const struct admin_collection *collection,
                                              const char *pool, size_t guess);
/* Of one endpoint; NULL: it has not answered. */
const struct durations *admin_collected_answers(const struct admin_pool_sums *pool,
                                                const struct endpoint *endpoint);

#endif
