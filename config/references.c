/* What concerns several sections, once all of them are read: names and binds that must differ, and
 * that something can be served at all. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/sections_internal.h"

/* ---- names ---- */

/* The names of a list's elements; a name stands `name_offset` bytes into each. */
static void check_names(struct schema_walk *walk, const struct config_node *root, const char *key,
                        const void *elements, size_t count, size_t bytes, size_t name_offset)
{
    const struct config_node *list = config_node_find(root, key);
    const char **names = xcalloc(count + 1, sizeof(*names));
    unsigned *lines = xcalloc(count + 1, sizeof(*lines));
    char *what = xstrndup(key, strlen(key) - 1); /* "pools" to "pool" */
    size_t used = 0;

    for (size_t i = 0; i < count; i++) {
        memcpy(&names[used], (const char *)elements + i * bytes + name_offset, sizeof(*names));
        if (names[used] == NULL)
            continue;
        lines[used++] = list->children[i].type == CONFIG_NODE_GROUP
                            ? config_node_line(&list->children[i], "name")
                            : list->children[i].line;
    }
    config_schema_check_unique(walk, names, lines, used, what, "name");
    free(names);
    free(lines);
    free(what);
}

static void check_all_names(struct schema_walk *walk, const struct config_node *root)
{
    const struct config *c = walk->config;

    check_names(walk, root, "listeners", c->listeners, c->listener_count, sizeof(*c->listeners),
                offsetof(struct config_listener, name));
    check_names(walk, root, "pools", c->pools, c->pool_count, sizeof(*c->pools),
                offsetof(struct config_pool, name));
    check_names(walk, root, "routes", c->routes, c->route_count, sizeof(*c->routes),
                offsetof(struct config_route, name));
}

/* ---- binds ---- */

struct bind_place {
    struct config_address address;
    const char *text;
    unsigned line;
};

static size_t bind_add(struct bind_place *places, size_t count, const char *text, unsigned line)
{
    char *why;

    if (text == NULL || text[0] == '\0')
        return count;
    places[count].text = text;
    places[count].line = line;
    why = config_address_parse(&places[count].address, slice_str(text), 0);
    if (why != NULL || places[count].address.kind == CONFIG_ADDRESS_NAME) {
        free(why); /* it was reported where it stands */
        return count;
    }
    return count + 1;
}

static unsigned member_line(const struct config_node *node, const char *key)
{
    return node != NULL && node->type == CONFIG_NODE_GROUP ? config_node_line(node, key) : 0;
}

static size_t bind_collect(struct schema_walk *walk, const struct config_node *root,
                           struct bind_place *places)
{
    const struct config *config = walk->config;
    const struct config_node *list = config_node_find(root, "listeners");
    const struct config_node *admin = config_node_find(root, "admin");
    size_t count = 0;

    for (size_t i = 0; i < config->listener_count; i++)
        count = bind_add(places, count, config->listeners[i].bind,
                         member_line(&list->children[i], "bind"));
    count = bind_add(places, count, config->admin.bind, member_line(admin, "bind"));
    if (config->admin.socket == NULL)
        return count;
    return bind_add(places, count, config_schema_format(walk, "unix:%s", config->admin.socket),
                    member_line(admin, "socket"));
}

static void check_binds(struct schema_walk *walk, const struct config_node *root)
{
    struct bind_place *places = xcalloc(walk->config->listener_count + 2, sizeof(*places));
    size_t count = bind_collect(walk, root, places);

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (!config_address_conflicts(&places[i].address, &places[j].address))
                continue;
            /* Admin's default has no line of its own: the listener is the one to point at. */
            config_diag_add(walk->diag, places[i].line ? places[i].line : places[j].line,
                            "bind: \"%s\" is taken by \"%s\"%s; write another port",
                            places[i].line ? places[i].text : places[j].text,
                            places[i].line ? places[j].text : places[i].text,
                            places[i].line ? "" : " of admin");
            break;
        }
    }
    free(places);
}

/* ---- something to serve ---- */

static bool is_absent_or_empty(const struct config_node *root, const char *key)
{
    const struct config_node *node = config_node_find(root, key);

    return node == NULL || (node->type == CONFIG_NODE_LIST && node->count == 0);
}

static void add_default_route(struct schema_walk *walk)
{
    struct config *config = walk->config;
    static const char *none[1]; /* every method; nobody writes to a snapshot */
    struct config_route *route = arena_zalloc(walk->arena, sizeof(*route));

    route->name = "default";
    route->listener = route->host = route->path = "";
    route->methods = none;
    route->redirect.to = route->respond.body = route->respond.content_type = "";
    route->redirect.status = 302;
    route->respond.status = 200;
    route->pools = arena_zalloc(walk->arena, sizeof(*route->pools));
    route->pools[0].weight = route->pool_weight_total = 1;
    route->pool_count = 1;
    config->routes = route;
    config->route_count = 1;
}

static void check_service(struct schema_walk *walk, const struct config_node *root)
{
    const struct config_node *listeners = config_node_find(root, "listeners");
    const struct config_node *pools = config_node_find(root, "pools");

    if (listeners != NULL && is_absent_or_empty(root, "listeners"))
        config_diag_add(walk->diag, listeners->line,
                        "listeners is empty; write ( { bind = \"0.0.0.0:8080\"; } )");
    if (!is_absent_or_empty(root, "routes"))
        return;
    if (is_absent_or_empty(root, "pools"))
        config_diag_add(walk->diag, config_node_line(root, "pools"),
                        "there is nothing to serve; write pools = ( { name = \"app\"; backends = ( "
                        "{ address = \"10.0.0.1:8080\"; } ); } )");
    else if (walk->config->pool_count == 1)
        add_default_route(walk);
    else if (walk->config->pool_count > 1)
        config_diag_add(walk->diag, pools->line,
                        "several pools need routes; write routes = ( { path = \"/\"; pool = "
                        "\"%s\"; } )",
                        walk->config->pools[0].name != NULL ? walk->config->pools[0].name : "NAME");
}

void config_check_references(struct schema_walk *walk, const struct config_node *root)
{
    check_all_names(walk, root);
    config_check_fallbacks(walk, root);
    config_check_caches(walk, root);
    check_binds(walk, root);
    check_service(walk, root);
}
