/*
 * The index: buckets of entries by key, the order in which they go when room is needed, and the
 * account of bytes. See cache_internal.h.
 */
#include "base/check.h"
#include "cache/cache_internal.h"
#include "cache/key.h"
#include "cache/vary.h"

bool cache_entry_is(const struct cache_entry *entry, const struct cache_key *key, uint64_t hash)
{
    return entry->hash == hash && cache_key_eq(&entry->key, key) &&
           slice_eq(entry->key.route, key->route);
}

struct cache_entry *cache_index_find_locked(struct cache *cache, const struct cache_key *key,
                                            uint64_t hash, const struct http_fields *request)
{
    list_for_each(it, cache_bucket_locked(cache, hash))
    {
        struct cache_entry *entry = container_of(it, struct cache_entry, in_bucket);

        if (cache_entry_is(entry, key, hash) && cache_vary_matches(entry->signature, request))
            return entry;
    }
    return NULL;
}

void cache_index_remove_locked(struct cache *cache, struct cache_entry *entry)
{
    list_remove(&entry->in_bucket);
    list_remove(&entry->in_lru);
    cache->entries--;
    cache_entry_unref(entry);
}

/* ---- Room ---- */

/* The least recently used entry that nobody reads: only such a one gives its bytes back. */
static struct cache_entry *victim_locked(struct cache *cache)
{
    for (struct list *it = cache->lru.prev; it != &cache->lru; it = it->prev) {
        struct cache_entry *entry = container_of(it, struct cache_entry, in_lru);

        if (atomic_load_explicit(&entry->refs, memory_order_acquire) == 1)
            return entry;
    }
    return NULL;
}

static bool make_room_locked(struct cache *cache, size_t size_bytes)
{
    while (atomic_load(&cache->bytes) + size_bytes > atomic_load(&cache->limit_bytes)) {
        struct cache_entry *victim = victim_locked(cache);

        if (victim == NULL)
            return false;
        cache_index_remove_locked(cache, victim);
        cache->evicted++;
    }
    return true;
}

void cache_make_room(struct cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    make_room_locked(cache, 0);
    pthread_mutex_unlock(&cache->lock);
}

bool cache_reserve(struct cache *cache, size_t own_bytes, size_t size_bytes)
{
    uint64_t recording_bytes;
    bool fits;

    pthread_mutex_lock(&cache->lock);
    /* A burst of large answers on their way must not throw out everything that is complete. */
    recording_bytes = atomic_load(&cache->recording_bytes);
    fits = (recording_bytes == own_bytes ||
            recording_bytes + size_bytes <= atomic_load(&cache->limit_bytes) / 2) &&
           make_room_locked(cache, size_bytes);
    if (fits) {
        atomic_fetch_add(&cache->bytes, size_bytes);
        atomic_fetch_add(&cache->recording_bytes, size_bytes);
    }
    pthread_mutex_unlock(&cache->lock);
    return fits;
}

void cache_unreserve(struct cache *cache, size_t size_bytes)
{
    atomic_fetch_sub(&cache->recording_bytes, size_bytes);
    atomic_fetch_sub(&cache->bytes, size_bytes);
}

/* ---- Storing ---- */

/* An answer that does not vary stands for every variant. One that began to vary makes the one
 * that did not worthless, and the other way round. */
static bool replaces(const struct cache_entry *entry, const struct cache_entry *old)
{
    return entry->signature.n == 0 || old->signature.n == 0 ||
           slice_eq(entry->signature, old->signature);
}

/* Takes out what `entry` replaces, and the oldest variant when there are too many. False when what
 * is stored came later: a slow answer must not overtake it. */
static bool make_way_locked(struct cache *cache, const struct cache_entry *entry)
{
    struct cache_entry *oldest = NULL;
    unsigned variants = 0;

    list_for_each_safe(it, next, cache_bucket_locked(cache, entry->hash))
    {
        struct cache_entry *old = container_of(it, struct cache_entry, in_bucket);

        if (!cache_entry_is(old, &entry->key, entry->hash))
            continue;
        if (!replaces(entry, old)) {
            oldest = old;
            variants++;
        } else if (old->rule.came_s > entry->rule.came_s) {
            return false;
        } else {
            cache_index_remove_locked(cache, old);
        }
    }
    if (variants >= CACHE_VARIANTS_MAX) {
        cache_index_remove_locked(cache, oldest);
        cache->evicted++;
    }
    return true;
}

void cache_index_insert(struct cache *cache, struct cache_entry *entry)
{
    bool stored;

    CHECK(atomic_load_explicit(&entry->refs, memory_order_relaxed) == 1);
    atomic_fetch_sub(&cache->recording_bytes, entry->charged_bytes);
    pthread_mutex_lock(&cache->lock);
    stored = make_way_locked(cache, entry);
    if (stored) {
        list_push_front(cache_bucket_locked(cache, entry->hash), &entry->in_bucket);
        list_push_front(&cache->lru, &entry->in_lru);
        cache->entries++;
        cache->stored++;
    }
    pthread_mutex_unlock(&cache->lock);
    if (!stored)
        cache_entry_unref(entry);
}
