/*
 * A slice: bytes that somebody else owns, with their length; not NUL-terminated.
 *
 * A slice is valid as long as the memory it points into. Headers that hand slices out say how long
 * that is.
 */
#ifndef EVERGATE_BASE_SLICE_H
#define EVERGATE_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct slice {
    const char *p;
    size_t n;
};

/* For printf: "%.*s", SLICE_FMT(s). */
#define SLICE_FMT(s)    (int)(s).n, (s).p
#define SLICE_LIT(text) ((struct slice){("" text), sizeof(text) - 1})

static inline struct slice slice_from(const char *p, size_t n)
{
    return (struct slice){p, n};
}

static inline struct slice slice_str(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case-insensitive; locale does not matter. */
bool slice_ieq(struct slice a, struct slice b);
bool slice_starts_with(struct slice s, struct slice prefix);
bool slice_ends_with(struct slice s, struct slice suffix);

/* Without leading and trailing SP and HTAB (OWS, RFC 9110 section 5.6.3). */
struct slice slice_trim(struct slice s);

/* True and the value in *ret when `s` is decimal digits only and fits; untouched otherwise. */
bool slice_to_u64(struct slice s, unsigned long long *ret_value);

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

#endif
