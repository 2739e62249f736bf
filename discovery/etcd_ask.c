/* See etcd_ask.h. */
#include "discovery/etcd_ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "discovery/base64.h"

static void put_bytes(json_t *object, const char *name, struct slice bytes)
{
    char *text = base64_encode(bytes);

    json_object_set_new(object, name, json_string(text));
    free(text);
}

static void put_number(json_t *object, const char *name, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    json_object_set_new(object, name, json_string(text));
}

/* etcd's words for "everything that begins with": up to the prefix whose last byte is one larger.
 * Where there is none, NUL stands for the end of all keys. */
static void put_range_end(json_t *object, const char *prefix)
{
    char *end = xstrdup(prefix);
    size_t n = strlen(end);

    while (n > 0 && (unsigned char)end[n - 1] == 0xff)
        n--;
    if (n > 0)
        end[n - 1]++;
    put_bytes(object, "range_end", n > 0 ? slice_from(end, n) : SLICE_LIT("\0"));
    free(end);
}

static json_t *range_of(const char *prefix)
{
    json_t *range = json_object();

    put_bytes(range, "key", prefix[0] != '\0' ? slice_str(prefix) : SLICE_LIT("\0"));
    put_range_end(range, prefix);
    return range;
}

/* Takes the reference. */
static char *write_out(json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);

    json_decref(json);
    CHECK(text != NULL);
    return text;
}

/* The key behind another one: the same and a NUL. */
static void put_next_key(json_t *range, const char *last_key)
{
    size_t n = 0;
    char *key = base64_decode(slice_str(last_key), &n);

    CHECK(key != NULL); /* the store took it apart before */
    put_bytes(range, "key", slice_from(key, n + 1));
    free(key);
}

char *etcd_ask_page(const struct etcd_store *store)
{
    json_t *range = range_of(store->prefix);

    put_number(range, "limit", ETCD_PAGE_KEYS);
    if (store->last_key) {
        put_next_key(range, store->last_key);
        put_number(range, "revision", store->revision);
    }
    return write_out(range);
}

char *etcd_ask_check(const struct etcd_store *store)
{
    json_t *range = range_of(store->prefix);

    put_number(range, "limit", 1);
    put_number(range, "min_mod_revision", store->revision + 1);
    json_object_set_new(range, "keys_only", json_true());
    return write_out(range);
}

char *etcd_ask_watch(const struct etcd_store *store)
{
    json_t *create = range_of(store->prefix);

    put_number(create, "start_revision", store->revision + 1);
    return write_out(json_pack("{so}", "create_request", create));
}

char *etcd_ask_token(const char *user, struct slice password)
{
    json_t *login = json_object();

    if (json_object_set_new(login, "name", json_string(user)) != 0 ||
        json_object_set_new(login, "password", json_stringn(password.p, password.n)) != 0) {
        json_decref(login);
        return NULL;
    }
    return write_out(login);
}
