/*
 * The sentence for whoever was woken at three: what failed, why, since when, what evergate did
 * about it and what it tries next. Pure.
 */
#ifndef EVERGATE_ADMIN_ADMIN_SUMMARY_H
#define EVERGATE_ADMIN_ADMIN_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "health/health.h"

struct admin_facts { /* about one endpoint, as of one moment */
    const struct health_view *view;
    const struct config_pool *config;
    uint64_t wall_us;
    unsigned weight;
    unsigned share_percent; /* of its weight that it is given: below 100 while it starts slowly */
    int active;
    bool resolved;
    bool panicking; /* its pool ignores health */
    bool leaving;   /* it was taken out of the configuration and finishes what it holds */
};

/* Heap. */
char *admin_endpoint_summary(const struct admin_facts *facts);

/* "2 of 3 endpoints can serve; 20 % of the load is on priority 2". `usable` of its endpoints can be
 * given requests. Heap. */
char *admin_pool_summary(const struct balancer_tier *tiers, unsigned tier_count, unsigned usable,
                         unsigned endpoints, bool panicking);

#endif
