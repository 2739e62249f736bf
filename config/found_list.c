/* The backends of a pool that has found ones: its file's, and behind them what was found. Made once
 * for a set and a base: the snapshots that follow have the very same array, and nobody needs to
 * compare thousands of endpoints to see that nothing happened to them. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/found_internal.h"

struct found_lists {
    _Atomic unsigned refs;
    pthread_mutex_t lock;
    struct found_list *last; /* NULL: none was asked for yet */
};

struct found_lists *config_found_lists_new(void)
{
    struct found_lists *lists = xcalloc(1, sizeof(*lists));

    lists->refs = 1;
    CHECK(pthread_mutex_init(&lists->lock, NULL) == 0);
    return lists;
}

struct found_lists *config_found_lists_ref(struct found_lists *lists)
{
    atomic_fetch_add_explicit(&lists->refs, 1, memory_order_relaxed);
    return lists;
}

void config_found_lists_unref(struct found_lists *lists)
{
    if (lists == NULL || atomic_fetch_sub_explicit(&lists->refs, 1, memory_order_acq_rel) != 1)
        return;
    config_found_list_unref(lists->last);
    CHECK(pthread_mutex_destroy(&lists->lock) == 0);
    free(lists);
}

static struct found_list *list_ref(struct found_list *list)
{
    atomic_fetch_add_explicit(&list->refs, 1, memory_order_relaxed);
    return list;
}

void config_found_list_unref(struct found_list *list)
{
    if (list == NULL || atomic_fetch_sub_explicit(&list->refs, 1, memory_order_acq_rel) != 1)
        return;
    config_found_unref(&list->found);
    free(list->backends);
    free(list);
}

/* The serial stands for the base, which may be gone, and another one in its memory. */
static bool list_is(const struct found_list *list, const struct config *base,
                    const struct config_pool *pool, size_t room)
{
    bool same_static =
        pool->backend_count == 0 || (list->serial == base->serial && list->of == pool->backends);

    return list->of_count == pool->backend_count && same_static && list->room == room;
}

/* Marks the found ones whose id a static backend has. */
static void mark_hidden(const struct config_found *found, const struct config_pool *pool,
                        bool *hidden)
{
    for (size_t i = 0; i < pool->backend_count; i++) {
        size_t at = config_found_position(found, pool->backends[i].id);

        if (at < found->count)
            hidden[at] = true;
    }
}

static void list_fill(struct found_list *list, const struct config_pool *pool)
{
    const struct config_found *found = list->found;
    bool *hidden = xcalloc(found->count + 1, sizeof(*hidden));
    size_t left = list->room;

    mark_hidden(found, pool, hidden);
    list->backends = xcalloc(pool->backend_count + found->count + 1, sizeof(*list->backends));
    if (pool->backend_count > 0)
        memcpy(list->backends, pool->backends, pool->backend_count * sizeof(*list->backends));
    list->count = pool->backend_count;
    for (size_t i = 0; i < found->count && left > 0; i++) {
        if (hidden[i])
            continue;
        list->backends[list->count++] = found->entries[i]->backend;
        left--;
    }
    free(hidden);
}

static struct found_list *list_new(struct config_found *found, const struct config *base,
                                   const struct config_pool *pool, size_t room)
{
    struct found_list *list = xcalloc(1, sizeof(*list));

    list->refs = 1;
    list->found = config_found_ref(found);
    list->serial = base->serial;
    list->of = pool->backends;
    list->of_count = pool->backend_count;
    list->room = room;
    list_fill(list, pool);
    return list;
}

struct found_list *config_found_list_get(struct found_lists *lists, struct config_found *found,
                                         const struct config *base, const struct config_pool *pool,
                                         size_t room)
{
    struct found_list *list;

    if (room > found->count)
        room = found->count; /* any more makes no difference */
    CHECK(pthread_mutex_lock(&lists->lock) == 0);
    if (lists->last == NULL || !list_is(lists->last, base, pool, room)) {
        config_found_list_unref(lists->last);
        lists->last = list_new(found, base, pool, room);
    }
    list = list_ref(lists->last);
    CHECK(pthread_mutex_unlock(&lists->lock) == 0);
    return list;
}
