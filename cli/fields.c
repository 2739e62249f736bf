/* Words of the command line as JSON, and back: see fields.h. */
#include "cli/fields.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_json.h"
#include "base/alloc.h"

void fields_set_text(json_t *object, const char *key, const char *text)
{
    admin_json_set_text(object, key, text);
}

/* The member of that kind, made where there is none yet. Borrowed. */
static json_t *member(json_t *object, const char *key, json_t *(*make)(void))
{
    json_t *value = json_object_get(object, key);

    if (value)
        return value;
    value = make();
    json_object_set_new(object, key, value);
    return value;
}

static json_t *integer(const char *text)
{
    char *end;
    long long value;

    errno = 0;
    value = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0)
        return NULL;
    return json_integer(value);
}

static json_t *number(const char *text)
{
    json_t *value = integer(text);
    char *end;
    double real;

    if (value)
        return value;
    real = strtod(text, &end);
    return end != text && *end == '\0' ? json_real(real) : NULL; /* NULL also for infinity */
}

static void set_pair(json_t *object, const char *text)
{
    size_t n = strcspn(text, "=");
    char *key = xstrndup(text, n);

    admin_json_set_text(object, key, text + n + 1);
    free(key);
}

static void set_field(json_t *object, const struct cli_option *option, const char *text)
{
    switch (option->kind) {
    case CLI_OPTION_FIELD_TEXT:
        admin_json_set_text(object, option->key, text);
        return;
    case CLI_OPTION_FIELD_NUMBER:
        json_object_set_new(object, option->key, number(text));
        return;
    case CLI_OPTION_FIELD_BOOL:
        admin_json_set_bool(object, option->key, !text || strcmp(text, "true") == 0);
        return;
    case CLI_OPTION_FIELD_LIST:
        json_array_append_new(member(object, option->key, json_array), admin_json_text(text));
        return;
    case CLI_OPTION_FIELD_PAIR:
        set_pair(member(object, option->key, json_object), text);
        return;
    case CLI_OPTION_FIELD_NULL:
        json_object_set_new(object, text, json_null());
        return;
    default:
        return;
    }
}

json_t *fields_object(const struct cli_options *options)
{
    json_t *object = json_object();

    for (unsigned i = 0; i < options->given_count; i++)
        set_field(object, options->given[i].option, options->given[i].text);
    return object;
}

static void add_header(json_t *headers, const char *text)
{
    size_t n = strcspn(text, ":");
    char *name = xstrndup(text, n);
    const char *value = text + n + 1;
    json_t *before = json_object_get(headers, name);

    value += strspn(value, " \t");
    if (json_is_array(before))
        json_array_append_new(before, admin_json_text(value));
    else if (before)
        admin_json_set(headers, name, json_pack("[O,o]", before, admin_json_text(value)));
    else
        admin_json_set_text(headers, name, value);
    free(name);
}

json_t *fields_headers(const struct cli_options *options)
{
    json_t *headers = json_object();

    for (unsigned i = 0; i < options->given_count; i++)
        if (options->given[i].option->kind == CLI_OPTION_HEADER)
            add_header(headers, options->given[i].text);
    return headers;
}

/* How long the first name of a dotted key is. An endpoint's id may have dots itself: where the rest
 * is a name as it stands, it is that one. */
static size_t name_size(const json_t *object, const char *key)
{
    return json_object_get(object, key) ? strlen(key) : strcspn(key, ".");
}

json_t *fields_at(const json_t *policy, const char *key)
{
    for (;;) {
        size_t n = name_size(policy, key);
        char *name = xstrndup(key, n);
        json_t *value = json_object_get(policy, name);

        free(name);
        if (key[n] == '\0' || !value)
            return value;
        policy = value;
        key += n + 1;
    }
}

static json_t *list(const char *text)
{
    json_t *array = json_array();

    while (*text) {
        size_t n = strcspn(text, ",");
        char *word = xstrndup(text, n);

        json_array_append_new(array, admin_json_text(word));
        free(word);
        text += n + (text[n] == ',');
    }
    return array;
}

/* As the value that stands there now; where it cannot be, as text, which management refuses with
 * its reasons. */
static json_t *value_like(const json_t *now, const char *text)
{
    json_t *value = NULL;

    if (*text == '\0')
        return json_null();
    if (json_is_array(now))
        return list(text);
    if (json_is_string(now))
        return admin_json_text(text);
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return json_boolean(*text == 't');
    value = number(text);
    return value ? value : admin_json_text(text);
}

bool fields_merge(json_t *patch, const json_t *policy, const char *assignment)
{
    size_t size = strcspn(assignment, "=");
    char *key, *rest;

    if (size == 0 || assignment[size] == '\0')
        return false;
    key = rest = xstrndup(assignment, size);
    for (;;) {
        size_t n = name_size(policy, rest);
        bool last = rest[n] == '\0';

        rest[n] = '\0';
        policy = json_object_get(policy, rest);
        if (last)
            break;
        patch = member(patch, rest, json_object);
        rest += n + 1;
    }
    json_object_set_new(patch, rest, value_like(policy, assignment + size + 1));
    free(key);
    return true;
}

static void each_below(const char *prefix, const json_t *object, fields_cb each, void *arg)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)object, name, value)
    {
        char *key = prefix[0] ? xasprintf("%s.%s", prefix, name) : xstrdup(name);

        if (json_is_object(value))
            each_below(key, value, each, arg);
        else
            each(arg, key, value);
        free(key);
    }
}

void fields_each(const json_t *object, fields_cb each, void *arg)
{
    each_below("", object, each, arg);
}

static char *list_text(const json_t *array)
{
    char *text = xstrdup("");
    const json_t *value;
    size_t i;

    json_array_foreach(array, i, value)
    {
        char *word = fields_value_text(value), *longer;

        longer = xasprintf("%s%s%s", text, i > 0 ? "," : "", word);
        free(word);
        free(text);
        text = longer;
    }
    return text;
}

char *fields_value_text(const json_t *value)
{
    if (json_is_array(value))
        return list_text(value);
    if (json_is_string(value))
        return xstrdup(json_string_value(value));
    if (json_is_boolean(value))
        return xstrdup(json_is_true(value) ? "true" : "false");
    if (json_is_integer(value))
        return xasprintf("%lld", (long long)json_integer_value(value));
    return json_is_real(value) ? xasprintf("%g", json_real_value(value)) : xstrdup("-");
}
