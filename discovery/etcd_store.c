/* See etcd_store.h. Entries are never changed, only replaced: their endpoints are shared with
 * whoever was given them. */
#include "discovery/etcd_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "client/words.h"
#include "config/found.h"
#include "discovery/base64.h"

/* So many are never needed; what has more does not get on. */
enum { STORE_PAGES = 4096 };

/* ---- what the gateway writes ---- */

/* 64-bit numbers are strings in its JSON, zero is left out. */
static bool number_read(const json_t *object, const char *name, uint64_t *ret_value)
{
    const json_t *json = json_object_get(object, name);
    unsigned long long value = 0;

    if (json_is_integer(json) && json_integer_value(json) >= 0)
        value = (unsigned long long)json_integer_value(json);
    else if (json && !slice_to_u64(slice_str(json_string_value(json)), &value))
        return false;
    *ret_value = value;
    return true;
}

static bool revision_read(const json_t *answer, uint64_t *ret_revision)
{
    const json_t *header = json_object_get(answer, "header");

    return json_is_object(header) && number_read(header, "revision", ret_revision);
}

/* Heap, or NULL; what is not there is empty. */
static char *bytes_read(const json_t *object, const char *name, struct slice *ret_bytes)
{
    const json_t *json = json_object_get(object, name);
    char *bytes = NULL;
    size_t n = 0;

    if (!json)
        bytes = xstrdup("");
    else if (json_is_string(json))
        bytes = base64_decode(slice_from(json_string_value(json), json_string_length(json)), &n);
    *ret_bytes = slice_from(bytes, n);
    return bytes;
}

/* ---- life ---- */

void etcd_store_init(struct etcd_store *store, const char *prefix, uint64_t max_bytes)
{
    *store = (struct etcd_store){
        .prefix = xstrdup(prefix),
        .entries = json_object(),
        .max_bytes = max_bytes,
    };
}

void etcd_store_fini(struct etcd_store *store)
{
    json_decref(store->entries);
    free(store->prefix);
    free(store->last_key);
    *store = (struct etcd_store){0};
}

void etcd_store_clear(struct etcd_store *store)
{
    json_decref(store->entries);
    free(store->last_key);
    *store = (struct etcd_store){
        .prefix = store->prefix,
        .entries = json_object(),
        .max_bytes = store->max_bytes,
    };
}

/* ---- entries ---- */

static uint64_t entry_bytes(const json_t *entry)
{
    return (uint64_t)json_integer_value(json_object_get(entry, "bytes"));
}

static void entry_drop(struct etcd_store *store, const char *key)
{
    store->bytes -= entry_bytes(json_object_get(store->entries, key));
    json_object_del(store->entries, key);
}

static json_t *entry_new(const struct etcd_store *store, struct slice key, struct slice value)
{
    size_t prefix = strlen(store->prefix);
    struct slice rest = slice_from(key.p + prefix, key.n - prefix);
    char why[ETCD_WHY_BYTES], quote[WORDS_QUOTE_BYTES], refused[2 * ETCD_WHY_BYTES];
    json_t *endpoint = etcd_value_read(rest, value, why);
    json_t *entry = json_object();
    size_t bytes = key.n + value.n;

    json_object_set_new(entry, "bytes", json_integer((json_int_t)bytes));
    if (endpoint) {
        json_object_set_new(entry, "endpoint", endpoint);
        return entry;
    }
    snprintf(refused, sizeof(refused), "key \"%s\": %s", words_quote(quote, key), why);
    for (char *c = refused; *c; c++)
        if ((unsigned char)*c >= 0x80) /* jansson takes UTF-8 only; keys are any bytes */
            *c = '?';
    json_object_set_new(entry, "refused", json_string(refused));
    return entry;
}

static void entry_put(struct etcd_store *store, const char *name, struct slice key,
                      struct slice value)
{
    entry_drop(store, name);
    if (json_object_size(store->entries) >= CONFIG_FOUND_ENDPOINTS ||
        key.n + value.n > store->max_bytes - store->bytes) {
        store->full = true;
        return;
    }
    store->bytes += key.n + value.n;
    json_object_set_new(store->entries, name, entry_new(store, key, value));
}

/* False: it is nonsense. A key that was not asked for is nothing to us. */
static bool take_kv(struct etcd_store *store, const json_t *kv, bool deleted)
{
    const char *name = json_string_value(json_object_get(kv, "key"));
    struct slice key, value;
    char *key_bytes = name ? bytes_read(kv, "key", &key) : NULL;
    char *value_bytes = bytes_read(kv, "value", &value);
    bool good = key_bytes && value_bytes;

    if (good && slice_starts_with(key, slice_str(store->prefix))) {
        if (deleted)
            entry_drop(store, name);
        else
            entry_put(store, name, key, value);
    }
    free(key_bytes);
    free(value_bytes);
    return good;
}

