/* Routes in words: see router_explain.h. */
#include "proxy/router_explain.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proxy/router_internal.h"

const char *router_verdict_name(enum router_verdict verdict)
{
    static const char *const names[] = {"matches", "listener", "host", "path", "header", "method"};

    return names[verdict];
}

static struct slice text(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static struct slice text(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    size_t size;
    char *out;

    va_start(args, format);
    va_copy(again, args);
    size = (size_t)vsnprintf(NULL, 0, format, args) + 1;
    out = arena_alloc(arena, size);
    vsnprintf(out, size, format, again);
    va_end(again);
    va_end(args);
    return slice_from(out, size - 1);
}

static struct slice why_host(const struct config_route *route, struct slice host,
                             struct arena *arena)
{
    if (host.n == 0)
        return text(arena, "the request names no host, and \"%s\" is asked for", route->host);
    if (route->host[0] == '*')
        return text(arena, "the host \"%.*s\" is no sub-domain of \"%s\"", SLICE_FMT(host),
                    route->host + 2);
    return text(arena, "the host is \"%.*s\", not \"%s\"", SLICE_FMT(host), route->host);
}

static struct slice why_path(const struct config_route *route, struct slice path,
                             struct arena *arena)
{
    static const char *const relations[] = {
        [CONFIG_PATH_PREFIX] = "is not under",
        [CONFIG_PATH_EXACT] = "is not exactly",
        [CONFIG_PATH_REGEX] = "does not match the expression",
    };

    return text(arena, "the path \"%.*s\" %s \"%s\"", SLICE_FMT(path), relations[route->path_match],
                route->path);
}

static struct slice why_header(const struct config_route *route, const struct http_fields *fields,
                               struct arena *arena)
{
    const struct http_header_edit *want = router_missing_header(route, fields);
    const struct http_field *have = http_fields_find(fields, want->name);

    if (have == NULL)
        return text(arena, "there is no header %.*s", SLICE_FMT(want->name));
    return text(arena, "the header %.*s is \"%.*s\", not \"%.*s\"", SLICE_FMT(want->name),
                SLICE_FMT(have->value), SLICE_FMT(want->value));
}

static struct slice why_method(const struct config_route *route, struct slice method,
                               struct arena *arena)
{
    struct slice list = slice_from("", 0);

    if (route->methods == NULL || route->methods[0] == NULL)
        return text(arena, "CONNECT must be among the route's methods by name");
    for (const char **m = route->methods; *m != NULL; m++)
        list = text(arena, "%.*s%s%s", SLICE_FMT(list), list.n > 0 ? ", " : "", *m);
    return text(arena, "the method is %.*s, and it takes only %.*s", SLICE_FMT(method),
                SLICE_FMT(list));
}

/* "the host fits "api.example.com", the path is under "/v1"".
 */
static struct slice why_taken(const struct config_route *route, struct arena *arena)
{
    static const char *const relations[] = {
        [CONFIG_PATH_PREFIX] = "is under",
        [CONFIG_PATH_EXACT] = "is exactly",
        [CONFIG_PATH_REGEX] = "matches the expression",
    };
    bool host = route->host[0] != '\0', path = route->path[0] != '\0';
    bool methods = route->methods != NULL && route->methods[0] != NULL;
    struct slice out = slice_from("", 0);

    if (route->listener[0] != '\0')
        out = text(arena, "it came by \"%s\"", route->listener);
    if (host)
        out = text(arena, "%.*s%sthe host fits \"%s\"", SLICE_FMT(out), out.n > 0 ? ", " : "",
                   route->host);
    if (path)
        out = text(arena, "%.*s%sthe path %s \"%s\"", SLICE_FMT(out), out.n > 0 ? ", " : "",
                   relations[route->path_match], route->path);
    if (route->header_count > 0)
        out = text(arena, "%.*s%sthe headers fit", SLICE_FMT(out), out.n > 0 ? ", " : "");
    if (methods)
        out = text(arena, "%.*s%sthe method is taken", SLICE_FMT(out), out.n > 0 ? ", " : "");
    return out.n > 0 ? out : text(arena, "it takes every request");
}

struct router_explanation router_explain(const struct config_route *route, const char *listener,
                                         const struct http_request_head *head, struct slice path,
                                         struct arena *arena)
{
    struct slice host = router_host(head->authority);
    struct router_explanation told = {
        .verdict = router_judge(route, listener, head, host, path, arena),
    };

    switch (told.verdict) {
    case ROUTER_TAKES_IT:
        told.why = why_taken(route, arena);
        break;
    case ROUTER_OTHER_LISTENER:
        told.why =
            text(arena, "it came by the listener \"%s\", not by \"%s\"", listener, route->listener);
        break;
    case ROUTER_OTHER_HOST:
        told.why = why_host(route, host, arena);
        break;
    case ROUTER_OTHER_PATH:
        told.why = why_path(route, path, arena);
        break;
    case ROUTER_OTHER_HEADER:
        told.why = why_header(route, &head->fields, arena);
        break;
    case ROUTER_OTHER_METHOD:
        told.why = why_method(route, head->method, arena);
        break;
    }
    return told;
}
