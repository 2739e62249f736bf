/* For the files of the worker only: see worker.h. */
#ifndef EVERGATE_PROXY_WORKER_INTERNAL_H
#define EVERGATE_PROXY_WORKER_INTERNAL_H

#include "proxy/worker.h"

/* One reference. Builds TLS contexts and clusters, not the accept sockets. 0 or an error with a
 * sentence in *ret_why (heap). */
int worker_view_new(struct worker_view **ret_view, struct worker *worker, struct config *config,
                    struct pool_runtime **runtimes, _Atomic unsigned *listener_connections,
                    char **ret_why) WARN_UNUSED;

#endif
