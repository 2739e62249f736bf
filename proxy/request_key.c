/* Hash keys and cookies of requests: see request_key.h. */
#include "proxy/request_key.h"

#include <string.h>

struct slice request_cookie(const struct http_fields *fields, struct slice name)
{
    const struct http_field *cookie = http_fields_get(fields, HTTP_FIELD_COOKIE);
    struct slice rest = cookie != NULL ? cookie->value : slice_from("", 0);

    while (rest.n > 0) {
        const char *semicolon = memchr(rest.p, ';', rest.n);
        size_t size = semicolon != NULL ? (size_t)(semicolon - rest.p) : rest.n;
        struct slice pair = slice_trim(slice_from(rest.p, size));

        if (pair.n > name.n && pair.p[name.n] == '=' && slice_starts_with(pair, name))
            return slice_from(pair.p + name.n + 1, pair.n - name.n - 1);
        size += semicolon != NULL;
        rest = slice_from(rest.p + size, rest.n - size);
    }
    return slice_from("", 0);
}

bool request_key_matters(const struct config_pool *pool)
{
    return pool->algorithm == CONFIG_IP_HASH || pool->algorithm == CONFIG_CONSISTENT_HASH;
}

struct slice request_key_of(const struct config_pool *pool, const struct http_request_head *head,
                            struct slice client_host)
{
    struct slice name = slice_str(pool->hash_name);
    struct slice key = slice_from("", 0);
    const struct http_field *field;

    if (pool->algorithm == CONFIG_IP_HASH)
        return client_host;
    switch (pool->hash_key) {
    case CONFIG_HASH_URI:
        key = head->path;
        break;
    case CONFIG_HASH_HEADER:
        field = http_fields_find(&head->fields, name);
        if (field != NULL)
            key = field->value;
        break;
    case CONFIG_HASH_COOKIE:
        key = request_cookie(&head->fields, name);
        break;
    case CONFIG_HASH_IP:
        break;
    }
    return key.n > 0 ? key : client_host;
}
