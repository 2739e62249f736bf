/*
 * A worker's view of one configuration snapshot: see worker.h.
 *
 * Who frees it: the worker holds one reference while the view is its present one, each exchange one
 * of its own. A view takes a seat in each of its pools; the last view on a worker that leaves a
 * seat takes the connections there with it. By then no attempt may be leased; an attempt's exchange
 * holds a reference to the view, which makes that true.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "proxy/server.h"
#include "proxy/worker_view.h"

struct worker_view *worker_view_new(struct worker *worker, struct config *config,
                                    struct pool_runtime *const *pools)
{
    struct worker_view *view = xcalloc(1, sizeof(*view));

    view->worker = worker;
    view->config = config_ref(config);
    view->refs = 1;
    view->runtimes = xcalloc(config->pool_count, sizeof(struct pool_runtime *));
    view->clusters = xcalloc(config->pool_count, sizeof(struct upstream_cluster *));
    for (size_t i = 0; i < config->pool_count; i++)
        view->runtimes[i] = pools[i];
    traffic_table_init(&view->traffic, config);
    return view;
}

void worker_view_take_seat(struct worker_view *view, size_t pool, struct upstream_cluster *cluster)
{
    struct pool_runtime *runtime = view->runtimes[pool];
    struct pool_seat *seat = &runtime->seats[view->worker->index];

    if (seat->views++ == 0) {
        CHECK(cluster != NULL);
        seat->cluster = cluster;
        atomic_fetch_add(&runtime->taken, 1);
    }
    view->clusters[pool] = seat->cluster;
}

static void leave_seat(struct worker_view *view, size_t pool)
{
    struct pool_runtime *runtime = view->runtimes[pool];
    struct pool_seat *seat = &runtime->seats[view->worker->index];

    if (view->clusters[pool] == NULL || --seat->views > 0)
        return;
    loop_task_cancel(&seat->queue.dispatch);
    upstream_cluster_free(seat->cluster);
    seat->cluster = NULL;
    if (atomic_fetch_sub(&runtime->taken, 1) == 1)
        server_pool_left(view->worker->server, runtime);
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
    if (--view->refs > 0)
        return;
    for (size_t i = 0; i < view->config->pool_count; i++)
        leave_seat(view, i);
    traffic_table_fini(&view->traffic, view->config);
    free(view->clusters);
    free(view->runtimes);
    config_unref(&view->config);
    free(view);
}
