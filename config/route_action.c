/* routes[]: what is done with a request: one of pool, pools, redirect, respond. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/nearest.h"
#include "config/route_internal.h"

/* ---- pool, pools ---- */

static void route_report_pool(struct schema_walk *walk, const struct config_node *node)
{
    const struct config *config = walk->config;
    const char **names = xcalloc(config->pool_count + 1, sizeof(*names)), *nearest;

    for (size_t i = 0; i < config->pool_count; i++)
        names[i] = config->pools[i].name;
    nearest = nearest_word(node->string, names, config->pool_count);
    free(names);
    if (nearest != NULL)
        config_diag_add(walk->diag, node->line, "there is no pool \"%s\"; did you mean \"%s\"?",
                        node->string, nearest);
    else
        config_diag_add(walk->diag, node->line,
                        "there is no pool \"%s\"; write the name of one in pools", node->string);
}

bool config_find_pool(struct schema_walk *walk, const struct config_node *node, unsigned *ret_index)
{
    const char *name = config_schema_string(walk, node, "a pool's name", "\"NAME\"");

    if (name == NULL)
        return false;
    for (size_t i = 0; i < walk->config->pool_count; i++) {
        const char *candidate = walk->config->pools[i].name;

        if (candidate != NULL && strcmp(candidate, name) == 0) {
            *ret_index = (unsigned)i;
            return true;
        }
    }
    route_report_pool(walk, node);
    return false;
}

/* Pools stand above routes in the top table, so they are all read by now. Shown and compared as
 * `pools`, which it becomes. */
void config_route_read_pool(struct schema_walk *walk, const struct config_node *node, void *out)
{
    struct config_route *route = out;

    route->pools = arena_zalloc(walk->arena, sizeof(*route->pools));
    route->pools[0].weight = 1;
    route->pool_count = 1;
    config_find_pool(walk, node, &route->pools[0].pool);
}

static json_t *weighted_show_pool(const struct config *config, const void *in)
{
    const struct config_weighted_pool *weighted = in;

    return config_schema_text_json(config->pools[weighted->pool].name);
}

static void weighted_read_pool(struct schema_walk *walk, const struct config_node *node, void *out)
{
    struct config_weighted_pool *weighted = out;

    config_find_pool(walk, node, &weighted->pool);
}

static const struct schema_key weighted_pool_keys[] = {
    {"pool", SCHEMA_CUSTOM, .read = weighted_read_pool, .show = weighted_show_pool,
     .required = true, .example = "\"NAME\""},
    {"weight", SCHEMA_INTEGER, "1", SCHEMA_AT(struct config_weighted_pool, weight), .min = 0,
     .max = 65535},
};

const struct schema_section config_weighted_pool_section = {
    .title = "routes.pools",
    .label = "pool",
    .identity = {"pool"},
    .struct_bytes = sizeof(struct config_weighted_pool),
    SCHEMA_KEYS(weighted_pool_keys),
};

static const char *weighted_name(const struct config_node *element)
{
    const struct config_node *node =
        element->type == CONFIG_NODE_GROUP ? config_node_find(element, "pool") : NULL;

    return node != NULL && node->type == CONFIG_NODE_STRING ? node->string : NULL;
}

static void route_check_pools(struct schema_walk *walk, const struct config_node *pools,
                              struct config_route *route)
{
    const char **names = xcalloc(pools->count + 1, sizeof(*names));
    unsigned *lines = xcalloc(pools->count + 1, sizeof(*lines));
    size_t count = 0;

    for (size_t i = 0; i < pools->count; i++) {
        names[count] = weighted_name(&pools->children[i]);
        lines[count] = pools->children[i].line;
        count += names[count] != NULL;
    }
    config_schema_check_unique(walk, names, lines, count, "pool", "pool, or add up the weights");
    free(names);
    free(lines);
    for (size_t i = 0; i < route->pool_count; i++)
        route->pool_weight_total += route->pools[i].weight;
    if (pools->type == CONFIG_NODE_LIST && route->pool_weight_total == 0)
        config_diag_add(walk->diag, pools->line,
                        "pools has no pool with a weight; write ( { pool = \"NAME\"; weight = 1; "
                        "} )");
}

/* ---- redirect, respond, rewrite ---- */

static void redirect_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    const struct config_route *route = out;
    const char *to = route->redirect.to, *variable;
    unsigned line = config_node_line(group, "to");

    if (to[0] != '\0' && to[0] != '/' && strncmp(to, "http://", 7) != 0 &&
        strncmp(to, "https://", 8) != 0 && strcmp(to, "$path") != 0)
        config_diag_add(walk->diag, line,
                        "to: \"%s\" is no place to go; write \"https://HOST/...\" or \"/...\"", to);
    if (!http_is_field_value(slice_str(to)) || strchr(to, ' ') != NULL)
        config_diag_add(walk->diag, line,
                        "to has spaces or control characters; write them as %%20 and the like");
    variable = strstr(to, "$path");
    if (variable != NULL && variable[5] != '\0')
        config_diag_add(walk->diag, line,
                        "to: $path can only stand at the end; write \"https://HOST$path\"");
    if (strcmp(to, "$path") == 0)
        config_diag_add(walk->diag, line,
                        "to: \"$path\" would send every client back to where it was; write "
                        "\"https://HOST$path\"");
    if (route->redirect.status < 301 || route->redirect.status > 308 ||
        (route->redirect.status > 303 && route->redirect.status < 307))
        config_diag_add(walk->diag, config_node_line(group, "status"),
                        "status: %d is no redirect; write 301, 302, 303, 307 or 308",
                        route->redirect.status);
}

