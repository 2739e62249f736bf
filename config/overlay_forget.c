/*
 * What an overlay no longer needs to remember: see config_overlay_forget.
 *
 * What is said of an endpoint waits for its return: a server that is taken down for a weekend must
 * come back as drained as it went. But pods never return under the same name, and each that a
 * script drained before it went leaves a word behind. So the words that wait are counted, and the
 * oldest ones go. None goes at once: name servers that tell of a few addresses at a time, and
 * registries that are being restarted, lose endpoints for minutes.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "config/found_internal.h"
#include "config/overlay_internal.h"
#include "config/plan.h"

/* A word about an endpoint that is gone. */
struct waiting {
    uint64_t gone_us;
    size_t index;
};

struct forget {
    uint64_t now_us;
    bool *keep; /* of each entry, pool by pool */
    struct waiting *waiting;
    size_t waiting_count;
};

static bool is_long_ago(const struct forget *forget, uint64_t gone_us)
{
    return forget->now_us - gone_us >= (uint64_t)CONFIG_OVERLAY_GONE_S * 1000000;
}

/* ---- who is there ---- */

static bool *there_new(const struct overlay_pool *said, const struct config_pool *pool,
                       const struct config_found *found)
{
    bool *there = xcalloc(said->count + 1, sizeof(*there)); /* the last one: of no interest */

    for (size_t i = 0; i < pool->backend_count; i++)
        there[config_overlay_find_entry(said, pool->backends[i].id)] = true;
    for (size_t i = 0; i < config_found_count(found); i++)
        there[config_overlay_find_entry(said, found->entries[i]->backend.id)] = true;
    return there;
}

/* ---- by pool ---- */

static void forget_gone(struct forget *forget, struct overlay_entry *entry, size_t index,
                        bool discovered)
{
    if (!discovered) {
        forget->keep[index] = entry->fields != NULL;
        return;
    }
    if (entry->gone_us == 0)
        entry->gone_us = forget->now_us;
    if (entry->fields == NULL)
        forget->keep[index] = !is_long_ago(forget, entry->gone_us);
    else
        forget->waiting[forget->waiting_count++] = (struct waiting){entry->gone_us, index};
}

/* `pool` is the file's; `first` is the index of the first of its entries. */
static void forget_of_pool(struct forget *forget, const struct overlay_pool *said, size_t first,
                           const struct config_pool *pool, const struct config_found *found)
{
    bool *there;

    if (pool->discovery != NULL && found == NULL)
        return; /* nothing was heard of its source yet: nobody knows what it has */
    there = there_new(said, pool, found);
    for (size_t i = 0; i < said->count; i++) {
        if (there[i] || config_overlay_registers(said->entries[i]))
            said->entries[i]->gone_us = 0;
        else
            forget_gone(forget, said->entries[i], first + i, pool->discovery != NULL);
    }
    free(there);
}

/* ---- of those that wait, over all pools ---- */

static int waiting_compare(const void *a, const void *b)
{
    const struct waiting *x = a, *y = b;

    if (x->gone_us != y->gone_us)
        return x->gone_us < y->gone_us ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static void forget_oldest(struct forget *forget)
{
    if (forget->waiting_count <= CONFIG_OVERLAY_WAITING)
        return;
    qsort(forget->waiting, forget->waiting_count, sizeof(*forget->waiting), waiting_compare);
    for (size_t i = 0; i < forget->waiting_count - CONFIG_OVERLAY_WAITING; i++)
        forget->keep[forget->waiting[i].index] = !is_long_ago(forget, forget->waiting[i].gone_us);
}

void config_overlay_forget(struct config_overlay *overlay, const struct config *served,
                           uint64_t now_us)
{
    struct forget forget = {.now_us = now_us};
    size_t count = overlay->endpoint_count, first = 0;

    if (count == 0)
        return;
    forget.keep = xcalloc(count, sizeof(*forget.keep));
    forget.waiting = xcalloc(count, sizeof(*forget.waiting));
    for (size_t i = 0; i < count; i++)
        forget.keep[i] = true;
    for (size_t i = 0; i < overlay->pool_count; i++) {
        const struct overlay_pool *said = &overlay->pools[i];
        size_t at = config_pool_near(served->base, said->name, 0);

        if (at < served->base->pool_count)
            forget_of_pool(&forget, said, first, &served->base->pools[at],
                           config_discovered_get(served->discovered, said->name));
        first += said->count;
    }
    forget_oldest(&forget);
    config_overlay_keep(overlay, forget.keep);
    free(forget.waiting);
    free(forget.keep);
}
