/*
 * The fallback's cache under threads. A plain program, so that ThreadSanitizer can watch it.
 *
 * Workers record, find, hold and release answers, give recordings up and invalidate keys, in a
 * cache far too small for all of them. Every answer that is found must be whole: its body repeats
 * one letter, and a field of its head says which and how often. The memory stays within its bound
 * at every look, and afterwards all of it is accounted for (cache_free checks).
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "cache/cache.h"

enum { WORKERS = 4, STEPS = 30000, KEYS = 40, HELD = 8, LIMIT = 200000, LARGEST = 12000 };
enum { NOW_S = 1800000000 };

struct work {
    struct cache *cache;
    pthread_barrier_t *start;
    uint64_t random;
    struct cache_entry *held[HELD];
    uint64_t found, stored;
};

static unsigned draw(struct work *work, unsigned below)
{
    work->random ^= work->random << 13;
    work->random ^= work->random >> 7;
    work->random ^= work->random << 17;
    return (unsigned)(work->random % below);
}

static struct http_request_head request_of(enum http_method method)
{
    return (struct http_request_head){.method_id = method};
}

static struct cache_key key_of(char text[16], unsigned number)
{
    int size = snprintf(text, 16, "/%u", number);

    return (struct cache_key){.scheme = SLICE_LIT("http"),
                              .authority = SLICE_LIT("stress"),
                              .target = {text, (size_t)size}};
}

static void record(struct work *work, const struct cache_key *key, unsigned number)
{
    char value[32], body[LARGEST];
    unsigned size = draw(work, LARGEST), sent = 0;
    struct http_field field = {.name = SLICE_LIT("X-Body")};
    struct http_request_head request = request_of(HTTP_METHOD_GET);
    struct http_response_head response = {
        .status = 200, .fields = {&field, 1, 1, 0}, .framing = HTTP_FRAMING_CHUNKED};
    struct cache_recording *recording;
    char letter = (char)('a' + number % 26);

    field.value = slice_from(value, (size_t)snprintf(value, sizeof(value), "%c%u", letter, size));
    memset(body, letter, size);
    recording = cache_record(work->cache, key, &request, &response, NOW_S + draw(work, 3));
    while (recording && sent < size) {
        unsigned piece = 1 + draw(work, size - sent);

        if (draw(work, 50) == 0)
            cache_record_drop(&recording);
        else
            cache_record_data(&recording, slice_from(body + sent, piece));
        sent += piece;
    }
    work->stored += recording != NULL;
    cache_record_end(&recording);
}

static void check_entry(const struct cache_entry *entry, unsigned number)
{
    struct http_field fields[8];
    char text[CACHE_TEXT_BYTES], expected[32];
    struct http_response_head head;
    struct slice body = cache_entry_body(entry);
    const struct http_field *field;
    int size;

    CHECK(cache_entry_fields(entry) <= 8);
    cache_entry_head(entry, NOW_S, fields, 8, text, &head);
    field = http_fields_find(&head.fields, SLICE_LIT("X-Body"));
    size = snprintf(expected, sizeof(expected), "%c%zu", (char)('a' + number % 26), body.n);
    CHECK(field && slice_eq(field->value, slice_from(expected, (size_t)size)));
    for (size_t i = 0; i < body.n; i++)
        CHECK(body.p[i] == expected[0]);
}

/* Holds what it finds for a while, as a slow client does. */
static void find(struct work *work, const struct cache_key *key, unsigned number)
{
    struct http_request_head request = request_of(HTTP_METHOD_GET);
    struct cache_entry **slot = &work->held[draw(work, HELD)];

    cache_release(slot);
    *slot = cache_find_stale(work->cache, key, &request, NOW_S, work->random % 1000, 10);
    if (*slot == NULL)
        return;
    check_entry(*slot, number);
    work->found++;
    if (draw(work, 2))
        cache_release(slot);
}

static void *run(void *arg)
{
    struct work *work = arg;

    pthread_barrier_wait(work->start);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned number = draw(work, KEYS), what = draw(work, 16);
        struct http_request_head change = request_of(HTTP_METHOD_DELETE);
        char text[16];
        struct cache_key key = key_of(text, number);

        if (what < 6)
            record(work, &key, number);
        else if (what < 12)
            find(work, &key, number);
        else if (what == 12)
            cache_invalidate(work->cache, &key, &change, 204);
        else if (what == 13)
            CHECK(cache_stats(work->cache).bytes <= LIMIT);
        else
            cache_suppressed(work->cache, &key, work->random % 1000);
    }
    for (unsigned i = 0; i < HELD; i++)
        cache_release(&work->held[i]);
    return NULL;
}

int main(void)
{
    struct cache *cache = cache_new(&(struct cache_params){
        .limit_bytes = LIMIT, .entry_bytes = LARGEST - 1000, .stale_ms = 1000000});
    struct work works[WORKERS] = {0};
    pthread_t threads[WORKERS];
    pthread_barrier_t start;
    uint64_t found = 0, stored = 0;
    struct cache_stats stats;

    CHECK(pthread_barrier_init(&start, NULL, WORKERS) == 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        works[i].cache = cache;
        works[i].start = &start;
        works[i].random = 88172645463325252u + i;
        CHECK(pthread_create(&threads[i], NULL, run, &works[i]) == 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        found += works[i].found;
        stored += works[i].stored;
    }
    pthread_barrier_destroy(&start);
    stats = cache_stats(cache);
    CHECK(stats.bytes <= LIMIT && stats.entries > 0 && stats.evicted > 0 && stats.served == found);
    CHECK(found > STEPS / 8 && stored > STEPS / 8);
    printf("stored %llu, found %llu, evicted %llu, refused %llu, left %llu in %llu bytes\n",
           (unsigned long long)stats.stored, (unsigned long long)found,
           (unsigned long long)stats.evicted, (unsigned long long)stats.refused,
           (unsigned long long)stats.entries, (unsigned long long)stats.bytes);
    cache_free(cache);
    return 0;
}
