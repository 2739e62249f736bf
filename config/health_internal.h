/* The two halves of a health section: its keys (health.c) and what they must be together
 * (health_check.c). */
#ifndef EVERGATE_CONFIG_HEALTH_INTERNAL_H
#define EVERGATE_CONFIG_HEALTH_INTERNAL_H

#include "config/sections_internal.h"

/* Fills in what depends on other keys; adds each mistake. */
void config_health_check(struct schema_walk *walk, const struct config_node *group, void *out);

#endif
