/* One value: from its node or its default to its place in the snapshot, with type and range. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/nearest.h"
#include "config/schema_internal.h"
#include "config/values_internal.h"

static void value_store(const struct schema_key *key, void *out, uint64_t value)
{
    char *place = (char *)out + key->offset;

    switch (key->width) {
    case 1:
        *(uint8_t *)place = (uint8_t)value;
        break;
    case 4:
        *(uint32_t *)place = (uint32_t)value;
        break;
    default:
        CHECK(key->width == 8);
        *(uint64_t *)place = value;
        break;
    }
}

static void value_store_string(const struct schema_key *key, void *out, const char *text)
{
    memcpy((char *)out + key->offset, &text, sizeof(text));
}

/* ---- numbers with a unit ---- */

struct value_unit_kind {
    const char *wanted, *units;
    const char *likely;  /* the unit most often meant */
    const char *example; /* of a whole value */
    enum config_value_result (*parse)(struct slice text, uint64_t *ret_value);
    const char *(*format)(uint64_t value, char *out);
    unsigned per_integer; /* what a bare integer most likely meant */
};

static const struct value_unit_kind value_duration = {
    "a duration",          "ms, s, m, h or d",           "s", "5s",
    config_value_duration, config_value_format_duration, 1000};
static const struct value_unit_kind value_size = {
    "a size", "b, k, m or g", "b", "64k", config_value_size, config_value_format_size, 1};
static const struct value_unit_kind value_percent = {
    "a percentage", "%", "%", "10%", config_value_percent, config_value_format_percent, 1};

static void value_wrong_unit_type(struct schema_walk *walk, const struct schema_key *key,
                                  const struct config_node *node,
                                  const struct value_unit_kind *kind)
{
    char text[CONFIG_VALUE_TEXT_BYTES], *example;
    uint64_t guess = key->max;

    if (node->type == CONFIG_NODE_INTEGER && node->integer >= 0)
        guess = (uint64_t)node->integer * kind->per_integer;
    else if (key->fallback != NULL)
        kind->parse(slice_str(key->fallback), &guess);
    example = xasprintf("\"%s\"", kind->format(guess, text));
    config_schema_wrong_type(walk, node, kind->wanted, example);
    free(example);
}

static void value_report_unit(struct schema_walk *walk, const struct schema_key *key,
                              const struct config_node *node, const struct value_unit_kind *kind,
                              enum config_value_result result)
{
    const char *text = node->string, *name = node->name;

    switch (result) {
    case CONFIG_VALUE_NO_UNIT:
        config_diag_add(walk->diag, node->line, "%s: \"%s\" has no unit; write \"%s%s\"", name,
                        text, text, kind->likely);
        break;
    case CONFIG_VALUE_BAD_UNIT:
        config_diag_add(walk->diag, node->line, "%s: \"%s\" has an unknown unit; write %s%s", name,
                        text, strlen(kind->units) > 1 ? "one of " : "", kind->units);
        break;
    default:
        config_diag_add(walk->diag, node->line,
                        "%s: \"%s\" is not %s; write a whole number and %s%s, such as \"%s\"", name,
                        text, kind->wanted, strlen(kind->units) > 1 ? "one of " : "", kind->units,
                        key->fallback != NULL ? key->fallback : kind->example);
        break;
    }
}

static void value_read_unit(struct schema_walk *walk, const struct schema_key *key,
                            const struct config_node *node, void *out,
                            const struct value_unit_kind *kind)
{
    char low[CONFIG_VALUE_TEXT_BYTES], high[CONFIG_VALUE_TEXT_BYTES];
    enum config_value_result result;
    uint64_t value = 0;

    if (node->type != CONFIG_NODE_STRING) {
        value_wrong_unit_type(walk, key, node, kind);
        return;
    }
    result = kind->parse(slice_str(node->string), &value);
    if (result != CONFIG_VALUE_OK && result != CONFIG_VALUE_TOO_LARGE)
        value_report_unit(walk, key, node, kind, result);
    else if (result == CONFIG_VALUE_TOO_LARGE || value < key->min || value > key->max)
        config_diag_add(walk->diag, node->line,
                        "%s: \"%s\" is out of range; write \"%s\" to \"%s\"", key->name,
                        node->string, kind->format(key->min, low), kind->format(key->max, high));
    else
        value_store(key, out, value);
}

/* ---- plain scalars ---- */

