/*
 * A pool's settings and members become those of another configuration, while it serves.
 *
 *   commit: settings are swapped; members that stay learn what changed of them; new ones get a slot
 *   (every worker gets to know the new ones)
 *   settle: new ones may be picked, and only then those who are not wanted any more leave: there is
 *           no moment in between with fewer endpoints than either configuration has
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

/* ---- The members by id ---- */

struct member {
    struct endpoint *endpoint;
    bool wanted;
};

struct members {
    struct member *v; /* by id */
    unsigned count;
};

static int compare_members(const void *a, const void *b)
{
    return strcmp(((const struct member *)a)->endpoint->id,
                  ((const struct member *)b)->endpoint->id);
}

static int compare_id(const void *id, const void *member)
{
    return strcmp(id, ((const struct member *)member)->endpoint->id);
}

static struct members members_of(struct balancer_pool *pool)
{
    unsigned size = balancer_pool_size(pool);
    struct members members = {.v = xcalloc(size, sizeof(*members.v))};

    for (unsigned i = 0; i < size; i++) {
        struct endpoint *e = balancer_pool_endpoint(pool, i);

        if (e != NULL && !atomic_load(&e->leaving))
            members.v[members.count++].endpoint = e;
    }
    if (members.count > 0)
        qsort(members.v, members.count, sizeof(*members.v), compare_members);
    return members;
}

/* While a change is on its way an id may stand twice: the one that goes and the one that comes. */
static struct member *members_find(const struct members *members,
                                   const struct config_backend *backend)
{
    struct member *found = NULL;

    if (members->count > 0)
        found = bsearch(backend->id, members->v, members->count, sizeof(*members->v), compare_id);
    if (found == NULL)
        return NULL;
    while (found > members->v && strcmp(found[-1].endpoint->id, backend->id) == 0)
        found--;
    for (; found < members->v + members->count && strcmp(found->endpoint->id, backend->id) == 0;
         found++) {
        if (config_backend_same_target(atomic_load(&found->endpoint->backend), backend))
            return found;
    }
    return NULL;
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

static void keep_member(struct pool_runtime *runtime, struct endpoint *endpoint,
                        const struct config_backend *backend, uint64_t now_us)
{
    balancer_endpoint_change(runtime->balancer, endpoint, backend);
    health_endpoint_changed(runtime->health, endpoint, now_us);
    health_set_draining(runtime->health, endpoint, backend->drain,
                        backend->drain ? "drained by a change of the configuration"
                                       : "no longer drained by the configuration",
                        now_us);
}

static void add_member(struct pool_runtime *runtime, const struct config_pool *config,
                       const struct config_backend *backend, bool starting, uint64_t now_us)
{
    struct endpoint *endpoint = balancer_pool_add(runtime->balancer, backend);

    set_tag(runtime, config, endpoint);
    health_pool_join(runtime->health, endpoint,
                     starting ? "in the configuration" : "added by a change of the configuration",
                     starting, now_us);
}

void pool_runtime_commit(struct pool_runtime *runtime, const struct config_pool *config,
                         const struct config_place *place, bool starting, uint64_t now_us)
{
    struct members members = members_of(runtime->balancer);

    change_cache(runtime, config);
    retry_budget_change(&runtime->budget, config->retry.budget_percent, config->retry.budget_min);
    balancer_pool_change(runtime->balancer, config, place);
    health_pool_change(runtime->health, config, now_us);
    for (unsigned i = 0; i < members.count; i++)
        set_tag(runtime, config, members.v[i].endpoint);
    for (size_t i = 0; i < config->backend_count; i++) {
        const struct config_backend *backend = &config->backends[i];
        const struct member *member = members_find(&members, backend);

        if (member != NULL)
            keep_member(runtime, member->endpoint, backend, now_us);
        else
            add_member(runtime, config, backend, starting, now_us);
    }
    free(members.v);
    health_pool_settle(runtime->health, now_us);
}

/* ---- Settle ---- */

/* A name's addresses open its endpoint when they have come: see server_names.c. */
static void open_newcomer(struct pool_runtime *runtime, struct endpoint *endpoint,
                          const struct config_backend *backend)
{
    if (backend->host == NULL && !atomic_load(&endpoint->resolved))
        health_set_resolved(runtime->health, endpoint, true);
}

void pool_runtime_settle(struct pool_runtime *runtime, const struct config_pool *config,
                         uint64_t now_us,
                         void (*on_leaving)(void *arg, struct pool_runtime *runtime,
                                            struct endpoint *endpoint),
                         void *arg)
{
    struct members members = members_of(runtime->balancer);

    for (size_t i = 0; i < config->backend_count; i++) {
        struct member *member = members_find(&members, &config->backends[i]);

        CHECK(member != NULL); /* by the commit */
        member->wanted = true;
        open_newcomer(runtime, member->endpoint, &config->backends[i]);
    }
    for (unsigned i = 0; i < members.count; i++) {
        struct endpoint *endpoint = members.v[i].endpoint;

        if (members.v[i].wanted)
            continue;
        balancer_pool_leave(runtime->balancer, endpoint);
        health_pool_leave(runtime->health, endpoint, "no longer in the configuration", now_us);
        atomic_store(&endpoint->backend, NULL); /* the old configuration's, which goes */
        on_leaving(arg, runtime, endpoint);
    }
    free(members.v);
    health_pool_settle(runtime->health, now_us);
}
