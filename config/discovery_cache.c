/* What the file of a discovery block's `cache` must not be, since evergate writes it: that of
 * another source, or one that somebody else writes. */
#include <string.h>

#include "config/discovery_internal.h"

/* The key by which that block names this file; NULL: none. */
static const char *cache_read_by(const char *cache, const struct config_discovery *block)
{
    const struct {
        const char *key, *path;
    } files[] = {
        {"path", block->path},
        {"token_file", block->token_file},
        {"kubeconfig", block->kubeconfig},
        {"password_file", block->password_file},
    };

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (files[i].path != NULL && strcmp(files[i].path, cache) == 0)
            return files[i].key;
    }
    return NULL;
}

static bool cache_is_shared(const struct config_discovery *a, const struct config_discovery *b)
{
    return b->cache != NULL && b->key != NULL && strcmp(a->cache, b->cache) == 0 &&
           strcmp(a->key, b->key) != 0;
}

/* True: a mistake was added; one is enough for each cache. */
static bool cache_check(struct schema_walk *walk, unsigned line, const struct config_pool *pool,
                        const struct config_pool *other)
{
    const char *cache = pool->discovery->cache;
    const char *key = cache_read_by(cache, other->discovery);

    if (key != NULL)
        config_diag_add(
            walk->diag, line,
            "pool \"%s\": discovery: cache: \"%s\" is the %s of pool \"%s\", and would be "
            "replaced; write another file",
            pool->name, cache, key, other->name);
    /* Of two with one cache the later one is told. */
    else if (other < pool && cache_is_shared(pool->discovery, other->discovery))
        config_diag_add(walk->diag, line,
                        "pool \"%s\": discovery: cache: \"%s\" is the file of pool \"%s\" too, "
                        "which has another source; write another file",
                        pool->name, cache, other->name);
    else
        return false;
    return true;
}

void config_check_caches(struct schema_walk *walk, const struct config_node *root)
{
    const struct config_node *pools = config_node_find(root, "pools");
    const struct config *config = walk->config;

    for (size_t i = 0; i < config->pool_count; i++) {
        const struct config_discovery *block = config->pools[i].discovery;
        bool told = block == NULL || block->cache == NULL || block->key == NULL;

        for (size_t k = 0; !told && k < config->pool_count; k++)
            told = config->pools[k].discovery != NULL &&
                   cache_check(walk, pools->children[i].line, &config->pools[i], &config->pools[k]);
    }
}
