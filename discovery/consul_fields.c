/*
 * See consul_fields.h.
 *
 * Keys of Service.Meta that have the name of an endpoint's key set that as well (weight, priority,
 * max_connections, backup, region, zone): Consul knows no priorities, and a service's own word
 * about itself is more precise than what its agent knows.
 */
#include "discovery/consul_fields.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "client/words.h"

struct fields {
    const json_t *node, *service, *checks;
    json_t *endpoint;
    char *why;
};

static bool fields_refuse(struct fields *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool fields_refuse(struct fields *f, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(f->why, CONSUL_FIELDS_WHY_BYTES, format, args);
    va_end(args);
    return false;
}

static const char *text_of(const json_t *group, const char *key)
{
    const char *text = json_string_value(json_object_get(group, key));

    return text != NULL ? text : "";
}

static void put_text(struct fields *f, const char *key, const char *text)
{
    if (text[0] != '\0')
        json_object_set_new(f->endpoint, key, json_string(text));
}

/* ---- where it is ---- */

static json_t *address_of(const char *host, int port)
{
    bool bare_ipv6 = strchr(host, ':') != NULL && host[0] != '[';

    return json_sprintf(bare_ipv6 ? "[%s]:%d" : "%s:%d", host, port);
}

/* A service without an address is at its node's. */
static bool fields_address(struct fields *f)
{
    const json_t *port = json_object_get(f->service, "Port");
    const char *host = text_of(f->service, "Address");
    const char *path = text_of(f->service, "SocketPath");

    if (path[0] != '\0') {
        json_object_set_new(f->endpoint, "address", json_sprintf("unix:%s", path));
        return true;
    }
    if (host[0] == '\0')
        host = text_of(f->node, "Address");
    if (host[0] == '\0')
        return fields_refuse(f, "neither it nor its node has an address");
    if (!json_is_integer(port) || json_integer_value(port) == 0)
        return fields_refuse(f, "it has no port");
    if (json_integer_value(port) < 0 || json_integer_value(port) > UINT16_MAX)
        return fields_refuse(f, "port: %" JSON_INTEGER_FORMAT " is none", json_integer_value(port));
    json_object_set_new(f->endpoint, "address", address_of(host, (int)json_integer_value(port)));
    return true;
}

static void fields_place(struct fields *f)
{
    const json_t *own = json_object_get(f->service, "Locality");
    const json_t *nodes = json_object_get(f->node, "Locality");

    put_text(f, "region", text_of(f->node, "Datacenter"));
    put_text(f, "region", text_of(nodes, "Region"));
    put_text(f, "zone", text_of(nodes, "Zone"));
    put_text(f, "region", text_of(own, "Region"));
    put_text(f, "zone", text_of(own, "Zone"));
}

/* ---- how it is ---- */

enum fields_health { FIELDS_PASSING, FIELDS_WARNING, FIELDS_CRITICAL, FIELDS_MAINTENANCE };

/* Maintenance is a critical check of a certain name, of the node or of one service on it. A word
 * that Consul does not have is no reason to trust the service. */
static enum fields_health check_health(const json_t *check)
{
    const char *id = text_of(check, "CheckID"), *status = text_of(check, "Status");

    if (strcmp(status, "passing") == 0)
        return FIELDS_PASSING;
    if (strcmp(id, "_node_maintenance") == 0 ||
        slice_starts_with(slice_str(id), SLICE_LIT("_service_maintenance:")))
        return FIELDS_MAINTENANCE;
    return strcmp(status, "warning") == 0 ? FIELDS_WARNING : FIELDS_CRITICAL;
}

static enum fields_health fields_worst(const struct fields *f)
{
    enum fields_health worst = FIELDS_PASSING, health;
    const json_t *check;
    size_t i;

    json_array_foreach(f->checks, i, check)
    {
        health = check_health(check);
        if (health > worst)
            worst = health;
    }
    return worst;
}

static bool fields_health(struct fields *f)
{
    static const char *const reported[] = {"healthy", "degraded", "unhealthy", "draining"};
    enum fields_health worst = fields_worst(f);
    const json_t *weights = json_object_get(f->service, "Weights");
    json_t *weight = json_object_get(weights, worst == FIELDS_WARNING ? "Warning" : "Passing");

    json_object_set_new(f->endpoint, "reported", json_string(reported[worst]));
    if (weight != NULL && !json_is_integer(weight))
        return fields_refuse(f, "Weights: not a number");
    if (weight != NULL)
        json_object_set(f->endpoint, "weight", weight);
    return true;
}

/* ---- what it says of itself ---- */

static bool meta_number(struct fields *f, const char *key, const char *text)
{
    unsigned long long number;
    char quoted[WORDS_QUOTE_BYTES];

    if (!slice_to_u64(slice_str(text), &number) || number > UINT32_MAX)
        return fields_refuse(f, "Meta.%s: \"%s\" is no number", key,
                             words_quote(quoted, slice_str(text)));
    json_object_set_new(f->endpoint, key, json_integer((json_int_t)number));
    return true;
}

static bool meta_bool(struct fields *f, const char *key, const char *text)
{
    bool yes = strcmp(text, "true") == 0;
    char quoted[WORDS_QUOTE_BYTES];

    if (!yes && strcmp(text, "false") != 0)
        return fields_refuse(f, "Meta.%s: \"%s\" is neither \"true\" nor \"false\"", key,
                             words_quote(quoted, slice_str(text)));
    json_object_set_new(f->endpoint, key, json_boolean(yes));
    return true;
}

static bool meta_text(struct fields *f, const char *key, const char *text)
{
    put_text(f, key, text);
    return true;
}

static bool meta_take(struct fields *f, const char *key, const char *text)
{
    static const struct {
        const char *key;
        bool (*take)(struct fields *f, const char *key, const char *text);
    } known[] = {
        {"weight", meta_number}, {"priority", meta_number}, {"max_connections", meta_number},
        {"backup", meta_bool},   {"region", meta_text},     {"zone", meta_text},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].key, key) == 0)
            return known[i].take(f, key, text);
    }
    return true;
}

