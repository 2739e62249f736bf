/*
 * What an overlay is made of. Insiders of config/ only.
 *
 *   overlay ─► pools, by name ─► policy          (JSON)
 *                             └► entries, by id  (counted, never changed)
 *                                  ├ fields      JSON, as the API said it
 *                                  └ said        the same, read once; snapshots point into it
 *
 * An edit replaces an entry; copies of the overlay and the snapshots that were made with it keep
 * the one they had.
 */
#ifndef EVERGATE_CONFIG_OVERLAY_INTERNAL_H
#define EVERGATE_CONFIG_OVERLAY_INTERNAL_H

#include <stdatomic.h>

#include "config/endpoint_internal.h"
#include "config/overlay.h"

struct overlay_entry {
    _Atomic unsigned refs; /* a snapshot may be freed by any thread */
    char *id;
    json_t *fields;   /* NULL: deregistered */
    bool replaces;    /* what is not said has its default, not the file's value */
    bool read;        /* `said` is there */
    uint64_t gone_us; /* since when what it is said of is not there; 0: it is (overlay_forget.c) */
    struct config_endpoint said;
    struct arena arena;
};

struct overlay_pool {
    char *name;
    json_t *policy; /* NULL: nothing was said; never changed, but replaced; each copy has its own */
    struct overlay_entry **entries;
    size_t count, capacity;
};

struct config_overlay {
    struct overlay_pool *pools;
    size_t pool_count;
    size_t endpoint_count; /* of all pools */
};

/* NULL when nothing was said of it. */
const struct overlay_pool *config_overlay_find_pool(const struct config_overlay *overlay,
                                                    const char *name);
/* Its index, or pool->count. */
size_t config_overlay_find_entry(const struct overlay_pool *pool, const char *id);

/* Takes over the reference to `fields` (NULL: deregistered), which are as they shall be kept. */
int config_overlay_put(struct config_overlay *overlay, const char *pool, const char *id,
                       json_t *fields, bool replaces) WARN_UNUSED;

/* The same for a pool's policy. */
void config_overlay_put_policy(struct config_overlay *overlay, const char *pool, json_t *policy);

/* Forgets what was said of one endpoint. */
void config_overlay_drop(struct config_overlay *overlay, const char *pool, const char *id);

/* Of all entries, pool by pool, those stay that are marked. */
void config_overlay_keep(struct config_overlay *overlay, const bool *keep);

/* Does it make an endpoint by itself? */
bool config_overlay_registers(const struct overlay_entry *entry);

/* RFC 7396: `target` becomes what `patch` makes of it; values are shared. */
void config_json_merge(json_t *target, const json_t *patch);

#endif
