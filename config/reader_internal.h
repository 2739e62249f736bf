/*
 * The reader: libconfig's tree as nodes of our own, strings expanded. Insiders of config/ only.
 *
 * libconfig.h is included by reader.c alone; everything behind it sees nodes. Nodes live in one
 * arena and are freed with it as soon as the snapshot is built.
 */
#ifndef EVERGATE_CONFIG_READER_INTERNAL_H
#define EVERGATE_CONFIG_READER_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "config/diag_internal.h"
#include "config/source_internal.h"

enum config_node_type {
    CONFIG_NODE_GROUP, /* { } */
    CONFIG_NODE_LIST,  /* ( ) or [ ]: libconfig tells them apart, users should not have to */
    CONFIG_NODE_INTEGER,
    CONFIG_NODE_FLOAT,
    CONFIG_NODE_BOOL,
    CONFIG_NODE_STRING,
    CONFIG_NODE_NULL, /* of JSON only, and a mistake wherever it is read */
};

enum { CONFIG_JSON_MAX_DEPTH = 8 };

struct config_node {
    const char *name; /* "" for elements of a list */
    enum config_node_type type;
    unsigned line; /* flattened */
    int64_t integer;
    bool boolean;
    const char *string;
    bool expanded; /* the string came through ${...}: may stand for a number or a bool */
    struct config_node *children;
    size_t count;
};

/* NULL after adding to `diag` when libconfig refuses the text. */
const struct config_node *config_reader_parse(const struct config_source *source,
                                              struct arena *arena, struct config_diag *diag);
/* The same with strings as they stand: no "${NAME}" is looked up. */
const struct config_node *config_reader_parse_data(const struct config_source *source,
                                                   struct arena *arena, struct config_diag *diag);

/*
 * JSON as nodes: an object is a group, everything has line 0, and nothing is expanded: who may use
 * the API may not thereby read the environment. False after adding to `diag` what no text of a file
 * could hold: control characters, brackets more than CONFIG_JSON_MAX_DEPTH deep (json_nodes.c).
 */
bool config_json_nodes(const json_t *json, const char *name, struct arena *arena,
                       struct config_diag *diag, struct config_node *ret_node);

/* The member `name` of a group, or NULL. */
const struct config_node *config_node_find(const struct config_node *group, const char *name);

/* An empty string or list asks for nothing: templates that fill them in have them always. */
bool config_node_is_empty(const struct config_node *node);

/* The line of member `name`, or the group's own when it is absent. */
unsigned config_node_line(const struct config_node *group, const char *name);

/* "an integer", "a group": for messages. */
const char *config_node_kind(const struct config_node *node);

/*
 * `text` with ${NAME} and ${NAME:-default} replaced from the environment and $$ by $; a $ before
 * anything else stays (regular expressions and redirect's $path need it). What is unset, or not
 * closed, is added to `diag` and left out. *ret_expanded tells whether a reference was there.
 *
 * With `command`, ${EG_...} stays as it is: whoever runs the command knows its value.
 */
const char *config_expand(const char *text, unsigned line, bool command, struct arena *arena,
                          struct config_diag *diag, bool *ret_expanded);

#endif
