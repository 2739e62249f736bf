/*
 * What goes once it is not used any more: endpoints that left their pool, when the last request on
 * them has ended; pools that no configuration has, when the last worker has left its seat there.
 *
 *   endpoint   its connections close [workers] ─► health and balancer forget it [health] ─► a round
 *              ─► its memory goes [health]
 *   pool       the health thread wakes none of its queues any more [health] ─► a round, for what is
 *              still on its way to a worker ─► it goes [health]
 *
 * They are looked at now and then, and take turns with the changes: so nothing here has to fear
 * that a pool changes under it.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "proxy/server_health.h"
#include "proxy/server_internal.h"

enum { LOOK_MS = 200 };

struct leaver {
    struct pool_runtime *pool;
    struct endpoint *endpoint;
    bool goes; /* in this sweep */
};

struct server_leavers {
    struct server *server;
    struct leaver *v;
    size_t count, capacity;
    struct pool_runtime **pools; /* whose seats were all left */
    size_t pool_count;
    struct loop_timer timer;
};

static void look_later(struct server_leavers *leavers)
{
    if (leavers->count > 0 || leavers->pool_count > 0)
        loop_timer_set(&leavers->server->loop, &leavers->timer, LOOK_MS);
}

static void on_timer(struct loop_timer *timer)
{
    struct server_leavers *leavers = container_of(timer, struct server_leavers, timer);

    server_idle(leavers->server);
    look_later(leavers);
}

void server_leavers_init(struct server *server)
{
    struct server_leavers *leavers = xcalloc(1, sizeof(*leavers));

    leavers->server = server;
    loop_timer_init(&leavers->timer, on_timer);
    server->leavers = leavers;
}

void server_leavers_free(struct server *server)
{
    struct server_leavers *leavers = server->leavers;

    if (leavers == NULL)
        return;
    loop_timer_cancel(&leavers->timer);
    free(leavers->pools);
    free(leavers->v);
    free(leavers);
    server->leavers = NULL;
}

void server_leavers_add(struct server *server, struct pool_runtime *pool, struct endpoint *endpoint)
{
    struct server_leavers *leavers = server->leavers;

    if (leavers->count == leavers->capacity) {
        leavers->capacity = leavers->capacity > 0 ? leavers->capacity * 2 : 16;
        leavers->v = xrealloc(leavers->v, leavers->capacity * sizeof(*leavers->v));
    }
    leavers->v[leavers->count++] = (struct leaver){.pool = pool, .endpoint = endpoint};
}

void server_leavers_look(struct server *server)
{
    look_later(server->leavers);
}

/* ---- Pools ---- */

static void on_pool_left(void *arg)
{
    struct pool_runtime *pool = arg;
    struct server *server = pool->seats[0].queue.worker->server;
    struct server_leavers *leavers = server->leavers;

    if (pool->served)
        return;
    leavers->pools =
        xrealloc(leavers->pools, (leavers->pool_count + 1) * sizeof(struct pool_runtime *));
    leavers->pools[leavers->pool_count++] = pool;
    server_idle(server);
}

void server_pool_left(struct server *server, struct pool_runtime *pool)
{
    if (server_phase(server) != SERVER_RESOLVING && server_phase(server) != SERVER_STOPPED)
        loop_post(&server->loop, on_pool_left, pool); /* else server_free takes all */
}

static void drop_leavers_of(struct server_leavers *leavers, const struct pool_runtime *pool)
{
    size_t kept = 0;

    for (size_t i = 0; i < leavers->count; i++)
        if (leavers->v[i].pool != pool)
            leavers->v[kept++] = leavers->v[i];
    leavers->count = kept;
}

static void abandon_pools(void *arg, uint64_t now_us)
{
    struct server_leavers *leavers = arg;

    for (size_t i = 0; i < leavers->pool_count; i++)
        list_remove(&leavers->pools[i]->node);
}

static void free_pools(void *arg, uint64_t now_us)
{
    struct server_leavers *leavers = arg;

    for (size_t i = 0; i < leavers->pool_count; i++) {
        drop_leavers_of(leavers, leavers->pools[i]);
        pool_runtime_free(leavers->pools[i], leavers->server->health);
    }
    leavers->pool_count = 0;
}

static void on_pools_unused(void *arg)
{
    struct server_leavers *leavers = arg;

    server_health_do_unseen(leavers->server, free_pools, leavers);
    server_turn_ends(leavers->server);
}

/* ---- Endpoints ---- */

static void drop_connections(struct worker *worker, void *arg)
{
    const struct server_leavers *leavers = arg;

    for (size_t i = 0; i < leavers->count; i++) {
        const struct leaver *leaver = &leavers->v[i];
        struct upstream_cluster *cluster = leaver->pool->seats[worker->index].cluster;

        if (leaver->goes && cluster != NULL && upstream_cluster_has(cluster, leaver->endpoint))
            upstream_cluster_remove(cluster, leaver->endpoint);
    }
}

/* Is it the first one of its pool that goes? Settling takes milliseconds in large pools. */
static bool is_first_of_pool(const struct server_leavers *leavers, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (leavers->v[i].goes && leavers->v[i].pool == leavers->v[index].pool)
            return false;
    return leavers->v[index].goes;
}

static void forget_endpoints(void *arg, uint64_t now_us)
{
    struct server_leavers *leavers = arg;

    for (size_t i = 0; i < leavers->count; i++) {
        const struct leaver *leaver = &leavers->v[i];

        if (!leaver->goes)
            continue;
        health_pool_forget(leaver->pool->health, leaver->endpoint);
        balancer_pool_forget(leaver->pool->balancer, leaver->endpoint);
    }
    for (size_t i = 0; i < leavers->count; i++)
        if (is_first_of_pool(leavers, i))
            health_pool_settle(leavers->v[i].pool->health, now_us);
}

static void reclaim(void *arg, uint64_t now_us)
{
    struct server_leavers *leavers = arg;
    size_t kept = 0;

    for (size_t i = 0; i < leavers->count; i++) {
        if (leavers->v[i].goes)
            balancer_pool_reclaim(leavers->v[i].pool->balancer);
        else
            leavers->v[kept++] = leavers->v[i];
    }
    leavers->count = kept;
}

static void on_nobody_looks(void *arg)
{
    struct server_leavers *leavers = arg;

    server_health_do_unseen(leavers->server, reclaim, leavers);
    server_turn_ends(leavers->server);
}

static void on_dropped(void *arg)
{
    struct server_leavers *leavers = arg;

    server_health_do_unseen(leavers->server, forget_endpoints, leavers);
    server_round(leavers->server, NULL, NULL, on_nobody_looks, leavers);
}

/* ---- A sweep ---- */

/* No worker picks a leaver any more: what is not active now never will be. */
static bool choose(struct server_leavers *leavers)
{
    bool any = false;

    for (size_t i = 0; i < leavers->count; i++) {
        leavers->v[i].goes = atomic_load(&leavers->v[i].endpoint->active) == 0;
        any = any || leavers->v[i].goes;
    }
    return any;
}

bool server_leavers_sweep(struct server *server)
{
    struct server_leavers *leavers = server->leavers;

    if (leavers->pool_count > 0) {
        server_health_do(server, abandon_pools, leavers);
        server_round(server, NULL, NULL, on_pools_unused, leavers);
    } else if (choose(leavers)) {
        server_round(server, drop_connections, leavers, on_dropped, leavers);
    } else {
        return false;
    }
    return true;
}
