/* What the keys of a health section must be together. */
#include "config/health_internal.h"

enum { FAST_INTERVAL_DEFAULT_MS = 1000 };

/* A timeout or a fast interval that is not written follows the interval. */
static void health_check_times(struct schema_walk *walk, const struct config_node *group,
                               struct config_health *health)
{
    if (health->fast_interval_ms == 0)
        health->fast_interval_ms = health->interval_ms < FAST_INTERVAL_DEFAULT_MS
                                       ? health->interval_ms
                                       : FAST_INTERVAL_DEFAULT_MS;
}

void config_health_check(struct schema_walk *walk, const struct config_node *group, void *out)
{
    struct config_health *health = out;

    if (health->user == NULL)
        health->user = health->type == CONFIG_HEALTH_POSTGRES ? "postgres" : "";
    health_check_times(walk, group, health);
}
