/* The values of config_variable_names for a command that is to be run. */
#ifndef EVERGATE_CHECKS_VARIABLES_H
#define EVERGATE_CHECKS_VARIABLES_H

#include "checks/process.h"
#include "config/config.h"

struct variables {
    struct process_variable v[PROCESS_VARIABLES_MAX];
    size_t count;
    char host[256], port[8];
};

/* Those of checks. `address` as the configuration writes it. The texts must outlive `variables`. */
void variables_set_endpoint(struct variables *variables, const struct config_pool *pool,
                            const struct config_backend *backend, const char *address);
void variables_add(struct variables *variables, enum config_variable name, const char *value);

#endif
