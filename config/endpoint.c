/* A backend as the management API writes it: address and port apart if one likes, a protocol,
 * health_check as a bool or an address; the rest is the file's. */
#include "config/endpoint_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/overlay.h"

static const struct config_source endpoint_source = {.name = "api"};

/* ---- address and port ---- */

static bool address_has_port(const char *text)
{
    struct config_address address;
    char *why = config_address_parse(&address, slice_str(text), 1);

    free(why);
    return why == NULL;
}

/* HOST and PORT as the file would write them (heap); an IPv6 address may come without its brackets.
 */
static char *address_text(const char *host, unsigned port)
{
    const char *colon = strchr(host, ':');
    bool bare = colon != NULL && strchr(colon + 1, ':') != NULL && host[0] != '[';

    return bare ? xasprintf("[%s]:%u", host, port) : xasprintf("%s:%u", host, port);
}

static const char *address_join(struct arena *arena, const char *host, unsigned port)
{
    char *text = address_text(host, port);
    const char *kept = arena_dup(arena, slice_str(text)).p;

    free(text);
    return kept;
}

/* A port that is none is a mistake of its own. */
char *config_endpoint_id(const json_t *fields)
{
    const char *address = json_string_value(json_object_get(fields, "address"));
    json_int_t port = json_integer_value(json_object_get(fields, "port"));

    if (address == NULL || address[0] == '\0')
        return NULL;
    if (port < 1 || port > UINT16_MAX || strncmp(address, "unix:", 5) == 0 ||
        address_has_port(address))
        return xstrdup(address);
    return address_text(address, (unsigned)port);
}

static void endpoint_take_address(struct schema_walk *walk, const struct config_node *group,
                                  struct config_endpoint *endpoint)
{
    struct config_backend *backend = &endpoint->backend;
    bool unix_path = strncmp(endpoint->address, "unix:", 5) == 0;

    backend->address = endpoint->address;
    if (unix_path && endpoint->port != 0) {
        config_diag_add(walk->diag, 0, "port: a Unix socket has none; remove it");
        return;
    }
    if (!unix_path && endpoint->port != 0 && !address_has_port(endpoint->address))
        backend->address = address_join(walk->arena, endpoint->address, endpoint->port);
    config_backend_check_address(walk, group, backend);
    if (endpoint->port != 0 && backend->port != 0 && backend->port != endpoint->port)
        config_diag_add(walk->diag, 0, "port: %u contradicts the address \"%s\"; write one of them",
                        endpoint->port, endpoint->address);
}

/* Only the port was said: the host stays. */
static bool endpoint_change_port(struct config_backend *backend, unsigned port, struct arena *arena,
                                 struct config_diag *diag)
{
    const char *colon = strrchr(backend->address, ':');

    if (strncmp(backend->address, "unix:", 5) == 0) {
        config_diag_add(diag, 0, "port: the address is the Unix socket \"%s\"; write an address",
                        backend->address);
        return false;
    }
    backend->address = address_join(
        arena, arena_dup(arena, slice_from(backend->address, (size_t)(colon - backend->address))).p,
        port);
    backend->port = (uint16_t)port;
    return true;
}

static void settle_address(json_t *target, const char *address)
{
    struct config_address parsed;
    const char *colon = strrchr(address, ':');
    char *why = config_address_parse(&parsed, slice_str(address), 1);

    if (why == NULL && parsed.kind != CONFIG_ADDRESS_UNIX)
        json_object_set_new(target, "address", json_stringn(address, (size_t)(colon - address)));
    free(why);
}

void config_endpoint_settle_port(json_t *target, const json_t *patch)
{
    const char *said = json_string_value(json_object_get(patch, "address"));
    const char *before = json_string_value(json_object_get(target, "address"));
    bool port = json_is_integer(json_object_get(patch, "port"));

    if (said != NULL && !port && address_has_port(said))
        json_object_del(target, "port");
    else if (said == NULL && port && before != NULL)
        settle_address(target, before);
}

/* ---- the keys that are the API's alone ---- */

