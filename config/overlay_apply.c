/*
 * What was found, and an overlay, over a base: the snapshot that is served.
 *
 * Pools that neither mentions are the base's own: the struct is copied, all that it points to is
 * shared. Of one that has found endpoints, the list of backends was made with the set that was
 * found (found_list.c), and is shared by all snapshots with that set. Of one that it does mention,
 * the list of backends is new, but what did not change of each is shared as well. So an edit costs
 * what it touches, and what it did not touch is seen to be the same by its address alone.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/found_internal.h"
#include "config/overlay_apply_internal.h"

static struct config *apply_snapshot(struct config *base)
{
    size_t after_refs = offsetof(struct config, file);
    struct config *config = config_new("");
    struct arena *arena = config->arena;

    CHECK(base->base == NULL);
    memcpy((char *)config + after_refs, (const char *)base + after_refs,
           sizeof(*config) - after_refs);
    config->arena = arena;
    config->base = config_ref(base);
    config->pools = arena_alloc(arena, base->pool_count * sizeof(*config->pools));
    if (base->pool_count > 0)
        memcpy(config->pools, base->pools, base->pool_count * sizeof(*config->pools));
    return config;
}

/* ---- found endpoints ---- */

/* As many as a pool may have: what a source says must not keep an operator's word, or a reload,
 * from being served. */
static size_t apply_room(const struct config_pool *pool, const struct overlay_pool *said)
{
    size_t taken = pool->backend_count + (said != NULL ? said->count : 0);

    return taken < OVERLAY_POOL_ENDPOINTS ? OVERLAY_POOL_ENDPOINTS - taken : 0;
}

static void apply_found(struct config *config, const struct overlay_pool *said, size_t index)
{
    struct config_pool *pool = &config->pools[index];
    struct found_list *list;

    if (config->discovered == NULL)
        return;
    list = config_discovered_list(config->discovered, config->base, pool, apply_room(pool, said));
    if (list == NULL)
        return;
    config->lists[index] = list;
    pool->backends = list->backends;
    pool->backend_count = list->count;
}

/* ---- all of it ---- */

static void apply_pool(struct overlay_apply *apply, struct config_pool *pool)
{
    char *label = xasprintf("pool \"%s\"", pool->name);
    struct config_scope scope;

    config_diag_enter(apply->diag, &scope, label);
    if (apply->said->count > 0)
        overlay_apply_endpoints(apply, pool);
    if (apply->said->policy != NULL)
        overlay_apply_policy(apply, pool);
    config_diag_leave(apply->diag);
    free(label);
}

int config_overlay_apply(struct config **ret_config, struct config_overlay *overlay,
                         struct config *base, struct config_discovered *discovered,
                         struct config_errors *ret_errors)
{
    static const struct config_source source = {.name = "api"};
    struct config *config = apply_snapshot(base);
    struct config_diag diag;
    struct overlay_apply apply = {.config = config, .diag = &diag};
    int code = 0;

    *ret_errors = (struct config_errors){0};
    config_diag_init(&diag);
    config_endpoint_defaults(&apply.defaults, config->arena);
    if (discovered != NULL) {
        config->discovered = config_discovered_ref(discovered);
        config->lists = arena_zalloc(config->arena, config->pool_count * sizeof(*config->lists));
    }
    for (size_t i = 0; i < config->pool_count; i++) {
        apply.said = config_overlay_find_pool(overlay, config->pools[i].name);
        apply_found(config, apply.said, i);
        if (apply.said != NULL)
            apply_pool(&apply, &config->pools[i]);
    }
    if (diag.count == 0) {
        config->overlay = config_overlay_copy(overlay);
        *ret_config = config;
    } else {
        config_diag_finish(&diag, &source, ret_errors);
        config_unref(&config);
        code = EG_E_INTERNAL;
    }
    config_diag_fini(&diag);
    return code;
}