/* ${WORKERS} can only stand in a string; what came through it may be a number. */
static bool value_integer(const struct config_node *node, int64_t *ret_value)
{
    unsigned long long value;

    if (node->type == CONFIG_NODE_INTEGER) {
        *ret_value = node->integer;
        return true;
    }
    if (node->type != CONFIG_NODE_STRING || !node->expanded ||
        !slice_to_u64(slice_str(node->string), &value) || value > INT32_MAX)
        return false;
    *ret_value = (int64_t)value;
    return true;
}

static void value_read_integer(struct schema_walk *walk, const struct schema_key *key,
                               const struct config_node *node, void *out)
{
    int64_t value;

    if (!value_integer(node, &value))
        config_schema_wrong_type(walk, node, "an integer",
                                 key->fallback != NULL ? key->fallback : "1");
    else if (value < 0 || (uint64_t)value < key->min || (uint64_t)value > key->max)
        config_diag_add(walk->diag, node->line,
                        "%s: %" PRId64 " is out of range; write %" PRIu64 " to %" PRIu64, key->name,
                        value, key->min, key->max);
    else
        value_store(key, out, (uint64_t)value);
}

static void value_read_bool(struct schema_walk *walk, const struct schema_key *key,
                            const struct config_node *node, void *out)
{
    bool expanded = node->type == CONFIG_NODE_STRING && node->expanded;

    if (node->type == CONFIG_NODE_BOOL)
        value_store(key, out, node->boolean);
    else if (expanded && strcmp(node->string, "true") == 0)
        value_store(key, out, true);
    else if (expanded && strcmp(node->string, "false") == 0)
        value_store(key, out, false);
    else
        config_schema_wrong_type(walk, node, "a bool",
                                 strcmp(key->fallback, "true") == 0 ? "false" : "true");
}

static char *value_list_choices(const char *const *choices)
{
    char *list = xasprintf("\"%s\"", choices[0]);

    for (size_t i = 1; choices[i] != NULL; i++) {
        char *longer = xasprintf("%s, \"%s\"", list, choices[i]);

        free(list);
        list = longer;
    }
    return list;
}

static size_t value_choice_count(const char *const *choices)
{
    size_t count = 0;

    while (choices[count] != NULL)
        count++;
    return count;
}

static void value_read_choice(struct schema_walk *walk, const struct schema_key *key,
                              const struct config_node *node, void *out)
{
    const char *text, *nearest;
    char *list;

    text = config_schema_string(walk, node, "a string",
                                config_schema_format(walk, "\"%s\"", key->choices[0]));
    if (text == NULL)
        return;
    for (size_t i = 0; key->choices[i] != NULL; i++) {
        if (strcmp(key->choices[i], text) == 0) {
            value_store(key, out, i);
            return;
        }
    }
    if (config_not_built_value(walk->diag, node->line, key->name, text))
        return;
    nearest = nearest_word(text, key->choices, value_choice_count(key->choices));
    list = value_list_choices(key->choices);
    if (nearest != NULL)
        config_diag_add(walk->diag, node->line,
                        "%s: \"%s\" is not known; did you mean \"%s\"? (one of %s)", key->name,
                        text, nearest, list);
    else
        config_diag_add(walk->diag, node->line, "%s: \"%s\" is not known; write one of %s",
                        key->name, text, list);
    free(list);
}

/* ---- sets of statuses ---- */

static void value_read_statuses(struct schema_walk *walk, const struct schema_key *key,
                                const struct config_node *node, void *out)
{
    struct config_statuses set;
    const char *text = node->string;
    char *why;

    if (node->type == CONFIG_NODE_INTEGER) {
        text = config_schema_format(walk, "%" PRId64, node->integer);
    } else if (node->type != CONFIG_NODE_STRING) {
        config_schema_wrong_type(walk, node, "a string", "\"200-299, 304\"");
        return;
    }
    why = config_statuses_parse(&set, slice_str(text));
    if (why != NULL)
        config_diag_add(walk->diag, node->line, "%s: %s", key->name, why);
    else
        memcpy((char *)out + key->offset, &set, sizeof(set));
    free(why);
}

/* ---- strings ---- */

static const char *value_example(const struct schema_key *key)
{
    return key->example != NULL ? key->example : "\"...\"";
}