/* null stands for none of it, as Go writes an empty map. */
static bool fields_meta(struct fields *f)
{
    json_t *meta = json_object_get(f->service, "Meta");
    const char *key;
    json_t *value;

    if (meta == NULL || json_is_null(meta))
        return true;
    if (!json_is_object(meta))
        return fields_refuse(f, "Meta is no object");
    json_object_foreach(meta, key, value)
    {
        if (!json_is_string(value))
            return fields_refuse(f, "Meta holds what is no string");
        if (!meta_take(f, key, json_string_value(value)))
            return false;
    }
    if (json_object_size(meta) > 0)
        json_object_set(f->endpoint, "metadata", meta);
    return true;
}

static bool fields_tags(struct fields *f)
{
    json_t *tags = json_object_get(f->service, "Tags"), *tag;
    size_t i;

    if (tags == NULL || json_is_null(tags))
        return true;
    if (!json_is_array(tags))
        return fields_refuse(f, "Tags is no array");
    json_array_foreach(tags, i, tag)
    {
        if (!json_is_string(tag))
            return fields_refuse(f, "Tags holds what is no string");
    }
    if (json_array_size(tags) > 0)
        json_object_set(f->endpoint, "tags", tags);
    return true;
}

json_t *consul_fields_read(const json_t *entry, char why[CONSUL_FIELDS_WHY_BYTES])
{
    struct fields f = {
        .node = json_object_get(entry, "Node"),
        .service = json_object_get(entry, "Service"),
        .checks = json_object_get(entry, "Checks"),
        .endpoint = json_object(),
        .why = why,
    };

    put_text(&f, "name", text_of(f.node, "Node"));
    fields_place(&f);
    if (fields_address(&f) && fields_health(&f) && fields_tags(&f) && fields_meta(&f))
        return f.endpoint;
    json_decref(f.endpoint);
    return NULL;
}
