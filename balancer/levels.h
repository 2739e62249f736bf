/*
 * Levels: which of them a pool has, and who is at which. By priority, within a priority by distance
 * (same zone, same region, elsewhere; only with locality = "prefer"), and backups after all others.
 * Only levels that have somebody exist. A level is known by its *key* from one frame to the next:
 * its number changes as levels before it come and go.
 */
#ifndef EVERGATE_BALANCER_LEVELS_H
#define EVERGATE_BALANCER_LEVELS_H

#include "balancer/balancer.h"

struct level {
    unsigned key; /* sorts as levels do */
    bool backup;
    unsigned priority; /* of the configuration; 0: the backups */
    const char *where; /* "zone", "region", "elsewhere"; "" where distance does not count */
    unsigned endpoints;
};

struct levels {
    unsigned count;
    unsigned regular; /* of them, before the backups */
    struct level *at;
};

struct levels_input {
    struct endpoint *const *endpoints; /* by slot; NULL: nobody */
    unsigned size;
    enum config_locality locality;
    const struct config_place *place; /* of this instance; NULL: not known */
};

/* Reads the endpoints' backends. Sets the level of each endpoint in ret_level_of, by slot. */
void levels_init(struct levels *levels, const struct levels_input *input, uint16_t *ret_level_of);
void levels_fini(struct levels *levels);

enum { LEVEL_NONE = UINT16_MAX };
/* The number of the level with this key, or LEVEL_NONE. */
unsigned levels_find(const struct levels *levels, unsigned key);

#endif
