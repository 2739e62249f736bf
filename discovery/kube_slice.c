/* See kube_slice.h. */
#include "discovery/kube_slice.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "client/words.h"
#include "discovery/kube_api.h"

enum { ADDRESS_BYTES = INET6_ADDRSTRLEN + sizeof("[]:65535"), LIST_BYTES = 160 };

struct reading {
    const struct kube_selection *selection;
    const char *name; /* the slice's */
    int family;
    unsigned port;
    struct kube_slice into;
};

static void refuse(struct reading *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void refuse(struct reading *r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *why = xvasprintf(format, args);
    va_end(args);
    char *sentence = xasprintf("slice \"%s\": %s", r->name, why);
    json_array_append_new(r->into.refused, json_string(sentence));
    free(sentence);
    free(why);
}

const char *kube_name_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    const char *text = json_string_value(value);
    size_t n = json_string_length(value);

    if (!text || n == 0 || n > KUBE_NAME_BYTES)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (text[i] <= ' ' || (unsigned char)text[i] >= 0x7f)
            return NULL;
    return text;
}

const char *kube_slice_name(const json_t *object)
{
    return kube_name_of(json_object_get(object, "metadata"), "name");
}

/* ---- ports ---- */

/* 0: it says none, which means all of them. */
static unsigned number_of(const json_t *port)
{
    json_int_t number = json_integer_value(json_object_get(port, "port"));

    return number > 0 && number <= UINT16_MAX ? (unsigned)number : 0;
}

static bool is_tcp(const json_t *port)
{
    const char *protocol = json_string_value(json_object_get(port, "protocol"));

    return !protocol || strcmp(protocol, "TCP") == 0; /* the default */
}

/* `port` as a number; 0: it is a name. Names of ports have a letter (RFC 6335 section 5.1). */
static unsigned wanted_number(const struct kube_selection *selection)
{
    unsigned long long number;

    if (!slice_to_u64(slice_str(selection->port), &number) || number > UINT16_MAX)
        return 0;
    return (unsigned)number;
}

static bool is_wanted(const json_t *port, const struct kube_selection *selection)
{
    const char *name = json_string_value(json_object_get(port, "name"));
    unsigned wanted = wanted_number(selection), number = number_of(port);

    if (selection->port[0] == '\0')
        return true;
    if (wanted > 0)
        return number == wanted || number == 0;
    return name && strcmp(name, selection->port) == 0;
}

/* "http 8080" */
static void write_port(char *out, size_t capacity, const json_t *port)
{
    char name[WORDS_QUOTE_BYTES];
    unsigned number = number_of(port);

    kube_quote(name, json_object_get(port, "name"));
    if (number > 0)
        snprintf(out, capacity, "%s%s%u", name, name[0] ? " " : "", number);
    else
        snprintf(out, capacity, "%s%sany", name, name[0] ? " " : "");
}

/* "http 8080, metrics 9090", for whoever has to choose. */
static const char *list_ports(char out[LIST_BYTES], const json_t *ports)
{
    const json_t *port;
    size_t i, used = 0;

    out[0] = '\0';
    json_array_foreach(ports, i, port)
    {
        if (!is_tcp(port) || used + sizeof(", ") >= LIST_BYTES)
            continue;
        if (used > 0)
            used += (size_t)snprintf(out + used, LIST_BYTES - used, ", ");
        write_port(out + used, LIST_BYTES - used, port);
        used += strlen(out + used);
    }
    return out[0] ? out : "none";
}

/* The port of this slice's endpoints, or false and why not. */
static bool select_port(struct reading *r, const json_t *ports)
{
    const struct kube_selection *selection = r->selection;
    const json_t *port, *found = NULL;
    char list[LIST_BYTES];
    unsigned matches = 0;
    size_t i;

    json_array_foreach(ports, i, port)
    {
        if (!is_tcp(port) || !is_wanted(port, selection))
            continue;
        found = port;
        matches++;
    }
    if (matches > 1 && selection->port[0] == '\0') {
        refuse(r, "it has several ports (%s): name one with `port`", list_ports(list, ports));
        return false;
    }
    r->port = found && number_of(found) > 0 ? number_of(found) : 0;
    if (found && r->port == 0)
        r->port = wanted_number(selection);
    if (r->port > 0)
        return true;
    if (selection->port[0] != '\0')
        refuse(r, "it has no TCP port \"%s\"; it has: %s", selection->port,
               list_ports(list, ports));
    else
        refuse(r, "it has no TCP port with a number; it has: %s", list_ports(list, ports));
    return false;
}

/* ---- endpoints ---- */

static bool condition(const json_t *endpoint, const char *name, bool otherwise)
{
    const json_t *value = json_object_get(json_object_get(endpoint, "conditions"), name);

    return json_is_boolean(value) ? json_is_true(value) : otherwise;
}