static void endpoint_read_protocol(struct schema_walk *walk, const struct config_node *node,
                                   void *out)
{
    const char *text = config_schema_string(walk, node, "a string", "\"http/1.1\"");

    if (text != NULL && strcmp(text, "http/1.1") != 0 && strcmp(text, "http") != 0)
        config_diag_add(walk->diag, node->line,
                        "protocol: \"%s\" is not built yet in this version; write \"http/1.1\"",
                        text);
}

static json_t *endpoint_show_protocol(const struct config *config, const void *in)
{
    return json_string("http/1.1");
}

static const struct schema_key check_keys[] = {
    {"address", SCHEMA_STRING, SCHEMA_AT(struct config_backend, check_address),
     .example = "\"10.0.0.1:8081\""},
};

static const struct schema_section check_section = {
    .title = "health_check",
    .struct_bytes = sizeof(struct config_backend),
    SCHEMA_KEYS(check_keys),
};

static void endpoint_read_check(struct schema_walk *walk, const struct config_node *node, void *out)
{
    struct config_backend *backend = out;
    struct config_scope scope;

    if (node->type == CONFIG_NODE_BOOL) {
        backend->checked = node->boolean;
        return;
    }
    if (node->type != CONFIG_NODE_GROUP) {
        config_schema_wrong_type(walk, node, "a bool or a group", "true");
        return;
    }
    backend->checked = true;
    config_diag_enter(walk->diag, &scope, node->name);
    config_schema_read(walk, &check_section, node, backend);
    if (config_node_find(node, "address") == NULL)
        config_diag_add(walk->diag, node->line,
                        "\"address\" is missing; write address = \"10.0.0.1:8081\"");
    else if (backend->check_address != NULL)
        config_check_address(walk, node->line, "address", backend->check_address, true);
    config_diag_leave(walk->diag);
}

static json_t *endpoint_show_check(const struct config *config, const void *in)
{
    const struct config_backend *backend = in;

    if (!backend->checked || backend->check_address == NULL)
        return json_boolean(backend->checked);
    return json_pack("{s:o}", "address", config_schema_text_json(backend->check_address));
}

static json_t *endpoint_show_id(const struct config *config, const void *in)
{
    return config_schema_text_json(((const struct config_backend *)in)->id);
}

static json_t *endpoint_show_address(const struct config *config, const void *in)
{
    return config_schema_text_json(((const struct config_backend *)in)->address);
}

static json_t *endpoint_show_port(const struct config *config, const void *in)
{
    const struct config_backend *backend = in;

    return backend->port != 0 ? json_integer(backend->port) : NULL;
}

/* ---- the section ---- */

static void endpoint_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    static const struct config_place nowhere = {"", ""};
    struct config_endpoint *endpoint = out;
    struct config_place place = nowhere;

    if (endpoint->address != NULL && endpoint->address[0] != '\0')
        endpoint_take_address(walk, group, endpoint);
    if (endpoint->backend.place.region != NULL)
        place.region = endpoint->backend.place.region;
    if (endpoint->backend.place.zone != NULL)
        place.zone = endpoint->backend.place.zone;
    config_check_place(walk, group, &place);
}

static const struct schema_key shared_keys[] = {CONFIG_BACKEND_KEYS};

static const struct schema_key endpoint_keys[] = {
    {"id", SCHEMA_STRING, SCHEMA_AT(struct config_endpoint, id), .example = "\"a\"",
     .show = endpoint_show_id},
    {"address", SCHEMA_STRING, SCHEMA_AT(struct config_endpoint, address), .required = true,
     .example = "\"10.0.0.1:8080\"", .show = endpoint_show_address},
    {"port", SCHEMA_INTEGER, SCHEMA_AT(struct config_endpoint, port), .min = 1, .max = 65535,
     .show = endpoint_show_port},
    {"protocol", SCHEMA_CUSTOM, .read = endpoint_read_protocol, .show = endpoint_show_protocol},
    {"health_check", SCHEMA_CUSTOM, .read = endpoint_read_check, .show = endpoint_show_check},
    CONFIG_BACKEND_KEYS,
};

const struct schema_section config_endpoint_section = {
    .title = "endpoint",
    .label = "endpoint",
    .identity = {"id"},
    .struct_bytes = sizeof(struct config_endpoint),
    SCHEMA_KEYS(endpoint_keys),
    .check = endpoint_check,
};

