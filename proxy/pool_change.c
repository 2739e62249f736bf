/*
 * A pool's settings and members become those of another configuration, while it serves.
 *
 *   commit: settings are swapped; members that stay learn what changed of them; new ones get a slot
 *   (every worker gets to know the new ones)
 *   settle: new ones may be picked, and only then those who are not wanted any more leave: there is
 *           no moment in between with fewer endpoints than either configuration has
 *
 * A pool that has not changed is moved: what pointed into the old configuration points into the new
 * one. So a change costs what it changes, also where there are a thousand pools beside.
 *
 * Who is who: the id, and where it connects to. Another address under the same id is another
 * endpoint, which begins anew.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/plan.h"
#include "proxy/pool_runtime.h"
#include "proxy/sticky_token.h"

/* ---- Who is in it: the members by their place in the configuration before ---- */

struct members {
    const struct config_pool *from;
    struct endpoint **at;    /* from->backend_count */
    struct endpoint **by_id; /* likewise, sorted; NULL until it is needed */
    size_t next; /* where the next one is looked for first: most lists keep their order */
};

/* One that is there already. Each stays where its configuration is, until the next commit. */
static bool is_member_of(const struct config_pool *config, const struct endpoint *endpoint)
{
    const struct config_backend *backend = atomic_load(&endpoint->backend);

    return backend >= config->backends && backend < config->backends + config->backend_count;
}

static struct members members_of(const struct pool_runtime *runtime)
{
    const struct config_pool *from = runtime->config;
    struct members members = {.from = from};
    unsigned size = balancer_pool_size(runtime->balancer);
    size_t count = 0;

    if (from == NULL)
        return members;
    members.at = xcalloc(from->backend_count, sizeof(struct endpoint *));
    for (unsigned i = 0; i < size; i++) {
        struct endpoint *e = balancer_pool_endpoint(runtime->balancer, i);

        if (e == NULL || atomic_load(&e->leaving))
            continue;
        members.at[atomic_load(&e->backend) - from->backends] = e;
        count++;
    }
    CHECK(count == from->backend_count); /* by the last settling */
    return members;
}

static void members_fini(struct members *members)
{
    free(members->at);
    free(members->by_id);
}

static int compare_ids(const void *a, const void *b)
{
    return strcmp((*(struct endpoint *const *)a)->id, (*(struct endpoint *const *)b)->id);
}

static int compare_id(const void *id, const void *endpoint)
{
    return strcmp(id, (*(struct endpoint *const *)endpoint)->id);
}

static struct endpoint *members_search(struct members *members, const char *id)
{
    size_t count = members->from->backend_count, size = sizeof(struct endpoint *);
    struct endpoint *const *found;

    if (members->by_id == NULL) {
        members->by_id = xmalloc(count * size);
        memcpy(members->by_id, members->at, count * size);
        qsort(members->by_id, count, size, compare_ids);
    }
    found = bsearch(id, members->by_id, count, size, compare_id);
    return found != NULL ? *found : NULL;
}

static struct endpoint *members_find(struct members *members, const struct config_backend *backend)
{
    const struct config_pool *from = members->from;
    struct endpoint *found;

    if (from == NULL || from->backend_count == 0)
        return NULL;
    if (members->next < from->backend_count &&
        strcmp(members->at[members->next]->id, backend->id) == 0)
        found = members->at[members->next];
    else
        found = members_search(members, backend->id);
    if (found == NULL)
        return NULL;
    members->next = (size_t)(atomic_load(&found->backend) - from->backends) + 1;
    return config_backend_same_target(atomic_load(&found->backend), backend) ? found : NULL;
}

/* ---- Commit ---- */

static void change_cache(struct pool_runtime *runtime, const struct config_pool *config)
{
    const struct config_fallback *fallback = &config->fallback;
    const struct cache_params params = {
        .limit_bytes = fallback->stale_ms > 0 ? fallback->cache_bytes : 0,
        .entry_bytes = fallback->cache_entry_bytes,
        .stale_ms = fallback->stale_ms,
        .own_cookie = config->sticky != NULL ? config->sticky->cookie : NULL,
    };

    if (runtime->cache != NULL)
        cache_change(runtime->cache, &params);
    else if (fallback->stale_ms > 0)
        runtime->cache = cache_new(&params);
}

static void set_tag(struct pool_runtime *runtime, const struct config_pool *config,
                    struct endpoint *endpoint)
{
    if (config->sticky != NULL)
        atomic_store_explicit(&endpoint->tag,
                              sticky_endpoint_tag(pool_runtime_secret(runtime, config),
                                                  slice_str(config->name), slice_str(endpoint->id)),
                              memory_order_relaxed);
}

