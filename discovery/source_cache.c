/* See source_cache.h. */
#include "discovery/source_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/file_replace.h"
#include "base/log.h"
#include "discovery/file_read.h"

struct source_cache {
    struct loop *loop;
    char *path;
    struct config_found *waiting; /* to be written; NULL: nothing */
    struct loop_timer timer;
    uint64_t next_ms; /* not written before */
    bool failed;      /* the last write did: said once */
};

static void cache_on_timer(struct loop_timer *timer);

struct source_cache *source_cache_new(struct loop *loop, const char *path)
{
    struct source_cache *cache = xcalloc(1, sizeof(*cache));

    cache->loop = loop;
    cache->path = xstrdup(path);
    loop_timer_init(&cache->timer, cache_on_timer);
    return cache;
}

/* ---- reading ---- */

json_t *source_cache_load(const struct source_cache *cache, size_t max_bytes)
{
    struct file_content content;
    char why[FILE_WHY_BYTES];
    json_error_t error;
    json_t *document, *endpoints;

    if (!file_read(&content, cache->path, max_bytes, why)) {
        if (content.error != ENOENT)
            log_warn("discovery: cache \"%s\": %s; starting without it", cache->path, why);
        return NULL;
    }
    document = json_loadb(content.text, content.size, JSON_REJECT_DUPLICATES, &error);
    endpoints = json_incref(json_object_get(document, "endpoints"));
    free(content.text);
    if (document == NULL)
        log_warn("discovery: cache \"%s\": line %d: %s; starting without it", cache->path,
                 error.line, error.text);
    else if (!json_is_array(endpoints))
        log_warn("discovery: cache \"%s\": no array \"endpoints\"; starting without it",
                 cache->path);
    json_decref(document);
    if (json_is_array(endpoints))
        return endpoints;
    json_decref(endpoints);
    return NULL;
}

/* ---- writing ---- */

static bool cache_replace(struct source_cache *cache)
{
    json_t *document = json_object();
    char *text;
    bool good;

    CHECK(json_object_set_new(document, "endpoints", config_found_json(cache->waiting)) == 0);
    text = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(17));
    CHECK(text != NULL);
    json_decref(document);
    good = file_replace(cache->path, slice_str(text));
    free(text);
    return good;
}

static void cache_write(struct source_cache *cache)
{
    bool good = cache_replace(cache);

    if (!good && !cache->failed)
        log_warn("discovery: cache \"%s\" cannot be written: %s; a restart would begin with what "
                 "it holds now",
                 cache->path, strerror(errno));
    cache->failed = !good;
    config_found_unref(&cache->waiting);
    cache->next_ms = cache->loop->now_ms + SOURCE_CACHE_EVERY_MS;
}

static void cache_on_timer(struct loop_timer *timer)
{
    struct source_cache *cache = container_of(timer, struct source_cache, timer);

    if (cache->waiting != NULL)
        cache_write(cache);
}

/* Not within the call: the set is published first, then the disk has its time. */
void source_cache_store(struct source_cache *cache, struct config_found *found)
{
    uint64_t now_ms = cache->loop->now_ms;

    if (cache->waiting == NULL)
        loop_timer_set(cache->loop, &cache->timer,
                       cache->next_ms > now_ms ? cache->next_ms - now_ms : 0);
    config_found_unref(&cache->waiting);
    cache->waiting = config_found_ref(found);
}

void source_cache_free(struct source_cache **cache)
{
    struct source_cache *it = *cache;

    if (it == NULL)
        return;
    loop_timer_cancel(&it->timer);
    if (it->waiting != NULL)
        cache_write(it);
    free(it->path);
    free(it);
    *cache = NULL;
}
