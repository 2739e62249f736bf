/*
 * Backends given by name: resolved on the control thread, their addresses carried to every worker.
 *
 * An endpoint counts as unresolved, and gets no request, until its name had an answer once. After
 * that the last good answer stays (the resolver sees to it), however long name service is down.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "health/health.h"
#include "net/resolver.h"
#include "proxy/server_health.h"
#include "proxy/server_internal.h"

struct server_name {
    struct server_names *names;
    unsigned pool, endpoint;
    struct resolver_watch *watch;
    bool answered;            /* once, with whatever result */
    bool resolved;            /* once: addresses were sent to the workers */
    _Atomic unsigned applied; /* workers that have the first addresses */
    char *failure;            /* what was logged last; NULL: the last answer was good */
};

struct server_names {
    struct server *server;
    struct server_name *v;
    unsigned count, waiting;
};

static const struct config_backend *backend_of(const struct server_name *name)
{
    const struct config *config = name->names->server->config;

    return &config->pools[name->pool].backends[name->endpoint];
}

static void log_failure(struct server_name *name, const char *failure)
{
    const struct config_backend *backend = backend_of(name);

    /* The resolver asks again every few seconds: only what changed is news. */
    if (name->failure && strcmp(name->failure, failure) == 0)
        return;
    free(name->failure);
    name->failure = xstrdup(failure);
    log_warn("pool \"%s\": backend \"%s\": cannot resolve \"%s\": %s; %s",
             name->names->server->config->pools[name->pool].name, backend->id, backend->host,
             failure,
             name->resolved ? "its last known addresses stay in use"
                            : "it gets no requests until the name resolves");
}

static void log_recovery(struct server_name *name, size_t count)
{
    const struct config_backend *backend = backend_of(name);

    if (!name->failure)
        return;
    free(name->failure);
    name->failure = NULL;
    log_info("pool \"%s\": backend \"%s\": \"%s\" resolves again (%zu addresses)",
             name->names->server->config->pools[name->pool].name, backend->id, backend->host,
             count);
}

static void on_all_applied(void *arg)
{
    struct server_name *name = arg;
    struct server *server = name->names->server;

    const struct pool_runtime *runtime = server->runtimes[name->pool];

    health_set_resolved(runtime->health, balancer_pool_endpoint(runtime->balancer, name->endpoint),
                        true);
}

/* A worker's thread, or ours while the workers do not run. The last worker that has the first
 * addresses opens the endpoint for requests: no worker picks an endpoint that it cannot connect to
 * yet. */
static void on_applied(void *arg)
{
    struct server_name *name = arg;
    struct server *server = name->names->server;

    if (atomic_fetch_add(&name->applied, 1) + 1 < server->worker_count)
        return;
    if (server_phase(server) == SERVER_RESOLVING)
        on_all_applied(name);
    else
        loop_post(&server->loop, on_all_applied, name);
}

static void apply(struct server_name *name, const struct address *addresses, size_t count)
{
    struct server *server = name->names->server;
    bool first = !name->resolved;

    name->resolved = true;
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_set_addresses(&server->workers[i], name->pool, name->endpoint, addresses, count,
                             first ? on_applied : NULL, name);
    server_health_set_addresses(server, name->pool, name->endpoint, addresses, count);
}

static void on_addresses(void *arg, const struct address *addresses, size_t count,
                         const char *failure)
{
    struct server_name *name = arg;

    if (count > 0) {
        apply(name, addresses, count);
        log_recovery(name, count);
    } else {
        log_failure(name, failure ? failure : "no answer");
    }
    if (name->answered)
        return;
    name->answered = true;
    if (--name->names->waiting == 0)
        server_names_answered(name->names->server);
}

static unsigned count_names(const struct config *config)
{
    unsigned count = 0;

    for (size_t p = 0; p < config->pool_count; p++)
        for (size_t b = 0; b < config->pools[p].backend_count; b++)
            count += config->pools[p].backends[b].host != NULL;
    return count;
}

static void add_pool(struct server_names *names, unsigned pool)
{
    const struct config_pool *config = &names->server->config->pools[pool];
    const struct pool_runtime *runtime = names->server->runtimes[pool];

    for (unsigned b = 0; b < config->backend_count; b++) {
        struct server_name *name = &names->v[names->count];

        if (!config->backends[b].host)
            continue;
        name->names = names;
        name->pool = pool;
        name->endpoint = b;
        names->count++;
        health_set_resolved(runtime->health, balancer_pool_endpoint(runtime->balancer, b), false);
    }
}

void server_names_start(struct server *server)
{
    struct server_names *names = xcalloc(1, sizeof(*names));
    unsigned count = count_names(server->config);

    server->names = names;
    names->server = server;
    if (count == 0) {
        server_names_answered(server);
        return;
    }
    names->v = xcalloc(count, sizeof(*names->v));
    for (unsigned p = 0; p < server->config->pool_count; p++)
        add_pool(names, p);
    /* Counted before the first watch starts: an answer may come from within the start. */
    names->waiting = names->count;
    for (unsigned i = 0; i < names->count; i++) {
        const struct config_backend *backend = backend_of(&names->v[i]);

        names->v[i].watch = resolver_watch_start(server->resolver, backend->host, backend->port,
                                                 on_addresses, &names->v[i]);
    }
}

unsigned server_names_waiting(const struct server *server)
{
    return server->names ? server->names->waiting : 0;
}

void server_names_stop(struct server *server)
{
    struct server_names *names = server->names;

    if (!names)
        return;
    for (unsigned i = 0; i < names->count; i++) {
        if (names->v[i].watch)
            resolver_watch_stop(&names->v[i].watch);
        free(names->v[i].failure);
    }
    free(names->v);
    free(names);
    server->names = NULL;
}
