/* The two halves of a health section: its keys (health.c) and what they must be together
 * (health_check.c). */
#ifndef EVERGATE_CONFIG_HEALTH_INTERNAL_H
#define EVERGATE_CONFIG_HEALTH_INTERNAL_H

#include "config/sections_internal.h"

/* As it is written in the file. */
const char *config_health_type_name(enum config_health_type type);

/* Fills in what depends on other keys; adds each mistake. */
void config_health_check(struct schema_walk *walk, const struct config_node *group, void *out);

#endif
