/* A type of check that the test plays: it answers at once, or when it is told to. */
#ifndef EVERGATE_TESTS_UNIT_CHECKS_PLAYED_H
#define EVERGATE_TESTS_UNIT_CHECKS_PLAYED_H

#include "tests/unit/checks/stage.h"

struct played {
    bool answers_at_once, healthy;
    const char *well; /* the id of one that is healthy in any case; NULL: none */
    void (*on_start)(struct probe *probe); /* may be NULL */
    unsigned starts, stops, running, most_running;
    unsigned forgotten; /* memories of endpoints */
    struct probe *last; /* while it runs */
    struct address last_address;
};
extern struct played played;
extern const struct probe_type played_type;

/* From now on the pool is checked so: after stage_start, and after a change of its health. */
static inline void played_take_over(struct stage *s, unsigned pool)
{
    s->checks->pools[pool]->method->type = &played_type;
}

#endif