static const struct schema_key redirect_keys[] = {
    {"to", SCHEMA_STRING, "", SCHEMA_AT(struct config_route, redirect.to), .required = true,
     .example = "\"https://HOST$path\""},
    {"status", SCHEMA_INTEGER, "302", SCHEMA_AT(struct config_route, redirect.status), .min = 100,
     .max = 999},
};

const struct schema_section config_redirect_section = {
    .title = "routes.redirect",
    .struct_bytes = sizeof(struct config_route),
    SCHEMA_KEYS(redirect_keys),
    .check = redirect_check,
};

static void respond_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    const struct config_route *route = out;
    int status = route->respond.status;

    config_check_header_value(walk, config_node_line(group, "content_type"),
                              slice_str(route->respond.content_type));
    if (route->respond.content_type[0] == '\0')
        config_diag_add(walk->diag, config_node_line(group, "content_type"),
                        "content_type is empty; write \"text/plain\"");
    /* RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5: these have no content. */
    if ((status == 204 || status == 205 || status == 304) && route->respond.body[0] != '\0')
        config_diag_add(walk->diag, config_node_line(group, "body"),
                        "an answer with status %d has no body; remove body, or write status = 200",
                        status);
}

static const struct schema_key respond_keys[] = {
    {"status", SCHEMA_INTEGER, "200", SCHEMA_AT(struct config_route, respond.status), .min = 200,
     .max = 599},
    {"body", SCHEMA_STRING, "", SCHEMA_AT(struct config_route, respond.body)},
    {"content_type", SCHEMA_STRING, "text/plain; charset=utf-8",
     SCHEMA_AT(struct config_route, respond.content_type), .example = "\"text/plain\""},
};

const struct schema_section config_respond_section = {
    .title = "routes.respond",
    .struct_bytes = sizeof(struct config_route),
    SCHEMA_KEYS(respond_keys),
    .check = respond_check,
};

static void rewrite_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    const struct config_route *route = out;
    const char *prefix = route->rewrite_prefix;

    if (prefix == NULL)
        return;
    if (prefix[0] != '/' || strpbrk(prefix, " ?#") != NULL ||
        !http_is_field_value(slice_str(prefix)))
        config_diag_add(walk->diag, config_node_line(group, "prefix"),
                        "prefix: \"%s\" is not a path; write one that begins with \"/\", without "
                        "spaces, \"?\" and \"#\"",
                        prefix);
}

static const struct schema_key rewrite_keys[] = {
    {"prefix", SCHEMA_STRING, SCHEMA_AT(struct config_route, rewrite_prefix), .required = true,
     .example = "\"/\""},
};

const struct schema_section config_rewrite_section = {
    .title = "routes.rewrite",
    .struct_bytes = sizeof(struct config_route),
    SCHEMA_KEYS(rewrite_keys),
    .check = rewrite_check,
};

/* ---- together ---- */

static const struct {
    const char *key;
    enum config_route_action action;
} actions[] = {
    {"pool", CONFIG_ROUTE_POOL},
    {"pools", CONFIG_ROUTE_POOL},
    {"redirect", CONFIG_ROUTE_REDIRECT},
    {"respond", CONFIG_ROUTE_RESPOND},
};

/* The route's only action key; NULL after adding a mistake. */
static const struct config_node *route_find_action(struct schema_walk *walk,
                                                   const struct config_node *group,
                                                   struct config_route *route)
{
    const struct config_node *found = NULL;

    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        const struct config_node *node = config_node_find(group, actions[i].key);

        if (node == NULL)
            continue;
        if (found != NULL) {
            config_diag_add(walk->diag, node->line,
                            "has both %s and %s; keep one of pool, pools, redirect, respond",
                            found->name, node->name);
            return NULL;
        }
        found = node;
        route->action = actions[i].action;
    }
    if (found == NULL)
        config_diag_add(walk->diag, group->line,
                        "says not what to do; write one of pool = \"NAME\", pools, redirect, "
                        "respond");
    return found;
}

/* Keys that only make sense where a backend is asked. */
static void route_check_ignored(struct schema_walk *walk, const struct config_node *group,
                                const char *action)
{
    static const char *const keys[] = {"rewrite", "request_headers", "timeout"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const struct config_node *node = config_node_find(group, keys[i]);

        if (node != NULL)
            config_diag_add(walk->diag, node->line, "%s has no effect with %s; remove it", keys[i],
                            action);
    }
}

static void route_check_rewrite(struct schema_walk *walk, const struct config_node *group,
                                const struct config_route *route)
{
    const struct config_node *match = config_node_find(group, "path_match");

    if (config_node_find(group, "rewrite") == NULL)
        return;
    /* From the file, not from route->path_match: a regex that does not compile has changed that. */
    if (match != NULL && match->type == CONFIG_NODE_STRING && strcmp(match->string, "prefix") != 0)
        config_diag_add(walk->diag, config_node_line(group, "rewrite"),
                        "rewrite replaces a matched prefix; write path_match = \"prefix\", or "
                        "remove rewrite");
    else if (route->path[0] == '\0')
        config_diag_add(walk->diag, config_node_line(group, "rewrite"),
                        "rewrite replaces a matched prefix; write path = \"/...\" beside it");
}

void config_route_check_action(struct schema_walk *walk, const struct config_node *group,
                               struct config_route *route)
{
    const struct config_node *action = route_find_action(walk, group, route);

    if (action == NULL)
        return;
    if (route->action != CONFIG_ROUTE_POOL)
        route_check_ignored(walk, group, action->name);
    else
        route_check_rewrite(walk, group, route);
    if (strcmp(action->name, "pool") == 0)
        route->pool_weight_total = 1;
    else if (strcmp(action->name, "pools") == 0)
        route_check_pools(walk, action, route);
}
