/*
 * Carrying a change out: a new configuration takes the place of the one that is served.
 *
 *   prepare   sockets, log, certificates, programs are opened beside those in use     may fail
 *   commit    settings and newcomers go into the pools; readers see the new whole
 *   round     every worker adopts its part, and can reach the newcomers; their names are looked up
 *   settle    newcomers may be picked; who is not wanted any more gets no requests
 *   round     no worker looks at what was before
 *   release   what was before goes
 *
 * Preparing is in server_prepare.c, all that follows here.
 *
 * At start the same steps run one after the other, for no worker is there to be waited for.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proxy/server_apply_internal.h"

static void commit_pools(void *arg, uint64_t now_us)
{
    struct server_apply *apply = arg;
    const struct config *config = apply->now.config;

    for (size_t i = 0; i < config->pool_count; i++) {
        struct pool_runtime *runtime = apply->now.runtimes[i];

        if (!runtime->served)
            server_health_keep_pool(apply->server, runtime);
        if (apply->moves[i])
            pool_runtime_move(runtime, &config->pools[i]);
        else
            pool_runtime_commit(runtime, &config->pools[i], &config->place, apply->starting,
                                now_us);
    }
}

static void adopt(struct worker *worker, void *arg)
{
    struct server_apply *apply = arg;

    worker_adopt(worker, apply->adoptions[worker->index]);
}

static void on_leaving(void *arg, struct pool_runtime *runtime, struct endpoint *endpoint)
{
    struct server_apply *apply = arg;

    server_leavers_add(apply->server, runtime, endpoint);
}

static void settle_pools(void *arg, uint64_t now_us)
{
    struct server_apply *apply = arg;
    const struct config *config = apply->now.config;
    struct health_pool **pools = xcalloc(config->pool_count, sizeof(struct health_pool *));

    for (size_t i = 0; i < config->pool_count; i++) {
        struct pool_runtime *runtime = apply->now.runtimes[i];

        pools[i] = runtime->health;
        if (apply->moves[i])
            continue;
        balancer_pool_reclaim(runtime->balancer);
        pool_runtime_settle(runtime, now_us, on_leaving, apply);
    }
    checks_commit(&apply->checks, pools);
    free(pools);
}

static void reclaim_pools(void *arg, uint64_t now_us)
{
    struct server_apply *apply = arg;

    for (size_t i = 0; i < apply->now.config->pool_count; i++)
        if (!apply->moves[i])
            balancer_pool_reclaim(apply->now.runtimes[i]->balancer);
}

/* A pool that goes is looked after until it is gone, which may be later than its last request. */
static void keep_for_pools(struct served *before)
{
    for (size_t i = 0; before->config != NULL && i < before->config->pool_count; i++)
        if (!before->runtimes[i]->served)
            before->runtimes[i]->last = config_ref(before->config);
}

/* Nobody looks at what was served before, but for requests in flight, which hold what they need. */
static void release_before(struct server_apply *apply)
{
    struct served *before = &apply->before;

    for (size_t i = 0; before->config != NULL && i < before->config->listener_count; i++) {
        struct shared_listener *listener = before->listeners[i];

        if (!served_has_listener(&apply->now, listener))
            shared_listener_close(listener);
        shared_listener_unref(listener);
    }
    keep_for_pools(before);
    free(before->listeners);
    free(before->runtimes);
    if (before->access_log != apply->now.access_log)
        access_log_stop(&before->access_log);
    config_unref(&before->config);
}

static void on_forgotten(void *arg)
{
    struct server_apply *apply = arg;
    void (*on_done)(void *arg) = apply->on_done;
    void *on_done_arg = apply->arg;

    server_health_do_unseen(apply->server, reclaim_pools, apply);
    release_before(apply);
    free(apply->moves);
    free(apply->adoptions);
    free(apply);
    on_done(on_done_arg);
}

static void on_named(void *arg)
{
    struct server_apply *apply = arg;
    struct server *server = apply->server;

    server_health_do_unseen(server, settle_pools, apply); /* takes configurations from leavers */
    if (!apply->starting)
        server_names_follow(server); /* those that left need no name any more */
    server_round(server, NULL, NULL, on_forgotten, apply);
}

/* Those who leave stay until the names of those who come have been looked up, within reason. At
 * start there is nobody to stay, and server_run awaits them. */
static void on_adopted(void *arg)
{
    struct server_apply *apply = arg;
    struct server *server = apply->server;

    for (size_t i = 0; i < server->config->listener_count; i++)
        server->listeners[i]->served = true;
    if (apply->starting) {
        on_named(apply);
        return;
    }
    server_names_follow(server);
    server_names_await(server, on_named, apply);
}

static void mark_served(const struct served *served, bool is_served)
{
    for (size_t i = 0; served->config != NULL && i < served->config->pool_count; i++)
        served->runtimes[i]->served = is_served;
}

void server_apply_commit(struct server_apply *apply, void (*on_done)(void *arg), void *arg)
{
    struct server *server = apply->server;

    apply->on_done = on_done;
    apply->arg = arg;
    log_init(apply->now.config->log.level, apply->now.config->log.json);
    pthread_rwlock_wrlock(&server->structure);
    server_apply_on_health(apply, commit_pools);
    mark_served(&apply->before, false);
    mark_served(&apply->now, true);
    server->config = apply->now.config;
    server->runtimes = apply->now.runtimes;
    server->listeners = apply->now.listeners;
    server->access_log = apply->now.access_log;
    pthread_rwlock_unlock(&server->structure);
    server_round(server, adopt, apply, on_adopted, apply);
}
