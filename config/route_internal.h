/* The two halves of a route: conditions (route.c) and action (route_action.c). */
#ifndef EVERGATE_CONFIG_ROUTE_INTERNAL_H
#define EVERGATE_CONFIG_ROUTE_INTERNAL_H

#include "config/sections_internal.h"

/* Reads `pool = "NAME"` of a route. */
void config_route_read_pool(struct schema_walk *walk, const struct config_node *node, void *out);

/* Exactly one action, nothing that it would ignore; sets route->action. */
void config_route_check_action(struct schema_walk *walk, const struct config_node *group,
                               struct config_route *route);

#endif
