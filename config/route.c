/* routes[]: which requests are meant. What is done with them is in route_action.c. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/nearest.h"
#include "config/route_internal.h"

/* ---- conditions ---- */

/* Listeners stand above routes in the top table, so they are all read by now. */
static void route_check_listener(struct schema_walk *walk, const struct config_node *group,
                                 const struct config_route *route)
{
    const struct config *config = walk->config;
    unsigned line = config_node_line(group, "listener");
    const char **names, *nearest;

    if (route->listener[0] == '\0')
        return;
    names = xcalloc(config->listener_count + 1, sizeof(*names));
    for (size_t i = 0; i < config->listener_count; i++)
        names[i] = config->listeners[i].name;
    nearest = nearest_word(route->listener, names, config->listener_count);
    for (size_t i = 0; i < config->listener_count; i++) {
        if (names[i] != NULL && strcmp(names[i], route->listener) == 0) {
            free(names);
            return;
        }
    }
    free(names);
    if (nearest != NULL)
        config_diag_add(walk->diag, line, "there is no listener \"%s\"; did you mean \"%s\"?",
                        route->listener, nearest);
    else
        config_diag_add(walk->diag, line,
                        "there is no listener \"%s\"; write the name of one in listeners",
                        route->listener);
}

static bool is_host_pattern(struct slice host)
{
    struct slice wildcard = SLICE_LIT("*.");

    if (slice_starts_with(host, wildcard))
        host = slice_from(host.p + wildcard.n, host.n - wildcard.n);
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        return true; /* an IPv6 literal, RFC 3986 section 3.2.2: compared as text */
    return config_is_host_name(host);
}

static void route_check_host(struct schema_walk *walk, const struct config_node *group,
                             struct config_route *route)
{
    struct slice host = slice_str(route->host);
    char *lower;

    if (host.n == 0)
        return;
    if (!is_host_pattern(host)) {
        config_diag_add(walk->diag, config_node_line(group, "host"),
                        "host: \"%s\" is not a host; write \"api.example.com\" or "
                        "\"*.example.com\", without scheme and port",
                        route->host);
        return;
    }
    lower = arena_alloc(walk->arena, host.n + 1);
    for (size_t i = 0; i <= host.n; i++)
        lower[i] = ascii_lower(route->host[i]);
    route->host = lower;
}

/* A path pattern is compared with the path alone, so what cannot stand in one never matches. */
static bool is_plain_path(const char *path)
{
    if (strcmp(path, "*") == 0)
        return true; /* OPTIONS *, RFC 9110 section 9.3.7 */
    if (path[0] != '/')
        return false;
    for (; *path != '\0'; path++) {
        if ((unsigned char)*path <= ' ' || *path == 0x7f || *path == '?' || *path == '#')
            return false;
    }
    return true;
}

static void route_check_path(struct schema_walk *walk, const struct config_node *group,
                             struct config_route *route)
{
    unsigned line = config_node_line(group, "path");

    if (route->path_match == CONFIG_PATH_REGEX) {
        /* Freed with the snapshot, which knows a compiled one by path_match. */
        if (!config_compile_regex(walk, line, "path", route->path, &route->path_regex))
            route->path_match = CONFIG_PATH_PREFIX;
        return;
    }
    if (route->path[0] != '\0' && !is_plain_path(route->path))
        config_diag_add(walk->diag, line,
                        "path: \"%s\" cannot match; write a path that begins with \"/\", without "
                        "spaces, \"?\" and \"#\"",
                        route->path);
    if (route->path[0] == '\0' && route->path_match == CONFIG_PATH_EXACT)
        config_diag_add(walk->diag, config_node_line(group, "path_match"),
                        "path_match has nothing to match; write path = \"/...\"");
}

/* Methods are case-sensitive (RFC 9110 section 9.1), which surprises. */
static const char *method_meant(const char *method)
{
    static const char *const common[] = {"GET",     "HEAD",  "POST",  "PUT",    "DELETE",
                                         "OPTIONS", "PATCH", "TRACE", "CONNECT"};

    for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
        if (strcasecmp(method, common[i]) == 0 && strcmp(method, common[i]) != 0)
            return common[i];
    }
    return NULL;
}

