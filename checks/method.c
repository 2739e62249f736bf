/* How a pool is checked under one set of settings: the type of check, and what its probes share.
 * Apart from the pool, since it is opened before the pool knows of it, and may fail. */
#include <stdlib.h>

#include "base/alloc.h"
#include "checks/checks_internal.h"
#include "net/tls.h"
#include "upstream/backend.h"

static const struct probe_type *const probe_types[] = {
    [CONFIG_HEALTH_HTTP] = &probe_http,         [CONFIG_HEALTH_TCP] = &probe_tcp,
    [CONFIG_HEALTH_EXEC] = &probe_exec,         [CONFIG_HEALTH_REDIS] = &probe_redis,
    [CONFIG_HEALTH_POSTGRES] = &probe_postgres,
};

static void method_on_reap(struct loop_task *task)
{
    struct checks_method *method = container_of(task, struct checks_method, reap);

    if (method->type->close)
        method->type->close(&method->shared);
    tls_context_free(method->shared.tls);
    free(method);
}

/* ALPN for HTTP only: other protocols have names of their own, or none. */
static int open_tls(struct checks_method *method, const struct config_pool *config, char **ret_why)
{
    static const char *const alpn[] = {"http/1.1", NULL};

    return upstream_backend_tls_new(&method->shared.tls, config->tls,
                                    method->type == &probe_http ? alpn : NULL, ret_why);
}

static int open_type(struct checks_method *method, const struct config_pool *config, char **ret_why)
{
    char *why = NULL;

    if (!method->type->open || method->type->open(&method->shared, config->health, &why) == EG_OK)
        return EG_OK;
    *ret_why = xasprintf("pool \"%s\": health: %s", config->name, why);
    free(why);
    return EG_E_INTERNAL;
}

int checks_method_new(struct checks_method **ret_method, struct checks *checks,
                      const struct config_pool *config, char **ret_why)
{
    struct checks_method *method;

    *ret_method = NULL;
    if (!config->health)
        return EG_OK;
    method = xcalloc(1, sizeof(*method));
    method->type = probe_types[config->health->type];
    method->shared = (struct probe_pool){.loop = checks->loop, .processes = checks->processes};
    loop_task_init(&method->reap, method_on_reap);
    int code = open_tls(method, config, ret_why);
    if (code == EG_OK)
        code = open_type(method, config, ret_why);
    if (code == EG_OK)
        *ret_method = method;
    else
        checks_method_free(method);
    return code;
}

void checks_method_free(struct checks_method *method)
{
    if (method)
        loop_reap(method->shared.loop, &method->reap);
}
