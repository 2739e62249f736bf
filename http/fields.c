/* Looking fields up: by id, by name, in lists. See fields.h. */
#include "http/fields.h"

#include "http/charset.h"

static const struct slice field_names[HTTP_FIELD_COUNT] = {
#define X(id, name) [HTTP_FIELD_##id] = {name, sizeof(name) - 1},
    HTTP_FIELD_TABLE(X)
#undef X
};

enum { LONGEST_NAME = 19 };

/*
 * No two names of the table share both their length and their first letter, so these two find the
 * only candidate at once. A test walks HTTP_FIELD_TABLE and fails when a new name is missing here.
 */
#define AT(length, letter) [length][(letter)&31]
static const unsigned char candidates[LONGEST_NAME + 1][32] = {
    AT(2, 't') = HTTP_FIELD_TE,
    AT(3, 'v') = HTTP_FIELD_VIA,
    AT(4, 'h') = HTTP_FIELD_HOST,
    AT(4, 'd') = HTTP_FIELD_DATE,
    AT(6, 'e') = HTTP_FIELD_EXPECT,
    AT(6, 'a') = HTTP_FIELD_ACCEPT,
    AT(6, 'c') = HTTP_FIELD_COOKIE,
    AT(6, 's') = HTTP_FIELD_SERVER,
    AT(7, 't') = HTTP_FIELD_TRAILER,
    AT(7, 'u') = HTTP_FIELD_UPGRADE,
    AT(9, 'f') = HTTP_FIELD_FORWARDED,
    AT(10, 'c') = HTTP_FIELD_CONNECTION,
    AT(10, 'k') = HTTP_FIELD_KEEP_ALIVE,
    AT(10, 'u') = HTTP_FIELD_USER_AGENT,
    AT(11, 't') = HTTP_FIELD_TRACEPARENT,
    AT(11, 'r') = HTTP_FIELD_RETRY_AFTER,
    AT(12, 'x') = HTTP_FIELD_X_REQUEST_ID,
    AT(14, 'c') = HTTP_FIELD_CONTENT_LENGTH,
    AT(14, 'h') = HTTP_FIELD_HTTP2_SETTINGS,
    AT(15, 'x') = HTTP_FIELD_X_FORWARDED_FOR,
    AT(16, 'p') = HTTP_FIELD_PROXY_CONNECTION,
    AT(16, 'x') = HTTP_FIELD_X_FORWARDED_HOST,
    AT(17, 't') = HTTP_FIELD_TRANSFER_ENCODING,
    AT(17, 'x') = HTTP_FIELD_X_FORWARDED_PROTO,
    AT(18, 'p') = HTTP_FIELD_PROXY_AUTHENTICATE,
    AT(19, 'p') = HTTP_FIELD_PROXY_AUTHORIZATION,
};
#undef AT

enum http_field_id http_field_id_of(struct slice name)
{
    unsigned id;

    if (name.n == 0 || name.n > LONGEST_NAME)
        return HTTP_FIELD_OTHER;
    id = candidates[name.n][name.p[0] & 31];
    if (id == HTTP_FIELD_OTHER)
        return HTTP_FIELD_OTHER;
    for (size_t i = 0; i < name.n; i++)
        if (ascii_lower(name.p[i]) != field_names[id].p[i])
            return HTTP_FIELD_OTHER;
    return (enum http_field_id)id;
}

const struct http_field *http_fields_get(const struct http_fields *f, enum http_field_id id)
{
    if (!http_fields_has(f, id))
        return NULL;
    for (unsigned i = 0; i < f->count; i++)
        if (f->v[i].id == id)
            return &f->v[i];
    return NULL;
}

const struct http_field *http_fields_find(const struct http_fields *f, struct slice name)
{
    enum http_field_id id = http_field_id_of(name);

    if (id != HTTP_FIELD_OTHER)
        return http_fields_get(f, id);
    for (unsigned i = 0; i < f->count; i++)
        if (f->v[i].id == HTTP_FIELD_OTHER && slice_ieq(f->v[i].name, name))
            return &f->v[i];
    return NULL;
}

bool http_list_next(struct slice *rest, struct slice *ret_item)
{
    while (rest->n > 0) {
        const char *comma = memchr(rest->p, ',', rest->n);
        size_t length = comma ? (size_t)(comma - rest->p) : rest->n;
        struct slice item = slice_trim(slice_from(rest->p, length));

        rest->p += length + (comma != NULL);
        rest->n -= length + (comma != NULL);
        if (item.n > 0) {
            *ret_item = item;
            return true;
        }
    }
    return false;
}

bool http_fields_list_has(const struct http_fields *f, enum http_field_id id, struct slice token)
{
    struct slice item;

    if (!http_fields_has(f, id))
        return false;
    for (unsigned i = 0; i < f->count; i++) {
        struct slice rest = f->v[i].value;

        if (f->v[i].id != id)
            continue;
        while (http_list_next(&rest, &item))
            if (slice_ieq(item, token))
                return true;
    }
    return false;
}

bool http_field_is_reserved(struct slice name)
{
    switch (http_field_id_of(name)) {
    case HTTP_FIELD_CONNECTION:
    case HTTP_FIELD_KEEP_ALIVE:
    case HTTP_FIELD_PROXY_CONNECTION:
    case HTTP_FIELD_TRANSFER_ENCODING:
    case HTTP_FIELD_CONTENT_LENGTH:
    case HTTP_FIELD_TE:
    case HTTP_FIELD_TRAILER:
    case HTTP_FIELD_UPGRADE:
    case HTTP_FIELD_EXPECT:
    case HTTP_FIELD_HTTP2_SETTINGS:
        return true;
    default:
        return false;
    }
}

bool http_is_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!http_char_is(s.p[i], HTTP_CHAR_TOKEN))
            return false;
    return s.n > 0;
}

bool http_is_field_value(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return slice_trim(s).n == s.n;
}
