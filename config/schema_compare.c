/*
 * Two structs of a section against each other: equal, or what differs in words for people, in the
 * file's own notation.
 *
 *   weight 1 -> 3, tags [blue] -> [blue, new]; retry: attempts 2 -> 3
 *   tls: certificate edge.pem: other content in cert
 */
#include <stdlib.h>
#include <string.h>

#include "config/schema_internal.h"

enum { COMPARE_TEXT_MAX = 120 }; /* bytes of a value that are shown: bodies may have 64k */

/* ---- equal? ---- */

static bool equal_strings(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool equal_json(struct schema_compare *c, const struct schema_key *key, const void *from,
                       const void *to)
{
    json_t *a = config_schema_value_json(c->from_config, key, from);
    json_t *b = config_schema_value_json(c->to_config, key, to);
    bool equal = a == b || (a != NULL && b != NULL && json_equal(a, b));

    json_decref(a);
    json_decref(b);
    return equal;
}

/* Scalars as they are in memory; what has parts as it would be shown. */
static bool equal_value(struct schema_compare *c, const struct schema_key *key, const void *from,
                        const void *to)
{
    const char *a = (const char *)from + key->offset, *b = (const char *)to + key->offset;
    const char *text[2];

    switch (key->type) {
    case SCHEMA_STRING:
    case SCHEMA_NAME:
    case SCHEMA_PATH:
        memcpy(&text[0], a, sizeof(text[0]));
        memcpy(&text[1], b, sizeof(text[1]));
        return equal_strings(text[0], text[1]);
    case SCHEMA_SLICE:
    case SCHEMA_STRINGS:
    case SCHEMA_SLICES:
        return (key->type != SCHEMA_SLICES && memcmp(a, b, key->width) == 0) ||
               equal_json(c, key, from, to);
    case SCHEMA_CUSTOM:
        return equal_json(c, key, from, to);
    default:
        return memcmp(a, b, key->width) == 0;
    }
}

static bool equal_digest(const struct schema_key *key, const void *from, const void *to)
{
    return key->digest_offset == 0 ||
           memcmp((const char *)from + key->digest_offset, (const char *)to + key->digest_offset,
                  sizeof(struct config_digest)) == 0;
}

/* ---- words ---- */

static void say_item(struct schema_compare *c, bool group)
{
    if (c->items++ > 0)
        fputs(group || c->after_group ? "; " : ", ", c->out);
    c->after_group = group;
}

static void say_text(FILE *out, const char *text)
{
    size_t shown = 0;

    if (text[0] == '\0')
        fputs("\"\"", out);
    for (; text[shown] != '\0' && shown < COMPARE_TEXT_MAX; shown++)
        fputc((unsigned char)text[shown] < 0x20 || text[shown] == 0x7f ? '?' : text[shown], out);
    /* Not in the middle of a character of several bytes (RFC 3629 section 3). */
    for (; ((unsigned char)text[shown] & 0xc0) == 0x80; shown++)
        fputc(text[shown], out);
    if (text[shown] != '\0')
        fputs("...", out);
}

static void say_array(FILE *out, const json_t *array)
{
    fputc('[', out);
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (i > 0)
            fputs(", ", out);
        say_text(out, json_string_value(json_array_get(array, i)));
    }
    fputc(']', out);
}

static void say_json(FILE *out, const json_t *value)
{
    char *text;

    if (value == NULL) {
        fputs("none", out);
    } else if (json_is_string(value)) {
        say_text(out, json_string_value(value));
    } else if (json_is_array(value)) {
        say_array(out, value); /* lists of groups are not said here: of strings, then */
    } else {
        text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
        say_text(out, text);
        free(text);
    }
}

static void say_value(struct schema_compare *c, const struct config *config,
                      const struct schema_key *key, const void *in)
{
    json_t *value = config_schema_value_json(config, key, in);

    say_json(c->out, value);
    json_decref(value);
}

static void say_content(struct schema_compare *c, const struct schema_key *key)
{
    say_item(c, false);
    fprintf(c->out, "other content in %s", key->name);
}

static void say_change(struct schema_compare *c, const struct schema_key *key, const void *from,
                       const void *to)
{
    if (key->is_secret != NULL && (key->is_secret(from) || key->is_secret(to))) {
        say_content(c, key);
        return;
    }
    say_item(c, false);
    fprintf(c->out, "%s ", key->name);
    say_value(c, c->from_config, key, from);
    fputs(" -> ", c->out);
    say_value(c, c->to_config, key, to);
}

/* ---- sections in sections ---- */

/* "LABEL: " and what differs inside; the caller knows that something does. */
static void say_section(struct schema_compare *c, const char *label,
                        const struct schema_section *section, const void *from, const void *to)
{
    struct schema_compare inner = {c->from_config, c->to_config, c->out, 0, false};

    say_item(c, true);
    fprintf(c->out, "%s: ", label);
    config_schema_equal(&inner, section, from, to);
}

static bool compare_section(struct schema_compare *c, const struct schema_key *key,
                            const void *from, const void *to)
{
    struct schema_compare quiet = {.from_config = c->from_config, .to_config = c->to_config};

    if (config_schema_equal(&quiet, key->section, from, to))
        return true;
    if (c->out != NULL)
        say_section(c, key->name, key->section, from, to);
    return false;
}

