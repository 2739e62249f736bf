/* The fallback's cache: making it, asking it. See cache.h and cache_internal.h. */
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "cache/cache_internal.h"
#include "cache/key.h"

enum { BYTES_PER_BUCKET = 4096, BUCKETS_MIN = 16, BUCKETS_MAX = 65536 };

static size_t bucket_count_for(uint64_t limit_bytes)
{
    size_t count = BUCKETS_MIN;

    while (count < BUCKETS_MAX && count < limit_bytes / BYTES_PER_BUCKET)
        count *= 2;
    return count;
}

static void cache_set_params(struct cache *cache, const struct cache_params *params)
{
    atomic_store(&cache->limit_bytes, params->limit_bytes);
    atomic_store(&cache->entry_bytes, params->entry_bytes);
    atomic_store(&cache->stale_ms, params->stale_ms);
    atomic_store(&cache->own_cookie, params->own_cookie);
}

struct cache *cache_new(const struct cache_params *params)
{
    struct cache *cache = xcalloc(1, sizeof(*cache));

    cache_set_params(cache, params);
    CHECK(getentropy(cache->seed, sizeof(cache->seed)) == 0);
    CHECK(pthread_mutex_init(&cache->lock, NULL) == 0);
    cache->bucket_count = bucket_count_for(params->limit_bytes);
    cache->buckets = xmalloc(cache->bucket_count * sizeof(*cache->buckets));
    for (size_t i = 0; i < cache->bucket_count; i++)
        list_init(&cache->buckets[i]);
    list_init(&cache->lru);
    return cache;
}

void cache_change(struct cache *cache, const struct cache_params *params)
{
    cache_set_params(cache, params);
    cache_make_room(cache);
}

void cache_free(struct cache *cache)
{
    if (cache == NULL)
        return;
    while (!list_empty(&cache->lru))
        cache_index_remove_locked(cache, container_of(cache->lru.next, struct cache_entry, in_lru));
    CHECK(atomic_load(&cache->bytes) == 0 && atomic_load(&cache->recording_bytes) == 0);
    pthread_mutex_destroy(&cache->lock);
    free(cache->buckets);
    free(cache);
}

/* Whom a stored answer cannot satisfy, whatever it says. */
static bool is_answerable(const struct http_request_head *request)
{
    return (request->method_id == HTTP_METHOD_GET || request->method_id == HTTP_METHOD_HEAD) &&
           request->framing != HTTP_FRAMING_CHUNKED &&
           (request->framing == HTTP_FRAMING_NONE || request->content_length == 0) &&
           http_fields_find(&request->fields, SLICE_LIT("range")) == NULL;
}

/* The window is not moved while it is open, or steady traffic would keep the backend from ever
 * being asked again. */
static void suppress_locked(struct cache *cache, struct cache_entry *entry, uint64_t now_us,
                            uint64_t suppress_us)
{
    if (suppress_us == 0 || now_us < entry->suppressed_until_us)
        return;
    entry->suppressed_until_us = now_us + suppress_us;
    if (entry->suppressed_until_us > atomic_load(&cache->suppressed_until_us))
        atomic_store(&cache->suppressed_until_us, entry->suppressed_until_us);
}

struct cache_entry *cache_find_stale(struct cache *cache, const struct cache_key *key,
                                     const struct http_request_head *request, int64_t wall_s,
                                     uint64_t now_us, uint64_t suppress_us)
{
    const struct cache_control asked = cache_control_parse_request(&request->fields);
    const struct cache_key normal = cache_key_normalise(key);
    uint64_t hash = cache_key_hash(&normal, cache->seed);
    struct cache_entry *entry;

    if (!is_answerable(request))
        return NULL;
    pthread_mutex_lock(&cache->lock);
    entry = cache_index_find_locked(cache, &normal, hash, &request->fields);
    if (entry && !cache_may_serve(&entry->rule, &asked, wall_s, atomic_load(&cache->stale_ms)))
        entry = NULL;
    if (entry) {
        atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
        list_remove(&entry->in_lru);
        list_push_front(&cache->lru, &entry->in_lru);
        cache->served++;
        suppress_locked(cache, entry, now_us, suppress_us);
    }
    pthread_mutex_unlock(&cache->lock);
    return entry;
}

void cache_release(struct cache_entry **entry)
{
    if (*entry)
        cache_entry_unref(*entry);
    *entry = NULL;
}

bool cache_suppressed(struct cache *cache, const struct cache_key *key, uint64_t now_us)
{
    struct cache_key normal;
    bool suppressed = false;
    uint64_t hash;

    if (now_us >= atomic_load_explicit(&cache->suppressed_until_us, memory_order_relaxed))
        return false;
    normal = cache_key_normalise(key);
    hash = cache_key_hash(&normal, cache->seed);
    pthread_mutex_lock(&cache->lock);
    list_for_each(it, cache_bucket_locked(cache, hash))
    {
        struct cache_entry *entry = container_of(it, struct cache_entry, in_bucket);

        if (now_us < entry->suppressed_until_us && cache_entry_is(entry, &normal, hash))
            suppressed = true;
    }
    pthread_mutex_unlock(&cache->lock);
    return suppressed;
}

/* Section 4.4 asks for it after methods known to be unsafe and those nothing is known about. */
static bool invalidates(const struct http_request_head *request, int status)
{
    switch (request->method_id) {
    case HTTP_METHOD_GET:
    case HTTP_METHOD_HEAD:
    case HTTP_METHOD_OPTIONS:
    case HTTP_METHOD_TRACE:
        return false;
    default:
        return status >= 200 && status < 400;
    }
}

void cache_invalidate(struct cache *cache, const struct cache_key *key,
                      const struct http_request_head *request, int status)
{
    const struct cache_key normal = cache_key_normalise(key);
    uint64_t hash = cache_key_hash(&normal, cache->seed);

    if (!invalidates(request, status))
        return;
    pthread_mutex_lock(&cache->lock);
    list_for_each_safe(it, next, cache_bucket_locked(cache, hash))
    {
        struct cache_entry *entry = container_of(it, struct cache_entry, in_bucket);

        if (entry->hash == hash && cache_key_eq(&entry->key, &normal))
            cache_index_remove_locked(cache, entry);
    }
    pthread_mutex_unlock(&cache->lock);
}

struct cache_stats cache_stats(struct cache *cache)
{
    struct cache_stats stats;

    pthread_mutex_lock(&cache->lock);
    stats = (struct cache_stats){
        .entries = cache->entries,
        .bytes = atomic_load(&cache->bytes),
        .stored = cache->stored,
        .served = cache->served,
        .evicted = cache->evicted,
        .refused = atomic_load_explicit(&cache->refused, memory_order_relaxed),
    };
    pthread_mutex_unlock(&cache->lock);
    return stats;
}
