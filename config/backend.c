/* pools[].backends[]: one server each. */
#include <stdlib.h>
#include <string.h>

#include "config/backend_internal.h"

enum { BACKEND_MAX_METADATA = 64 };

/* ---- address ---- */

static void backend_take_address(struct schema_walk *walk, struct config_backend *backend,
                                 const struct config_address *address)
{
    backend->port = address->port;
    if (address->kind == CONFIG_ADDRESS_NAME)
        backend->host = arena_dup(walk->arena, address->host).p;
}

void config_backend_check_address(struct schema_walk *walk, const struct config_node *group,
                                  struct config_backend *backend)
{
    unsigned line = config_node_line(group, "address");
    struct config_address address;
    char *why = config_address_parse(&address, slice_str(backend->address), 1);

    if (why != NULL)
        config_diag_add(walk->diag, line, "%s", why);
    else if (address.kind == CONFIG_ADDRESS_ANY)
        config_diag_add(walk->diag, line, "\"%s\" has no host; write \"127.0.0.1%s\"",
                        backend->address, backend->address);
    else
        backend_take_address(walk, backend, &address);
    free(why);
}

void config_check_address(struct schema_walk *walk, unsigned line, const char *key,
                          const char *text, bool numeric)
{
    struct config_address address;
    char *why = config_address_parse(&address, slice_str(text), 1);

    if (why != NULL)
        config_diag_add(walk->diag, line, "%s: %s", key, why);
    else if (address.kind == CONFIG_ADDRESS_ANY)
        config_diag_add(walk->diag, line, "%s: \"%s\" has no host; write \"127.0.0.1%s\"", key,
                        text, text);
    else if (address.kind == CONFIG_ADDRESS_NAME && numeric)
        config_diag_add(walk->diag, line,
                        "%s: \"%.*s\" is a name; write a numeric address such as "
                        "\"10.0.0.1:%u\", or unix:/PATH",
                        key, SLICE_FMT(address.host), address.port);
    free(why);
}

static void backend_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_backend *backend = out;

    backend->where = config_schema_where(walk, group->line);
    if (backend->id == NULL)
        backend->id = backend->address;
    if (backend->address[0] != '\0')
        config_backend_check_address(walk, group, backend);
    if (backend->check_address != NULL && backend->check_address[0] == '\0')
        backend->check_address = NULL;
    if (backend->check_address != NULL)
        config_check_address(walk, config_node_line(group, "check_address"), "check_address",
                             backend->check_address, true);
    config_check_place(walk, group, &backend->place);
}

/* ---- metadata ---- */

void config_backend_read_metadata(struct schema_walk *walk, const struct config_node *node,
                                  void *out)
{
    struct config_backend *backend = out;

    if (node->type != CONFIG_NODE_GROUP) {
        config_schema_wrong_type(walk, node, "a group", "{ version = \"1.0\"; }");
        return;
    }
    if (node->count > BACKEND_MAX_METADATA) {
        config_diag_add(walk->diag, node->line, "metadata has %zu keys; write at most %d",
                        node->count, BACKEND_MAX_METADATA);
        return;
    }
    backend->metadata = arena_zalloc(walk->arena, node->count * sizeof(*backend->metadata));
    for (size_t i = 0; i < node->count; i++) {
        const char *value = config_schema_string(walk, &node->children[i], "a string", "\"...\"");

        if (value == NULL)
            continue;
        backend->metadata[backend->metadata_count++] = (struct config_metadata){
            config_schema_dup(walk, node->children[i].name), config_schema_dup(walk, value)};
    }
}

json_t *config_backend_show_metadata(const struct config *config, const void *in)
{
    const struct config_backend *backend = in;
    json_t *object = json_object();

    for (size_t i = 0; i < backend->metadata_count; i++)
        json_object_set_new(object, backend->metadata[i].key,
                            config_schema_text_json(backend->metadata[i].value));
    return object;
}

static const struct schema_key backend_keys[] = {
    {"id", SCHEMA_NAME, SCHEMA_AT(struct config_backend, id), .example = "\"a\""},
    {"address", SCHEMA_STRING, "", SCHEMA_AT(struct config_backend, address), .required = true,
     .example = "\"10.0.0.1:8080\""},
    {"check_address", SCHEMA_STRING, SCHEMA_AT(struct config_backend, check_address),
     .example = "\"10.0.0.1:8081\""},
    {"health_check", SCHEMA_BOOL, "true", SCHEMA_AT(struct config_backend, checked)},
    CONFIG_BACKEND_KEYS,
};

const struct schema_section config_backend_section = {
    .title = "pools.backends",
    .label = "backend",
    .identity = {"id", "address"},
    .struct_bytes = sizeof(struct config_backend),
    SCHEMA_KEYS(backend_keys),
    .check = backend_check,
};
