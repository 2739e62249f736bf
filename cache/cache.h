/*
 * The fallback's cache: the last good answer to a GET, kept for the time when nothing can answer.
 *
 * It is no accelerator. Every request goes to the backends as long as they answer; what is stored
 * is served only instead of an error, stale or not, and the client is told (Age, Cache-Status).
 * The rules are those of a shared cache: RFC 9111 section 3 (what may be stored), 4.1 (Vary), 4.2.3
 * (Age), 4.2.4 (who forbids stale answers: no-cache, must-revalidate, proxy-revalidate, s-maxage),
 * RFC 5861 (stale-if-error), RFC 9211 (Cache-Status).
 *
 * Pure code: no sockets, no clock of its own (wall clock seconds and monotonic microseconds are
 * parameters).
 *
 * Threads: one cache per pool, shared by all workers. A mutex guards its index and is held for a
 * look-up, never while bytes are copied: entries are immutable once stored, and counted. A
 * recording belongs to its exchange.
 *
 * Bounds: `limit_bytes` over all entries with their heads, recordings under way included, which
 * together may take half of it; least recently stored or served goes first. An answer whose body is
 * over `entry_bytes` is not stored. The index itself is some 16 bytes for every 4 KiB of the limit.
 */
#ifndef EVERGATE_CACHE_CACHE_H
#define EVERGATE_CACHE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "http/head.h"

struct cache;
struct cache_entry;
struct cache_recording;

struct cache_params {
    uint64_t limit_bytes, entry_bytes;
    uint64_t stale_ms;      /* how long beyond its freshness an answer may be served, unless its own
                               stale-if-error says less or more */
    const char *own_cookie; /* a cookie of the proxy's own, which makes no answer a personal one;
                               NULL: none; outlives the cache or the next change */
};
struct cache *cache_new(const struct cache_params *params);
/* Other limits from now on; what is over them goes as soon as nobody reads it. A limit of 0 keeps
 * nothing. The old own_cookie may be looked at until every thread has left the functions here that
 * it is in. Any thread. */
void cache_change(struct cache *cache, const struct cache_params *params);
void cache_free(struct cache *cache); /* every entry must have been released */

/* What names an answer: RFC 9111 section 2. */
struct cache_key {
    struct slice scheme;    /* "http", "https": of the client's side */
    struct slice authority; /* Host */
    struct slice target;    /* path and query as the client sent them */
    struct slice route;     /* whoever changes requests on their way to the backend: two routes may
                               get different answers for one target; may be empty */
};

/* Begins to record the answer to a GET; NULL where the rules or the limits forbid to store it. The
 * heads are copied. */
struct cache_recording *cache_record(struct cache *cache, const struct cache_key *key,
                                     const struct http_request_head *request,
                                     const struct http_response_head *response, int64_t wall_s);
/* A piece of the body; false: it outgrew a limit and was dropped (the pointer is gone). */
bool cache_record_data(struct cache_recording **recording, struct slice data);
/* Complete: replaces what was stored for the same key and variant. Takes the recording. */
void cache_record_end(struct cache_recording **recording);
/* Given up: nothing is stored. NULL inside is fine. */
void cache_record_drop(struct cache_recording **recording);

/*
 * A stored answer that may be served now instead of an error: variant chosen by Vary, request's and
 * response's Cache-Control obeyed. NULL when there is none. Counted: give it back with
 * cache_release (any thread).
 *
 * `suppress_us`: so long after this call cache_suppressed says true for this key, so that a
 * failing backend is not asked again for every request meanwhile. Calls within that time do not
 * prolong it; 0: no such time begins.
 */
struct cache_entry *cache_find_stale(struct cache *cache, const struct cache_key *key,
                                     const struct http_request_head *request, int64_t wall_s,
                                     uint64_t now_us, uint64_t suppress_us);
void cache_release(struct cache_entry **entry);

/* Was a stale answer for this key served a moment ago: should the backend be left alone? One
 * lock-free look while no stale answer was served lately. True does not promise that
 * cache_find_stale has one for this request too: the variant may be another. */
bool cache_suppressed(struct cache *cache, const struct cache_key *key, uint64_t now_us);

/* After an answer to any request: forgets the target, whatever the route, where a method that
 * changes things did not fail (RFC 9111 section 4.4). Nothing happens for GET, HEAD, OPTIONS and
 * TRACE. */
void cache_invalidate(struct cache *cache, const struct cache_key *key,
                      const struct http_request_head *request, int status);

/* The entry's head with Age and Cache-Status set (`evergate; hit; ttl=-N; detail=stale-if-error`),
 * its body. For a HEAD set the head's framing to NONE. Slices live as long as the entry. `fields`
 * gives room for at least cache_entry_fields(entry) fields; `text` at least CACHE_TEXT_BYTES for
 * the two values. */
enum { CACHE_TEXT_BYTES = 160 };
size_t cache_entry_fields(const struct cache_entry *entry);
void cache_entry_head(const struct cache_entry *entry, int64_t wall_s, struct http_field *fields,
                      size_t capacity, char *text, struct http_response_head *ret_head);
struct slice cache_entry_body(const struct cache_entry *entry);

struct cache_stats {
    uint64_t entries, bytes, stored, served, evicted, refused;
};
struct cache_stats cache_stats(struct cache *cache);

#endif