static bool compare_optional(struct schema_compare *c, const struct schema_key *key,
                             const void *from, const void *to)
{
    const void *a, *b;

    memcpy(&a, (const char *)from + key->offset, sizeof(a));
    memcpy(&b, (const char *)to + key->offset, sizeof(b));
    if (a == b)
        return true;
    if (a != NULL && b != NULL)
        return compare_section(c, key, a, b);
    if (c->out != NULL) {
        say_item(c, true);
        fprintf(c->out, "%s: %s", key->name, a == NULL ? "added" : "removed");
    }
    return false;
}

/* ---- lists of sections ---- */

struct compare_list {
    const char *elements;
    size_t count;
};

static struct compare_list list_of(const struct schema_key *key, const void *in)
{
    struct compare_list list;

    memcpy(&list.elements, (const char *)in + key->offset, sizeof(list.elements));
    memcpy(&list.count, (const char *)in + key->count_offset, sizeof(list.count));
    return list;
}

/* What names an element in words; NULL where its section has nothing that could. */
static json_t *list_identity(const struct config *config, const struct schema_section *section,
                             const struct compare_list *list, size_t index)
{
    for (size_t i = 0; i < section->key_count; i++) {
        const struct schema_key *key = &section->keys[i];

        if (section->identity[0] != NULL && strcmp(key->name, section->identity[0]) == 0)
            return config_schema_value_json(config, key,
                                            list->elements + index * section->struct_bytes);
    }
    return NULL;
}

static bool list_equal_element(struct schema_compare *c, const struct schema_section *section,
                               const struct compare_list *a, const struct compare_list *b,
                               size_t index)
{
    struct schema_compare quiet = {.from_config = c->from_config, .to_config = c->to_config};
    size_t offset = index * section->struct_bytes;

    return config_schema_equal(&quiet, section, a->elements + offset, b->elements + offset);
}

static bool list_same_names(struct schema_compare *c, const struct schema_section *section,
                            const struct compare_list *a, const struct compare_list *b)
{
    bool same = a->count == b->count;

    for (size_t i = 0; same && i < a->count; i++) {
        json_t *x = list_identity(c->from_config, section, a, i);
        json_t *y = list_identity(c->to_config, section, b, i);

        same = x != NULL && y != NULL && json_equal(x, y);
        json_decref(x);
        json_decref(y);
    }
    return same;
}

static void say_names(struct schema_compare *c, const struct config *config,
                      const struct schema_section *section, const struct compare_list *list)
{
    fputc('[', c->out);
    for (size_t i = 0; i < list->count; i++) {
        json_t *name = list_identity(config, section, list, i);

        fputs(i > 0 ? ", " : "", c->out);
        say_json(c->out, name);
        json_decref(name);
    }
    fputc(']', c->out);
}

static void say_element(struct schema_compare *c, const struct schema_section *section,
                        const struct compare_list *a, const struct compare_list *b, size_t index)
{
    struct schema_compare inner = {c->from_config, c->to_config, c->out, 0, false};
    json_t *name = list_identity(c->from_config, section, a, index);
    size_t offset = index * section->struct_bytes;

    say_item(c, true);
    fprintf(c->out, "%s ", section->label);
    say_json(c->out, name);
    fputs(": ", c->out);
    config_schema_equal(&inner, section, a->elements + offset, b->elements + offset);
    json_decref(name);
}

static void say_list(struct schema_compare *c, const struct schema_key *key,
                     const struct compare_list *a, const struct compare_list *b)
{
    if (!list_same_names(c, key->section, a, b)) {
        say_item(c, true);
        fprintf(c->out, "%s ", key->name);
        say_names(c, c->from_config, key->section, a);
        fputs(" -> ", c->out);
        say_names(c, c->to_config, key->section, b);
        return;
    }
    for (size_t i = 0; i < a->count; i++) {
        if (!list_equal_element(c, key->section, a, b, i))
            say_element(c, key->section, a, b, i);
    }
}

static bool compare_list(struct schema_compare *c, const struct schema_key *key, const void *from,
                         const void *to)
{
    struct compare_list a = list_of(key, from), b = list_of(key, to);
    bool equal = a.count == b.count;

    for (size_t i = 0; equal && i < a.count; i++)
        equal = list_equal_element(c, key->section, &a, &b, i);
    if (!equal && c->out != NULL)
        say_list(c, key, &a, &b);
    return equal;
}

/* ---- keys ---- */

bool config_schema_key_equal(struct schema_compare *c, const struct schema_key *key,
                             const void *from, const void *to)
{
    if (key->type == SCHEMA_GROUP)
        return compare_section(c, key, (const char *)from + key->offset,
                               (const char *)to + key->offset);
    if (key->type == SCHEMA_OPTIONAL)
        return compare_optional(c, key, from, to);
    if (key->type == SCHEMA_LIST)
        return compare_list(c, key, from, to);
    if (!equal_value(c, key, from, to)) {
        if (c->out != NULL)
            say_change(c, key, from, to);
        return false;
    }
    if (equal_digest(key, from, to))
        return true;
    if (c->out != NULL)
        say_content(c, key);
    return false;
}

bool config_schema_equal(struct schema_compare *compare, const struct schema_section *section,
                         const void *from, const void *to)
{
    bool equal = true;

    for (size_t i = 0; i < section->key_count; i++) {
        if (!config_schema_key_equal(compare, &section->keys[i], from, to))
            equal = false;
        if (!equal && compare->out == NULL)
            return false;
    }
    return equal;
}
