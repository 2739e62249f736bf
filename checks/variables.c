/* See variables.h. */
#include "checks/variables.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/slice.h"

void variables_add(struct variables *variables, enum config_variable name, const char *value)
{
    CHECK(variables->count < PROCESS_VARIABLES_MAX);
    variables->v[variables->count++] =
        (struct process_variable){config_variable_names[name], value};
}

/* "10.0.0.1:80", "[::1]:80", "name:80"; a Unix socket has neither host nor port. */
static void split_address(struct variables *variables, const char *address)
{
    const char *colon = strrchr(address, ':');
    struct slice host = slice_from(address, colon ? (size_t)(colon - address) : 0);

    variables->host[0] = variables->port[0] = '\0';
    if (!colon || slice_starts_with(slice_str(address), SLICE_LIT("unix:")))
        return;
    if (host.n >= 2 && host.p[0] == '[')
        host = slice_from(host.p + 1, host.n - 2);
    snprintf(variables->host, sizeof(variables->host), "%.*s", SLICE_FMT(host));
    snprintf(variables->port, sizeof(variables->port), "%s", colon + 1);
}

void variables_set_endpoint(struct variables *variables, const struct config_pool *pool,
                            const struct config_backend *backend, const char *address)
{
    variables->count = 0;
    split_address(variables, address);
    variables_add(variables, CONFIG_VARIABLE_POOL, pool->name);
    variables_add(variables, CONFIG_VARIABLE_ENDPOINT_ID, backend->id);
    variables_add(variables, CONFIG_VARIABLE_ADDRESS, address);
    variables_add(variables, CONFIG_VARIABLE_HOST, variables->host);
    variables_add(variables, CONFIG_VARIABLE_PORT, variables->port);
}
