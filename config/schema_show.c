/* The tables backwards: what stands in a snapshot, as the file would write it. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "config/schema_internal.h"
#include "config/values_internal.h"

/* A file's strings are bytes, JSON's are UTF-8: what is none is shown as "\\xNN". */
json_t *config_schema_text_json(const char *text)
{
    json_t *json = json_string(text);
    char *shown, *end;

    if (json != NULL)
        return json;
    shown = end = xmalloc(4 * strlen(text) + 1);
    for (; *text != '\0'; text++) {
        static const char digits[] = "0123456789abcdef";
        unsigned char byte = (unsigned char)*text;

        if (byte < 0x80) {
            *end++ = *text;
            continue;
        }
        *end++ = '\\';
        *end++ = 'x';
        *end++ = digits[byte >> 4];
        *end++ = digits[byte & 15];
    }
    *end = '\0';
    json = json_string(shown);
    free(shown);
    return json;
}

static uint64_t show_number(const struct schema_key *key, const void *in)
{
    const char *place = (const char *)in + key->offset;

    switch (key->width) {
    case 1:
        return *(const uint8_t *)place;
    case 4:
        return *(const uint32_t *)place;
    default:
        CHECK(key->width == 8);
        return *(const uint64_t *)place;
    }
}

static json_t *show_unit(const struct schema_key *key, const void *in)
{
    uint64_t value = show_number(key, in);
    char text[CONFIG_VALUE_TEXT_BYTES];

    if (key->type == SCHEMA_DURATION)
        return json_string(config_value_format_duration(value, text));
    if (key->type == SCHEMA_SIZE)
        return json_string(config_value_format_size(value, text));
    return json_string(config_value_format_percent(value, text));
}

static json_t *show_string(const struct schema_key *key, const void *in)
{
    const char *text;

    memcpy(&text, (const char *)in + key->offset, sizeof(text));
    return text != NULL ? config_schema_text_json(text) : NULL;
}

static json_t *show_strings(const struct schema_key *key, const void *in)
{
    json_t *list = json_array();
    const char **strings;

    memcpy(&strings, (const char *)in + key->offset, sizeof(strings));
    for (; *strings != NULL; strings++)
        json_array_append_new(list, config_schema_text_json(*strings));
    return list;
}

/* Slices are NUL-terminated too: they were read as strings. */
static json_t *show_slices(const struct schema_key *key, const void *in)
{
    json_t *list = json_array();
    const struct slice *slices;
    size_t count;

    memcpy(&slices, (const char *)in + key->offset, sizeof(slices));
    memcpy(&count, (const char *)in + key->count_offset, sizeof(count));
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, config_schema_text_json(slices[i].p));
    return list;
}

static json_t *show_slice(const struct schema_key *key, const void *in)
{
    struct slice slice;

    memcpy(&slice, (const char *)in + key->offset, sizeof(slice));
    return slice.p != NULL ? config_schema_text_json(slice.p) : NULL;
}

static json_t *show_statuses(const struct schema_key *key, const void *in)
{
    struct config_statuses set;
    json_t *json;
    char *text;

    memcpy(&set, (const char *)in + key->offset, sizeof(set));
    text = config_statuses_format(&set);
    json = json_string(text);
    free(text);
    return json;
}

static json_t *show_optional(const struct config *config, const struct schema_key *key,
                             const void *in)
{
    const void *made;

    memcpy(&made, (const char *)in + key->offset, sizeof(made));
    return made != NULL ? config_schema_json(config, key->section, made) : NULL;
}

static json_t *show_list(const struct config *config, const struct schema_key *key, const void *in)
{
    json_t *list = json_array();
    const char *elements;
    size_t count;

    memcpy(&elements, (const char *)in + key->offset, sizeof(elements));
    memcpy(&count, (const char *)in + key->count_offset, sizeof(count));
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, config_schema_json(config, key->section,
                                                       elements + i * key->section->struct_bytes));
    return list;
}

static json_t *show_scalar(const struct schema_key *key, const void *in)
{
    switch (key->type) {
    case SCHEMA_BOOL:
        return json_boolean(show_number(key, in) != 0);
    case SCHEMA_INTEGER:
        return json_integer((json_int_t)show_number(key, in));
    case SCHEMA_DURATION:
    case SCHEMA_SIZE:
    case SCHEMA_PERCENT:
        return show_unit(key, in);
    case SCHEMA_STATUSES:
        return show_statuses(key, in);
    case SCHEMA_CHOICE:
        return json_string(key->choices[show_number(key, in)]);
    case SCHEMA_SLICE:
        return show_slice(key, in);
    default:
        return show_string(key, in);
    }
}

json_t *config_schema_value_json(const struct config *config, const struct schema_key *key,
                                 const void *in)
{
    if (key->show != NULL)
        return key->show(config, in);
    switch (key->type) {
    case SCHEMA_STRINGS:
        return show_strings(key, in);
    case SCHEMA_SLICES:
        return show_slices(key, in);
    case SCHEMA_GROUP:
        return config_schema_json(config, key->section, (const char *)in + key->offset);
    case SCHEMA_OPTIONAL:
        return show_optional(config, key, in);
    case SCHEMA_LIST:
        return show_list(config, key, in);
    case SCHEMA_CUSTOM:
        return NULL;
    default:
        return show_scalar(key, in);
    }
}

json_t *config_schema_json(const struct config *config, const struct schema_section *section,
                           const void *in)
{
    json_t *object = json_object();

    for (size_t i = 0; i < section->key_count; i++) {
        json_t *value = config_schema_value_json(config, &section->keys[i], in);

        if (value != NULL)
            json_object_set_new(object, section->keys[i].name, value);
    }
    return object;
}
