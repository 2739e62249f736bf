/* See worker_adoption.h. */
#include "proxy/worker_adoption.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "config/plan.h"
#include "proxy/front_http1.h"
#include "proxy/listener_tls.h"
#include "proxy/server.h"
#include "proxy/worker_view.h"

struct adopted_listener {
    struct shared_listener *shared; /* a reference */
    struct tls_context *tls;        /* NULL: plain, or not changed */
    bool moves;                     /* its settings are the same as before */
    int *fds; /* that the worker accepts on from now on, if the listener is new */
    size_t fd_count;
};

struct adopted_pool {
    struct upstream_cluster *cluster; /* of a pool that is new here */
    struct tls_context *tls;          /* of one that is not, if that has changed */
    bool tls_changed;
};

struct worker_adoption {
    struct worker_view *view;
    struct adopted_listener *listeners; /* of view->config, in its order; likewise pools */
    struct adopted_pool *pools;
    struct access_log_ring *access_log; /* NULL: off */
};

/* ---- On the control thread: what may fail ---- */

/* One of its own; and where another number of workers bound them (upgrade.h), its part of what is
 * beyond: every socket has a queue that must be served. */
static int take_sockets(struct adopted_listener *adopted, const struct worker *worker)
{
    const struct listen_set *set = &adopted->shared->set;
    unsigned workers = worker->server->worker_count;

    adopted->fds = xcalloc(set->count / workers + 1, sizeof(*adopted->fds));
    for (unsigned i = worker->index; i < set->count; i += workers) {
        int fd = listen_take(set, i);

        if (fd < 0)
            return EG_E_INTERNAL;
        adopted->fds[adopted->fd_count++] = fd;
    }
    return EG_OK;
}

/* Certificates are read again by a reload only: an edit, or what was found, must not fail for a
 * file that somebody is just writing. */
static int open_listener(struct adopted_listener *adopted, const struct config_listener *config,
                         struct shared_listener *shared, const struct worker *worker,
                         char **ret_why)
{
    char *why = NULL;

    adopted->shared = shared_listener_ref(shared);
    if (!shared->served && take_sockets(adopted, worker) != EG_OK) {
        *ret_why = xasprintf("listener \"%s\": no descriptor is free", config->name);
        return EG_E_INTERNAL;
    }
    if (adopted->moves || !config->tls ||
        listener_tls_new(&adopted->tls, config->tls, &why) == EG_OK)
        return EG_OK;
    *ret_why = xasprintf("listener \"%s\": %s", config->name, why);
    free(why);
    return EG_E_INTERNAL;
}

static const struct config_pool *pool_before(const struct config *before, const char *name,
                                             size_t place)
{
    size_t at = before != NULL ? config_pool_near(before, name, place) : 0;

    return before != NULL && at < before->pool_count ? &before->pools[at] : NULL;
}

static int open_pool(struct adopted_pool *adopted, const struct worker_adoption_params *params,
                     size_t index, struct worker *worker, char **ret_why)
{
    const struct config_pool *pool = &params->config->pools[index];
    const struct config_pool *before = pool_before(params->before, pool->name, index);
    char *why = NULL;
    int rc = EG_OK;

    if (before == NULL) {
        rc = upstream_cluster_new(&adopted->cluster, &worker->loop, pool,
                                  params->pools[index]->health, &why);
    } else if (config_pool_differences(params->before, before, params->config, pool) &
               CONFIG_PART_TLS) {
        adopted->tls_changed = true;
        rc = upstream_cluster_tls_new(&adopted->tls, pool, &why);
    }
    if (rc == EG_OK)
        return EG_OK;
    *ret_why = xasprintf("pool \"%s\": %s", pool->name, why);
    free(why);
    return rc;
}

int worker_adoption_new(struct worker_adoption **ret_adoption, struct worker *worker,
                        const struct worker_adoption_params *params, char **ret_why)
{
    const struct config *config = params->config;
    struct worker_adoption *adoption = xcalloc(1, sizeof(*adoption));
    bool same_file = params->before != NULL && params->before->listeners == config->listeners;
    int rc = EG_OK;

    adoption->view = worker_view_new(worker, params->config, params->pools);
    adoption->listeners = xcalloc(config->listener_count, sizeof(*adoption->listeners));
    adoption->pools = xcalloc(config->pool_count, sizeof(*adoption->pools));
    if (params->access_log != NULL)
        adoption->access_log = access_log_ring(params->access_log, worker->index);
    for (size_t i = 0; i < config->listener_count && rc == EG_OK; i++) {
        adoption->listeners[i].moves = same_file;
        rc = open_listener(&adoption->listeners[i], &config->listeners[i], params->listeners[i],
                           worker, ret_why);
    }
    for (size_t i = 0; i < config->pool_count && rc == EG_OK; i++)
        rc = open_pool(&adoption->pools[i], params, i, worker, ret_why);
    if (rc != EG_OK) {
        worker_adoption_free(adoption);
        return rc;
    }
    *ret_adoption = adoption;
    return EG_OK;
}