void config_check_method(struct schema_walk *walk, unsigned line, const char *key,
                         const char *method)
{
    const char *meant = method_meant(method);

    if (!http_is_token(slice_str(method)))
        config_diag_add(walk->diag, line, "%s: \"%s\" is not a method; write one such as \"GET\"",
                        key, method);
    else if (meant != NULL)
        config_diag_add(walk->diag, line,
                        "%s: \"%s\" is not \"%s\", since methods are case-sensitive; write "
                        "\"%s\"",
                        key, method, meant, meant);
}

static void route_check_methods(struct schema_walk *walk, const struct config_node *group,
                                const struct config_route *route)
{
    unsigned line = config_node_line(group, "methods");

    for (const char **m = route->methods; *m != NULL; m++) {
        config_check_method(walk, line, "methods", *m);
        for (const char **before = route->methods; before < m; before++) {
            if (strcmp(*before, *m) == 0) {
                config_diag_add(walk->diag, line, "methods: \"%s\" stands twice; keep one", *m);
                break;
            }
        }
    }
}

static void route_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_route *route = out;

    route->where = config_schema_where(walk, group->line);
    if (route->name == NULL)
        route->name =
            config_schema_format(walk, "route-%zu", (size_t)(route - walk->config->routes) + 1);
    route_check_listener(walk, group, route);
    route_check_host(walk, group, route);
    route_check_path(walk, group, route);
    route_check_methods(walk, group, route);
    config_route_check_action(walk, group, route);
}

static const char *const path_match_words[] = {"prefix", "exact", "regex", NULL};

static const struct schema_key route_keys[] = {
    {"name", SCHEMA_NAME, SCHEMA_AT(struct config_route, name), .example = "\"api\""},
    {"listener", SCHEMA_STRING, "", SCHEMA_AT(struct config_route, listener),
     .example = "\"edge\""},
    {"host", SCHEMA_STRING, "", SCHEMA_AT(struct config_route, host),
     .example = "\"api.example.com\""},
    {"path", SCHEMA_STRING, "", SCHEMA_AT(struct config_route, path), .example = "\"/v1/\""},
    {"path_match", SCHEMA_CHOICE, "prefix", SCHEMA_AT(struct config_route, path_match),
     .choices = path_match_words},
    {"methods", SCHEMA_STRINGS, SCHEMA_AT(struct config_route, methods), .max = 32,
     .example = "[ \"GET\" ]"},
    {"headers", SCHEMA_LIST, SCHEMA_AT(struct config_route, headers),
     SCHEMA_COUNT(struct config_route, header_count), .max = 32,
     .section = &config_route_header_section},
    {"pool", SCHEMA_CUSTOM, .read = config_route_read_pool},
    {"pools", SCHEMA_LIST, SCHEMA_AT(struct config_route, pools),
     SCHEMA_COUNT(struct config_route, pool_count), .max = 64,
     .section = &config_weighted_pool_section},
    {"redirect", SCHEMA_GROUP, .section = &config_redirect_section},
    {"respond", SCHEMA_GROUP, .section = &config_respond_section},
    {"rewrite", SCHEMA_GROUP, .section = &config_rewrite_section},
    {"request_headers", SCHEMA_GROUP, SCHEMA_AT(struct config_route, request_headers),
     .section = &config_header_edits_section},
    {"response_headers", SCHEMA_GROUP, SCHEMA_AT(struct config_route, response_headers),
     .section = &config_header_edits_section},
    {"timeout", SCHEMA_DURATION, "0", SCHEMA_AT(struct config_route, timeout_ms), .min = 0,
     .max = CONFIG_DURATION_LONGEST_MS},
};

const struct schema_section config_route_section = {
    .title = "routes",
    .label = "route",
    .identity = {"name"},
    .struct_bytes = sizeof(struct config_route),
    SCHEMA_KEYS(route_keys),
    .check = route_check,
};
