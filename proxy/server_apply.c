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
 * At start the same steps run one after the other, for no worker is there to be waited for.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "config/plan.h"
#include "proxy/server_health.h"
#include "proxy/server_internal.h"
#include "proxy/shared_listener.h"
#include "proxy/worker_adoption.h"

/* What is served, with all that was opened for it. */
struct served {
    struct config *config;
    struct pool_runtime **runtimes;
    struct shared_listener **listeners;
    struct access_log *access_log;
};

struct server_apply {
    struct server *server;
    struct served now, before;
    bool *moves; /* of now.config->pools: those that are the same as before */
    struct worker_adoption **adoptions; /* one per worker */
    struct checks_change *checks;
    char *why;     /* of a step on the health thread that failed */
    bool starting; /* nothing was served before */
    void (*on_done)(void *arg);
    void *arg;
};

static void run_on_health(struct server_apply *apply, void (*act)(void *arg, uint64_t now_us))
{
    server_health_do(apply->server, act, apply);
}

/* ---- Prepare: listeners and log ---- */

static bool serves_listener(const struct served *served, const struct shared_listener *listener)
{
    for (size_t i = 0; served->config != NULL && i < served->config->listener_count; i++)
        if (served->listeners[i] == listener)
            return true;
    return false;
}

static bool has_listener(const struct config *config, const char *bind, const char *name)
{
    for (size_t i = 0; i < config->listener_count; i++)
        if (strcmp(config->listeners[i].bind, bind) == 0 &&
            strcmp(config->listeners[i].name, name) == 0)
            return true;
    return false;
}

/* The address is what counts. With port 0 several listeners have the same one: then it is the name,
 * and a listener that was renamed gets an address that nobody else asks for by name. */
static struct shared_listener *listener_before(const struct server_apply *apply,
                                               const struct config_listener *listener)
{
    const struct config *before = apply->before.config;
    struct shared_listener *renamed = NULL;

    for (size_t i = 0; before != NULL && i < before->listener_count; i++) {
        struct shared_listener *shared = apply->before.listeners[i];

        if (strcmp(shared->bind, listener->bind) != 0)
            continue;
        if (strcmp(before->listeners[i].name, listener->name) == 0)
            return shared;
        if (!has_listener(apply->now.config, shared->bind, before->listeners[i].name) &&
            !serves_listener(&apply->now, shared))
            renamed = shared;
    }
    return renamed;
}

static int open_listeners(struct server_apply *apply, char **ret_why)
{
    const struct config *config = apply->now.config;

    apply->now.listeners = xcalloc(config->listener_count, sizeof(struct shared_listener *));
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        struct shared_listener *before = listener_before(apply, listener);
        char *why = NULL;

        if (before != NULL) {
            apply->now.listeners[i] = shared_listener_ref(before);
        } else if (shared_listener_open(&apply->now.listeners[i], listener->bind,
                                        apply->server->worker_count, &why) != EG_OK) {
            *ret_why = xasprintf("listener \"%s\": %s", listener->name, why);
            free(why);
            return EG_E_INTERNAL;
        }
    }
    return EG_OK;
}

static bool same_access_log(const struct config *a, const struct config *b)
{
    if (a->log.access != b->log.access || a->log.json != b->log.json ||
        a->log.buffer_bytes != b->log.buffer_bytes)
        return false;
    return a->log.access != CONFIG_ACCESS_FILE ||
           strcmp(a->log.access_path, b->log.access_path) == 0;
}

static int open_access_log(struct server_apply *apply, char **ret_why)
{
    const struct config *before = apply->before.config;

    apply->now.access_log = apply->before.access_log;
    if (before != NULL && same_access_log(before, apply->now.config))
        return EG_OK;
    return access_log_start(&apply->now.access_log, apply->now.config, apply->server->worker_count,
                            ret_why);
}

/* ---- Prepare: pools, workers and checks ---- */

/* The index of one of the new pools among those before; SIZE_MAX: it was not there. */
static size_t pool_before(const struct server_apply *apply, size_t index)
{
    const struct config *before = apply->before.config;
    size_t at;

    if (before == NULL)
        return SIZE_MAX;
    at = config_pool_near(before, apply->now.config->pools[index].name, index);
    return at < before->pool_count ? at : SIZE_MAX;
}

/* Nothing of it has changed, and nothing that is said once for all pools. */
static bool pool_moves(const struct server_apply *apply, size_t index, size_t before)
{
    const struct config *from = apply->before.config, *to = apply->now.config;

    return config_pool_is_shared(from, &from->pools[before], to, &to->pools[index]) &&
           memcmp(&from->place, &to->place, sizeof(to->place)) == 0;
}

