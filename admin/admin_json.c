/* JSON on jansson: see admin_json.h. */
#include "admin/admin_json.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/timestamp.h"

void admin_json_init(void)
{
    json_set_alloc_funcs(xmalloc, free);
}

/* For text that is not UTF-8 somewhere: what of it is beyond ASCII is replaced, byte by byte. Such
 * text is rare (an id in another encoding), and so not worth a decoder of its own. */
static json_t *repaired(const char *text)
{
    static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
    size_t n = strlen(text);
    char *copy = xmalloc(n * 3 + 1), *end = copy;
    json_t *string;

    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)text[i] < 0x80) {
            *end++ = text[i];
        } else {
            memcpy(end, replacement, 3);
            end += 3;
        }
    }
    string = json_stringn(copy, (size_t)(end - copy));
    free(copy);
    return string;
}

json_t *admin_json_text(const char *text)
{
    json_t *string;

    if (!text)
        return json_null();
    string = json_string(text);
    return string ? string : repaired(text);
}

json_t *admin_json_slice(struct slice text)
{
    char *copy = xstrndup(text.n > 0 ? text.p : "", text.n);
    json_t *string = admin_json_text(copy);

    free(copy);
    return string;
}

json_t *admin_json_time(uint64_t wall_us)
{
    char text[TIMESTAMP_LOG_BYTES];

    timestamp_log(text, wall_us);
    return json_stringn(text, sizeof(text));
}

void admin_json_set(json_t *object, const char *key, json_t *value)
{
    CHECK(json_object_set_new(object, key, value) == 0);
}

void admin_json_set_text(json_t *object, const char *key, const char *text)
{
    admin_json_set(object, key, admin_json_text(text));
}

void admin_json_set_bool(json_t *object, const char *key, bool value)
{
    admin_json_set(object, key, json_boolean(value));
}

void admin_json_set_number(json_t *object, const char *key, uint64_t value)
{
    admin_json_set(object, key, json_integer((json_int_t)value));
}

void admin_json_set_seconds(json_t *object, const char *key, uint64_t us)
{
    admin_json_set(object, key, json_real((double)us / 1000000));
}

void admin_json_set_ms(json_t *object, const char *key, uint64_t ms)
{
    admin_json_set(object, key, json_real((double)ms / 1000));
}

static int add_bytes(const char *bytes, size_t n, void *out)
{
    return evbuffer_add(out, bytes, n);
}

void admin_json_add(struct evbuffer *out, json_t *value)
{
    /* Twelve digits tell microseconds of eleven days, and 0.1 stays 0.1. */
    CHECK(json_dump_callback(value, add_bytes, out,
                             JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12)) == 0);
    json_decref(value);
}
