/*
 * An adoption: all that a worker needs to serve by another configuration, opened and made ready on
 * the control thread, where it may fail, and then carried to the worker, where it may not.
 *
 *   worker_adoption_new [control] ─► worker_adopt [worker] ─► requests go by the new view
 *                         └─► worker_adoption_free: it was not wanted after all
 */
#ifndef EVERGATE_PROXY_WORKER_ADOPTION_H
#define EVERGATE_PROXY_WORKER_ADOPTION_H

#include "proxy/shared_listener.h"
#include "proxy/worker.h"

struct worker_adoption;

struct worker_adoption_params {
    struct config *config;                    /* what is to be served */
    const struct config *before;              /* what is served now; NULL: nothing */
    struct pool_runtime *const *pools;        /* config->pool_count */
    struct shared_listener *const *listeners; /* config->listener_count */
    struct access_log *access_log;            /* NULL: off */
};

/* Opens certificates, connections' contexts and accept sockets for one worker. 0, or EG_E_INTERNAL
 * with a sentence in *ret_why (heap). */
int worker_adoption_new(struct worker_adoption **ret_adoption, struct worker *worker,
                        const struct worker_adoption_params *params, char **ret_why) WARN_UNUSED;
void worker_adoption_free(struct worker_adoption *adoption); /* NULL is fine */

/* Serves by it from this turn on, and frees it. Listeners whose address is in it are kept, others
 * retired; connections to backends are kept with their pools. The worker's thread. */
void worker_adopt(struct worker *worker, void *adoption);

#endif
