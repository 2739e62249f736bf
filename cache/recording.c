/*
 * Recording an answer while it passes: the entry grows with the body and gives up as soon as it
 * outgrows a limit. A recording is a part of its entry, which nobody else knows yet.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "cache/cache_internal.h"
#include "cache/key.h"
#include "cache/storable.h"

enum {
    FIRST_CAPACITY = 4096,    /* of a body whose length is not known */
    TRUSTED_CAPACITY = 65536, /* a longer one than this gets its room as it comes */
};

static struct cache_entry *entry_of(struct cache_recording *recording)
{
    return container_of(recording, struct cache_entry, recording);
}

static size_t first_capacity(const struct http_response_head *response)
{
    if (response->framing == HTTP_FRAMING_NONE)
        return 0;
    if (response->framing != HTTP_FRAMING_LENGTH)
        return FIRST_CAPACITY;
    return response->content_length < TRUSTED_CAPACITY ? (size_t)response->content_length
                                                       : TRUSTED_CAPACITY;
}

static const char *objection(const struct cache *cache, const struct http_request_head *request,
                             const struct http_response_head *response,
                             const struct cache_control *control,
                             const struct cache_freshness *freshness)
{
    const struct cache_control asked = cache_control_parse_request(&request->fields);
    const struct cache_store_question question = {
        .request = request,
        .response = response,
        .asked = &asked,
        .control = control,
        .freshness = freshness,
        .own_cookie = slice_str(atomic_load(&cache->own_cookie)),
    };

    if (response->framing == HTTP_FRAMING_LENGTH &&
        response->content_length > atomic_load(&cache->entry_bytes))
        return "too large";
    return cache_storable_objection(&question);
}

struct cache_recording *cache_record(struct cache *cache, const struct cache_key *key,
                                     const struct http_request_head *request,
                                     const struct http_response_head *response, int64_t wall_s)
{
    const struct cache_control control = cache_control_parse(&response->fields);
    const struct cache_freshness freshness = cache_freshness_of(response, &control, wall_s);
    const struct cache_key normal = cache_key_normalise(key);
    struct cache_entry *entry = NULL;

    if (request->method_id != HTTP_METHOD_GET)
        return NULL;
    if (objection(cache, request, response, &control, &freshness) == NULL)
        entry = cache_entry_new(cache, &normal, request, response, &freshness,
                                first_capacity(response));
    if (entry == NULL) {
        atomic_fetch_add_explicit(&cache->refused, 1, memory_order_relaxed);
        return NULL;
    }
    entry->rule = cache_stale_rule_of(&freshness, &control, wall_s);
    if (response->framing == HTTP_FRAMING_LENGTH)
        entry->recording.expected_bytes = (int64_t)response->content_length;
    return &entry->recording;
}

static bool take_room(struct cache_entry *entry, size_t capacity)
{
    struct cache_recording *recording = &entry->recording;
    size_t more = capacity - recording->capacity;

    if (!cache_reserve(entry->cache, entry->charged_bytes, more))
        return false;
    entry->charged_bytes += more;
    entry->body = xrealloc(entry->body, capacity);
    recording->capacity = capacity;
    return true;
}

/* Doubles, so that a body in small pieces is copied a few times only; where the cache has no room
 * for that, what is needed will do. */
static bool grow(struct cache_entry *entry, size_t needed)
{
    const struct cache_recording *recording = &entry->recording;
    size_t limit = atomic_load(&entry->cache->entry_bytes), capacity = recording->capacity;

    if (needed > limit)
        return false;
    capacity = capacity > limit / 2 ? limit : capacity * 2;
    if (capacity < needed)
        capacity = needed;
    if (recording->expected_bytes >= (int64_t)needed &&
        capacity > (uint64_t)recording->expected_bytes)
        capacity = (size_t)recording->expected_bytes;
    return take_room(entry, capacity) || (capacity > needed && take_room(entry, needed));
}

bool cache_record_data(struct cache_recording **recording, struct slice data)
{
    struct cache_entry *entry;

    if (*recording == NULL)
        return false;
    entry = entry_of(*recording);
    if (data.n > (*recording)->capacity - entry->body_bytes &&
        (data.n > SIZE_MAX - entry->body_bytes || !grow(entry, entry->body_bytes + data.n))) {
        atomic_fetch_add_explicit(&entry->cache->refused, 1, memory_order_relaxed);
        cache_record_drop(recording);
        return false;
    }
    if (data.n > 0)
        memcpy(entry->body + entry->body_bytes, data.p, data.n);
    entry->body_bytes += data.n;
    return true;
}

/* Gives back what the body did not need. */
static void shrink(struct cache_entry *entry)
{
    size_t spare = entry->recording.capacity - entry->body_bytes;

    if (spare == 0)
        return;
    if (entry->body_bytes > 0) {
        entry->body = xrealloc(entry->body, entry->body_bytes);
    } else {
        free(entry->body);
        entry->body = NULL;
    }
    entry->charged_bytes -= spare;
    cache_unreserve(entry->cache, spare);
}

void cache_record_end(struct cache_recording **recording)
{
    struct cache_entry *entry;

    if (*recording == NULL)
        return;
    entry = entry_of(*recording);
    /* Less than was announced is no complete answer (RFC 9111 section 3.3). */
    if (entry->recording.expected_bytes >= 0 &&
        entry->body_bytes != (uint64_t)entry->recording.expected_bytes) {
        cache_record_drop(recording);
        return;
    }
    *recording = NULL;
    shrink(entry);
    cache_index_insert(entry->cache, entry);
}

void cache_record_drop(struct cache_recording **recording)
{
    struct cache_entry *entry;

    if (*recording == NULL)
        return;
    entry = entry_of(*recording);
    *recording = NULL;
    atomic_fetch_sub(&entry->cache->recording_bytes, entry->charged_bytes);
    cache_entry_unref(entry);
}
