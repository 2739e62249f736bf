/*
 * A worker's view of one configuration snapshot: see worker.h.
 *
 * Who frees it: the worker holds one reference from worker_init to worker_fini, each exchange and
 * each connection one of its own. The last unref frees TLS contexts and clusters, so by then no
 * attempt may be leased; an attempt's exchange holds a reference, which makes that true.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "proxy/worker_internal.h"

static enum tls_verify verify_of(enum config_verify_client verify)
{
    switch (verify) {
    case CONFIG_VERIFY_OPTIONAL:
        return TLS_VERIFY_OPTIONAL;
    case CONFIG_VERIFY_REQUIRE:
        return TLS_VERIFY_REQUIRE;
    case CONFIG_VERIFY_OFF:
        break;
    }
    return TLS_VERIFY_OFF;
}

static int listener_tls_new(struct tls_context **ret_context,
                            const struct config_listener_tls *config, char **ret_why)
{
    struct tls_certificate *certificates =
        xcalloc(config->certificate_count, sizeof(*certificates));
    struct tls_server_params params = {
        .certificates = certificates,
        .certificate_count = config->certificate_count,
        .client_ca_path = config->client_ca_path,
        .verify_client = verify_of(config->verify_client),
        .min_version = config->min_version_1_3 ? TLS_VERSION_1_3 : TLS_VERSION_1_2,
        .alpn = (const char *const *)config->alpn,
    };
    int rc;

    for (size_t i = 0; i < config->certificate_count; i++) {
        certificates[i].cert_path = config->certificates[i].cert_path;
        certificates[i].key_path = config->certificates[i].key_path;
    }
    rc = tls_context_new_server(ret_context, &params, ret_why);
    free(certificates);
    return rc;
}

static int listener_init(struct worker_listener *listener, struct worker_view *view, size_t index,
                         _Atomic unsigned *connections, char **ret_why)
{
    const struct config_listener *config = &view->config->listeners[index];
    char *why = NULL;

    listener->config = config;
    listener->view = view;
    listener->worker = view->worker;
    listener->connections = &connections[index];
    listener->reserve_fd = -1;
    if (!config->tls || listener_tls_new(&listener->tls, config->tls, &why) == EG_OK)
        return EG_OK;
    *ret_why = xasprintf("listener \"%s\": %s", config->name, why);
    free(why);
    return EG_E_INTERNAL;
}

static int cluster_init(struct worker_view *view, size_t index, char **ret_why)
{
    const struct config_pool *pool = &view->config->pools[index];
    char *why = NULL;

    if (upstream_cluster_new(&view->clusters[index], &view->worker->loop, pool,
                             view->runtimes[index]->balancer, view->runtimes[index]->health,
                             &why) == EG_OK)
        return EG_OK;
    *ret_why = xasprintf("pool \"%s\": %s", pool->name, why);
    free(why);
    return EG_E_INTERNAL;
}

static void view_free(struct worker_view *view)
{
    for (size_t i = 0; i < view->config->pool_count; i++)
        if (view->clusters[i])
            upstream_cluster_free(view->clusters[i]);
    for (size_t i = 0; i < view->config->listener_count; i++)
        if (view->listeners[i].tls)
            tls_context_free(view->listeners[i].tls);
    free(view->clusters);
    free(view->listeners);
    config_unref(&view->config);
    free(view);
}

int worker_view_new(struct worker_view **ret_view, struct worker *worker, struct config *config,
                    struct pool_runtime **runtimes, _Atomic unsigned *listener_connections,
                    char **ret_why)
{
    struct worker_view *view = xcalloc(1, sizeof(*view));
    int rc = EG_OK;

    view->worker = worker;
    view->config = config_ref(config);
    view->refs = 1;
    view->runtimes = runtimes;
    view->listeners = xcalloc(config->listener_count, sizeof(*view->listeners));
    view->clusters = xcalloc(config->pool_count, sizeof(struct upstream_cluster *));
    for (size_t i = 0; i < config->listener_count && rc == EG_OK; i++)
        rc = listener_init(&view->listeners[i], view, i, listener_connections, ret_why);
    for (size_t i = 0; i < config->pool_count && rc == EG_OK; i++)
        rc = cluster_init(view, i, ret_why);
    if (rc != EG_OK) {
        view_free(view);
        return rc;
    }
    *ret_view = view;
    return EG_OK;
}

struct worker_view *worker_view_ref(struct worker_view *view)
{
    CHECK(view->refs > 0);
    view->refs++;
    return view;
}

void worker_view_unref(struct worker_view *view)
{
    CHECK(view->refs > 0);
    if (--view->refs == 0)
        view_free(view);
}
