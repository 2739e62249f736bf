/* Endpoints in libconfig's notation as JSON, for sources that are files. They are data, not
 * configuration: no @include, and "${NAME}" stands for itself, so that whoever may write such a
 * file can read neither other files nor the environment through it. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/found_internal.h"
#include "config/reader_internal.h"

static json_t *text_node(const struct config_node *node, struct config_diag *diag);

static json_t *text_string(const struct config_node *node, struct config_diag *diag)
{
    json_t *json = json_string(node->string);

    if (json == NULL)
        config_diag_add(diag, node->line, "a string is not UTF-8; write it in UTF-8");
    return json;
}

static json_t *text_scalar(const struct config_node *node, struct config_diag *diag)
{
    switch (node->type) {
    case CONFIG_NODE_INTEGER:
        return json_integer(node->integer);
    case CONFIG_NODE_BOOL:
        return json_boolean(node->boolean);
    case CONFIG_NODE_STRING:
        return text_string(node, diag);
    default:
        return json_real(0.5); /* a decimal number: which one is all the same, none is taken */
    }
}

/* Recursion is bounded: the scanner refused text with deeper brackets. */
static json_t *text_node(const struct config_node *node, struct config_diag *diag)
{
    json_t *json;

    if (node->type != CONFIG_NODE_GROUP && node->type != CONFIG_NODE_LIST)
        return text_scalar(node, diag);
    json = node->type == CONFIG_NODE_GROUP ? json_object() : json_array();
    for (size_t i = 0; i < node->count; i++) {
        json_t *member = text_node(&node->children[i], diag);

        if (node->type == CONFIG_NODE_GROUP)
            json_object_set_new(json, node->children[i].name, member);
        else
            json_array_append_new(json, member);
    }
    return json;
}

/* "line 3: what is wrong": of several mistakes the first (heap). */
static char *text_why(struct config_diag *diag, const struct config_source *source)
{
    struct config_errors errors;
    char *why;

    config_diag_finish(diag, source, &errors);
    why = xasprintf("line %u: %s", errors.v[0].line, errors.v[0].message);
    config_errors_free(&errors);
    return why;
}

json_t *config_json_from_libconfig(const char *name, const char *text, char **ret_why)
{
    const struct config_node *root = NULL;
    struct config_source source;
    struct config_diag diag;
    struct arena nodes;
    json_t *json = NULL;

    if (strlen(text) > CONFIG_SOURCE_MAX_BYTES) {
        *ret_why = xstrdup("it is larger than 16m; write it as JSON");
        return NULL;
    }
    arena_init(&nodes);
    config_diag_init(&diag);
    if (config_source_set_text(&source, name, text, &diag))
        root = config_reader_parse_data(&source, &nodes, &diag);
    if (root != NULL)
        json = text_node(root, &diag);
    if (diag.count > 0) {
        json_decref(json);
        json = NULL;
        *ret_why = text_why(&diag, &source);
    }
    config_diag_fini(&diag);
    config_source_fini(&source);
    arena_fini(&nodes);
    return json;
}
