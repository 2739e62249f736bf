/*
 * Preparing a change: what the new configuration needs is opened beside what is in use, so that
 * when something cannot be had it is closed again and nothing has changed. See server_apply.c.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/plan.h"
#include "proxy/server_apply_internal.h"

/* ---- Listeners and log ---- */

bool served_has_listener(const struct served *served, const struct shared_listener *listener)
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
            !served_has_listener(&apply->now, shared))
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

/* ---- Pools, workers and checks ---- */

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

/* ---- What was opened in vain ---- */

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
    server_apply_on_health(apply, discard_on_health);
    free(apply->moves);
    free(apply->now.runtimes);
    for (size_t i = 0; i < config->listener_count; i++) {
        struct shared_listener *listener = apply->now.listeners[i];

        if (listener == NULL)
            break;
        if (!served_has_listener(&apply->before, listener))
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
        server_apply_on_health(apply, make_pools);
        rc = make_adoptions(apply, ret_why);
    }
    if (rc == EG_OK) {
        server_apply_on_health(apply, prepare_checks);
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
