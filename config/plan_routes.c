/* Routes in the plan. The first route that matches takes a request, so one that is new, gone, or
 * elsewhere among the others changes what the others get. */
#include <stdlib.h>

#include "base/alloc.h"
#include "config/plan_internal.h"
#include "config/sections_internal.h"

static bool route_same_match(const struct plan_draft *draft, const struct config_route *from,
                             const struct config_route *to)
{
    static const char *const keys[] = {"listener",   "host",    "path",
                                       "path_match", "methods", "headers"};
    struct schema_compare quiet = {.from_config = draft->from, .to_config = draft->to};
    bool same = true;

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const struct schema_key *key = config_schema_find_key(&config_route_section, keys[i]);

        same = same && config_schema_key_equal(&quiet, key, from, to);
    }
    return same;
}

static void route_added(struct plan_draft *draft, const struct config_route *route)
{
    struct config_change *change =
        config_plan_add(draft, CONFIG_OF_ROUTE, CONFIG_ADDED, route->name);

    change->match_changes = true;
    config_plan_risk(draft, CONFIG_RISK_MEDIUM, "route \"%s\" is new", route->name);
}

static void route_removed(struct plan_draft *draft, const struct config_route *route)
{
    struct config_change *change =
        config_plan_add(draft, CONFIG_OF_ROUTE, CONFIG_REMOVED, route->name);

    change->match_changes = true;
    config_plan_risk(draft, CONFIG_RISK_MEDIUM, "route \"%s\" goes", route->name);
}

static void route_compare(struct plan_draft *draft, const struct config_route *from,
                          const struct config_route *to, bool moved)
{
    const char *differences = config_plan_differences(draft, &config_route_section, from, to);
    size_t from_place = (size_t)(from - draft->from->routes) + 1;
    size_t to_place = (size_t)(to - draft->to->routes) + 1;
    struct config_change *change;

    if (differences == NULL && !moved) {
        draft->plan->kept.routes++;
        return;
    }
    change = config_plan_add(draft, CONFIG_OF_ROUTE, CONFIG_CHANGED, to->name);
    change->match_changes = moved || !route_same_match(draft, from, to);
    change->detail = differences != NULL ? differences : "";
    if (moved)
        change->detail = config_plan_format(draft, "place %zu -> %zu%s%s", from_place, to_place,
                                            differences != NULL ? ", " : "", change->detail);
    config_plan_risk(draft, CONFIG_RISK_MEDIUM, "route \"%s\" changes", to->name);
}

void config_plan_routes(struct plan_draft *draft)
{
    const struct config *from = draft->from, *to = draft->to;
    struct plan_list before = {from->routes, from->route_count, sizeof(*from->routes),
                               offsetof(struct config_route, name)};
    struct plan_list after = {to->routes, to->route_count, sizeof(*to->routes),
                              offsetof(struct config_route, name)};
    bool *moved = xcalloc(after.count + 1, sizeof(*moved));
    struct plan_match match;

    plan_match_init(&match, &before, &after);
    plan_match_moved(&match, after.count, moved);
    for (size_t i = 0; i < after.count; i++) {
        if (match.from_of[i] == PLAN_NONE)
            route_added(draft, &to->routes[i]);
        else
            route_compare(draft, &from->routes[match.from_of[i]], &to->routes[i], moved[i]);
    }
    for (size_t i = 0; i < before.count; i++) {
        if (match.to_of[i] == PLAN_NONE)
            route_removed(draft, &from->routes[i]);
    }
    plan_match_fini(&match);
    free(moved);
}