json_t *config_backend_json(const struct config_backend *backend)
{
    json_t *json = config_schema_json(NULL, &config_endpoint_section, backend);

    if (backend->reported != CONFIG_REPORTED_NOTHING)
        json_object_set_new(json, "reported", json_string(config_reported_name(backend->reported)));
    return json;
}

bool config_endpoint_is_read_only(const char *key)
{
    static const char *const keys[] = {
        "created_at",   "updated_at", "pool",      "effective_weight",
        "status",       "status_why", "summary",   "usable",
        "status_since", "draining",   "resolved",  "breaker",
        "outlier",      "stall",      "check",     "active",
        "requests",     "failures",   "successes", "consecutive_failures",
        "latency",      "source",     "leaving",   "not_saved",
        "reported",
    };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i], key) == 0)
            return true;
    }
    return false;
}

/* ---- reading and laying over ---- */

bool config_endpoint_read(struct config_endpoint *ret_said, const json_t *fields,
                          struct arena *arena, struct config_diag *diag)
{
    struct schema_walk walk = {
        .arena = arena, .diag = diag, .source = &endpoint_source, .partial = true};
    size_t before = diag->count;
    struct config_node node;
    struct arena nodes;

    *ret_said = (struct config_endpoint){0};
    arena_init(&nodes);
    if (config_json_nodes(fields, "", &nodes, diag, &node))
        config_schema_read(&walk, &config_endpoint_section, &node, ret_said);
    arena_fini(&nodes);
    return diag->count == before;
}

void config_endpoint_defaults(struct config_backend *ret_backend, struct arena *arena)
{
    struct config_diag diag = {.arena = arena};
    struct schema_walk walk = {.arena = arena, .diag = &diag, .source = &endpoint_source};

    *ret_backend = (struct config_backend){.id = "", .address = "", .checked = true};
    for (size_t i = 0; i < sizeof(shared_keys) / sizeof(shared_keys[0]); i++)
        config_schema_value_default(&walk, &shared_keys[i], ret_backend);
}

static bool metadata_has(const struct config_backend *backend, const char *key)
{
    for (size_t i = 0; i < backend->metadata_count; i++) {
        if (strcmp(backend->metadata[i].key, key) == 0)
            return true;
    }
    return false;
}

/* RFC 7396: what was not said of it stays. */
static void lay_metadata(struct config_backend *backend, const struct config_backend *said,
                         struct arena *arena)
{
    size_t count = said->metadata_count;
    struct config_metadata *all =
        arena_zalloc(arena, (count + backend->metadata_count) * sizeof(*all));

    if (count > 0)
        memcpy(all, said->metadata, count * sizeof(*all));
    for (size_t i = 0; i < backend->metadata_count; i++) {
        if (!metadata_has(said, backend->metadata[i].key))
            all[count++] = backend->metadata[i];
    }
    backend->metadata = all;
    backend->metadata_count = count;
}

static void lay_shared(struct config_backend *backend, const struct config_endpoint *said,
                       const json_t *fields, struct arena *arena)
{
    for (size_t i = 0; i < sizeof(shared_keys) / sizeof(shared_keys[0]); i++) {
        const struct schema_key *key = &shared_keys[i];

        if (json_object_get(fields, key->name) == NULL)
            continue;
        if (key->type == SCHEMA_CUSTOM)
            lay_metadata(backend, &said->backend, arena);
        else
            memcpy((char *)backend + key->offset, (const char *)&said->backend + key->offset,
                   key->width);
    }
}

bool config_endpoint_lay(struct config_backend *backend, const struct config_endpoint *said,
                         const json_t *fields, struct arena *arena, struct config_diag *diag)
{
    lay_shared(backend, said, fields, arena);
    backend->where = (struct config_where){endpoint_source.name, 0};
    if (json_object_get(fields, "health_check") != NULL) {
        backend->checked = said->backend.checked;
        backend->check_address = said->backend.check_address;
    }
    if (said->address != NULL) {
        backend->address = said->backend.address;
        backend->host = said->backend.host;
        backend->port = said->backend.port;
    } else if (said->port != 0 && backend->address[0] != '\0') {
        return endpoint_change_port(backend, said->port, arena, diag);
    }
    return true;
}
