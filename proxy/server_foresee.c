/* What a change would end, to be told before it is made: see server_internal.h. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/plan.h"
#include "proxy/server_internal.h"
#include "proxy/shared_listener.h"

static bool has_bind(const struct config *config, const char *bind)
{
    for (size_t i = 0; i < config->listener_count; i++)
        if (strcmp(config->listeners[i].bind, bind) == 0)
            return true;
    return false;
}

/* `from` has `backend`, and most likely `to` has it at the same place. */
static bool keeps_backend(const struct config_pool *from, const struct config_pool *to,
                          const struct config_backend *backend)
{
    size_t place = (size_t)(backend - from->backends);

    for (size_t i = 0; i < to->backend_count; i++) {
        const struct config_backend *other = &to->backends[(place + i) % to->backend_count];

        if (strcmp(other->id, backend->id) == 0)
            return config_backend_same_target(other, backend);
    }
    return false;
}

/* `to` NULL: the whole pool goes. */
static unsigned leaving_requests(const struct pool_runtime *runtime, const struct config_pool *from,
                                 const struct config_pool *to)
{
    unsigned requests = 0;

    for (unsigned i = 0; i < balancer_pool_size(runtime->balancer); i++) {
        struct endpoint *e = balancer_pool_endpoint(runtime->balancer, i);
        int active = e != NULL && !atomic_load(&e->leaving) ? atomic_load(&e->active) : 0;

        if (active > 0 && (to == NULL || !keeps_backend(from, to, atomic_load(&e->backend))))
            requests += (unsigned)active;
    }
    return requests;
}

void server_foresee(const struct server *server, const struct config *to, unsigned *ret_closing,
                    unsigned *ret_draining)
{
    *ret_closing = *ret_draining = 0;
    for (size_t i = 0; i < server->config->listener_count; i++)
        if (!has_bind(to, server->listeners[i]->bind))
            *ret_closing += atomic_load(&server->listeners[i]->connections);
    for (size_t i = 0; i < server->config->pool_count; i++) {
        const struct config_pool *from = &server->config->pools[i];
        size_t at = config_pool_near(to, from->name, i);

        *ret_draining += leaving_requests(server->runtimes[i], from,
                                          at < to->pool_count ? &to->pools[at] : NULL);
    }
}

int server_foresee_listeners(const struct server *server, const struct config *to, char **ret_why)
{
    for (size_t i = 0; i < to->listener_count; i++) {
        const struct config_listener *listener = &to->listeners[i];
        char *why;

        if (has_bind(server->config, listener->bind) || listen_try(listener->bind, &why) == EG_OK)
            continue;
        *ret_why = xasprintf("listener \"%s\": %s", listener->name, why);
        free(why);
        return EG_E_INTERNAL;
    }
    return EG_OK;
}
