/* The same numbers for the same start. */
#ifndef EVERGATE_TESTS_STRESS_RANDOM_H
#define EVERGATE_TESTS_STRESS_RANDOM_H

#include "balancer/algorithm.h"

static inline uint64_t random_next(uint64_t *state)
{
    *state += BALANCER_GOLDEN;
    return balancer_mix(*state);
}

#endif
