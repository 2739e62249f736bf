/* Pools and their endpoints in the plan, and what of a pool differs. */
#include <stdlib.h>
#include <string.h>

#include "config/plan_internal.h"
#include "config/sections_internal.h"

/* ---- by value ---- */

/* Of snapshots that share what did not change, most structs are the same to the byte, and then
 * equal in all they point to. The opposite does not hold. */
static bool pool_same_bytes(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size) == 0;
}

bool config_backend_same_target(const struct config_backend *a, const struct config_backend *b)
{
    return a->address == b->address || strcmp(a->address, b->address) == 0;
}

bool config_backend_equal(const struct config_backend *a, const struct config_backend *b)
{
    struct schema_compare quiet = {0};

    return pool_same_bytes(a, b, sizeof(*a)) ||
           (a->reported == b->reported &&
            config_schema_equal(&quiet, &config_backend_section, a, b));
}

static struct plan_list backends_of(const struct config_pool *pool)
{
    return (struct plan_list){pool->backends, pool->backend_count, sizeof(*pool->backends),
                              offsetof(struct config_backend, id)};
}

static bool pool_same_backends(const struct config_pool *from, const struct config_pool *to)
{
    struct plan_list before = backends_of(from), after = backends_of(to);
    struct plan_match match;
    bool same = from->backend_count == to->backend_count;

    if (!same || from->backends == to->backends)
        return same;
    plan_match_init(&match, &before, &after);
    for (size_t i = 0; same && i < after.count; i++)
        same = match.from_of[i] != PLAN_NONE &&
               config_backend_equal(&from->backends[match.from_of[i]], &to->backends[i]);
    plan_match_fini(&match);
    return same;
}

/* The same to the byte, and indices mean the same. */
bool config_pool_is_shared(const struct config *from_config, const struct config_pool *from,
                           const struct config *to_config, const struct config_pool *to)
{
    if (!pool_same_bytes(from, to, sizeof(*from)))
        return false;
    return from->fallback.pool < 0 || strcmp(from_config->pools[from->fallback.pool].name,
                                             to_config->pools[to->fallback.pool].name) == 0;
}

unsigned config_pool_differences(const struct config *from_config, const struct config_pool *from,
                                 const struct config *to_config, const struct config_pool *to)
{
    struct schema_compare quiet = {.from_config = from_config, .to_config = to_config};
    unsigned parts = 0;

    if (config_pool_is_shared(from_config, from, to_config, to))
        return 0;
    for (size_t i = 0; i < config_pool_section.key_count; i++) {
        const struct schema_key *key = &config_pool_section.keys[i];

        if (key->part == 0 || key->part == CONFIG_PART_BACKENDS || (parts & key->part) != 0)
            continue;
        if (!config_schema_key_equal(&quiet, key, from, to))
            parts |= key->part;
    }
    return pool_same_backends(from, to) ? parts : parts | CONFIG_PART_BACKENDS;
}

size_t config_pool_near(const struct config *config, const char *name, size_t place)
{
    for (size_t i = 0; i < config->pool_count; i++) {
        size_t at = (place + i) % config->pool_count;

        if (strcmp(config->pools[at].name, name) == 0)
            return at;
    }
    return config->pool_count;
}

/* ---- endpoints ---- */

/* One that comes or goes is told with its address, unless that is its name. */
static struct config_change *endpoint_add(struct plan_draft *draft, enum config_change_kind kind,
                                          const struct config_pool *pool,
                                          const struct config_backend *backend)
{
    struct config_change *change = config_plan_add(draft, CONFIG_OF_ENDPOINT, kind, backend->id);

    change->pool = config_plan_keep(draft, pool->name);
    if (kind != CONFIG_CHANGED && strcmp(backend->id, backend->address) != 0)
        change->detail = config_plan_keep(draft, backend->address);
    return change;
}

static void endpoint_rate(struct plan_draft *draft, const struct config_pool *pool,
                          const struct config_backend *from, const struct config_backend *to)
{
    bool moves_load = from->priority != to->priority || from->backup != to->backup ||
                      from->drain != to->drain || from->reported != to->reported ||
                      (from->weight == 0) != (to->weight == 0);

    config_plan_risk(draft, moves_load ? CONFIG_RISK_MEDIUM : CONFIG_RISK_LOW,
                     "endpoint \"%s\" of pool \"%s\" changes", to->id, pool->name);
}

static bool differs_by_drain_only(const struct config_backend *from,
                                  const struct config_backend *to)
{
    struct config_backend drained = *from;

    drained.drain = to->drain;
    return from->drain != to->drain && config_backend_equal(&drained, to);
}

static const char *reported_word(const struct config_backend *backend)
{
    const char *word = config_reported_name(backend->reported);

    return word[0] != '\0' ? word : "none";
}

/* "weight 1 -> 3, reported healthy -> degraded" */
static const char *endpoint_differences(struct plan_draft *draft, const struct config_backend *from,
                                        const struct config_backend *to)
{
    const char *settings = config_plan_differences(draft, &config_backend_section, from, to);

    if (from->reported == to->reported)
        return settings;
    return config_plan_format(draft, "%s%sreported %s -> %s", settings != NULL ? settings : "",
                              settings != NULL ? ", " : "", reported_word(from), reported_word(to));
}

