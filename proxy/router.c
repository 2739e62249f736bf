/* Matching requests to routes: see router.h. */
#include "proxy/router_internal.h"

#include <string.h>

/* "Example.COM:8080" and "example.com." are the host example.com; "[::1]:80" is [::1]. */
struct slice router_host(struct slice authority)
{
    size_t end = authority.n;

    for (size_t i = authority.n; i > 0; i--) {
        char c = authority.p[i - 1];

        if (c == ':') {
            end = i - 1;
            break;
        }
        if (c < '0' || c > '9')
            break;
    }
    if (end > 0 && authority.p[end - 1] == '.')
        end--;
    return slice_from(authority.p, end);
}

static bool route_matches_host(const struct config_route *route, struct slice host)
{
    struct slice want = slice_str(route->host);

    if (want.n == 0)
        return true;
    if (want.n > 2 && want.p[0] == '*' && want.p[1] == '.') {
        struct slice suffix = slice_from(want.p + 1, want.n - 1); /* ".example.com" */

        return host.n > suffix.n &&
               slice_ieq(slice_from(host.p + host.n - suffix.n, suffix.n), suffix);
    }
    return slice_ieq(host, want);
}

/* A prefix matches whole segments: "/v1" matches "/v1" and "/v1/x", not "/v10". One that ends in
 * a slash also matches the path without it, as users of other proxies expect of "/v1/". */
static bool path_has_prefix(struct slice path, struct slice prefix)
{
    if (prefix.n > 1 && prefix.p[prefix.n - 1] == '/') {
        if (path.n == prefix.n - 1)
            return memcmp(path.p, prefix.p, path.n) == 0;
        return slice_starts_with(path, prefix);
    }
    if (!slice_starts_with(path, prefix))
        return false;
    return prefix.n == 1 || path.n == prefix.n || path.p[prefix.n] == '/';
}

static bool route_matches_path(const struct config_route *route, struct slice path,
                               struct arena *arena)
{
    struct slice want = slice_str(route->path);

    if (want.n == 0)
        return true;
    /* "*" and the authority form are no paths: routes for every path take them, "*" its own too. */
    if (path.n == 0 || path.p[0] != '/')
        return slice_eq(path, want) ||
               (route->path_match == CONFIG_PATH_PREFIX && slice_eq(want, SLICE_LIT("/")));
    switch (route->path_match) {
    case CONFIG_PATH_PREFIX:
        return path_has_prefix(path, want);
    case CONFIG_PATH_EXACT:
        return slice_eq(path, want);
    case CONFIG_PATH_REGEX:
        /* regexec wants a string that ends in NUL; only these routes pay for the copy. */
        return regexec(&route->path_regex, arena_dup(arena, path).p, 0, NULL, 0) == 0;
    }
    return false;
}

const struct http_header_edit *router_missing_header(const struct config_route *route,
                                                     const struct http_fields *fields)
{
    for (size_t i = 0; i < route->header_count; i++) {
        const struct http_header_edit *want = &route->headers[i];
        const struct http_field *field = http_fields_find(fields, want->name);

        if (field == NULL || (want->value.n > 0 && !slice_eq(field->value, want->value)))
            return want;
    }
    return NULL;
}

/* CONNECT opens a tunnel to wherever the backend goes, so a route must ask for it by name. */
static bool route_allows_method(const struct config_route *route,
                                const struct http_request_head *head)
{
    if (route->methods == NULL || route->methods[0] == NULL)
        return head->method_id != HTTP_METHOD_CONNECT;
    for (const char **m = route->methods; *m != NULL; m++)
        if (slice_eq(head->method, slice_str(*m)))
            return true;
    return false;
}

enum router_verdict router_judge(const struct config_route *route, const char *listener,
                                 const struct http_request_head *head, struct slice host,
                                 struct slice path, struct arena *arena)
{
    if (route->listener[0] != '\0' && strcmp(route->listener, listener) != 0)
        return ROUTER_OTHER_LISTENER;
    if (!route_matches_host(route, host))
        return ROUTER_OTHER_HOST;
    if (!route_matches_path(route, path, arena))
        return ROUTER_OTHER_PATH;
    if (router_missing_header(route, &head->fields) != NULL)
        return ROUTER_OTHER_HEADER;
    return route_allows_method(route, head) ? ROUTER_TAKES_IT : ROUTER_OTHER_METHOD;
}

struct router_result router_match(const struct config *config, const char *listener,
                                  const struct http_request_head *head, struct slice path,
                                  struct arena *arena)
{
    struct slice host = router_host(head->authority);
    struct router_result result = {0};

    for (size_t i = 0; i < config->route_count; i++) {
        const struct config_route *route = &config->routes[i];
        enum router_verdict verdict = router_judge(route, listener, head, host, path, arena);

        if (verdict == ROUTER_TAKES_IT) {
            result.route = route;
            return result;
        }
        if (verdict == ROUTER_OTHER_METHOD && result.method_mismatch == NULL)
            result.method_mismatch = route;
    }
    return result;
}

struct slice router_rewrite(const struct config_route *route, const struct http_request_head *head,
                            struct slice path, struct arena *arena)
{
    struct slice prefix, rest, query, to;
    const char *mark;
    char *out;

    if (route->rewrite_prefix == NULL || path.n == 0 || path.p[0] != '/')
        return head->path;
    prefix = slice_str(route->path);
    to = slice_str(route->rewrite_prefix);
    mark = memchr(head->path.p, '?', head->path.n);
    query = mark == NULL ? slice_from(NULL, 0)
                         : slice_from(mark, (size_t)(head->path.p + head->path.n - mark));
    rest =
        path.n <= prefix.n ? slice_from(NULL, 0) : slice_from(path.p + prefix.n, path.n - prefix.n);
    /* Exactly one slash where the new prefix and the rest meet. */
    if (rest.n > 0 && rest.p[0] == '/' && to.n > 0 && to.p[to.n - 1] == '/')
        rest = slice_from(rest.p + 1, rest.n - 1);
    out = arena_alloc(arena, to.n + rest.n + query.n + 1);
    memcpy(out, to.p, to.n);
    size_t n = to.n;
    if (rest.n > 0 && rest.p[0] != '/' && to.n > 0 && to.p[to.n - 1] != '/')
        out[n++] = '/';
    if (rest.n > 0)
        memcpy(out + n, rest.p, rest.n);
    n += rest.n;
    if (query.n > 0)
        memcpy(out + n, query.p, query.n);
    return slice_from(out, n + query.n);
}

unsigned router_pick_pool(const struct config_route *route, uint64_t random)
{
    unsigned point;

    if (route->pool_count == 1 || route->pool_weight_total == 0)
        return route->pools[0].pool;
    point = (unsigned)(random % route->pool_weight_total);
    for (size_t i = 0; i < route->pool_count; i++) {
        if (point < route->pools[i].weight)
            return route->pools[i].pool;
        point -= route->pools[i].weight;
    }
    return route->pools[0].pool;
}
