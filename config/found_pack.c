/* A found endpoint's object in few bytes. It is kept to be compared with what the source says next,
 * and to be written down: as a tree of JSON it would take ten times as much, of which there may be
 * tens of thousands.
 *
 *   string    's', its bytes, NUL          integer   'i', eight bytes
 *   object    'o', four bytes (how many), and for each its key, NUL, its value
 *   array     'a', four bytes (how many), its elements
 *   true, false, null, a decimal number    't', 'f', 'n', 'r' and eight bytes
 */
#include <string.h>

#include "base/check.h"
#include "config/found_internal.h"

/* ---- writing ---- */

void *config_found_pack_bytes(struct found_pack *pack, const void *bytes, size_t n)
{
    void *place = pack->at != NULL ? pack->at + pack->used : NULL;

    if (place != NULL && n > 0)
        memcpy(place, bytes, n);
    pack->used += n;
    return place;
}

static void pack_mark(struct found_pack *pack, char mark)
{
    config_found_pack_bytes(pack, &mark, 1);
}

static void pack_count(struct found_pack *pack, size_t count)
{
    uint32_t few = (uint32_t)count;

    CHECK(count <= UINT32_MAX);
    config_found_pack_bytes(pack, &few, sizeof(few));
}

static void pack_object(struct found_pack *pack, const json_t *json)
{
    json_t *members = (json_t *)json; /* jansson's iterators take no const */

    pack_count(pack, json_object_size(json));
    for (void *at = json_object_iter(members); at != NULL;
         at = json_object_iter_next(members, at)) {
        const char *key = json_object_iter_key(at);

        config_found_pack_bytes(pack, key, strlen(key) + 1);
        config_found_pack_json(pack, json_object_iter_value(at));
    }
}

static void pack_array(struct found_pack *pack, const json_t *json)
{
    pack_count(pack, json_array_size(json));
    for (size_t i = 0; i < json_array_size(json); i++)
        config_found_pack_json(pack, json_array_get(json, i));
}

static char mark_of(const json_t *json)
{
    static const char marks[] = {
        [JSON_OBJECT] = 'o', [JSON_ARRAY] = 'a', [JSON_STRING] = 's', [JSON_INTEGER] = 'i',
        [JSON_REAL] = 'r',   [JSON_TRUE] = 't',  [JSON_FALSE] = 'f',  [JSON_NULL] = 'n',
    };

    return marks[json_typeof(json)];
}

/* Recursion is bounded: what has deeper brackets was refused. */
void config_found_pack_json(struct found_pack *pack, const json_t *json)
{
    json_int_t integer = json_integer_value(json);
    double real = json_real_value(json);

    pack_mark(pack, mark_of(json));
    if (json_is_object(json))
        pack_object(pack, json);
    else if (json_is_array(json))
        pack_array(pack, json);
    else if (json_is_string(json))
        config_found_pack_bytes(pack, json_string_value(json), json_string_length(json) + 1);
    else if (json_is_integer(json))
        config_found_pack_bytes(pack, &integer, sizeof(integer));
    else if (json_is_real(json))
        config_found_pack_bytes(pack, &real, sizeof(real));
}

/* ---- reading: each takes what it read off *at ---- */

static void take_bytes(const char **at, void *bytes, size_t n)
{
    memcpy(bytes, *at, n);
    *at += n;
}

static uint32_t take_count(const char **at)
{
    uint32_t count;

    take_bytes(at, &count, sizeof(count));
    return count;
}

static const char *take_text(const char **at)
{
    const char *text = *at;

    *at += strlen(text) + 1;
    return text;
}

static json_int_t take_integer(const char **at)
{
    json_int_t integer;

    take_bytes(at, &integer, sizeof(integer));
    return integer;
}

static double take_real(const char **at)
{
    double real;

    take_bytes(at, &real, sizeof(real));
    return real;
}

/* ---- comparing: where they differ, *at is anywhere ---- */

static bool value_equal(const char **at, const json_t *json);

static bool object_equal(const char **at, const json_t *json)
{
    uint32_t count = take_count(at);

    if (json_object_size(json) != count)
        return false;
    while (count-- > 0) {
        const json_t *member = json_object_get(json, take_text(at));

        if (member == NULL || !value_equal(at, member))
            return false;
    }
    return true;
}

static bool array_equal(const char **at, const json_t *json)
{
    uint32_t count = take_count(at);

    if (json_array_size(json) != count)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!value_equal(at, json_array_get(json, i)))
            return false;
    }
    return true;
}

static bool text_equal(const char **at, const json_t *json)
{
    size_t n = json_string_length(json);
    const char *text = take_text(at);

    /* The other one may have NULs: it was not read yet. */
    return (size_t)(*at - text) == n + 1 && memcmp(text, json_string_value(json), n) == 0;
}

static bool value_equal(const char **at, const json_t *json)
{
    char mark = *(*at)++;

    if (mark != mark_of(json))
        return false;
    switch (mark) {
    case 'o':
        return object_equal(at, json);
    case 'a':
        return array_equal(at, json);
    case 's':
        return text_equal(at, json);
    case 'i':
        return take_integer(at) == json_integer_value(json);
    case 'r':
        return take_real(at) == json_real_value(json);
    default:
        return true;
    }
}

bool config_found_packed_equal(const char *packed, const json_t *json)
{
    return value_equal(&packed, json);
}

/* ---- as JSON again ---- */

static json_t *value_json(const char **at);

static json_t *object_json(const char **at)
{
    json_t *object = json_object();

    for (uint32_t left = take_count(at); left > 0; left--) {
        const char *key = take_text(at);

        CHECK(json_object_set_new(object, key, value_json(at)) == 0);
    }
    return object;
}

static json_t *array_json(const char **at)
{
    json_t *array = json_array();

    for (uint32_t left = take_count(at); left > 0; left--)
        CHECK(json_array_append_new(array, value_json(at)) == 0);
    return array;
}

static json_t *value_json(const char **at)
{
    switch (*(*at)++) {
    case 'o':
        return object_json(at);
    case 'a':
        return array_json(at);
    case 's':
        return json_string(take_text(at));
    case 'i':
        return json_integer(take_integer(at));
    case 'r':
        return json_real(take_real(at));
    case 't':
        return json_true();
    case 'f':
        return json_false();
    default:
        return json_null();
    }
}

json_t *config_found_packed_json(const char *packed)
{
    return value_json(&packed);
}