/* An endpoint's tag follows from its id and from what signs the cookies. */
static bool is_signed_anew(const struct pool_runtime *runtime, const struct config_pool *config)
{
    const struct config_pool *before = runtime->config;

    if (config->sticky == NULL || before == NULL)
        return false;
    return before->sticky == NULL ||
           !slice_eq(pool_runtime_secret(runtime, before), pool_runtime_secret(runtime, config));
}

/* Was it found, and has nobody else said anything of it? */
static bool is_found(const struct config_backend *backend)
{
    return backend->where.file != NULL && strcmp(backend->where.file, "discovery") == 0;
}

static const char *drain_why(const struct config_backend *backend)
{
    if (is_found(backend))
        return backend->drain ? "drained by discovery" : "no longer drained by discovery";
    return backend->drain ? "drained by a change of the configuration"
                          : "no longer drained by the configuration";
}

static const char *join_why(const struct config_backend *backend, bool starting)
{
    if (is_found(backend))
        return "found by discovery";
    return starting ? "in the configuration" : "added by a change of the configuration";
}

static void keep_member(struct pool_runtime *runtime, struct endpoint *endpoint,
                        const struct config_backend *backend, uint64_t now_us)
{
    balancer_endpoint_change(runtime->balancer, endpoint, backend);
    health_endpoint_changed(runtime->health, endpoint, now_us);
    health_set_draining(runtime->health, endpoint, backend->drain, drain_why(backend), now_us);
}

static void add_member(struct pool_runtime *runtime, const struct config_pool *config,
                       const struct config_backend *backend, bool starting, uint64_t now_us)
{
    struct endpoint *endpoint = balancer_pool_add(runtime->balancer, backend);

    set_tag(runtime, config, endpoint);
    health_pool_join(runtime->health, endpoint, join_why(backend, starting), starting, now_us);
}

void pool_runtime_commit(struct pool_runtime *runtime, const struct config_pool *config,
                         const struct config_place *place, bool starting, uint64_t now_us)
{
    struct members members = members_of(runtime);
    bool signed_anew = is_signed_anew(runtime, config);

    change_cache(runtime, config);
    retry_budget_change(&runtime->budget, config->retry.budget_percent, config->retry.budget_min);
    balancer_pool_change(runtime->balancer, config, place);
    health_pool_change(runtime->health, config, now_us);
    for (size_t i = 0; signed_anew && i < members.from->backend_count; i++)
        set_tag(runtime, config, members.at[i]);
    for (size_t i = 0; i < config->backend_count; i++) {
        const struct config_backend *backend = &config->backends[i];
        struct endpoint *endpoint = members_find(&members, backend);

        if (endpoint != NULL)
            keep_member(runtime, endpoint, backend, now_us);
        else
            add_member(runtime, config, backend, starting, now_us);
    }
    members_fini(&members);
    runtime->config = config;
    health_pool_settle(runtime->health, now_us);
}

void pool_runtime_move(struct pool_runtime *runtime, const struct config_pool *config)
{
    runtime->config = config;
    balancer_pool_move(runtime->balancer, config);
    health_pool_move(runtime->health, config);
}

/* ---- Settle ---- */

/* A name's addresses open its endpoint when they have come: see server_names.c. */
static void open_newcomer(struct pool_runtime *runtime, struct endpoint *endpoint,
                          const struct config_backend *backend)
{
    if (backend->host == NULL && !atomic_load(&endpoint->resolved))
        health_set_resolved(runtime->health, endpoint, true);
}

static void leave(struct pool_runtime *runtime, struct endpoint *endpoint, uint64_t now_us)
{
    const char *why = is_found(atomic_load(&endpoint->backend)) ? "no longer found"
                                                                : "no longer in the configuration";

    balancer_pool_leave(runtime->balancer, endpoint);
    health_pool_leave(runtime->health, endpoint, why, now_us);
    atomic_store(&endpoint->backend, NULL); /* the old configuration's, which goes */
}

void pool_runtime_settle(struct pool_runtime *runtime, uint64_t now_us,
                         void (*on_leaving)(void *arg, struct pool_runtime *runtime,
                                            struct endpoint *endpoint),
                         void *arg)
{
    unsigned size = balancer_pool_size(runtime->balancer);

    for (unsigned i = 0; i < size; i++) {
        struct endpoint *e = balancer_pool_endpoint(runtime->balancer, i);

        if (e != NULL && !atomic_load(&e->leaving) && is_member_of(runtime->config, e))
            open_newcomer(runtime, e, atomic_load(&e->backend));
    }
    for (unsigned i = 0; i < size; i++) {
        struct endpoint *e = balancer_pool_endpoint(runtime->balancer, i);

        if (e == NULL || atomic_load(&e->leaving) || is_member_of(runtime->config, e))
            continue;
        leave(runtime, e, now_us);
        on_leaving(arg, runtime, e);
    }
    health_pool_settle(runtime->health, now_us);
}
