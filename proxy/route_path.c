/* The normal form of a path that routes are matched against: see router.h. Pure. */
#include <string.h>

#include "proxy/router.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_unreserved(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* Decodes percent-encoded unreserved characters, upper-cases the digits of all others. What is not
 * a valid triplet stays as it came. Returns the new length. */
static size_t normalise_percent(struct slice in, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t n = 0;

    for (size_t i = 0; i < in.n; i++) {
        int high = in.p[i] == '%' && i + 2 < in.n ? hex_value(in.p[i + 1]) : -1;
        int low = high >= 0 ? hex_value(in.p[i + 2]) : -1;

        if (low < 0) {
            out[n++] = in.p[i];
            continue;
        }
        if (is_unreserved(high * 16 + low)) {
            out[n++] = (char)(high * 16 + low);
        } else {
            out[n++] = '%';
            out[n++] = digits[high];
            out[n++] = digits[low];
        }
        i += 2;
    }
    return n;
}

/* RFC 3986 section 5.2.4, in place: every segment is copied down unless it is "." or "..", which
 * drops the one before. */
static size_t remove_dot_segments(char *path, size_t size)
{
    size_t out = 0;

    for (size_t i = 0; i < size;) {
        size_t end = i + 1;

        while (end < size && path[end] != '/')
            end++;
        bool last = end == size;
        bool dot = end - i == 2 && path[i + 1] == '.';
        bool dots = end - i == 3 && path[i + 1] == '.' && path[i + 2] == '.';

        if (dots)
            while (out > 0 && path[--out] != '/')
                ;
        if (dot || dots) {
            if (last)
                path[out++] = '/';
        } else {
            memmove(path + out, path + i, end - i);
            out += end - i;
        }
        i = end;
    }
    return out;
}

/* Most paths are in normal form already: one look decides. */
static bool needs_normalising(struct slice path)
{
    for (size_t i = 0; i < path.n; i++)
        if (path.p[i] == '%' || (path.p[i] == '.' && i > 0 && path.p[i - 1] == '/'))
            return true;
    return false;
}

struct slice route_path_normalise(struct slice path, struct arena *arena)
{
    const char *query = path.n > 0 ? memchr(path.p, '?', path.n) : NULL;
    char *out;
    size_t n;

    if (query != NULL)
        path.n = (size_t)(query - path.p);
    if (path.n == 0 || path.p[0] != '/' || !needs_normalising(path))
        return path;
    out = arena_alloc(arena, path.n + 1);
    n = normalise_percent(path, out);
    n = remove_dot_segments(out, n);
    return slice_from(out, n);
}
