/*
 * What the rooms of cache/ share. Insiders only.
 *
 *   cache_record ─► recording ── cache_record_end ─► index ── counted ─► readers
 *                  (an entry)                       (bucket, LRU)         │
 *                                                      └───── last one ◄──┘
 *                                                          cache_entry_unref frees
 *
 * An entry is written by its recording alone, until cache_index_insert; from then on only what the
 * lock guards changes. The index holds one reference. References are added under the lock only, so
 * an entry of the index whose count is 1 can be thrown out and freed at once: its bytes are back
 * before the next one asks for room.
 *
 * `bytes` counts everything alive, readers' entries that have left the index included. It grows
 * under the lock, and shrinks anywhere.
 */
#ifndef EVERGATE_CACHE_CACHE_INTERNAL_H
#define EVERGATE_CACHE_CACHE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "cache/cache.h"
#include "cache/stale.h"

enum {
    CACHE_VARIANTS_MAX = 32,    /* of one key: a look-up walks them */
    CACHE_ALLOCATOR_BYTES = 32, /* what two allocations cost beside themselves */
};

struct cache_recording {
    size_t capacity;        /* of the entry's body */
    int64_t expected_bytes; /* Content-Length; -1: not known */
};

struct cache_entry {
    struct cache *cache;
    _Atomic unsigned refs;
    struct cache_recording recording;
    size_t charged_bytes; /* its share of cache->bytes */

    /* The index's; under the lock. */
    struct list in_bucket, in_lru;
    uint64_t suppressed_until_us; /* served stale: the backend is left alone until then */

    uint64_t hash;
    struct cache_key key;   /* normalised */
    struct slice signature; /* cache/vary.h */
    struct cache_stale_rule rule;

    int status;
    unsigned minor_version;
    struct slice reason;
    struct http_field *fields;
    unsigned field_count;
    char *body;
    size_t body_bytes;
};

struct cache {
    _Atomic uint64_t limit_bytes, entry_bytes, stale_ms; /* see cache_params */
    const char *_Atomic own_cookie;
    uint64_t seed[2];
    _Atomic uint64_t bytes, recording_bytes; /* the latter: of entries not inserted yet */
    _Atomic uint64_t refused;
    _Atomic uint64_t suppressed_until_us; /* of the entry that was served stale last */

    pthread_mutex_t lock; /* guards what follows */
    struct list *buckets; /* newest entry first */
    size_t bucket_count;  /* a power of 2 */
    struct list lru;      /* stored or served last first */
    uint64_t entries, stored, served, evicted;
};

/* ---- entry.c ---- */

/* A copy of the heads and room for `body_capacity` bytes; one reference. NULL when there is no room
 * for it in the cache. */
struct cache_entry *cache_entry_new(struct cache *cache, const struct cache_key *key,
                                    const struct http_request_head *request,
                                    const struct http_response_head *response,
                                    const struct cache_freshness *freshness, size_t body_capacity);
void cache_entry_unref(struct cache_entry *entry);

/* ---- index.c ---- */

/* Room for `size_bytes` more of a recording that has `own_bytes` already; throws out the least
 * recently used. False, and nothing was thrown out, where recordings together would take more than
 * half of the cache; one alone may have all of it. */
bool cache_reserve(struct cache *cache, size_t own_bytes, size_t size_bytes);
/* The limit is another one. */
void cache_make_room(struct cache *cache);
void cache_unreserve(struct cache *cache, size_t size_bytes);

/* Takes over the reference. Replaces the same variant, and every variant where this answer or that
 * one does not vary. */
void cache_index_insert(struct cache *cache, struct cache_entry *entry);

/* The newest entry that fits the request; NULL: none. */
struct cache_entry *cache_index_find_locked(struct cache *cache, const struct cache_key *key,
                                            uint64_t hash, const struct http_fields *request);

/* Takes an entry out and gives back the index's reference. */
void cache_index_remove_locked(struct cache *cache, struct cache_entry *entry);

static inline struct list *cache_bucket_locked(struct cache *cache, uint64_t hash)
{
    return &cache->buckets[hash & (cache->bucket_count - 1)];
}

/* The same resource by the same route. */
bool cache_entry_is(const struct cache_entry *entry, const struct cache_key *key, uint64_t hash);

#endif
