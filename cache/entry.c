/*
 * One stored answer: its heads in one piece of memory (the struct, the fields, their text), its
 * body in another.
 *
 * What is kept of the head is what may be sent to another client later: without hop-by-hop fields
 * and those that Connection names (RFC 9110 section 7.6.1, RFC 9111 section 3.1), without framing
 * and Age, which are made anew. An answer without Date gets the time at which it came (RFC 9110
 * section 6.6.1): the time of sending would contradict Age.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/timestamp.h"
#include "cache/cache_internal.h"
#include "cache/key.h"
#include "cache/vary.h"

enum { OWN_FIELDS = 2 }; /* Age, Cache-Status */

static bool connection_names(const struct http_fields *fields, struct slice name)
{
    return http_fields_list_has(fields, HTTP_FIELD_CONNECTION, name);
}

static bool is_kept(const struct http_fields *fields, const struct http_field *field)
{
    if (http_field_is_reserved(field->name) || connection_names(fields, field->name))
        return false;
    switch (field->id) {
    case HTTP_FIELD_PROXY_AUTHENTICATE:
    case HTTP_FIELD_PROXY_AUTHORIZATION:
        return false;
    case HTTP_FIELD_OTHER:
        return !slice_ieq(field->name, SLICE_LIT("age")) &&
               !slice_ieq(field->name, SLICE_LIT("proxy-authentication-info"));
    default:
        return true;
    }
}

/* The texts of an entry, one after the other. Without memory it only measures. */
struct packer {
    char *out;
    size_t n;
};

static struct slice pack(struct packer *packer, struct slice s)
{
    struct slice copy = {packer->out ? packer->out + packer->n : NULL, s.n};

    if (packer->out && s.n > 0)
        memcpy(packer->out + packer->n, s.p, s.n);
    packer->n += s.n;
    return copy;
}

/* `entry` NULL: measures. Returns how many there are. */
static unsigned pack_fields(struct packer *packer, const struct http_fields *fields,
                            const struct cache_freshness *freshness, struct cache_entry *entry)
{
    unsigned count = 0;

    for (unsigned i = 0; i < fields->count; i++) {
        const struct http_field *field = &fields->v[i];

        /* A Date that nobody can read is replaced like one that is missing. */
        if (!is_kept(fields, field) || (field->id == HTTP_FIELD_DATE && !freshness->has_date))
            continue;
        struct slice name = pack(packer, field->name), value = pack(packer, field->value);

        if (entry)
            entry->fields[count] = (struct http_field){name, value, field->id};
        count++;
    }
    if (!freshness->has_date) {
        char date[TIMESTAMP_HTTP_BYTES];

        timestamp_http(date, (uint64_t)(freshness->date_s > 0 ? freshness->date_s : 0));
        struct slice value = pack(packer, slice_from(date, sizeof(date)));

        if (entry)
            entry->fields[count] = (struct http_field){SLICE_LIT("Date"), value, HTTP_FIELD_DATE};
        count++;
    }
    return count;
}

/* Everything that has text, in one order for measuring and for copying. */
static unsigned pack_texts(struct packer *packer, const struct cache_key *key,
                           const struct http_request_head *request,
                           const struct http_response_head *response,
                           const struct cache_freshness *freshness, struct cache_entry *entry)
{
    char *signature = packer->out ? packer->out + packer->n : NULL;
    size_t signature_size = cache_vary_write(signature, &response->fields, &request->fields);

    packer->n += signature_size;
    struct cache_key copy = {pack(packer, key->scheme), pack(packer, key->authority),
                             pack(packer, key->target), pack(packer, key->route)};
    struct slice reason = pack(packer, response->reason);

    if (entry) {
        entry->signature = slice_from(signature, signature_size);
        entry->key = copy;
        entry->reason = reason;
    }
    return pack_fields(packer, &response->fields, freshness, entry);
}

