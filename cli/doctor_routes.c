/* Rules over routes: what is never reached, and how long an exchange may take. See
 * doctor_internal.h. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/doctor_internal.h"

/* ---- what an earlier route leaves for a later one ---- */

/* A route of one listener leaves what comes by others. */
static bool listener_covers(const char *earlier, const char *later)
{
    return earlier[0] == '\0' || strcmp(earlier, later) == 0;
}

static bool host_covers(const char *earlier, const char *later)
{
    struct slice suffix = slice_str(earlier);

    if (earlier[0] == '\0' || strcmp(earlier, later) == 0)
        return true;
    if (earlier[0] != '*')
        return false;
    suffix = slice_from(suffix.p + 1, suffix.n - 1);
    return strlen(later) > suffix.n && slice_ends_with(slice_str(later), suffix);
}

/* "/v1/" matches what "/v1" does, and the path without the slash (proxy/router.c). */
static struct slice segment_of(const char *prefix)
{
    struct slice path = slice_str(prefix);

    if (path.n > 1 && path.p[path.n - 1] == '/')
        path.n--;
    return path;
}

static bool prefix_covers(const struct config_route *earlier, const struct config_route *later)
{
    struct slice prefix = segment_of(earlier->path);
    struct slice path =
        later->path_match == CONFIG_PATH_PREFIX ? segment_of(later->path) : slice_str(later->path);

    if (prefix.n == 1 && prefix.p[0] == '/')
        return true;
    return later->path_match != CONFIG_PATH_REGEX && slice_starts_with(path, prefix) &&
           (path.n == prefix.n || path.p[prefix.n] == '/');
}

static bool path_covers(const struct config_route *earlier, const struct config_route *later)
{
    if (earlier->path[0] == '\0')
        return true;
    switch (earlier->path_match) {
    case CONFIG_PATH_PREFIX:
        return later->path[0] != '\0' ? prefix_covers(earlier, later)
                                      : strcmp(earlier->path, "/") == 0;
    case CONFIG_PATH_EXACT:
        return later->path_match == CONFIG_PATH_EXACT && strcmp(earlier->path, later->path) == 0;
    case CONFIG_PATH_REGEX:
        if (later->path_match == CONFIG_PATH_EXACT)
            return regexec(&earlier->path_regex, later->path, 0, NULL, 0) == 0;
        return later->path_match == CONFIG_PATH_REGEX && strcmp(earlier->path, later->path) == 0;
    }
    return false;
}

static bool has_method(const struct config_route *route, const char *method)
{
    if (!route->methods[0])
        return strcmp(method, "CONNECT") != 0;
    for (const char **m = route->methods; *m; m++)
        if (strcmp(*m, method) == 0)
            return true;
    return false;
}

static bool methods_cover(const struct config_route *earlier, const struct config_route *later)
{
    if (!later->methods[0])
        return !earlier->methods[0];
    for (const char **m = later->methods; *m; m++)
        if (!has_method(earlier, *m))
            return false;
    return true;
}

/* Each field that the earlier one wants, the later one wants too. */
static bool headers_cover(const struct config_route *earlier, const struct config_route *later)
{
    for (size_t i = 0; i < earlier->header_count; i++) {
        const struct http_header_edit *want = &earlier->headers[i];
        bool wanted = false;

        for (size_t k = 0; k < later->header_count && !wanted; k++)
            wanted = slice_ieq(later->headers[k].name, want->name) &&
                     (want->value.n == 0 || slice_eq(later->headers[k].value, want->value));
        if (!wanted)
            return false;
    }
    return true;
}

static void look_shadowed(struct doctor_look *look)
{
    const struct config_route *route = look->route;

    for (const struct config_route *e = look->config->routes; e < route; e++) {
        if (!listener_covers(e->listener, route->listener) || !host_covers(e->host, route->host) ||
            !path_covers(e, route) || !methods_cover(e, route) || !headers_cover(e, route))
            continue;
        doctor_found(look,
                     "is never reached: route \"%s\" stands before it and takes all that it "
                     "would",
                     e->name);
        doctor_write(look, "the route before \"%s\" in the file, or remove it", e->name);
        return;
    }
}

/* ---- times ---- */

/* What a route's timeout leaves for a second attempt after a backend that does not answer. */
static void look_no_time_to_retry(struct doctor_look *look)
{
    const struct config_route *route = look->route;

    for (size_t i = 0; i < route->pool_count && route->timeout_ms > 0; i++) {
        const struct config_pool *pool = &look->config->pools[route->pools[i].pool];

        if (pool->retry.attempts == 1 || !(pool->retry.on & CONFIG_RETRY_TIMEOUT) ||
            pool->timeouts.response_ms < route->timeout_ms)
            continue;
        doctor_found(look,
                     "timeout = \"%s\" is over before pool \"%s\" gives up its first attempt "
                     "(timeouts.response is %s)",
                     doctor_duration(look, route->timeout_ms), pool->name,
                     doctor_duration(look, pool->timeouts.response_ms));
        doctor_write(look, "pool \"%s\": timeouts = { ... response = \"%s\"; };", pool->name,
                     doctor_duration(look, route->timeout_ms / pool->retry.attempts));
        return;
    }
}

const struct doctor_rule doctor_route_rules[] = {
    {"route-shadowed", DOCTOR_WARNING, "the first route that matches wins", look_shadowed},
    {"no-time-to-retry", DOCTOR_HINT,
     "a retry after a timeout never happens: the client gets its error first",
     look_no_time_to_retry},
    {.name = NULL},
};

/* ---- pools that no route leads to ---- */

/* Along fallbacks: they never form a circle (config/fallback.c), but may meet. */
static void mark(const struct config *config, bool *reached, int pool)
{
    for (; pool >= 0 && !reached[pool]; pool = config->pools[pool].fallback.pool)
        reached[pool] = true;
}

static void look_unrouted(struct doctor_look *look)
{
    const struct config *config = look->config;
    bool *reached = xcalloc(config->pool_count + 1, sizeof(*reached));

    for (size_t i = 0; i < config->route_count; i++)
        for (size_t k = 0; k < config->routes[i].pool_count; k++)
            mark(config, reached, (int)config->routes[i].pools[k].pool);
    for (size_t i = 0; i < config->pool_count; i++) {
        if (reached[i])
            continue;
        doctor_at(look, &config->pools[i].where);
        doctor_found(look, "pool \"%s\": no route leads to it", config->pools[i].name);
        doctor_write(look,
                     "routes = ( ..., { path = \"/\"; pool = \"%s\"; } );  or remove the "
                     "pool",
                     config->pools[i].name);
    }
    free(reached);
}

const struct doctor_rule doctor_routes_rules[] = {
    {"pool-unrouted", DOCTOR_WARNING,
     "its backends are checked, and never asked: a route is missing or misspelt", look_unrouted},
    {.name = NULL},
};
