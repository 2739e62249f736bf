/* What a command learns of the endpoint it is run for: as environment and for "${NAME}". */
#ifndef EVERGATE_CHECKS_VARIABLES_H
#define EVERGATE_CHECKS_VARIABLES_H

#include "checks/process.h"
#include "config/config.h"

/* EG_POOL, EG_ENDPOINT_ID, EG_ADDRESS, EG_HOST, EG_PORT first. */

struct variables {
    struct process_variable v[PROCESS_VARIABLES_MAX];
    size_t count;
    char host[256], port[8];
};

/* `address` as the configuration writes it. The texts must outlive `variables`. */
void variables_set_endpoint(struct variables *variables, const struct config_pool *pool,
                            const struct config_backend *backend, const char *address);
void variables_add(struct variables *variables, const char *name, const char *value);

#endif
