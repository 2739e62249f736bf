/* The engine: walks one section's table over one group of the file. */
#include "config/schema_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/nearest.h"
#include "config/values_internal.h"

enum { SCHEMA_MAX_HINTS = 64, SCHEMA_MAX_ELEMENTS = 65535 };

const char *config_schema_dup(struct schema_walk *walk, const char *text)
{
    return arena_dup(walk->arena, slice_str(text)).p;
}

const char *config_schema_format(struct schema_walk *walk, const char *format, ...)
{
    const char *text;
    va_list args;

    va_start(args, format);
    text = arena_vformat(walk->arena, format, args);
    va_end(args);
    return text;
}

void config_schema_wrong_type(struct schema_walk *walk, const struct config_node *node,
                              const char *wanted, const char *example)
{
    if (node->name[0] == '\0')
        config_diag_add(walk->diag, node->line, "an element must be %s, not %s; write %s", wanted,
                        config_node_kind(node), example);
    else
        config_diag_add(walk->diag, node->line, "%s must be %s, not %s; write %s = %s", node->name,
                        wanted, config_node_kind(node), node->name, example);
}

const char *config_schema_string(struct schema_walk *walk, const struct config_node *node,
                                 const char *wanted, const char *example)
{
    if (node->type == CONFIG_NODE_STRING)
        return node->string;
    config_schema_wrong_type(walk, node, wanted, example);
    return NULL;
}

/* ---- defaults ---- */

static void schema_defaults(struct schema_walk *walk, const struct schema_section *section,
                            void *out)
{
    for (size_t i = 0; i < section->key_count; i++) {
        const struct schema_key *key = &section->keys[i];

        if (key->type == SCHEMA_GROUP)
            schema_defaults(walk, key->section, (char *)out + key->offset);
        else
            config_schema_value_default(walk, key, out);
    }
}

/* ---- keys that are there ---- */

static void schema_read_keys(struct schema_walk *walk, const struct schema_section *section,
                             const struct config_node *group, void *out);

static bool schema_expect_group(struct schema_walk *walk, const struct config_node *node)
{
    if (node->type == CONFIG_NODE_GROUP)
        return true;
    config_schema_wrong_type(walk, node, "a group", "{ ... }");
    return false;
}

static void schema_read_group(struct schema_walk *walk, const struct schema_key *key,
                              const struct config_node *node, void *out)
{
    struct config_scope scope;

    if (!schema_expect_group(walk, node))
        return;
    config_diag_enter(walk->diag, &scope, key->name);
    schema_read_keys(walk, key->section, node, out);
    config_diag_leave(walk->diag);
}

static void schema_read_optional(struct schema_walk *walk, const struct schema_key *key,
                                 const struct config_node *node, void *out)
{
    void *made = arena_zalloc(walk->arena, key->section->struct_bytes);

    memcpy((char *)out + key->offset, &made, sizeof(made));
    schema_defaults(walk, key->section, made);
    schema_read_group(walk, key, node, made);
}

/* "pool "api"", or "pool 2" for one without a usable name. */
static char *schema_element_label(const struct schema_section *section,
                                  const struct config_node *element, size_t index)
{
    for (size_t i = 0; i < 2 && section->identity[i] != NULL; i++) {
        const struct config_node *node = config_node_find(element, section->identity[i]);

        if (node != NULL && node->type == CONFIG_NODE_STRING && node->string[0] != '\0')
            return xasprintf("%s \"%s\"", section->label, node->string);
    }
    return xasprintf("%s %zu", section->label, index + 1);
}

static void schema_read_element(struct schema_walk *walk, const struct schema_section *section,
                                const struct config_node *node, size_t index, void *element)
{
    struct config_scope scope;
    char *label;

    schema_defaults(walk, section, element);
    if (!schema_expect_group(walk, node))
        return;
    label = schema_element_label(section, node, index);
    config_diag_enter(walk->diag, &scope, label);
    schema_read_keys(walk, section, node, element);
    config_diag_leave(walk->diag);
    free(label);
}

static void schema_read_list(struct schema_walk *walk, const struct schema_key *key,
                             const struct config_node *node, void *out)
{
    size_t bytes = key->section->struct_bytes, max = key->max ? key->max : SCHEMA_MAX_ELEMENTS;
    char *elements;

    if (node->type != CONFIG_NODE_LIST) {
        config_schema_wrong_type(walk, node, "a list of groups", "( { ... } )");
        return;
    }
    if (node->count > max) {
        config_diag_add(walk->diag, node->line, "%s has %zu elements; write at most %zu", key->name,
                        node->count, max);
        return;
    }
    elements = arena_zalloc(walk->arena, node->count * bytes);
    /* In place before the elements are read, so that they can be found from walk->config. */
    memcpy((char *)out + key->offset, &elements, sizeof(elements));
    memcpy((char *)out + key->count_offset, &node->count, sizeof(node->count));
    for (size_t i = 0; i < node->count; i++)
        schema_read_element(walk, key->section, &node->children[i], i, elements + i * bytes);
}

static void schema_read_key(struct schema_walk *walk, const struct schema_key *key,
                            const struct config_node *node, void *out)
{
    switch (key->type) {
    case SCHEMA_GROUP:
        schema_read_group(walk, key, node, (char *)out + key->offset);
        break;
    case SCHEMA_OPTIONAL:
        schema_read_optional(walk, key, node, out);
        break;
    case SCHEMA_LIST:
        schema_read_list(walk, key, node, out);
        break;
    case SCHEMA_CUSTOM:
        key->read(walk, node, out);
        break;
    default:
        config_schema_value_read(walk, key, node, out);
        break;
    }
}

