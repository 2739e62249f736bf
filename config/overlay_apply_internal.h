/*
 * Laying an overlay over a base: what overlay_apply.c (the snapshot, pool by pool),
 * overlay_endpoints.c and overlay_policy.c share. Insiders of these three only.
 */
#ifndef EVERGATE_CONFIG_OVERLAY_APPLY_INTERNAL_H
#define EVERGATE_CONFIG_OVERLAY_APPLY_INTERNAL_H

#include "config/overlay_internal.h"
#include "config/values_internal.h"

enum { OVERLAY_POOL_ENDPOINTS = 65535 }; /* of a pool, as in the file */

struct overlay_apply {
    struct config *config;
    struct config_diag *diag; /* in the scope of the pool that is being made */
    struct config_backend defaults;
    const struct overlay_pool *said; /* of that pool */
    bool *found;                     /* overlay_endpoints.c: which of its entries the base has */
};

/* The pool's list of backends, made anew: what is said of each is laid over it, what is said to be
 * gone is left out, what is registered comes last. */
void overlay_apply_endpoints(struct overlay_apply *apply, struct config_pool *pool);
void overlay_apply_policy(struct overlay_apply *apply, struct config_pool *pool);

#endif
