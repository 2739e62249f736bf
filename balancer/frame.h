/*
 * The frame: what picking reads of a pool's structure, all that changes only together. Who is in
 * the pool and at which level, by which algorithm, with the algorithm's state, the line-up, and the
 * load by level.
 *
 *   add, leave, change ──► refresh ──► a new frame, complete ──► pool->frame ──► picks from now on
 *                                      the old one ──► retired ──► reclaim: freed
 *
 * Its shape never changes: endpoints, levels, sizes. The numbers in it do: a refresh that finds the
 * structure as it was rewrites line-up and load in place (lineup.h tells how that is read).
 *
 * A pick reads one frame from its beginning to its end. Members of a frame live at least as long as
 * the frame, though they may be leaving meanwhile.
 *
 * What goes on from frame to frame stands elsewhere: in the endpoints (turn, latency), in the
 * levels' clocks, which the frames of one pool share, and in tiers.h.
 */
#ifndef EVERGATE_BALANCER_FRAME_H
#define EVERGATE_BALANCER_FRAME_H

#include "balancer/algorithm.h"
#include "balancer/levels.h"
#include "balancer/lineup.h"

/* Where the load goes. With one level, or all load at one: `home`, and no drawing. */
struct frame_load {
    _Atomic unsigned home;          /* a part of the line-up, or LOAD_DRAWN */
    _Atomic unsigned probing_count; /* of lineup.probing */
    _Atomic unsigned preference;    /* of those who are drawn */
    _Atomic unsigned *shares;       /* by level, out of SPILL_WHOLE */
    _Atomic bool limited;           /* some endpoint has a limit of connections */
};
enum { LOAD_DRAWN = UINT16_MAX };

struct frame {
    const struct balancer_algorithm *algorithm;
    void *state; /* the algorithm's */
    struct balancer_members members;
    uint16_t *level_of; /* by slot */
    struct levels levels;
    struct level_clock **clocks; /* by level; counted references */
    struct lineup lineup;
    struct frame_load load;
};

struct frame_input {
    const struct balancer_algorithm *algorithm;
    struct balancer_members members; /* taken over */
    enum config_locality locality;
    const struct config_place *place; /* may be NULL */
    const struct frame *before;       /* that it replaces; NULL: none */
};
/* Without its line-up and load, which the refresh sets before it publishes the frame. */
struct frame *frame_new(const struct frame_input *input);
void frame_free(struct frame *frame);

static inline unsigned frame_level(const struct frame *frame, const struct endpoint *endpoint)
{
    return frame->level_of[endpoint->index];
}

#endif