/* True when it is replaced. */
static bool endpoint_compare(struct plan_draft *draft, const struct config_pool *pool,
                             const struct config_backend *from, const struct config_backend *to)
{
    struct config_change *change;

    if (config_backend_equal(from, to)) {
        draft->plan->kept.endpoints++;
        return false;
    }
    change = endpoint_add(draft, CONFIG_CHANGED, pool, to);
    change->detail = endpoint_differences(draft, from, to);
    change->replaces = !config_backend_same_target(from, to);
    change->only_drain = differs_by_drain_only(from, to);
    if (change->replaces)
        config_plan_risk(draft, CONFIG_RISK_MEDIUM, "endpoint \"%s\" of pool \"%s\" is replaced",
                         to->id, pool->name);
    else
        endpoint_rate(draft, pool, from, to);
    return change->replaces;
}

static size_t endpoints_gone(struct plan_draft *draft, const struct config_pool *from,
                             const struct plan_match *match)
{
    size_t gone = 0;

    for (size_t i = 0; i < from->backend_count; i++) {
        if (match->to_of[i] != PLAN_NONE)
            continue;
        endpoint_add(draft, CONFIG_REMOVED, from, &from->backends[i]);
        config_plan_risk(draft, CONFIG_RISK_MEDIUM, "endpoint \"%s\" of pool \"%s\" goes",
                         from->backends[i].id, from->name);
        gone++;
    }
    return gone;
}

/* Either may be a pool without backends, for one that comes or goes. */
static void endpoints_compare(struct plan_draft *draft, const struct config_pool *from,
                              const struct config_pool *to)
{
    struct plan_list before = backends_of(from), after = backends_of(to);
    struct plan_match match;
    size_t gone = 0;

    if (from->backends == to->backends && from->backend_count == to->backend_count) {
        draft->plan->kept.endpoints += (unsigned)to->backend_count;
        return;
    }
    plan_match_init(&match, &before, &after);
    for (size_t i = 0; i < to->backend_count; i++) {
        if (match.from_of[i] == PLAN_NONE) {
            endpoint_add(draft, CONFIG_ADDED, to, &to->backends[i]);
            config_plan_risk(draft, CONFIG_RISK_LOW, "endpoint \"%s\" of pool \"%s\" is new",
                             to->backends[i].id, to->name);
            continue;
        }
        gone += endpoint_compare(draft, to, &from->backends[match.from_of[i]], &to->backends[i]);
    }
    gone += endpoints_gone(draft, from, &match);
    plan_match_fini(&match);
    if (gone * 2 > from->backend_count && to->name != NULL)
        config_plan_risk(draft, CONFIG_RISK_HIGH,
                         "%zu of the %zu endpoints of pool \"%s\" go or are replaced", gone,
                         from->backend_count, to->name);
}

/* ---- pools ---- */

static bool pool_is_used(const struct config *config, size_t pool)
{
    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];

        for (size_t k = 0; route->action == CONFIG_ROUTE_POOL && k < route->pool_count; k++) {
            if (route->pools[k].pool == pool)
                return true;
        }
    }
    for (size_t i = 0; i < config->pool_count; i++) {
        if (config->pools[i].fallback.pool == (int)pool)
            return true;
    }
    return false;
}

static void pool_compare(struct plan_draft *draft, const struct config_pool *from,
                         const struct config_pool *to)
{
    unsigned parts = config_pool_differences(draft->from, from, draft->to, to);
    struct config_change *change;

    if ((parts & ~(unsigned)CONFIG_PART_BACKENDS) == 0) {
        draft->plan->kept.pools++;
    } else {
        change = config_plan_add(draft, CONFIG_OF_POOL, CONFIG_CHANGED, to->name);
        change->detail = config_plan_pool_differences(draft, from, to);
        config_plan_risk(draft,
                         (parts & ~(unsigned)(CONFIG_PART_LIMITS | CONFIG_PART_BACKENDS)) == 0
                             ? CONFIG_RISK_LOW
                             : CONFIG_RISK_MEDIUM,
                         "pool \"%s\" changes", to->name);
    }
    endpoints_compare(draft, from, to);
}

static void pool_added(struct plan_draft *draft, const struct config_pool *pool)
{
    static const struct config_pool nothing;

    config_plan_add(draft, CONFIG_OF_POOL, CONFIG_ADDED, pool->name);
    config_plan_risk(draft, CONFIG_RISK_LOW, "pool \"%s\" is new", pool->name);
    endpoints_compare(draft, &nothing, pool);
}

static void pool_removed(struct plan_draft *draft, size_t index)
{
    static const struct config_pool nothing;
    const struct config_pool *pool = &draft->from->pools[index];
    bool used = pool_is_used(draft->from, index);

    config_plan_add(draft, CONFIG_OF_POOL, CONFIG_REMOVED, pool->name);
    config_plan_risk(draft, used ? CONFIG_RISK_HIGH : CONFIG_RISK_MEDIUM, "pool \"%s\" goes%s",
                     pool->name, used ? ", which is in use" : "");
    endpoints_compare(draft, pool, &nothing);
}

void config_plan_pools(struct plan_draft *draft)
{
    const struct config *from = draft->from, *to = draft->to;
    struct plan_list before = {from->pools, from->pool_count, sizeof(*from->pools),
                               offsetof(struct config_pool, name)};
    struct plan_list after = {to->pools, to->pool_count, sizeof(*to->pools),
                              offsetof(struct config_pool, name)};
    struct plan_match match;

    plan_match_init(&match, &before, &after);
    for (size_t i = 0; i < after.count; i++) {
        if (match.from_of[i] == PLAN_NONE)
            pool_added(draft, &to->pools[i]);
        else
            pool_compare(draft, &from->pools[match.from_of[i]], &to->pools[i]);
    }
    for (size_t i = 0; i < before.count; i++) {
        if (match.to_of[i] == PLAN_NONE)
            pool_removed(draft, i);
    }
    plan_match_fini(&match);
}