/* ---- keys that should not be there ---- */

const struct schema_key *config_schema_find_key(const struct schema_section *section,
                                                const char *name)
{
    for (size_t i = 0; i < section->key_count; i++) {
        if (strcmp(section->keys[i].name, name) == 0)
            return &section->keys[i];
    }
    return NULL;
}

static bool schema_has_key(const struct schema_section *section, const char *name)
{
    return config_schema_find_key(section, name) != NULL;
}

static char *schema_list_keys(const struct schema_section *section)
{
    char *list = xstrdup("");

    for (size_t i = 0; i < section->key_count; i++) {
        char *longer = xasprintf("%s%s%s", list, i > 0 ? ", " : "", section->keys[i].name);

        free(list);
        list = longer;
    }
    return list;
}

/* The known key that an unknown one was probably meant to be, or NULL. */
static const char *schema_nearest_key(const struct schema_section *section, const char *name)
{
    const char *names[SCHEMA_MAX_HINTS];
    size_t count = 0;

    CHECK(section->key_count <= SCHEMA_MAX_HINTS);
    for (; count < section->key_count; count++)
        names[count] = section->keys[count].name;
    count += config_not_built_names(section, names + count, SCHEMA_MAX_HINTS - count);
    return nearest_word(name, names, count);
}

static void schema_report_unknown(struct schema_walk *walk, const struct schema_section *section,
                                  const struct config_node *node)
{
    const char *nearest = schema_nearest_key(section, node->name);
    char *list;

    if (nearest != NULL) {
        config_diag_add(walk->diag, node->line, "unknown key \"%s\"; did you mean \"%s\"?",
                        node->name, nearest);
        return;
    }
    list = schema_list_keys(section);
    config_diag_add(walk->diag, node->line, "unknown key \"%s\"; the keys here are %s", node->name,
                    list);
    free(list);
}

static void schema_check_names(struct schema_walk *walk, const struct schema_section *section,
                               const struct config_node *group)
{
    for (size_t i = 0; i < group->count; i++) {
        const struct config_node *node = &group->children[i];

        if (schema_has_key(section, node->name))
            continue;
        if (config_not_built_check(walk->diag, section, node) == CONFIG_NOT_BUILT_UNKNOWN)
            schema_report_unknown(walk, section, node);
    }
}

/* A required key that is there under a name with a slip in it: that was reported already. */
static bool schema_is_misspelt(const struct schema_section *section,
                               const struct config_node *group, const struct schema_key *key)
{
    for (size_t i = 0; i < group->count; i++) {
        const char *name = group->children[i].name, *nearest;

        if (schema_has_key(section, name))
            continue;
        nearest = schema_nearest_key(section, name);
        if (nearest != NULL && strcmp(nearest, key->name) == 0)
            return true;
    }
    return false;
}

static void schema_read_keys(struct schema_walk *walk, const struct schema_section *section,
                             const struct config_node *group, void *out)
{
    schema_check_names(walk, section, group);
    for (size_t i = 0; i < section->key_count; i++) {
        const struct schema_key *key = &section->keys[i];
        const struct config_node *node = config_node_find(group, key->name);

        if (node != NULL)
            schema_read_key(walk, key, node, out);
        else if (key->required && !walk->partial && !schema_is_misspelt(section, group, key))
            config_diag_add(walk->diag, group->line, "\"%s\" is missing; write %s = %s", key->name,
                            key->name, key->example);
    }
    if (section->check != NULL)
        section->check(walk, group, out);
}

void config_schema_read(struct schema_walk *walk, const struct schema_section *section,
                        const struct config_node *group, void *out)
{
    if (!walk->partial)
        schema_defaults(walk, section, out);
    schema_read_keys(walk, section, group, out);
}

struct config_where config_schema_where(struct schema_walk *walk, unsigned line)
{
    struct config_origin origin = config_source_origin(walk->source, line);

    /* Thousands of lines come from one file: its name is kept once for each run of them. */
    if (walk->where_file == NULL || strcmp(walk->where_file, origin.file) != 0)
        walk->where_file = config_schema_dup(walk, origin.file);
    return (struct config_where){walk->where_file, origin.line};
}

/* ---- names that must differ ---- */

struct schema_name {
    const char *name;
    unsigned line;
};

static int schema_name_compare(const void *a, const void *b)
{
    const struct schema_name *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order != 0 ? order : x->line < y->line ? -1 : x->line > y->line;
}

/* Sorted rather than compared pairwise: a pool may have thousands of backends. */
void config_schema_check_unique(struct schema_walk *walk, const char *const *names,
                                const unsigned *lines, size_t count, const char *what,
                                const char *key)
{
    struct schema_name *sorted = xcalloc(count + 1, sizeof(*sorted));

    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct schema_name){names[i], lines[i]};
    qsort(sorted, count, sizeof(*sorted), schema_name_compare);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(sorted[i].name, sorted[i - 1].name) == 0)
            config_diag_add(walk->diag, sorted[i].line,
                            "%s \"%s\" stands twice, first in line %u; write another %s", what,
                            sorted[i].name,
                            config_source_origin(walk->source, sorted[i - 1].line).line, key);
    }
    free(sorted);
}
