/*
 * The line-up: a frame's usable endpoints, sorted by preference and level, with the running sum of
 * their shares: what makes the usual pick O(1) or O(log n) in pools of thousands. Made by
 * lineup_rebuild, read without a lock while that runs (algorithm.h tells why this is safe); all
 * arrays have their size for good.
 *
 * Parts stand in the order in which they are tried: healthy ones by level, degraded ones by level,
 * then healthy and degraded backups, then stalled and unknown ones of all levels.
 */
#ifndef EVERGATE_BALANCER_LINEUP_H
#define EVERGATE_BALANCER_LINEUP_H

#include "balancer/algorithm.h"
#include "balancer/levels.h"

/* One preference and level's part of the line-up. */
struct lineup_part {
    _Atomic uint64_t range; /* first << 32 | count: one word, so that both always fit each other */
    _Atomic uint64_t unit, points, step;
    enum balancer_preference preference; /* these two never change */
    unsigned level;
};

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

void lineup_init(struct lineup *lineup, unsigned size, const struct levels *levels);
void lineup_fini(struct lineup *lineup);
unsigned lineup_part_at(const struct lineup *lineup, enum balancer_preference preference,
                        unsigned level);
/* The thread that refreshes. */
void lineup_rebuild(struct lineup *lineup, const struct balancer_members *members,
                    const uint16_t *level_of);

/* False when the line-up has nobody there. */
bool candidates_init(struct balancer_candidates *c, const struct frame *frame, unsigned part,
                     const struct balancer_tried *tried);

#endif
