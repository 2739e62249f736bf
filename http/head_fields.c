/*
 * The field section: its lines, and the few fields that decide how a message is read (Connection,
 * Content-Length, Transfer-Encoding). Shared by requests, responses and trailers.
 */
#include "http/charset.h"
#include "http/head_internal.h"

#define BIT(id) ((uint64_t)1 << HTTP_FIELD_##id)

/* Two of any of these, even equal ones, are what request smuggling is made of. */
static const uint64_t only_once = BIT(HOST) | BIT(CONTENT_LENGTH) | BIT(TRANSFER_ENCODING);

static int repeated_field_error(enum http_field_id id)
{
    switch (id) {
    case HTTP_FIELD_HOST:
        return EG_E_HEAD_HOST;
    case HTTP_FIELD_CONTENT_LENGTH:
        return EG_E_HEAD_CONTENT_LENGTH;
    default:
        return EG_E_HEAD_TRANSFER_ENCODING;
    }
}

/* One line without its CRLF. No white space may stand before the colon (RFC 9112 section 5.1) or
 * at the line's start (obs-fold, section 5.2). */
static int field_line_parse(struct http_field *field, const char *p, const char *end)
{
    const char *colon = p;

    while (colon < end && http_char_is(*colon, HTTP_CHAR_TOKEN))
        colon++;
    if (colon == p && p < end && (*p == ' ' || *p == '\t'))
        return EG_E_HEAD_FOLDING;
    if (colon == p || colon == end || *colon != ':')
        return EG_E_HEAD_FIELD_NAME;
    field->name = slice_from(p, (size_t)(colon - p));
    for (p = colon + 1; p < end && (*p == ' ' || *p == '\t'); p++)
        ;
    while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    field->value = slice_from(p, (size_t)(end - p));
    field->id = http_field_id_of(field->name);
    return EG_OK;
}

int http_field_lines_parse(struct http_fields *f, const char *p, const char *end,
                           const struct http_limits *limits)
{
    unsigned most = limits->fields < f->capacity ? limits->fields : f->capacity;

    f->count = 0;
    f->present = 0;
    while (p < end) {
        const char *cr = memchr(p, '\r', (size_t)(end - p));
        struct http_field *field;
        uint64_t bit;
        int code;

        if (!cr || end - cr < 2 || cr[1] != '\n')
            return EG_E_HEAD_BARE_CR;
        if (f->count == most)
            return EG_E_HEAD_TOO_MANY;
        field = &f->v[f->count];
        code = field_line_parse(field, p, cr);
        if (code)
            return code;
        bit = (uint64_t)1 << field->id;
        if (f->present & bit & only_once)
            return repeated_field_error(field->id);
        f->present |= bit;
        f->count++;
        p = cr + 2;
    }
    return EG_OK;
}

bool http_name_listed(struct slice name, const char *list)
{
    while (*list) {
        size_t n = strcspn(list, " ");
        bool any_rest = list[n - 1] == '*';
        size_t compared = any_rest && name.n >= n - 1 ? n - 1 : name.n;

        if (slice_ieq(slice_from(name.p, compared), slice_from(list, any_rest ? n - 1 : n)))
            return true;
        list += n + (list[n] == ' ');
    }
    return false;
}

int http_version_parse(struct slice version, unsigned *ret_minor)
{
    const char *p = version.p;

    if (version.n != 8 || memcmp(p, "HTTP/", 5) != 0 || p[6] != '.' ||
        !http_char_is(p[5], HTTP_CHAR_DIGIT) || !http_char_is(p[7], HTTP_CHAR_DIGIT))
        return EG_E_HEAD_VERSION;
    if (p[5] != '1' || p[7] > '1')
        return EG_E_HEAD_VERSION_UNSUPPORTED;
    *ret_minor = (unsigned)(p[7] - '0');
    return EG_OK;
}

static void connection_option_note(struct http_connection_options *o, struct slice item)
{
    o->close |= slice_ieq(item, SLICE_LIT("close"));
    o->keep_alive |= slice_ieq(item, SLICE_LIT("keep-alive"));
    o->upgrade |= slice_ieq(item, SLICE_LIT("upgrade"));
}

int http_connection_options_parse(const struct http_fields *f,
                                  struct http_connection_options *ret_options)
{
    struct http_connection_options options = {false, false, false};
    unsigned count = 0;
    struct slice item;

    for (unsigned i = 0; http_fields_has(f, HTTP_FIELD_CONNECTION) && i < f->count; i++) {
        struct slice rest = f->v[i].value;

        if (f->v[i].id != HTTP_FIELD_CONNECTION)
            continue;
        while (http_list_next(&rest, &item)) {
            if (++count > HTTP_CONNECTION_OPTIONS_MAX)
                return EG_E_HEAD_TOO_MANY;
            connection_option_note(&options, item);
        }
    }
    *ret_options = options;
    return EG_OK;
}

static int content_length_parse(struct slice value, uint64_t *ret_length)
{
    unsigned long long length;

    /* Over 2^63-1 some parser's signed arithmetic goes wrong. */
    if (!slice_to_u64(value, &length) || length > INT64_MAX)
        return EG_E_HEAD_CONTENT_LENGTH;
    *ret_length = length;
    return EG_OK;
}

int http_framing_fields_parse(const struct http_fields *f, unsigned minor_version,
                              struct http_framing_fields *ret_framing)
{
    const struct http_field *coding, *length;
    struct http_framing_fields framing = {false, false, 0};
    int code = EG_OK;

    *ret_framing = framing;
    if (!(f->present & (BIT(TRANSFER_ENCODING) | BIT(CONTENT_LENGTH))))
        return EG_OK;
    coding = http_fields_get(f, HTTP_FIELD_TRANSFER_ENCODING);
    length = http_fields_get(f, HTTP_FIELD_CONTENT_LENGTH);
    /* Exactly "chunked": lists, parameters and other codings are read differently by different
     * parsers, and no client in use sends them. */
    if (coding && !slice_ieq(coding->value, SLICE_LIT("chunked")))
        return EG_E_HEAD_TRANSFER_ENCODING;
    /* RFC 9112 section 6.1: in HTTP/1.0, or with Content-Length, the framing is faulty. */
    if (coding && (length || minor_version == 0))
        return EG_E_HEAD_FRAMING;
    framing.chunked = coding != NULL;
    framing.has_length = length != NULL;
    if (length)
        code = content_length_parse(length->value, &framing.length);
    *ret_framing = framing;
    return code;
}