void worker_adoption_free(struct worker_adoption *adoption)
{
    const struct config *config;

    if (adoption == NULL)
        return;
    config = adoption->view->config;
    for (size_t i = 0; i < config->listener_count; i++) {
        struct adopted_listener *listener = &adoption->listeners[i];

        tls_context_free(listener->tls);
        for (size_t s = 0; s < listener->fd_count; s++)
            close(listener->fds[s]);
        free(listener->fds);
        if (listener->shared != NULL)
            shared_listener_unref(listener->shared);
    }
    for (size_t i = 0; i < config->pool_count; i++) {
        upstream_cluster_free(adoption->pools[i].cluster);
        tls_context_free(adoption->pools[i].tls);
    }
    free(adoption->listeners);
    free(adoption->pools);
    worker_view_unref(adoption->view);
    free(adoption);
}

/* ---- On the worker's thread: what may not ---- */

static void adopt_members(struct upstream_cluster *cluster, struct balancer_pool *pool)
{
    for (unsigned i = 0; i < balancer_pool_size(pool); i++) {
        struct endpoint *endpoint = balancer_pool_endpoint(pool, i);

        if (endpoint != NULL && !atomic_load(&endpoint->leaving) &&
            !upstream_cluster_has(cluster, endpoint))
            upstream_cluster_add(cluster, endpoint, atomic_load(&endpoint->backend));
    }
}

static void adopt_pools(struct worker_adoption *adoption)
{
    struct worker_view *view = adoption->view;

    for (size_t i = 0; i < view->config->pool_count; i++) {
        struct adopted_pool *pool = &adoption->pools[i];
        bool is_new = pool->cluster != NULL;

        worker_view_take_seat(view, i, pool->cluster);
        pool->cluster = NULL;
        if (!is_new)
            upstream_cluster_change(view->clusters[i], &view->config->pools[i], pool->tls,
                                    pool->tls_changed);
        pool->tls = NULL;
        adopt_members(view->clusters[i], view->runtimes[i]->balancer);
    }
}

static void adopt_listener(struct worker *worker, struct adopted_listener *adopted,
                           struct config *snapshot, const struct config_listener *config)
{
    struct worker_listener *listener = worker_listener_find(worker, adopted->shared);

    if (listener != NULL && adopted->moves) {
        worker_listener_move(listener, snapshot, config);
    } else if (listener != NULL) {
        worker_listener_change(listener, snapshot, config, adopted->tls);
    } else if (adopted->fd_count == 0 || worker->draining) {
        return;
    } else {
        if (worker_listener_new(worker, adopted->shared, snapshot, config, adopted->tls,
                                adopted->fds, adopted->fd_count) == NULL)
            log_error("listener \"%s\": worker %u cannot accept connections", config->name,
                      worker->index);
        adopted->fd_count = 0;
    }
    adopted->tls = NULL;
}

static bool has_listener(const struct worker_adoption *adoption,
                         const struct worker_listener *listener)
{
    for (size_t i = 0; i < adoption->view->config->listener_count; i++)
        if (adoption->listeners[i].shared == listener->shared)
            return true;
    return false;
}

static void adopt_listeners(struct worker *worker, struct worker_adoption *adoption)
{
    struct config *snapshot = adoption->view->config;

    list_for_each_safe(node, next, &worker->listeners)
    {
        struct worker_listener *listener = container_of(node, struct worker_listener, node);

        if (has_listener(adoption, listener))
            continue;
        worker_listener_ref(listener); /* without connections it would be gone at once */
        worker_listener_retire(listener);
        front_http1_end_listener(listener);
        worker_listener_unref(listener);
    }
    for (size_t i = 0; i < snapshot->listener_count; i++)
        adopt_listener(worker, &adoption->listeners[i], snapshot, &snapshot->listeners[i]);
}

void worker_adopt(struct worker *worker, void *arg)
{
    struct worker_adoption *adoption = arg;
    struct worker_view *before = worker->view;

    adopt_pools(adoption);
    traffic_table_adopt(&adoption->view->traffic, adoption->view->config, &worker->traffic);
    worker->view = worker_view_ref(adoption->view);
    worker->access_log = adoption->access_log;
    adopt_listeners(worker, adoption);
    worker_adoption_free(adoption);
    if (before != NULL)
        worker_view_unref(before);
}
