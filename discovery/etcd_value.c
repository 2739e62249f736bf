/* See etcd_value.h. What an endpoint's members may be is config/'s matter. */
#include "discovery/etcd_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

enum { ID_BYTES = 253, ADDRESS_BYTES = 512 };

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trim(struct slice s)
{
    while (s.n > 0 && is_space(s.p[0]))
        s = slice_from(s.p + 1, s.n - 1);
    while (s.n > 0 && is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

static bool is_visible_ascii(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
            return false;
    return true;
}

/* The prefix may have been written without its slash. */
static json_t *id_of(struct slice rest, char *why)
{
    char id[ID_BYTES];

    while (rest.n > 0 && rest.p[0] == '/')
        rest = slice_from(rest.p + 1, rest.n - 1);
    if (rest.n == 0 || rest.n > sizeof(id) || !is_visible_ascii(rest)) {
        snprintf(why, ETCD_WHY_BYTES, "the key cannot be an id; \"id\" would say one");
        return NULL;
    }
    for (size_t i = 0; i < rest.n; i++)
        id[i] = rest.p[i] == '/' ? ':' : rest.p[i];
    return json_stringn(id, rest.n);
}

static json_t *endpoint_of_address(struct slice rest, struct slice address, char *why)
{
    json_t *id, *endpoint;

    if (address.n == 0 || address.n > ADDRESS_BYTES || !is_visible_ascii(address)) {
        snprintf(why, ETCD_WHY_BYTES, "neither an endpoint object nor \"HOST:PORT\"");
        return NULL;
    }
    id = id_of(rest, why);
    if (id == NULL)
        return NULL;
    endpoint = json_object();
    json_object_set_new(endpoint, "id", id);
    json_object_set_new(endpoint, "address", json_stringn(address.p, address.n));
    return endpoint;
}

/* Takes the reference. */
static json_t *endpoint_of_object(struct slice rest, json_t *object, char *why)
{
    json_t *id;

    if (json_object_get(object, "id") != NULL)
        return object;
    id = id_of(rest, why);
    if (id == NULL) {
        json_decref(object);
        return NULL;
    }
    json_object_set_new(object, "id", id);
    return object;
}

static bool begins_json(struct slice value)
{
    return value.n > 0 && strchr("{\"", value.p[0]) != NULL;
}

static json_t *endpoint_of_json(struct slice rest, struct slice value, char *why)
{
    json_error_t error;
    json_t *json = json_loadb(value.p, value.n, JSON_DECODE_ANY, &error);
    json_t *endpoint = NULL;

    if (json_is_object(json))
        return endpoint_of_object(rest, json, why);
    if (json == NULL)
        snprintf(why, ETCD_WHY_BYTES, "the value is not JSON: %.100s", error.text);
    else if (json_is_string(json))
        endpoint = endpoint_of_address(
            rest, slice_from(json_string_value(json), json_string_length(json)), why);
    else
        snprintf(why, ETCD_WHY_BYTES, "neither an endpoint object nor \"HOST:PORT\"");
    json_decref(json);
    return endpoint;
}

json_t *etcd_value_read(struct slice rest, struct slice value, char why[ETCD_WHY_BYTES])
{
    value = trim(value);
    if (value.n > ETCD_VALUE_BYTES) {
        snprintf(why, ETCD_WHY_BYTES, "the value has more than %d bytes", ETCD_VALUE_BYTES);
        return NULL;
    }
    return begins_json(value) ? endpoint_of_json(rest, value, why)
                              : endpoint_of_address(rest, value, why);
}
