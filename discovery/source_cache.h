/*
 * `cache = "FILE"`: a source's last good set, kept over a restart, so that evergate starts while
 * the source is gone. {"endpoints": [...]}, written beside and renamed, at most once a second, and
 * readable for its owner only. Nothing about it is ever fatal.
 *
 * The discovery thread's. Writing takes as long as the disk does: it delays what is discovered, not
 * what is served.
 */
#ifndef EVERGATE_DISCOVERY_SOURCE_CACHE_H
#define EVERGATE_DISCOVERY_SOURCE_CACHE_H

#include <jansson.h>

#include "config/found.h"
#include "net/loop.h"

enum {
    SOURCE_CACHE_EVERY_MS = 1000,
    /* So many times an answer's limit: what comes as an address of 16 bytes is kept as an object.
     */
    SOURCE_CACHE_TIMES = 16,
};

struct source_cache;

struct source_cache *source_cache_new(struct loop *loop, const char *path);
/* Writes what is still to be written. NULL is fine; nulls. */
void source_cache_free(struct source_cache **cache);

/* The array that it holds (the caller's reference), or NULL: there is no such file, or, with a
 * warning, it cannot be read. */
json_t *source_cache_load(const struct source_cache *cache, size_t max_bytes);
/* Soon the file holds this set; takes a reference. */
void source_cache_store(struct source_cache *cache, struct config_found *found);

#endif
