/* The overlay as a container: what was said of which pool and endpoint, found by name. What it
 * means is in overlay_apply.c, how it is written down in overlay_document.c. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/sorted.h"
#include "config/overlay_internal.h"

/* ---- entries ---- */

static struct overlay_entry *entry_new(const char *id, json_t *fields, bool replaces)
{
    struct overlay_entry *entry = xcalloc(1, sizeof(*entry));

    entry->refs = 1;
    entry->id = xstrdup(id);
    entry->fields = fields;
    entry->replaces = replaces;
    arena_init(&entry->arena);
    return entry;
}

static struct overlay_entry *entry_ref(struct overlay_entry *entry)
{
    atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
    return entry;
}

/* Acquire and release: what other threads read of it happens before it is freed. */
static void entry_unref(struct overlay_entry *entry)
{
    if (atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) != 1)
        return;
    json_decref(entry->fields);
    arena_fini(&entry->arena);
    free(entry->id);
    free(entry);
}

/* ---- finding: both lists are sorted ---- */

static const char *pool_name_at(const void *overlay, size_t at)
{
    return ((const struct config_overlay *)overlay)->pools[at].name;
}

static size_t pool_position(const struct config_overlay *overlay, const char *name, bool *ret_found)
{
    return sorted_position(overlay, overlay->pool_count, pool_name_at, name, ret_found);
}

static const char *entry_id_at(const void *pool, size_t at)
{
    return ((const struct overlay_pool *)pool)->entries[at]->id;
}

static size_t entry_position(const struct overlay_pool *pool, const char *id, bool *ret_found)
{
    return sorted_position(pool, pool->count, entry_id_at, id, ret_found);
}

const struct overlay_pool *config_overlay_find_pool(const struct config_overlay *overlay,
                                                    const char *name)
{
    bool found;
    size_t at = pool_position(overlay, name, &found);

    return found ? &overlay->pools[at] : NULL;
}

size_t config_overlay_find_entry(const struct overlay_pool *pool, const char *id)
{
    bool found;
    size_t at = entry_position(pool, id, &found);

    return found ? at : pool->count;
}

static struct overlay_pool *pool_make(struct config_overlay *overlay, const char *name)
{
    bool found;
    size_t at = pool_position(overlay, name, &found);

    if (found)
        return &overlay->pools[at];
    overlay->pools =
        sorted_make_room(overlay->pools, overlay->pool_count++, sizeof(*overlay->pools), at);
    overlay->pools[at] = (struct overlay_pool){.name = xstrdup(name)};
    return &overlay->pools[at];
}

/* ---- putting and dropping ---- */

int config_overlay_put(struct config_overlay *overlay, const char *pool_name, const char *id,
                       json_t *fields, bool replaces)
{
    struct overlay_pool *pool = pool_make(overlay, pool_name);
    struct overlay_entry *before;
    bool found;
    size_t at = entry_position(pool, id, &found);

    if (found) {
        CHECK(pool->entries != NULL);
        before = pool->entries[at];
        pool->entries[at] = entry_new(id, fields, replaces);
        entry_unref(before); /* last: `id` may be its own */
        return 0;
    }
    if (overlay->endpoint_count == CONFIG_OVERLAY_ENDPOINTS) {
        json_decref(fields);
        return EG_E_OVERLOAD;
    }
    if (pool->count == pool->capacity) {
        pool->capacity = pool->capacity > 0 ? pool->capacity * 2 : 8;
        pool->entries = xrealloc(pool->entries, pool->capacity * sizeof(struct overlay_entry *));
    }
    memmove(&pool->entries[at + 1], &pool->entries[at],
            (pool->count - at) * sizeof(struct overlay_entry *));
    pool->entries[at] = entry_new(id, fields, replaces);
    pool->count++;
    overlay->endpoint_count++;
    return 0;
}

