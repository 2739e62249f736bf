/* Paths against templates: see admin_match.h. */
#include "admin/admin_match.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/slice.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 section 2.1. NULL when malformed; NUL is refused, for it would end the name early. */
static char *decode(struct slice segment)
{
    char *text = xmalloc(segment.n + 1), *out = text;

    for (size_t i = 0; i < segment.n; i++) {
        int high, low;

        if (segment.p[i] != '%') {
            *out++ = segment.p[i];
            continue;
        }
        high = i + 2 < segment.n ? hex_digit(segment.p[i + 1]) : -1;
        low = i + 2 < segment.n ? hex_digit(segment.p[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0)) {
            free(text);
            return NULL;
        }
        *out++ = (char)(high * 16 + low);
        i += 2;
    }
    *out = '\0';
    return text;
}

/* The next segment behind the '/' that *at stands on; moves on to the next '/' or the end. */
static struct slice next_segment(const char **at)
{
    const char *begin = *at + 1;
    size_t n = strcspn(begin, "/");

    *at = begin + n;
    return slice_from(begin, n);
}

void admin_parameters_free(struct admin_parameters *parameters)
{
    for (unsigned i = 0; i < parameters->count; i++)
        free(parameters->v[i]);
    parameters->count = 0;
}

static enum admin_match match_segment(struct slice want, struct slice got,
                                      struct admin_parameters *parameters)
{
    char *decoded;

    if (want.n == 0 || want.p[0] != '{')
        return slice_eq(want, got) ? ADMIN_MATCH_YES : ADMIN_MATCH_NO;
    if (got.n == 0)
        return ADMIN_MATCH_NO;
    decoded = decode(got);
    if (!decoded)
        return ADMIN_MATCH_MALFORMED;
    CHECK(parameters->count < ADMIN_PARAMETERS);
    parameters->v[parameters->count++] = decoded;
    return ADMIN_MATCH_YES;
}

enum admin_match admin_match(const char *template, const char *path,
                             struct admin_parameters *ret_parameters)
{
    struct admin_parameters parameters = {.count = 0};
    enum admin_match match = ADMIN_MATCH_YES, worst = ADMIN_MATCH_YES;

    while (*template == '/' && *path == '/' && match != ADMIN_MATCH_NO) {
        struct slice want = next_segment(&template), got = next_segment(&path);

        match = match_segment(want, got, &parameters);
        if (match == ADMIN_MATCH_MALFORMED)
            worst = match;
    }
    if (match == ADMIN_MATCH_NO || *template != '\0' || *path != '\0')
        worst = ADMIN_MATCH_NO;
    if (worst == ADMIN_MATCH_YES)
        *ret_parameters = parameters;
    else
        admin_parameters_free(&parameters);
    return worst;
}
