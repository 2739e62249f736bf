/*
 * Whom an algorithm compares that would rather look at everybody: all candidates, where they are
 * few; else some of them, drawn by weight, so that a pick among thousands costs about as much as
 * one among a hundred.
 *
 * The best of d that are drawn is about as good as the best of all: with two the longest queue
 * grows as log log n (Mitzenmacher 2001), and each more divides that by log d. Drawing by weight
 * keeps the shares: a heavy endpoint is seen as much more often as it is to be chosen.
 *
 * The points of a sample are a random one and those that follow it in the line-up's walk
 * (lineup.c): all are different ones, and far apart.
 */
#ifndef EVERGATE_BALANCER_SAMPLE_H
#define EVERGATE_BALANCER_SAMPLE_H

#include "balancer/algorithm.h"

enum {
    SAMPLE_WHOLE = 128, /* so many are all looked at, */
    SAMPLE_SIZE = 32,   /* and of more so many */
};

struct sample {
    const struct balancer_candidates *candidates;
    unsigned count;
    bool drawn;
    uint64_t point; /* where the next one is drawn */
};

static inline struct sample sample_of(const struct balancer_candidates *c,
                                      const struct balancer_request *request)
{
    struct sample sample = {.candidates = c, .count = c->count, .drawn = c->count > SAMPLE_WHOLE};

    if (sample.drawn) {
        sample.count = SAMPLE_SIZE;
        sample.point = balancer_scale(balancer_mix(request->random + c->tried->count), c->points);
    }
    return sample;
}

/* Nobody in the sample can be chosen (tried, full): everybody is looked at from now on. False: they
 * were already. */
static inline bool sample_widen(struct sample *sample)
{
    bool drawn = sample->drawn;

    sample->drawn = false;
    sample->count = sample->candidates->count;
    return drawn;
}

/* For each i below `count`, once and in order. A heavy endpoint may come more than once. */
static inline struct endpoint *sample_next(struct sample *sample, unsigned i)
{
    const struct balancer_candidates *c = sample->candidates;
    struct endpoint *endpoint;

    if (!sample->drawn)
        return candidates_at(c, i);
    endpoint = candidates_at_point(c, sample->point).endpoint;
    /* The step is below their number, so this cannot overflow unless the points fill 63 bits. */
    sample->point += c->step;
    if (sample->point >= c->points)
        sample->point -= c->points;
    return endpoint;
}

#endif
