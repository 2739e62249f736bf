/* JSON of the management API as the nodes that the tables read: see reader_internal.h. */
#include <string.h>

#include "config/reader_internal.h"

struct json_reader {
    struct arena *arena;
    struct config_diag *diag;
    bool good;
};

static void json_convert(struct json_reader *r, const json_t *json, const char *name,
                         struct config_node *node, unsigned depth);

/* The file cannot hold them either: libconfig has no escape for most, and its strings end on their
 * line. They would come out in logs, headers and terminals. */
static bool json_is_plain(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f)
            return false;
    }
    return true;
}

static const char *json_keep(struct json_reader *r, struct slice text, const char *where)
{
    if (json_is_plain(text))
        return arena_dup(r->arena, text).p;
    config_diag_add(r->diag, 0, "%s has control characters; remove them",
                    where[0] != '\0' ? where : "a string");
    r->good = false;
    return "";
}

static void json_convert_object(struct json_reader *r, const json_t *json, struct config_node *node,
                                unsigned depth)
{
    json_t *members = (json_t *)json; /* jansson's iterators take no const */

    node->type = CONFIG_NODE_GROUP;
    node->children = arena_zalloc(r->arena, json_object_size(json) * sizeof(*node->children));
    for (void *at = json_object_iter(members); at != NULL;
         at = json_object_iter_next(members, at)) {
        const char *key = json_keep(r, slice_str(json_object_iter_key(at)), "a key");

        json_convert(r, json_object_iter_value(at), key, &node->children[node->count++], depth);
    }
}

static void json_convert_array(struct json_reader *r, const json_t *json, struct config_node *node,
                               unsigned depth)
{
    node->type = CONFIG_NODE_LIST;
    node->count = json_array_size(json);
    node->children = arena_zalloc(r->arena, node->count * sizeof(*node->children));
    for (size_t i = 0; i < node->count; i++)
        json_convert(r, json_array_get(json, i), "", &node->children[i], depth);
}

static void json_convert_scalar(struct json_reader *r, const json_t *json, struct config_node *node)
{
    switch (json_typeof(json)) {
    case JSON_STRING:
        node->type = CONFIG_NODE_STRING;
        node->string =
            json_keep(r, slice_from(json_string_value(json), json_string_length(json)), node->name);
        break;
    case JSON_INTEGER:
        node->type = CONFIG_NODE_INTEGER;
        node->integer = json_integer_value(json);
        break;
    case JSON_REAL:
        node->type = CONFIG_NODE_FLOAT;
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        node->type = CONFIG_NODE_BOOL;
        node->boolean = json_is_true(json);
        break;
    default:
        node->type = CONFIG_NODE_NULL;
        break;
    }
}

static void json_convert(struct json_reader *r, const json_t *json, const char *name,
                         struct config_node *node, unsigned depth)
{
    *node = (struct config_node){.name = name, .type = CONFIG_NODE_NULL};
    if (depth > CONFIG_JSON_MAX_DEPTH) {
        config_diag_add(r->diag, 0, "more than %d brackets stand inside each other; remove some",
                        CONFIG_JSON_MAX_DEPTH);
        r->good = false;
    } else if (json_is_object(json)) {
        json_convert_object(r, json, node, depth + 1);
    } else if (json_is_array(json)) {
        json_convert_array(r, json, node, depth + 1);
    } else {
        json_convert_scalar(r, json, node);
    }
}

bool config_json_nodes(const json_t *json, const char *name, struct arena *arena,
                       struct config_diag *diag, struct config_node *ret_node)
{
    struct json_reader r = {arena, diag, true};

    json_convert(&r, json, name, ret_node, 0);
    return r.good;
}
