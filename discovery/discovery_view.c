/* What others see of discovery: the sets by pool, the sources, their figures. Any thread. */
#include <string.h>

#include "base/check.h"
#include "discovery/discovery_internal.h"

/* ---- collecting ---- */

/* What a pool may take of what a source said; the caller's reference. NULL: nothing. *ret_fresh: it
 * is the source's last word, and not its cache's. */
static struct config_found *view_found(struct discovery *discovery,
                                       const struct config_discovery *block, bool *ret_fresh)
{
    struct discovery_source *source;
    struct config_found *found = NULL;
    bool last_word = false;

    pthread_mutex_lock(&discovery->context.lock);
    source = discovery_source_locked(discovery, block->key);
    if (source != NULL) {
        found = block->allow_empty ? source->found : source->filled;
        last_word = found == source->found && !source->from_cache;
    }
    if (found != NULL)
        found = config_found_ref(found);
    *ret_fresh = found != NULL && last_word;
    pthread_mutex_unlock(&discovery->context.lock);
    return found;
}

static const struct config_pool *view_pool(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->pool_count; i++) {
        if (strcmp(config->pools[i].name, name) == 0)
            return &config->pools[i];
    }
    return NULL;
}

/* What a pool had; the caller's reference, NULL: nothing. One that gets its first discovery block
 * goes on with the endpoints of its file until there is an answer; one that had a block keeps what
 * was found, and what its file no longer names is gone. */
static struct config_found *view_served(const struct config *served, const char *name)
{
    const struct config *base = served->base != NULL ? served->base : served;
    const struct config_pool *pool = view_pool(base, name);
    struct config_found *found =
        served->discovered != NULL ? config_discovered_get(served->discovered, name) : NULL;

    if (found != NULL)
        return config_found_ref(found);
    if (pool == NULL || pool->discovery != NULL || pool->backend_count == 0)
        return NULL;
    return config_found_of_backends(pool->backends, pool->backend_count);
}

/* The first of these: what its source says, what it had, what its source said before it was empty,
 * or its cache. A cache is as old as the last process, what is served may have been changed since
 * (an heir's most of all). */
static struct config_found *view_of_pool(struct discovery *discovery,
                                         const struct config_pool *pool,
                                         const struct config *served)
{
    bool fresh;
    struct config_found *found = view_found(discovery, pool->discovery, &fresh), *had;

    if (fresh || served == NULL)
        return found;
    had = view_served(served, pool->name);
    if (had == NULL)
        return found;
    config_found_unref(&found);
    return had;
}

struct config_discovered *discovery_collect(struct discovery *discovery,
                                            const struct config *config,
                                            const struct config *served)
{
    struct config_discovered *discovered =
        config_discovered_new(served != NULL ? served->discovered : NULL);

    for (size_t i = 0; i < config->pool_count; i++) {
        const struct config_pool *pool = &config->pools[i];
        struct config_found *found;

        if (pool->discovery == NULL)
            continue;
        found = view_of_pool(discovery, pool, served);
        if (found != NULL)
            config_discovered_put(discovered, pool->name, found);
        config_found_unref(&found);
    }
    return discovered;
}

/* ---- looking on ---- */

json_t *discovery_json(struct discovery *discovery)
{
    json_t *array = json_array();

    pthread_mutex_lock(&discovery->context.lock);
    list_for_each(node, &discovery->sources)
        CHECK(json_array_append_new(array, source_json_locked(source_of(node))) == 0);
    pthread_mutex_unlock(&discovery->context.lock);
    return array;
}

size_t discovery_stats(struct discovery *discovery, struct discovery_source_stats *out, size_t max)
{
    size_t count = 0;

    pthread_mutex_lock(&discovery->context.lock);
    list_for_each(node, &discovery->sources)
    {
        if (count < max)
            source_stats_locked(source_of(node), &out[count]);
        count++;
    }
    pthread_mutex_unlock(&discovery->context.lock);
    return count;
}
