/* Making and ending the server, and what others read of it: see server.h. */
#include "proxy/server.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "health/health.h"
#include "net/resolver.h"
#include "proxy/descriptors.h"
#include "proxy/listen.h"
#include "proxy/server_health.h"
#include "proxy/server_internal.h"
#include "proxy/upgrade.h"

static int bind_listeners(struct server *server, char **ret_why)
{
    const struct config *config = server->config;

    server->listen = xcalloc(config->listener_count, sizeof(*server->listen));
    server->listener_connections =
        xcalloc(config->listener_count, sizeof(*server->listener_connections));
    for (size_t i = 0; i < config->listener_count; i++) {
        char *why = NULL;

        if (listen_open(&server->listen[i], config->listeners[i].bind, server->worker_count,
                        &why) == EG_OK)
            continue;
        *ret_why = xasprintf("listener \"%s\": %s", config->listeners[i].name, why);
        free(why);
        return EG_E_INTERNAL;
    }
    return EG_OK;
}

/* An upgrade brings as many sockets as the process before had workers: all of them are served. */
static int listen_on_the_rest(struct server *server, size_t listener, char **ret_why)
{
    const struct listen_set *set = &server->listen[listener];

    for (unsigned i = server->worker_count; i < set->count; i++) {
        struct worker *worker = &server->workers[i % server->worker_count];

        if (worker_listen_also(worker, listener, listen_take(set, i)) == EG_OK)
            continue;
        *ret_why = xasprintf("listener \"%s\": cannot accept connections",
                             server->config->listeners[listener].name);
        return EG_E_INTERNAL;
    }
    return EG_OK;
}

static int init_workers(struct server *server, char **ret_why)
{
    size_t listeners = server->config->listener_count;
    int *fds = xcalloc(listeners, sizeof(*fds));
    int rc = EG_OK;

    server->workers = xcalloc(server->worker_count, sizeof(*server->workers));
    for (size_t p = 0; p < server->config->pool_count; p++)
        pool_runtime_add_workers(server->runtimes[p], server->workers, server->worker_count);
    for (unsigned i = 0; i < server->worker_count && rc == EG_OK; i++) {
        for (size_t l = 0; l < listeners; l++)
            fds[l] = listen_take(&server->listen[l], i);
        rc = worker_init(&server->workers[i], server, i, fds, ret_why);
        if (rc == EG_OK)
            server->initialised_workers++;
    }
    for (size_t l = 0; l < listeners && rc == EG_OK; l++)
        rc = listen_on_the_rest(server, l, ret_why);
    free(fds);
    return rc;
}

int server_new(struct server **ret_server, struct config *config, char **ret_why)
{
    struct server *server = xcalloc(1, sizeof(*server));
    int rc;

    server->config = config_ref(config);
    server->worker_count = config->workers ? config->workers : server_usable_cpus();
    server->started_us = clock_monotonic_us();
    server->started_wall_us = clock_wall_us();
    atomic_store(&server->generation, 1);
    descriptors_raise_limit();
    server_timers_init(server);
    rc = server_health_new(server, ret_why);
    if (rc != EG_OK)
        goto fail;
    rc = loop_init(&server->loop);
    if (rc != EG_OK) {
        *ret_why = xstrdup("cannot set up the control thread's event loop");
        server->loop.base = NULL;
        goto fail;
    }
    rc = bind_listeners(server, ret_why);
    if (rc == EG_OK)
        rc = access_log_start(&server->access_log, config, server->worker_count, ret_why);
    if (rc == EG_OK)
        rc = init_workers(server, ret_why);
    if (rc == EG_OK)
        rc = server_health_open_checks(server, ret_why);
    if (rc != EG_OK)
        goto fail;
    rc = resolver_new(&server->resolver, &server->loop);
    if (rc == EG_OK)
        rc = server_signals_start(server);
    if (rc != EG_OK) {
        *ret_why = xstrdup("cannot set up name resolution or signals");
        goto fail;
    }
    server->client_limit = descriptors_client_limit();
    *ret_server = server;
    return EG_OK;

fail:
    server_free(server);
    return rc;
}

void server_free(struct server *server)
{
    const struct config *config;

    if (!server)
        return;
    config = server->config;
    upgrade_free(server);
    server_signals_stop(server);
    server_names_stop(server);
    if (server->resolver)
        resolver_free(server->resolver);
    for (unsigned i = 0; i < server->initialised_workers; i++)
        worker_fini(&server->workers[i]);
    free(server->workers);
    access_log_stop(&server->access_log);
    for (size_t i = 0; server->listen && i < config->listener_count; i++)
        listen_close(&server->listen[i]);
    free(server->listen);
    free(server->listener_connections);
    if (server->loop.base)
        loop_fini(&server->loop);
    server_health_free(server);
    config_unref(&server->config);
    free(server);
}

bool server_ready(const struct server *server)
{
    if (server_phase(server) != SERVER_SERVING)
        return false;
    for (size_t p = 0; p < server->config->pool_count; p++)
        for (unsigned e = 0; e < balancer_pool_size(server->runtimes[p]->balancer); e++)
            if (endpoint_usable(balancer_pool_endpoint(server->runtimes[p]->balancer, e)))
                return true;
    return server->config->pool_count == 0;
}

static uint64_t read_counter(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_worker(struct server_totals *t, const struct worker_stats *w)
{
    t->connections_total += read_counter(&w->connections_total);
    t->requests_total += read_counter(&w->requests_total);
    t->bytes_in += read_counter(&w->bytes_in);
    t->bytes_out += read_counter(&w->bytes_out);
    for (size_t i = 0; i < 6; i++)
        t->requests_by_class[i] += read_counter(&w->requests_by_class[i]);
    t->own_answers += read_counter(&w->own_answers);
    t->retries += read_counter(&w->retries);
    t->tunnels += read_counter(&w->tunnels);
    t->sheds += read_counter(&w->sheds);
    t->tls_handshakes += read_counter(&w->tls_handshakes);
    t->tls_resumed += read_counter(&w->tls_resumed);
    t->tls_failures += read_counter(&w->tls_failures);
    t->retries_denied += read_counter(&w->retries_denied);
    t->hedges += read_counter(&w->hedges);
    t->hedges_won += read_counter(&w->hedges_won);
    t->pending_timeouts += read_counter(&w->pending_timeouts);
    t->fallbacks += read_counter(&w->fallbacks);
    t->stale_served += read_counter(&w->stale_served);
    t->connections += read_counter(&w->connections);
    t->requests_active += read_counter(&w->requests_active);
}

struct server_totals server_totals(const struct server *server)
{
    struct server_totals totals = {0};

    for (unsigned i = 0; i < server->worker_count; i++)
        add_worker(&totals, &server->workers[i].stats);
    return totals;
}

bool server_is_full(const struct server *server)
{
    uint64_t clients = 0;

    for (unsigned i = 0; i < server->worker_count; i++)
        clients +=
            atomic_load_explicit(&server->workers[i].stats.connections, memory_order_relaxed);
    return server->client_limit > 0 && clients > server->client_limit;
}
