/* pools[].fallback: what is answered when nothing could answer. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/files_internal.h"
#include "config/sections_internal.h"

enum { FALLBACK_BODY_MAX_BYTES = 1024 * 1024 };

/* ---- body_file ---- */

static const char *fallback_content_type(const char *path)
{
    static const struct {
        const char *suffix, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".json", "application/json"},
        {".txt", "text/plain; charset=utf-8"},
    };

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (slice_ends_with(slice_str(path), slice_str(types[i].suffix)))
            return types[i].type;
    }
    return "application/octet-stream";
}

static void fallback_load_body(struct schema_walk *walk, const struct config_node *group,
                               struct config_fallback *fallback)
{
    unsigned line = config_node_line(group, "body_file");
    struct whole_file content;
    char *why;

    /* RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5. */
    if (fallback->status == 204 || fallback->status == 205 || fallback->status == 304)
        config_diag_add(walk->diag, line,
                        "body_file: an answer with status %u has no body; remove it, or write "
                        "another status",
                        fallback->status);
    if (!config_file_read_bytes(&content, walk->diag, fallback->body_file, FALLBACK_BODY_MAX_BYTES,
                                &why)) {
        config_diag_add(walk->diag, line, "body_file: cannot read \"%s\": %s", fallback->body_file,
                        why);
        free(why);
        return;
    }
    fallback->body = arena_dup(walk->arena, slice_from(content.text, content.size));
    fallback->body_digest = config_digest_of(&content);
    fallback->body_type = fallback_content_type(fallback->body_file);
    free(content.text);
}

/* ---- the section ---- */

static void fallback_check_sizes(struct schema_walk *walk, const struct config_node *group,
                                 struct config_fallback *fallback)
{
    char cache[CONFIG_VALUE_TEXT_BYTES];

    if (fallback->cache_entry_bytes <= fallback->cache_bytes)
        return;
    if (config_node_find(group, "cache_entry") == NULL) {
        fallback->cache_entry_bytes = fallback->cache_bytes;
        return;
    }
    config_value_format_size(fallback->cache_bytes, cache);
    config_diag_add(walk->diag, config_node_line(group, "cache_entry"),
                    "cache_entry: an answer cannot be larger than the cache; write at most \"%s\", "
                    "or a larger cache",
                    cache);
}

static void fallback_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_fallback *fallback = out;

    fallback_check_sizes(walk, group, fallback);
    if (fallback->body_file != NULL)
        fallback_load_body(walk, group, fallback);
}

/* Pools may name ones that stand below them: config_check_fallbacks reads it once all are known. */
static void fallback_read_pool(struct schema_walk *walk, const struct config_node *node, void *out)
{
    struct config_fallback *fallback = out;

    fallback->pool = -1;
    config_schema_string(walk, node, "a pool's name", "\"NAME\"");
}

static json_t *fallback_show_pool(const struct config *config, const void *in)
{
    const struct config_fallback *fallback = in;

    return fallback->pool < 0 ? NULL : config_schema_text_json(config->pools[fallback->pool].name);
}

static const struct schema_key fallback_keys[] = {
    {"stale", SCHEMA_DURATION, "0", SCHEMA_AT(struct config_fallback, stale_ms), .min = 0,
     .max = CONFIG_DURATION_LONGEST_MS},
    {"cache", SCHEMA_SIZE, "16m", SCHEMA_AT(struct config_fallback, cache_bytes), .min = 64 * 1024,
     .max = UINT64_C(64) << 30},
    {"cache_entry", SCHEMA_SIZE, "1m", SCHEMA_AT(struct config_fallback, cache_entry_bytes),
     .min = 1024, .max = UINT64_C(1) << 30},
    {"status", SCHEMA_INTEGER, "503", SCHEMA_AT(struct config_fallback, status), .min = 200,
     .max = 599},
    {"body_file", SCHEMA_PATH, SCHEMA_AT(struct config_fallback, body_file),
     SCHEMA_DIGEST(struct config_fallback, body_digest), .example = "\"/etc/evergate/sorry.html\""},
    {"pool", SCHEMA_CUSTOM, "", .read = fallback_read_pool, .show = fallback_show_pool},
};

const struct schema_section config_fallback_section = {
    .title = "pools.fallback",
    .struct_bytes = sizeof(struct config_fallback),
    SCHEMA_KEYS(fallback_keys),
    .check = fallback_check,
};

/* ---- pools that stand in for each other ---- */

static const struct config_node *fallback_pool_node(const struct config_node *pools, size_t index)
{
    const struct config_node *pool = &pools->children[index], *group, *node;

    if (pool->type != CONFIG_NODE_GROUP)
        return NULL;
    group = config_node_find(pool, "fallback");
    if (group == NULL || group->type != CONFIG_NODE_GROUP)
        return NULL;
    node = config_node_find(group, "pool");
    return node != NULL && node->type == CONFIG_NODE_STRING && node->string[0] != '\0' ? node
                                                                                       : NULL;
}

static void fallback_find_pool(struct schema_walk *walk, const struct config_node *node,
                               size_t index)
{
    struct config_pool *pool = &walk->config->pools[index];
    unsigned found;

    if (!config_find_pool(walk, node, &found))
        return;
    if (found == index)
        config_diag_add(walk->diag, node->line,
                        "pool \"%s\" cannot be its own fallback; write another pool", pool->name);
    else
        pool->fallback.pool = (int)found;
}

/* "a" -> "b" -> "a" (heap). */
static char *fallback_circle_text(const struct config *config, size_t start)
{
    char *text = xasprintf("\"%s\"", config->pools[start].name);
    size_t at = start;

    do {
        char *longer;

        at = (size_t)config->pools[at].fallback.pool;
        longer = xasprintf("%s -> \"%s\"", text, config->pools[at].name);
        free(text);
        text = longer;
    } while (at != start);
    return text;
}

/* Each pool has one fallback at most, so from a pool there is one way; a circle is reported at the
 * first of its pools in the file. */
static bool fallback_is_circle(const struct config *config, size_t start)
{
    int at = config->pools[start].fallback.pool;

    for (size_t steps = 0; at >= 0 && steps < config->pool_count; steps++) {
        if ((size_t)at == start)
            return true;
        if ((size_t)at < start)
            return false;
        at = config->pools[at].fallback.pool;
    }
    return false;
}

void config_check_fallbacks(struct schema_walk *walk, const struct config_node *root)
{
    const struct config *config = walk->config;
    const struct config_node *pools = config_node_find(root, "pools");

    for (size_t i = 0; i < config->pool_count; i++) {
        const struct config_node *node = fallback_pool_node(pools, i);

        if (node != NULL)
            fallback_find_pool(walk, node, i);
    }
    for (size_t i = 0; i < config->pool_count; i++) {
        char *circle;

        if (!fallback_is_circle(config, i))
            continue;
        circle = fallback_circle_text(config, i);
        config_diag_add(walk->diag, fallback_pool_node(pools, i)->line,
                        "fallback pools go round in a circle: %s; remove one of them", circle);
        free(circle);
    }
}
