/* Turns a loop until something is true: how tests wait for I/O without sleeping. What never becomes
 * true fails the test after RUN_UNTIL_LIMIT_US instead of hanging the suite. */
#ifndef EVERGATE_TESTS_LIB_RUN_UNTIL_H
#define EVERGATE_TESTS_LIB_RUN_UNTIL_H

#include <sched.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/loop.h"

enum { RUN_UNTIL_LIMIT_US = 10 * 1000 * 1000 };

static inline void run_turn(struct loop *loop)
{
    event_base_loop(loop->base, EVLOOP_NONBLOCK);
    sched_yield();
}

/* A few turns, so that what must not happen has its chance to. */
static inline void run_turns(struct loop *loop, unsigned count)
{
    while (count-- > 0)
        run_turn(loop);
}

#define RUN_UNTIL(loop, condition)                                                                 \
    do {                                                                                           \
        uint64_t run_until_end_us = clock_monotonic_us() + RUN_UNTIL_LIMIT_US;                     \
        while (!(condition)) {                                                                     \
            CHECK(clock_monotonic_us() < run_until_end_us);                                        \
            run_turn(loop);                                                                        \
        }                                                                                          \
    } while (0)

/* Calls into evergate happen within a turn, as they do in the proxy. */
#define IN_TURN(loop, statement)                                                                   \
    do {                                                                                           \
        loop_enter(loop);                                                                          \
        statement;                                                                                 \
        loop_leave(loop);                                                                          \
    } while (0)

#endif
