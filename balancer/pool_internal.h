/*
 * What the balancer's own files share: the pool and its line-up. Algorithms do not include this;
 * they see candidates (algorithm.h).
 */
#ifndef EVERGATE_BALANCER_POOL_INTERNAL_H
#define EVERGATE_BALANCER_POOL_INTERNAL_H

#include "balancer/algorithm.h"
#include "balancer/slow_start.h"
#include "balancer/tiers.h"

/* One preference and level's part of the line-up. */
struct lineup_part {
    _Atomic uint64_t range; /* first << 32 | count: one word, so that both always fit each other */
    _Atomic uint64_t unit, points, step;
    enum balancer_preference preference; /* these two never change */
    unsigned level;
};

/*
 * The usable endpoints, sorted by preference and level, with the running sum of their shares: what
 * makes the usual pick O(1) or O(log n) in pools of thousands. Made by lineup_rebuild, read without
 * a lock while that runs (algorithm.h tells why this is safe); all arrays have their size for good.
 *
 * Parts stand in the order in which they are tried: healthy ones by level, degraded ones by level,
 * then healthy and degraded backups, then stalled and unknown ones of all levels.
 */
struct lineup {
    struct lineup_part *parts;
    unsigned part_count;
    unsigned levels, regular;
    _Atomic(struct endpoint *) *members;
    _Atomic uint64_t *ends; /* the last of a member's points, plus one; counted within its part */
    /* Those that let only probes through, healthy but for that, at levels without load. */
    _Atomic(struct endpoint *) *probing;
    unsigned *part_of; /* while it is rebuilt: of each endpoint */
};

/* Where the load goes. With one level, or all load at one: `home`, and no drawing. */
struct pool_load {
    _Atomic unsigned home;          /* a part of the line-up, or LOAD_DRAWN */
    _Atomic unsigned probing_count; /* of lineup.probing */
    _Atomic unsigned preference;    /* of those who are drawn */
    _Atomic unsigned *shares;       /* by level, out of SPILL_WHOLE */
    _Atomic bool limited;           /* some endpoint has a limit of connections */
};
enum { LOAD_DRAWN = UINT16_MAX };

struct balancer_pool {
    /* Read by every pick, written by a refresh at most. */
    const struct config_pool *config;
    const struct balancer_algorithm *algorithm;
    void *state;
    struct endpoint **endpoints;
    unsigned size;
    bool counted; /* in_flight is: there is a limit, or the algorithm wants it */
    struct lineup lineup;
    struct pool_load load;
    /* Of the thread that refreshes. */
    struct tiers tiers;
    struct slow_start slow_start;
    uint64_t *began_us; /* by index: when its slow start began; 0: it has none */
    /* Any thread. */
    _Atomic bool fail_back, panicking;
    _Alignas(64) _Atomic int in_flight; /* only if counted; written by every pick then */
};

void lineup_init(struct lineup *lineup, unsigned size, const struct tiers *tiers);
void lineup_fini(struct lineup *lineup);
unsigned lineup_part_at(const struct lineup *lineup, enum balancer_preference preference,
                        unsigned level);
/* The thread that refreshes. */
void lineup_rebuild(struct lineup *lineup, struct endpoint *const *endpoints, unsigned size);

/* False when the line-up has nobody there. */
bool candidates_init(struct balancer_candidates *c, struct balancer_pool *pool, unsigned part,
                     const struct balancer_tried *tried);

struct endpoint *endpoint_new(const struct config_backend *backend, unsigned index);
void endpoint_free(struct endpoint *endpoint);

void balancer_tried_add(struct balancer_tried *tried, unsigned index, unsigned pool_size);

#endif
