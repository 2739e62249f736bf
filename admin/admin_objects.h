/* The API's objects, as they stand at this moment. Each returns a new reference. */
#ifndef EVERGATE_ADMIN_ADMIN_OBJECTS_H
#define EVERGATE_ADMIN_ADMIN_OBJECTS_H

#include "admin/admin_call.h"

/* One moment for all objects of an answer. */
struct admin_now {
    uint64_t us, wall_us; /* monotonic, wall clock */
};
struct admin_now admin_now(void);

/* admin_endpoints.c: `target->endpoint` is set. */
json_t *admin_endpoint_object(const struct admin_target *target, struct admin_now now);
/* `"endpoints":[...]`, written element by element. */
void admin_endpoints_add(struct evbuffer *out, const struct admin_target *pool,
                         struct admin_now now);

/* admin_pools.c: everything but its endpoints. */
json_t *admin_pool_object(const struct server *server, const struct admin_target *pool);

/* admin_policy.c: what its configuration asks for, in short. */
json_t *admin_policy_object(const struct config *config, const struct config_pool *pool);

#endif