/* ---- range ---- */

static int remember_last(struct etcd_store *store, const json_t *kvs)
{
    size_t count = json_array_size(kvs);
    const json_t *last = json_array_get(kvs, count - 1);
    const char *key = json_string_value(json_object_get(last, "key"));

    if (!key || store->pages >= STORE_PAGES)
        return EG_E_INTERNAL;
    free(store->last_key);
    store->last_key = xstrdup(key);
    return EG_OK;
}

int etcd_store_take_page(struct etcd_store *store, const json_t *answer, bool *ret_more)
{
    const json_t *kvs = json_object_get(answer, "kvs");
    uint64_t revision, count;
    const json_t *kv;
    size_t i;

    if (!revision_read(answer, &revision) || !number_read(answer, "count", &count) ||
        (kvs && !json_is_array(kvs)))
        return EG_E_INTERNAL;
    json_array_foreach(kvs, i, kv)
    {
        if (!take_kv(store, kv, false))
            return EG_E_INTERNAL;
    }
    if (store->pages++ == 0) {
        store->revision = revision;
        store->listed = count;
    }
    /* What there is no room for need not be asked for. */
    bool more = json_is_true(json_object_get(answer, "more")) && !store->full;
    if (more && remember_last(store, kvs) != EG_OK)
        return EG_E_INTERNAL;
    *ret_more = more;
    return EG_OK;
}

/* ---- watch ---- */

static enum etcd_word take_events(struct etcd_store *store, const json_t *events)
{
    const json_t *event;
    size_t i;

    json_array_foreach(events, i, event)
    {
        const char *type = json_string_value(json_object_get(event, "type"));
        bool deleted = type && strcmp(type, "DELETE") == 0;

        if (!take_kv(store, json_object_get(event, "kv"), deleted))
            return ETCD_NONSENSE;
    }
    return json_array_size(events) > 0 ? ETCD_CHANGED : ETCD_NOTHING;
}

static enum etcd_word canceled(const char *reason, char *why)
{
    snprintf(why, ETCD_WHY_BYTES, "etcd ended the watch%s%.150s", reason ? ": " : "",
             reason ? reason : "");
    return ETCD_CANCELED;
}

enum etcd_word etcd_store_take_event(struct etcd_store *store, const json_t *text,
                                     char why[ETCD_WHY_BYTES])
{
    const json_t *error = json_object_get(text, "error");
    const json_t *result = json_object_get(text, "result");
    uint64_t compacted = 0, revision = 0;

    if (error)
        return canceled(json_string_value(json_object_get(error, "message")), why);
    if (!json_is_object(result) || !number_read(result, "compact_revision", &compacted) ||
        !revision_read(result, &revision))
        return ETCD_NONSENSE;
    if (compacted > 0)
        return ETCD_COMPACTED;
    if (json_is_true(json_object_get(result, "canceled")))
        return canceled(json_string_value(json_object_get(result, "cancel_reason")), why);
    enum etcd_word word = take_events(store, json_object_get(result, "events"));
    if (word == ETCD_CHANGED && revision > store->revision)
        store->revision = revision;
    return word;
}

/* ---- is it all? ---- */

/* A revision below ours: etcd lost its data, or this is another one. Then a watch from ours on is
 * silent for long. */
bool etcd_store_agrees(const struct etcd_store *store, const json_t *answer)
{
    const json_t *kvs = json_object_get(answer, "kvs");
    uint64_t revision, count, modified = 0;
    size_t known = json_object_size(store->entries);

    if (!revision_read(answer, &revision) || !number_read(answer, "count", &count) ||
        revision < store->revision)
        return false;
    if (json_array_size(kvs) > 0 &&
        (!number_read(json_array_get(kvs, 0), "mod_revision", &modified) ||
         modified > store->revision))
        return false;
    return count == (store->full ? store->listed : known);
}

/* ---- what it comes to ---- */

json_t *etcd_store_endpoints(const struct etcd_store *store,
                             void (*on_refused)(void *arg, const char *why), void *arg)
{
    json_t *endpoints = json_array(), *entry;
    char text[ETCD_WHY_BYTES];
    const char *key;

    json_object_foreach(store->entries, key, entry)
    {
        json_t *endpoint = json_object_get(entry, "endpoint");

        if (endpoint)
            json_array_append(endpoints, endpoint);
        else
            on_refused(arg, json_string_value(json_object_get(entry, "refused")));
    }
    if (store->full) {
        snprintf(text, sizeof(text), "there are more keys than %d, or more bytes than max_bytes",
                 CONFIG_FOUND_ENDPOINTS);
        on_refused(arg, text);
    }
    return endpoints;
}
