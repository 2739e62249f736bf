/*
 * Tiers: how the load is shared among the levels of a pool (levels.h), from one refresh to the
 * next.
 *
 *   endpoints' condition ─► fit weight per level ─► spill.h ─► failback.h ─► load per level
 *
 * Who counts as fit is the best kind that has anybody, since a pick takes a healthy endpoint of any
 * level before a degraded one of the first:
 *
 *   1. healthy        2. degraded        3. healthy, backups        4. degraded, backups
 *   5. stalled        6. unknown
 *
 * An endpoint that lets only probes through is not fit before they have told; but it must be asked,
 * even when its level has no load: that is what the line-up's list of probing endpoints is for.
 *
 * When levels come and go, those that stay keep their load, and what failback remembers of them.
 */
#ifndef EVERGATE_BALANCER_TIERS_H
#define EVERGATE_BALANCER_TIERS_H

#include <pthread.h>

#include "balancer/algorithm.h"
#include "balancer/failback.h"
#include "balancer/levels.h"
#include "balancer/spill.h"

struct tiers {
    unsigned count;   /* levels; written under the lock */
    unsigned regular; /* of them, before the backups */
    unsigned *keys;   /* see struct level */
    unsigned min_healthy_percent;
    struct failback failback;
    struct tier_account *accounts; /* per level, while it is refreshed */
    struct spill_level *levels;
    unsigned *wanted, *can, *load; /* out of SPILL_WHOLE */
    bool *settled;
    pthread_mutex_t lock; /* of `shown`, which any thread may read */
    struct balancer_tier *shown;
};

/* Without levels; the two others follow. */
void tiers_init(struct tiers *tiers);
void tiers_fini(struct tiers *tiers);

/* Other settings, other levels, from the next refresh on. The thread that refreshes. */
void tiers_change(struct tiers *tiers, const struct config_pool *config);
void tiers_set_levels(struct tiers *tiers, const struct levels *levels);

struct tiers_input {
    const struct balancer_members *members;
    const uint16_t *level_of; /* by slot */
    bool panicking; /* everybody counts as healthy: the load goes by weight, to all levels */
    bool fail_back; /* the policy is waived, this once */
    uint64_t now_us;
};
struct tiers_result {
    enum balancer_preference preference; /* of those who serve now */
    bool changed;                        /* the load moved */
    uint64_t next_us;                    /* it may move again then; 0: not by time */
};
/* Works out `load`. One thread. */
struct tiers_result tiers_refresh(struct tiers *tiers, const struct tiers_input *input);

unsigned tiers_show(struct tiers *tiers, struct balancer_tier *out, unsigned max);

#endif