static void value_read_string(struct schema_walk *walk, const struct schema_key *key,
                              const struct config_node *node, void *out)
{
    const char *text = config_schema_string(walk, node, "a string", value_example(key));
    struct slice slice;

    if (text == NULL)
        return;
    if (key->required && text[0] == '\0') {
        config_diag_add(walk->diag, node->line, "%s is empty; write %s = %s", key->name, key->name,
                        value_example(key));
        return;
    }
    if (key->type == SCHEMA_NAME && !config_value_is_name(text)) {
        config_diag_add(walk->diag, node->line,
                        "%s: \"%s\" cannot be a name; write 1 to 128 letters, digits and marks "
                        "without spaces, quotes, / \\ ? # %%",
                        key->name, text);
        return;
    }
    slice = arena_dup(walk->arena, slice_str(text));
    if (key->type == SCHEMA_SLICE)
        memcpy((char *)out + key->offset, &slice, sizeof(slice));
    else if (key->type != SCHEMA_PATH)
        value_store_string(key, out, slice.p);
    else if (text[0] != '\0')
        value_store_string(key, out,
                           config_source_path(walk->source, node->line, text, walk->arena));
}

static void value_read_strings(struct schema_walk *walk, const struct schema_key *key,
                               const struct config_node *node, void *out)
{
    const char **strings;
    size_t count = 0;

    if (node->type != CONFIG_NODE_LIST) {
        config_schema_wrong_type(walk, node, "a list of strings", value_example(key));
        return;
    }
    strings = arena_zalloc(walk->arena, (node->count + 1) * sizeof(*strings));
    for (size_t i = 0; i < node->count; i++) {
        const char *text = config_schema_string(walk, &node->children[i], "a string", "\"...\"");

        if (text != NULL)
            strings[count++] = config_schema_dup(walk, text);
    }
    memcpy((char *)out + key->offset, &strings, sizeof(strings));
}

static void value_read_slices(struct schema_walk *walk, const struct schema_key *key,
                              const struct config_node *node, void *out)
{
    const char **strings;
    struct slice *slices;
    size_t count = 0;

    value_read_strings(walk, key, node, out);
    memcpy(&strings, (char *)out + key->offset, sizeof(strings));
    if (strings == NULL)
        return;
    while (strings[count] != NULL)
        count++;
    slices = arena_zalloc(walk->arena, count * sizeof(*slices));
    for (size_t i = 0; i < count; i++)
        slices[i] = slice_str(strings[i]);
    memcpy((char *)out + key->offset, &slices, sizeof(slices));
    memcpy((char *)out + key->count_offset, &count, sizeof(count));
}

void config_schema_value_read(struct schema_walk *walk, const struct schema_key *key,
                              const struct config_node *node, void *out)
{
    switch (key->type) {
    case SCHEMA_BOOL:
        value_read_bool(walk, key, node, out);
        break;
    case SCHEMA_INTEGER:
        value_read_integer(walk, key, node, out);
        break;
    case SCHEMA_DURATION:
        value_read_unit(walk, key, node, out, &value_duration);
        break;
    case SCHEMA_SIZE:
        value_read_unit(walk, key, node, out, &value_size);
        break;
    case SCHEMA_PERCENT:
        value_read_unit(walk, key, node, out, &value_percent);
        break;
    case SCHEMA_STATUSES:
        value_read_statuses(walk, key, node, out);
        break;
    case SCHEMA_CHOICE:
        value_read_choice(walk, key, node, out);
        break;
    case SCHEMA_STRINGS:
        value_read_strings(walk, key, node, out);
        break;
    case SCHEMA_SLICES:
        value_read_slices(walk, key, node, out);
        break;
    default:
        value_read_string(walk, key, node, out);
        break;
    }
}

/* ---- defaults ---- */

static void value_default_strings(struct schema_walk *walk, const struct schema_key *key, void *out)
{
    struct config_node element = {.name = "", .type = CONFIG_NODE_STRING, .string = key->fallback};
    struct config_node list = {.name = key->name, .type = CONFIG_NODE_LIST};

    list.children = &element;
    list.count = key->fallback != NULL ? 1 : 0;
    value_read_strings(walk, key, &list, out);
}

/* A default is read by the reader of its type, as if it stood in the file: a table cannot have a
 * default that the file could not have. (Except that of a required string: it may be empty.) */
void config_schema_value_default(struct schema_walk *walk, const struct schema_key *key, void *out)
{
    struct config_node node = {.name = key->name, .type = CONFIG_NODE_STRING, .expanded = true};
    struct schema_key relaxed = *key;

    node.string = key->fallback;
    relaxed.required = false;
    if (key->type == SCHEMA_STRINGS)
        value_default_strings(walk, key, out);
    else if (key->fallback != NULL && key->type == SCHEMA_CUSTOM)
        key->read(walk, &node, out);
    else if (key->fallback != NULL)
        config_schema_value_read(walk, &relaxed, &node, out);
}