struct cache_entry *cache_entry_new(struct cache *cache, const struct cache_key *key,
                                    const struct http_request_head *request,
                                    const struct http_response_head *response,
                                    const struct cache_freshness *freshness, size_t body_capacity)
{
    struct packer measure = {0}, packer = {0};
    unsigned count = pack_texts(&measure, key, request, response, freshness, NULL);
    size_t own = sizeof(struct cache_entry) + count * sizeof(struct http_field) + measure.n;
    size_t charged = own + body_capacity + CACHE_ALLOCATOR_BYTES;
    struct cache_entry *entry;

    if (!cache_reserve(cache, 0, charged))
        return NULL;
    entry = xmalloc(own);
    *entry = (struct cache_entry){
        .cache = cache,
        .recording = {.capacity = body_capacity, .expected_bytes = -1},
        .charged_bytes = charged,
        .hash = cache_key_hash(key, cache->seed),
        .status = response->status,
        .minor_version = response->minor_version,
        .fields = (struct http_field *)(entry + 1),
        .field_count = count,
        .body = body_capacity > 0 ? xmalloc(body_capacity) : NULL,
    };
    atomic_init(&entry->refs, 1);
    list_init(&entry->in_bucket);
    list_init(&entry->in_lru);
    packer.out = (char *)(entry->fields + count);
    pack_texts(&packer, key, request, response, freshness, entry);
    CHECK(packer.n == measure.n);
    return entry;
}

void cache_entry_unref(struct cache_entry *entry)
{
    if (atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) != 1)
        return;
    atomic_fetch_sub(&entry->cache->bytes, entry->charged_bytes);
    free(entry->body);
    free(entry);
}

/* ---- Reading ---- */

size_t cache_entry_fields(const struct cache_entry *entry)
{
    return entry->field_count + OWN_FIELDS;
}

/* RFC 9211: ttl is what is left of the lifetime, below 0 for a stale answer. */
static void put_own_fields(const struct cache_entry *entry, int64_t wall_s,
                           struct http_field *fields, char *text)
{
    long long age_s = cache_age(&entry->rule, wall_s), ttl_s = entry->rule.lifetime_s - age_s;
    int age_size = snprintf(text, CACHE_TEXT_BYTES, "%lld", age_s);
    char *status = text + age_size;
    int status_size =
        snprintf(status, (size_t)(CACHE_TEXT_BYTES - age_size), "evergate; hit; ttl=%lld%s", ttl_s,
                 ttl_s > 0 ? "" : "; detail=stale-if-error");

    CHECK(age_size > 0 && status_size > 0 && age_size + status_size < CACHE_TEXT_BYTES);
    fields[0] = (struct http_field){SLICE_LIT("Age"), {text, (size_t)age_size}, HTTP_FIELD_OTHER};
    fields[1] = (struct http_field){
        SLICE_LIT("Cache-Status"), {status, (size_t)status_size}, HTTP_FIELD_OTHER};
}

void cache_entry_head(const struct cache_entry *entry, int64_t wall_s, struct http_field *fields,
                      size_t capacity, char *text, struct http_response_head *ret_head)
{
    /* RFC 9110 section 15.3.5: a 204 has no content and no length. */
    bool has_body = entry->status != 204;
    unsigned count = entry->field_count + OWN_FIELDS;
    uint64_t present = 0;

    CHECK(capacity >= count);
    memcpy(fields, entry->fields, entry->field_count * sizeof(*fields));
    put_own_fields(entry, wall_s, fields + entry->field_count, text);
    for (unsigned i = 0; i < count; i++)
        present |= (uint64_t)1 << fields[i].id;
    *ret_head = (struct http_response_head){
        .minor_version = entry->minor_version,
        .status = entry->status,
        .reason = entry->reason,
        .fields = {.v = fields, .count = count, .capacity = (unsigned)capacity, .present = present},
        .framing = has_body ? HTTP_FRAMING_LENGTH : HTTP_FRAMING_NONE,
        .content_length = entry->body_bytes,
        .has_content_length = has_body,
        .keep_alive = true,
    };
}

struct slice cache_entry_body(const struct cache_entry *entry)
{
    return slice_from(entry->body, entry->body_bytes);
}
