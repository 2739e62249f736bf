/* Making and ending the server, and what others read of it: see server.h. */
#include "proxy/server.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "health/health.h"
#include "net/resolver.h"
#include "proxy/descriptors.h"
#include "proxy/server_change.h"
#include "proxy/server_discovery.h"
#include "proxy/server_health.h"
#include "proxy/server_internal.h"
#include "proxy/server_watch.h"
#include "proxy/shared_listener.h"
#include "proxy/upgrade.h"

static int init_workers(struct server *server, char **ret_why)
{
    int rc = EG_OK;

    server->workers = xcalloc(server->worker_count, sizeof(*server->workers));
    for (unsigned i = 0; i < server->worker_count && rc == EG_OK; i++) {
        rc = worker_init(&server->workers[i], server, i, ret_why);
        if (rc == EG_OK)
            server->initialised_workers++;
    }
    return rc;
}

static int init_control(struct server *server, char **ret_why)
{
    int rc = loop_init(&server->loop);

    if (rc != EG_OK) {
        server->loop.base = NULL;
        *ret_why = xstrdup("cannot set up the control thread's event loop");
        return rc;
    }
    rc = resolver_new(&server->resolver, &server->loop);
    if (rc == EG_OK)
        rc = server_signals_start(server);
    if (rc != EG_OK)
        *ret_why = xstrdup("cannot set up name resolution or signals");
    return rc;
}

/* Sessions outlive the binary. */
static void make_secret(struct server *server)
{
    if (!upgrade_inherit_secret(server->sticky_secret, SERVER_SECRET_BYTES))
        CHECK(getentropy(server->sticky_secret, SERVER_SECRET_BYTES) == 0);
}

static json_t *overlay_of(const struct server *server)
{
    return config_overlay_json(server->overlay);
}

static void on_first_applied(void *arg)
{
}

/* The first configuration is applied as every other is, to workers that do not run yet. */
static int apply_first(struct server *server, char **ret_why)
{
    struct config *config = NULL;
    struct server_apply *apply;
    int rc = server_overlay_load(server, &config, ret_why);

    if (rc != EG_OK)
        return rc;
    rc = server_apply_prepare(&apply, server, config, ret_why);
    config_unref(&config);
    if (rc == EG_OK)
        server_apply_commit(apply, on_first_applied, NULL);
    return rc;
}

static int open_all(struct server *server, char **ret_why)
{
    int rc = init_control(server, ret_why);

    if (rc == EG_OK)
        rc = server_health_new(server, server->base->supervision.events, ret_why);
    if (rc == EG_OK)
        rc = init_workers(server, ret_why);
    if (rc == EG_OK)
        rc = server_discovery_start(server, ret_why);
    if (rc == EG_OK)
        rc = apply_first(server, ret_why);
    return rc;
}

int server_new(struct server **ret_server, struct config *config, char **ret_why)
{
    struct server *server = xcalloc(1, sizeof(*server));
    int rc;

    server->base = config_ref(config);
    server->worker_count = config->workers ? config->workers : server_usable_cpus();
    server->started_us = clock_monotonic_us();
    server->started_wall_us = clock_wall_us();
    make_secret(server);
    CHECK(pthread_rwlock_init(&server->structure, NULL) == 0);
    atomic_store(&server->generation, 1);
    descriptors_raise_limit();
    server_timers_init(server);
    server_orders_init(server);
    server_leavers_init(server);
    server_discovery_init(server);
    server_names_new(server);
    upgrade_set_overlay_source(overlay_of);
    rc = open_all(server, ret_why);
    if (rc != EG_OK) {
        server_free(server);
        return rc;
    }
    server->client_limit = descriptors_client_limit();
    *ret_server = server;
    return EG_OK;
}

static void free_listeners(struct server *server)
{
    for (size_t i = 0; server->config != NULL && i < server->config->listener_count; i++) {
        shared_listener_close(server->listeners[i]);
        shared_listener_unref(server->listeners[i]);
    }
    free(server->listeners);
}

void server_free(struct server *server)
{
    if (!server)
        return;
    server_spawner_forget(server);
    upgrade_free(server);
    server_watch_free(server);
    server_discovery_free(server);
    server_signals_stop(server);
    server_names_free(server);
    if (server->resolver)
        resolver_free(server->resolver);
    for (unsigned i = 0; i < server->initialised_workers; i++)
        worker_fini(&server->workers[i]);
    free_listeners(server);
    access_log_stop(&server->access_log);
    server_leavers_free(server);
    server_orders_free(server);
    if (server->loop.base)
        loop_fini(&server->loop);
    server_health_free(server);
    free(server->workers);
    free(server->runtimes);
    config_unref(&server->config);
    config_unref(&server->base);
    config_overlay_free(server->overlay);
    pthread_rwlock_destroy(&server->structure);
    free(server);
}

static bool pool_is_usable(const struct pool_runtime *pool)
{
    for (unsigned i = 0; i < balancer_pool_size(pool->balancer); i++) {
        const struct endpoint *endpoint = balancer_pool_endpoint(pool->balancer, i);

        if (endpoint != NULL && endpoint_usable(endpoint))
            return true;
    }
    return false;
}

bool server_ready(const struct server *server)
{
    bool ready = false;

    if (server_phase(server) != SERVER_SERVING)
        return false;
    server_read_lock(server);
    for (size_t i = 0; i < server->config->pool_count && !ready; i++)
        ready = pool_is_usable(server->runtimes[i]);
    ready = ready || server->config->pool_count == 0;
    server_read_unlock(server);
    return ready;
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
