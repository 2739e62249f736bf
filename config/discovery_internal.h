/* The parts of a discovery section: its keys (discovery.c), what they must be together
 * (discovery_check.c, discovery_dns.c, discovery_cache.c) and what tells two sources apart
 * (discovery_key.c). */
#ifndef EVERGATE_CONFIG_DISCOVERY_INTERNAL_H
#define EVERGATE_CONFIG_DISCOVERY_INTERNAL_H

#include "config/sections_internal.h"

/* Fills in what depends on other keys; adds each mistake. */
void config_discovery_check(struct schema_walk *walk, const struct config_node *group, void *out);
void config_registration_check(struct schema_walk *walk, const struct config_node *group,
                               void *out);

void config_discovery_check_dns(struct schema_walk *walk, const struct config_node *group,
                                struct config_discovery *block);

/* Something is written there (config_node_is_empty). */
bool config_discovery_asks(const struct config_node *group, const char *key);

/* The source's key, in the snapshot's arena; secrets and files only as digests. */
const char *config_discovery_key(struct schema_walk *walk, const struct config_discovery *block);

/* A secret as it may be seen: a digest. The caller's reference; NULL for none. */
json_t *config_discovery_show_secret(const char *secret);

#endif
