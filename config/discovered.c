/* What was found, by pool: what config_overlay_apply lays between the file and the overlay. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/sorted.h"
#include "config/found_internal.h"

struct discovered_pool {
    char *name;
    struct config_found *found;
    struct found_lists *lists;
};

struct config_discovered {
    _Atomic unsigned refs;
    struct discovered_pool *pools; /* sorted by name */
    size_t count;
    struct config_discovered *before; /* while it is filled by its only owner; else NULL */
};

/* ---- finding ---- */

static const char *pool_name_at(const void *discovered, size_t at)
{
    return ((const struct config_discovered *)discovered)->pools[at].name;
}

static size_t pool_position(const struct config_discovered *discovered, const char *name,
                            bool *ret_found)
{
    return sorted_position(discovered, discovered->count, pool_name_at, name, ret_found);
}

static struct discovered_pool *pool_find(const struct config_discovered *discovered,
                                         const char *name)
{
    bool found = false;
    size_t at = discovered != NULL ? pool_position(discovered, name, &found) : 0;

    return found ? &discovered->pools[at] : NULL;
}

struct config_found *config_discovered_get(const struct config_discovered *discovered,
                                           const char *pool)
{
    const struct discovered_pool *found = pool_find(discovered, pool);

    return found != NULL ? found->found : NULL;
}

struct found_list *config_discovered_list(struct config_discovered *discovered,
                                          const struct config *base, const struct config_pool *pool,
                                          size_t room)
{
    struct discovered_pool *found = pool_find(discovered, pool->name);

    if (found == NULL || found->found->count == 0)
        return NULL;
    return config_found_list_get(found->lists, found->found, base, pool, room);
}

/* ---- filling ---- */

struct config_discovered *config_discovered_new(struct config_discovered *before)
{
    struct config_discovered *discovered = xcalloc(1, sizeof(*discovered));

    discovered->refs = 1;
    discovered->before = before != NULL ? config_discovered_ref(before) : NULL;
    return discovered;
}

static struct discovered_pool *pool_make(struct config_discovered *discovered, const char *name)
{
    bool found;
    size_t at = pool_position(discovered, name, &found);

    if (found)
        return &discovered->pools[at];
    discovered->pools =
        sorted_make_room(discovered->pools, discovered->count++, sizeof(*discovered->pools), at);
    discovered->pools[at] = (struct discovered_pool){.name = xstrdup(name)};
    return &discovered->pools[at];
}

static void pool_release(struct discovered_pool *pool)
{
    config_found_unref(&pool->found);
    config_found_lists_unref(pool->lists);
    pool->lists = NULL;
}

void config_discovered_put(struct config_discovered *discovered, const char *name,
                           struct config_found *found)
{
    const struct discovered_pool *before = pool_find(discovered->before, name);
    bool same = before != NULL && config_found_equal(before->found, found);
    struct discovered_pool *pool = pool_make(discovered, name);

    pool_release(pool);
    pool->found = config_found_ref(same ? before->found : found);
    pool->lists = same ? config_found_lists_ref(before->lists) : config_found_lists_new();
}

/* ---- references ---- */

/* The first one that is taken ends the filling, and with it what only that needed: else each would
 * keep the one before it, and so all there ever were. */
struct config_discovered *config_discovered_ref(struct config_discovered *discovered)
{
    unsigned before = atomic_fetch_add_explicit(&discovered->refs, 1, memory_order_relaxed);

    CHECK(before > 0);
    if (discovered->before != NULL)
        config_discovered_unref(&discovered->before);
    return discovered;
}

void config_discovered_unref(struct config_discovered **discovered)
{
    struct config_discovered *gone = *discovered;

    *discovered = NULL;
    /* Acquire and release: what other threads read of it happens before it is freed. */
    if (gone == NULL || atomic_fetch_sub_explicit(&gone->refs, 1, memory_order_acq_rel) != 1)
        return;
    config_discovered_unref(&gone->before);
    for (size_t i = 0; i < gone->count; i++) {
        pool_release(&gone->pools[i]);
        free(gone->pools[i].name);
    }
    free(gone->pools);
    free(gone);
}

bool config_discovered_equal(const struct config_discovered *a, const struct config_discovered *b)
{
    size_t a_count = a != NULL ? a->count : 0, b_count = b != NULL ? b->count : 0;

    if (a == b)
        return true;
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++) {
        if (strcmp(a->pools[i].name, b->pools[i].name) != 0 ||
            !config_found_equal(a->pools[i].found, b->pools[i].found))
            return false;
    }
    return true;
}

/* ---- JSON ---- */

/* The first pool with the same set. */
static const struct discovered_pool *pool_twin(const struct config_discovered *discovered,
                                               size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (discovered->pools[i].found == discovered->pools[index].found)
            return &discovered->pools[i];
    }
    return NULL;
}

/* Pools of one source share its set: it stands there once, however many they are. */
json_t *config_discovered_json(const struct config_discovered *discovered)
{
    json_t *object = json_object();

    for (size_t i = 0; discovered != NULL && i < discovered->count; i++) {
        const struct discovered_pool *twin = pool_twin(discovered, i);

        json_object_set_new(object, discovered->pools[i].name,
                            twin != NULL ? json_string(twin->name)
                                         : config_found_json(discovered->pools[i].found));
    }
    return object;
}

static void parse_pool(struct config_discovered *discovered, const char *name, const json_t *value)
{
    struct config_refused refused;
    struct config_found *found;

    if (!json_is_array(value))
        return;
    found = config_found_new(value, NULL, &refused);
    config_discovered_put(discovered, name, found);
    config_found_unref(&found);
    config_refused_fini(&refused);
}

static void parse_twin(struct config_discovered *discovered, const char *name, const json_t *value)
{
    const char *twin = json_string_value(value);
    struct config_found *found = twin != NULL ? config_discovered_get(discovered, twin) : NULL;

    if (found != NULL)
        config_discovered_put(discovered, name, found);
}

struct config_discovered *config_discovered_parse(const json_t *json)
{
    static void (*const passes[])(struct config_discovered * discovered, const char *name,
                                  const json_t *value) = {parse_pool, parse_twin};
    struct config_discovered *discovered = config_discovered_new(NULL);
    json_t *pools = (json_t *)json; /* jansson's iterators take no const */

    for (size_t i = 0; i < 2; i++) {
        for (void *at = json_object_iter(pools); at != NULL; at = json_object_iter_next(pools, at))
            passes[i](discovered, json_object_iter_key(at), json_object_iter_value(at));
    }
    return discovered;
}
