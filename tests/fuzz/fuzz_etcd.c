/*
 * Answers of etcd's gateway, one per line; its first byte says to what: 'p' a page, 'w' a watch,
 * 'c' a check. Properties: the store's count of bytes is right and within its limit; every endpoint
 * has an id, and is one or is refused as one; what is asked next is JSON.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/found.h"
#include "discovery/etcd_ask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 300 };

static unsigned left_out;

static void on_refused(void *arg, const char *why)
{
    CHECK(why && why[0] != '\0');
    left_out++;
}

static void check_store(const struct etcd_store *store)
{
    uint64_t bytes = 0;
    const char *key;
    json_t *entry;

    json_object_foreach(store->entries, key, entry)
    {
        json_t *endpoint = json_object_get(entry, "endpoint");

        bytes += (uint64_t)json_integer_value(json_object_get(entry, "bytes"));
        CHECK(json_is_object(endpoint) || json_is_string(json_object_get(entry, "refused")));
        CHECK(!endpoint || json_object_get(endpoint, "id"));
    }
    CHECK(bytes == store->bytes && bytes <= MAX_BYTES);
}

static void check_endpoints(const struct etcd_store *store)
{
    struct config_refused refused;

    left_out = 0;
    json_t *endpoints = etcd_store_endpoints(store, on_refused, NULL);
    size_t count = json_array_size(endpoints);
    struct config_found *found = config_found_new(endpoints, NULL, &refused);

    CHECK(count + left_out == json_object_size(store->entries) + store->full);
    CHECK(config_found_count(found) + refused.count == count);
    config_found_unref(&found);
    config_refused_fini(&refused);
    json_decref(endpoints);
}

static void check_question(char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);

    CHECK(json_is_object(json));
    json_decref(json);
    free(text);
}

static void take(struct etcd_store *store, char kind, const json_t *json)
{
    char why[ETCD_WHY_BYTES] = "";
    bool more = false;

    if (kind == 'p' && etcd_store_take_page(store, json, &more) != EG_OK)
        CHECK(!more);
    if (kind == 'w' && etcd_store_take_event(store, json, why) == ETCD_CANCELED)
        CHECK(why[0] != '\0');
    if (kind == 'c')
        etcd_store_agrees(store, json);
    check_question(etcd_ask_page(store));
    check_question(etcd_ask_check(store));
    check_question(etcd_ask_watch(store));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data, *end = at + size;
    struct etcd_store store;

    etcd_store_init(&store, "/s/", MAX_BYTES);
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        json_error_t error;
        json_t *json = stop > at ? json_loadb(at + 1, (size_t)(stop - at) - 1, 0, &error) : NULL;

        if (json)
            take(&store, *at, json);
        check_store(&store);
        json_decref(json);
        at = stop + (newline != NULL);
    }
    check_endpoints(&store);
    etcd_store_fini(&store);
    return 0;
}
