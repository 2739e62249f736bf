/* Variants: see vary.h. */
#include "cache/vary.h"

/* Where the bytes of a signature go: they are measured, written, or compared with others. */
struct sink {
    char *out;             /* NULL: not written */
    struct slice expected; /* its p NULL: not compared */
    size_t n;
    bool differs;
};

static void put(struct sink *sink, char c)
{
    if (sink->out)
        sink->out[sink->n] = c;
    if (sink->expected.p && (sink->n >= sink->expected.n || sink->expected.p[sink->n] != c))
        sink->differs = true;
    sink->n++;
}

static void put_slice(struct sink *sink, struct slice s, bool lower)
{
    for (size_t i = 0; i < s.n && !sink->differs; i++)
        put(sink, lower ? ascii_lower(s.p[i]) : s.p[i]);
}

enum list_kind { NO_LIST, LIST, LIST_WITHOUT_CASE };

/* Fields whose grammar is a list without quoted commas in practice. Codings and language tags are
 * case-insensitive (RFC 9110 sections 8.4.1 and 8.5.1); parameters of media types need not be. */
static enum list_kind list_kind_of(struct slice name)
{
    if (slice_ieq(name, SLICE_LIT("accept-encoding")) ||
        slice_ieq(name, SLICE_LIT("accept-language")))
        return LIST_WITHOUT_CASE;
    return slice_ieq(name, SLICE_LIT("accept")) ? LIST : NO_LIST;
}

static void put_list(struct sink *sink, struct slice rest, bool lower, bool *first)
{
    struct slice item;

    while (http_list_next(&rest, &item)) {
        if (!*first)
            put(sink, ',');
        put_slice(sink, item, lower);
        *first = false;
    }
}

/* A quoted string may hold a comma with white space that counts: such a value stays as it is. */
static bool is_plain(struct slice value)
{
    return value.n == 0 || memchr(value.p, '"', value.n) == NULL;
}

static void put_line(struct sink *sink, struct slice name, const struct http_fields *request)
{
    enum list_kind kind = list_kind_of(name);
    bool present = false, first = true;

    put_slice(sink, name, true);
    for (unsigned i = 0; i < request->count && !sink->differs; i++) {
        struct slice value = request->v[i].value;

        if (!slice_ieq(request->v[i].name, name))
            continue;
        if (!present)
            put(sink, '=');
        present = true;
        if (kind != NO_LIST && is_plain(value)) {
            put_list(sink, value, kind == LIST_WITHOUT_CASE, &first);
            continue;
        }
        if (!first)
            put(sink, ',');
        put_slice(sink, value, false);
        first = false;
    }
    put(sink, '\n');
}

static bool is_vary(const struct http_field *field)
{
    return slice_ieq(field->name, SLICE_LIT("vary"));
}

bool cache_vary_is_usable(const struct http_fields *response)
{
    unsigned count = 0;

    for (unsigned i = 0; i < response->count; i++) {
        struct slice rest = response->v[i].value, name;

        if (!is_vary(&response->v[i]))
            continue;
        while (http_list_next(&rest, &name)) {
            /* "*" is a token too. */
            if (!http_is_token(name) || slice_eq(name, SLICE_LIT("*")) ||
                ++count > CACHE_VARY_NAMES_MAX)
                return false;
        }
    }
    return true;
}

bool cache_vary_names(const struct http_fields *response, struct slice name)
{
    for (unsigned i = 0; i < response->count; i++) {
        struct slice rest = response->v[i].value, item;

        while (is_vary(&response->v[i]) && http_list_next(&rest, &item))
            if (slice_ieq(item, name))
                return true;
    }
    return false;
}

size_t cache_vary_write(char *out, const struct http_fields *response,
                        const struct http_fields *request)
{
    struct sink sink = {.out = out};

    for (unsigned i = 0; i < response->count; i++) {
        struct slice rest = response->v[i].value, name;

        while (is_vary(&response->v[i]) && http_list_next(&rest, &name))
            put_line(&sink, name, request);
    }
    return sink.n;
}

bool cache_vary_matches(struct slice signature, const struct http_fields *request)
{
    while (signature.n > 0) {
        const char *end = memchr(signature.p, '\n', signature.n);
        size_t size = end ? (size_t)(end - signature.p) + 1 : signature.n;
        const char *equals = memchr(signature.p, '=', size);
        size_t name_length = equals ? (size_t)(equals - signature.p) : size - 1;
        struct sink sink = {.expected = {signature.p, size}};

        put_line(&sink, slice_from(signature.p, name_length), request);
        if (sink.differs || sink.n != size)
            return false;
        signature = slice_from(signature.p + size, signature.n - size);
    }
    return true;
}
