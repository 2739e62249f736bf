/* Turns of the workers, and waiting until all have passed some: how a change knows that nobody
 * still reads what it replaced. */
#ifndef EVERGATE_TESTS_STRESS_TURNS_H
#define EVERGATE_TESTS_STRESS_TURNS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { TURNS_WORKERS = 4 };

struct turns {
    struct {
        _Alignas(64) _Atomic uint64_t passed;
    } workers[TURNS_WORKERS];
};

struct turns_mark {
    uint64_t passed[TURNS_WORKERS];
};

/* Of the worker: a turn of it is over. */
static inline void turns_pass(struct turns *turns, unsigned worker)
{
    atomic_fetch_add(&turns->workers[worker].passed, 1);
}

static inline struct turns_mark turns_now(const struct turns *turns)
{
    struct turns_mark mark;

    for (unsigned i = 0; i < TURNS_WORKERS; i++)
        mark.passed[i] = atomic_load(&turns->workers[i].passed);
    return mark;
}

/* Every worker has ended so many turns since: with 1 the one that it was in, with 2 a whole one. */
static inline bool turns_passed(const struct turns *turns, const struct turns_mark *since,
                                uint64_t count)
{
    for (unsigned i = 0; i < TURNS_WORKERS; i++) {
        if (atomic_load(&turns->workers[i].passed) < since->passed[i] + count)
            return false;
    }
    return true;
}

#endif
