/* What a fetch asks for: copied, judged, freed. See fetch.h. */
#include <stdlib.h>

#include "base/alloc.h"
#include "discovery/fetch_internal.h"

enum {
    CONNECT_MS = 5 * 1000,
    SEARCH_MS = 30 * 1000, /* docs/discovery.md */
    ANSWER_MS = 30 * 1000,
    MAX_BYTES = 64 * 1024 * 1024,
};

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

static struct slice copy_slice(struct slice text)
{
    return slice_from(xstrndup(text.p, text.n), text.n);
}

static uint64_t or_else(uint64_t value, uint64_t fallback)
{
    return value ? value : fallback;
}

void fetch_request_copy(struct fetch_request *out, const struct fetch_request *request)
{
    struct http_header_edit *headers = xcalloc(request->header_count + 1, sizeof(*headers));

    for (size_t i = 0; i < request->header_count; i++) {
        headers[i].name = copy_slice(request->headers[i].name);
        headers[i].value = copy_slice(request->headers[i].value);
    }
    *out = (struct fetch_request){
        .method = xstrdup(request->method),
        .target = xstrdup(request->target),
        .headers = headers,
        .header_count = request->header_count,
        .body = xstrdup(request->body ? request->body : ""),
        .content_type = copy(request->content_type),
        .connect_ms = or_else(request->connect_ms, CONNECT_MS),
        .search_ms = or_else(request->search_ms, SEARCH_MS),
        .answer_ms = or_else(request->answer_ms, ANSWER_MS),
        .idle_ms = or_else(request->idle_ms, FETCH_IDLE_MS),
        .max_bytes = or_else(request->max_bytes, MAX_BYTES),
        .lines = request->lines,
        .wanted_header = copy(request->wanted_header),
        .second_header = copy(request->second_header),
    };
}

void fetch_request_fini(struct fetch_request *request)
{
    for (size_t i = 0; i < request->header_count; i++) {
        free((char *)request->headers[i].name.p);
        free((char *)request->headers[i].value.p);
    }
    free((struct http_header_edit *)request->headers);
    free((char *)request->method);
    free((char *)request->target);
    free((char *)request->body);
    free((char *)request->content_type);
    free((char *)request->wanted_header);
    free((char *)request->second_header);
}

static bool breaks_lines(struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\r' || text.p[i] == '\n' || text.p[i] == '\0')
            return true;
    return false;
}

/* A token from a file must not become a second header. */
bool fetch_request_is_sound(const struct fetch_request *request)
{
    for (size_t i = 0; i < request->header_count; i++)
        if (breaks_lines(request->headers[i].value))
            return false;
    return !breaks_lines(slice_str(request->target));
}