void config_overlay_drop(struct config_overlay *overlay, const char *pool_name, const char *id)
{
    struct overlay_pool *pool;
    bool found;
    size_t at = pool_position(overlay, pool_name, &found);

    if (!found)
        return;
    pool = &overlay->pools[at];
    at = entry_position(pool, id, &found);
    if (!found)
        return;
    entry_unref(pool->entries[at]);
    pool->count--;
    overlay->endpoint_count--;
    memmove(&pool->entries[at], &pool->entries[at + 1],
            (pool->count - at) * sizeof(struct overlay_entry *));
}

static size_t pool_keep(struct overlay_pool *pool, const bool *keep)
{
    size_t kept = 0;

    for (size_t i = 0; i < pool->count; i++) {
        if (keep[i])
            pool->entries[kept++] = pool->entries[i];
        else
            entry_unref(pool->entries[i]);
    }
    pool->count = kept;
    return kept;
}

void config_overlay_keep(struct config_overlay *overlay, const bool *keep)
{
    size_t kept = 0;

    for (size_t i = 0; i < overlay->pool_count; i++) {
        size_t count = overlay->pools[i].count;

        kept += pool_keep(&overlay->pools[i], keep);
        keep += count;
    }
    overlay->endpoint_count = kept;
}

void config_overlay_put_policy(struct config_overlay *overlay, const char *pool_name,
                               json_t *policy)
{
    struct overlay_pool *pool = pool_make(overlay, pool_name);

    json_decref(pool->policy);
    pool->policy = policy;
}

/* ---- the façade ---- */

struct config_overlay *config_overlay_new(void)
{
    return xcalloc(1, sizeof(struct config_overlay));
}

static void pool_fini(struct overlay_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        entry_unref(pool->entries[i]);
    free(pool->entries);
    json_decref(pool->policy);
    free(pool->name);
}

void config_overlay_free(struct config_overlay *overlay)
{
    if (overlay == NULL)
        return;
    for (size_t i = 0; i < overlay->pool_count; i++)
        pool_fini(&overlay->pools[i]);
    free(overlay->pools);
    free(overlay);
}

static void pool_copy(struct overlay_pool *copy, const struct overlay_pool *pool)
{
    *copy = (struct overlay_pool){.name = xstrdup(pool->name)};
    /* A copy in a snapshot is freed by any thread, and jansson reads its counts plainly. */
    copy->policy = json_deep_copy(pool->policy);
    copy->count = copy->capacity = pool->count;
    copy->entries = xcalloc(pool->count + 1, sizeof(struct overlay_entry *));
    for (size_t i = 0; i < pool->count; i++)
        copy->entries[i] = entry_ref(pool->entries[i]);
}

struct config_overlay *config_overlay_copy(const struct config_overlay *overlay)
{
    struct config_overlay *copy = config_overlay_new();

    copy->pools = xcalloc(overlay->pool_count + 1, sizeof(*copy->pools));
    copy->pool_count = overlay->pool_count;
    copy->endpoint_count = overlay->endpoint_count;
    for (size_t i = 0; i < overlay->pool_count; i++)
        pool_copy(&copy->pools[i], &overlay->pools[i]);
    return copy;
}

void config_overlay_clear_pool(struct config_overlay *overlay, const char *name)
{
    bool found;
    size_t at = pool_position(overlay, name, &found);

    if (!found)
        return;
    overlay->endpoint_count -= overlay->pools[at].count;
    pool_fini(&overlay->pools[at]);
    overlay->pool_count--;
    memmove(&overlay->pools[at], &overlay->pools[at + 1],
            (overlay->pool_count - at) * sizeof(*overlay->pools));
}

bool config_overlay_is_empty(const struct config_overlay *overlay)
{
    for (size_t i = 0; i < overlay->pool_count; i++) {
        if (overlay->pools[i].count > 0 || overlay->pools[i].policy != NULL)
            return false;
    }
    return true;
}