/* NULL: it is to be left out. */
static const char *reported_of(const json_t *endpoint)
{
    bool ready = condition(endpoint, "ready", true);
    bool serving = condition(endpoint, "serving", ready);

    if (ready)
        return "healthy";
    if (!condition(endpoint, "terminating", false))
        return "unhealthy";
    return serving ? "draining" : NULL;
}

static const char *zone_of(const json_t *endpoint, const char *own_zone)
{
    const json_t *zones = json_object_get(json_object_get(endpoint, "hints"), "forZones");
    const char *first = NULL;
    const json_t *zone;
    size_t i;

    json_array_foreach(zones, i, zone)
    {
        const char *name = kube_name_of(zone, "name");

        if (name && strcmp(name, own_zone) == 0)
            return name;
        if (!first)
            first = name;
    }
    return first ? first : kube_name_of(endpoint, "zone");
}

static bool write_address(const struct reading *r, const json_t *endpoint, char out[ADDRESS_BYTES])
{
    const json_t *first = json_array_get(json_object_get(endpoint, "addresses"), 0);
    const char *text = json_string_value(first);
    unsigned char binary[sizeof(struct in6_addr)];
    char host[INET6_ADDRSTRLEN];

    if (!text || inet_pton(r->family, text, binary) != 1)
        return false;
    inet_ntop(r->family, binary, host, sizeof(host));
    snprintf(out, ADDRESS_BYTES, r->family == AF_INET ? "%s:%u" : "[%s]:%u", host, r->port);
    return true;
}

static void set_text(json_t *object, const char *key, const char *text)
{
    if (text)
        json_object_set_new(object, key, json_string(text));
}

static json_t *metadata_of(const json_t *endpoint)
{
    const json_t *target = json_object_get(endpoint, "targetRef");
    const char *kind = kube_name_of(target, "kind");
    json_t *metadata = json_object();

    if (kind && strcmp(kind, "Pod") == 0)
        set_text(metadata, "pod", kube_name_of(target, "name"));
    set_text(metadata, "node", kube_name_of(endpoint, "nodeName"));
    return metadata;
}

static void read_endpoint(struct reading *r, const json_t *endpoint, size_t index)
{
    const char *reported = reported_of(endpoint), *zone = zone_of(endpoint, r->selection->zone);
    const char *id = kube_name_of(json_object_get(endpoint, "targetRef"), "name");
    char address[ADDRESS_BYTES], quoted[WORDS_QUOTE_BYTES];

    if (!reported)
        return;
    if (!write_address(r, endpoint, address)) {
        const json_t *first = json_array_get(json_object_get(endpoint, "addresses"), 0);
        refuse(r, "endpoint %zu: \"%s\" is no %s address", index, kube_quote(quoted, first),
               r->family == AF_INET ? "IPv4" : "IPv6");
        return;
    }
    json_t *found = json_object();
    set_text(found, "id", id ? id : address);
    set_text(found, "address", address);
    set_text(found, "reported", reported);
    set_text(found, "zone", zone);
    /* Slices do not know regions, but we know which one our own zone is in. */
    if (zone && r->selection->region[0] && strcmp(zone, r->selection->zone) == 0)
        set_text(found, "region", r->selection->region);
    json_object_set_new(found, "metadata", metadata_of(endpoint));
    json_array_append_new(r->into.endpoints, found);
}

struct kube_slice kube_slice_read(const json_t *object, const struct kube_selection *selection)
{
    const char *name = kube_slice_name(object);
    const json_t *type = json_object_get(object, "addressType"), *endpoint;
    const json_t *endpoints = json_object_get(object, "endpoints");
    struct reading r = {selection, name ? name : "", .into = {json_array(), json_array()}};
    char quoted[WORDS_QUOTE_BYTES];
    size_t i;

    if (json_array_size(endpoints) == 0)
        return r.into; /* a service without pods has such a one, without ports too */
    if (slice_eq(slice_str(json_string_value(type)), SLICE_LIT("IPv4")))
        r.family = AF_INET;
    else if (slice_eq(slice_str(json_string_value(type)), SLICE_LIT("IPv6")))
        r.family = AF_INET6;
    else
        refuse(&r, "addressType \"%s\" is neither IPv4 nor IPv6", kube_quote(quoted, type));
    if (r.family == 0 || !select_port(&r, json_object_get(object, "ports")))
        return r.into;
    json_array_foreach(endpoints, i, endpoint)
    {
        if (i == KUBE_SLICE_ENDPOINTS) {
            refuse(&r, "it has more than %d endpoints", KUBE_SLICE_ENDPOINTS);
            break;
        }
        read_endpoint(&r, endpoint, i);
    }
    return r.into;
}
