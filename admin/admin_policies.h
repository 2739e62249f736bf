/* A pool's policies for people: each in a line, with the place where it was written. */
#ifndef EVERGATE_ADMIN_ADMIN_POLICIES_H
#define EVERGATE_ADMIN_ADMIN_POLICIES_H

#include <jansson.h>

#include "config/config.h"

/* "edge.conf:12", "api", "default"; heap. */
char *admin_where_text(const struct config_where *where);
/* The members "where", "file", "line" of an object. */
void admin_where_set(json_t *object, const struct config_where *where);

/* [{"name","where","file","line","summary"},...]: a new reference. */
json_t *admin_policies_array(const struct config *config, const struct config_pool *pool);

#endif
