/* Reading Cache-Control: see cache_control.h. */
#include "cache/cache_control.h"

static const struct {
    const char *name;
    enum cache_directive id;
} directives[] = {
    {"no-store", CACHE_NO_STORE},
    {"no-cache", CACHE_NO_CACHE},
    {"private", CACHE_PRIVATE},
    {"public", CACHE_PUBLIC},
    {"must-revalidate", CACHE_MUST_REVALIDATE},
    {"proxy-revalidate", CACHE_PROXY_REVALIDATE},
    {"max-age", CACHE_MAX_AGE},
    {"s-maxage", CACHE_S_MAXAGE},
    {"stale-if-error", CACHE_STALE_IF_ERROR},
    {"max-stale", CACHE_MAX_STALE},
};

enum { DIRECTIVES = sizeof(directives) / sizeof(*directives) };

bool cache_seconds_parse(struct slice text, int64_t *ret_seconds)
{
    const int64_t largest = (int64_t)1 << 31;
    int64_t seconds = 0;

    if (text.n == 0)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        seconds = seconds * 10 + (text.p[i] - '0');
        if (seconds > largest)
            seconds = largest;
    }
    *ret_seconds = seconds;
    return true;
}

/* Takes a member off a list whose members may hold quoted strings, trimmed. False at the end;
 * *ret_open when a quote was never closed. */
static bool next_directive(struct slice *rest, struct slice *ret_directive, bool *ret_open)
{
    bool quoted = false;
    size_t i;

    if (rest->n == 0)
        return false;
    for (i = 0; i < rest->n && (quoted || rest->p[i] != ','); i++) {
        if (rest->p[i] == '"')
            quoted = !quoted;
        else if (quoted && rest->p[i] == '\\' && i + 1 < rest->n)
            i++;
    }
    *ret_directive = slice_trim(slice_from(rest->p, i));
    *ret_open = quoted;
    i += i < rest->n;
    *rest = slice_from(rest->p + i, rest->n - i);
    return true;
}

static unsigned id_of(struct slice name)
{
    for (unsigned i = 0; i < DIRECTIVES; i++)
        if (slice_ieq(name, slice_str(directives[i].name)))
            return directives[i].id;
    return 0;
}

/* max-age="60" means the same as max-age=60 (section 5.2). */
static struct slice unquoted(struct slice value)
{
    if (value.n >= 2 && value.p[0] == '"' && value.p[value.n - 1] == '"')
        return slice_from(value.p + 1, value.n - 2);
    return value;
}

static void note_value(struct cache_control *control, unsigned id, struct slice value)
{
    int64_t seconds = 0;
    bool good = cache_seconds_parse(unquoted(value), &seconds);

    switch (id) {
    case CACHE_MAX_AGE:
        control->max_age_s = seconds;
        break;
    case CACHE_S_MAXAGE:
        control->s_maxage_s = seconds;
        break;
    case CACHE_STALE_IF_ERROR:
        if (good)
            control->stale_if_error_s = seconds;
        else
            control->have &= ~(unsigned)CACHE_STALE_IF_ERROR;
        break;
    case CACHE_MAX_STALE:
        control->max_stale_s = good ? seconds : INT64_MAX;
        break;
    default:
        break;
    }
}

static void note_directive(struct cache_control *control, struct slice directive)
{
    const char *equals = directive.n > 0 ? memchr(directive.p, '=', directive.n) : NULL;
    size_t name_length = equals ? (size_t)(equals - directive.p) : directive.n;
    struct slice value = {0};
    unsigned id = id_of(slice_trim(slice_from(directive.p, name_length)));

    if (id == 0 || (control->have & id) != 0)
        return;
    if (equals)
        value = slice_trim(slice_from(equals + 1, directive.n - name_length - 1));
    control->have |= id;
    note_value(control, id, value);
}

static void parse_value(struct cache_control *control, struct slice rest)
{
    struct slice directive;
    bool open = false;

    while (next_directive(&rest, &directive, &open))
        note_directive(control, directive);
    if (open)
        control->have |= CACHE_NO_STORE;
}

static bool parse_fields(struct cache_control *control, const struct http_fields *fields)
{
    bool present = false;

    *control = (struct cache_control){0};
    for (unsigned i = 0; i < fields->count; i++)
        if (slice_ieq(fields->v[i].name, SLICE_LIT("cache-control"))) {
            parse_value(control, fields->v[i].value);
            present = true;
        }
    return present;
}

struct cache_control cache_control_parse(const struct http_fields *fields)
{
    struct cache_control control;

    parse_fields(&control, fields);
    return control;
}

struct cache_control cache_control_parse_request(const struct http_fields *fields)
{
    struct cache_control control;

    if (!parse_fields(&control, fields)) {
        const struct http_field *pragma = http_fields_find(fields, SLICE_LIT("pragma"));
        struct slice rest = pragma ? pragma->value : (struct slice){0}, item;

        while (http_list_next(&rest, &item))
            if (slice_ieq(item, SLICE_LIT("no-cache")))
                control.have |= CACHE_NO_CACHE;
    }
    return control;
}