static void make_pools(void *arg, uint64_t now_us)
{
    struct server_apply *apply = arg;
    struct server *server = apply->server;
    const struct config *config = apply->now.config;
    struct slice secret = slice_from((const char *)server->sticky_secret, SERVER_SECRET_BYTES);

    apply->now.runtimes = xcalloc(config->pool_count, sizeof(struct pool_runtime *));
    apply->moves = xcalloc(config->pool_count, sizeof(*apply->moves));
    for (size_t i = 0; i < config->pool_count; i++) {
        size_t before = pool_before(apply, i);

        if (before == SIZE_MAX) {
            apply->now.runtimes[i] =
                pool_runtime_new(&config->pools[i], &config->place, server->health, secret,
                                 server->workers, server->worker_count, now_us);
        } else {
            apply->now.runtimes[i] = apply->before.runtimes[before];
            apply->moves[i] = pool_moves(apply, i, before);
        }
    }
}

static int make_adoptions(struct server_apply *apply, char **ret_why)
{
    struct server *server = apply->server;
    const struct worker_adoption_params params = {
        .config = apply->now.config,
        .before = apply->before.config,
        .pools = apply->now.runtimes,
        .listeners = apply->now.listeners,
        .access_log = apply->now.access_log,
    };
    int rc = EG_OK;

    apply->adoptions = xcalloc(server->worker_count, sizeof(struct worker_adoption *));
    for (unsigned i = 0; i < server->worker_count && rc == EG_OK; i++)
        rc = worker_adoption_new(&apply->adoptions[i], &server->workers[i], &params, ret_why);
    return rc;
}

static void prepare_checks(void *arg, uint64_t now_us)
{
    struct server_apply *apply = arg;

    if (checks_prepare(server_health_checks(apply->server), apply->now.config, &apply->checks,
                       &apply->why) != EG_OK)
        apply->checks = NULL;
}

/* ---- Prepare: what was opened in vain ---- */

static void discard_on_health(void *arg, uint64_t now_us)
{
    struct server_apply *apply = arg;
    const struct config *config = apply->now.config;

    if (apply->checks != NULL)
        checks_discard(&apply->checks);
    for (size_t i = 0; apply->now.runtimes != NULL && i < config->pool_count; i++)
        if (!apply->now.runtimes[i]->served)
            pool_runtime_free(apply->now.runtimes[i], apply->server->health);
}

static void apply_discard(struct server_apply *apply)
{
    const struct config *config = apply->now.config;

    for (unsigned i = 0; apply->adoptions != NULL && i < apply->server->worker_count; i++)
        worker_adoption_free(apply->adoptions[i]);
    free(apply->adoptions);
    run_on_health(apply, discard_on_health);
    free(apply->moves);
    free(apply->now.runtimes);
    for (size_t i = 0; i < config->listener_count; i++) {
        struct shared_listener *listener = apply->now.listeners[i];

        if (listener == NULL)
            break;
        if (!serves_listener(&apply->before, listener))
            shared_listener_close(listener);
        shared_listener_unref(listener);
    }
    free(apply->now.listeners);
    if (apply->now.access_log != apply->before.access_log)
        access_log_stop(&apply->now.access_log);
    config_unref(&apply->now.config);
    free(apply);
}

int server_apply_prepare(struct server_apply **ret_apply, struct server *server,
                         struct config *config, char **ret_why)
{
    struct server_apply *apply = xcalloc(1, sizeof(*apply));
    int rc;

    apply->server = server;
    apply->starting = server->config == NULL;
    apply->now.config = config_ref(config);
    apply->before = (struct served){
        .config = server->config,
        .runtimes = server->runtimes,
        .listeners = server->listeners,
        .access_log = server->access_log,
    };
    rc = open_listeners(apply, ret_why);
    if (rc == EG_OK)
        rc = open_access_log(apply, ret_why);
    if (rc == EG_OK) {
        run_on_health(apply, make_pools);
        rc = make_adoptions(apply, ret_why);
    }
    if (rc == EG_OK) {
        run_on_health(apply, prepare_checks);
        *ret_why = apply->why;
        rc = apply->checks != NULL ? EG_OK : EG_E_INTERNAL;
    }
    if (rc != EG_OK) {
        apply_discard(apply);
        return rc;
    }
    *ret_apply = apply;
    return EG_OK;
}

/* ---- Commit, and what follows when every worker has it ---- */

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

        if (!serves_listener(&apply->now, listener))
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
    run_on_health(apply, commit_pools);
    mark_served(&apply->before, false);
    mark_served(&apply->now, true);
    server->config = apply->now.config;
    server->runtimes = apply->now.runtimes;
    server->listeners = apply->now.listeners;
    server->access_log = apply->now.access_log;
    pthread_rwlock_unlock(&server->structure);
    server_round(server, adopt, apply, on_adopted, apply);
}
