/* Slow start, in steps: see slow_start.h. */
#include "balancer/slow_start.h"

enum {
    FIRST_PERCENT = 10,
    STEPS_FEW = 10,
    STEPS_MANY = 100 - FIRST_PERCENT,
    TICK_LEAST_US = 100000,
};

struct slow_start slow_start_make(uint64_t duration_ms, bool few_steps)
{
    uint64_t duration_us = duration_ms * 1000, steps = few_steps ? STEPS_FEW : STEPS_MANY;
    uint64_t tick_us = (duration_us + steps - 1) / steps;

    if (duration_ms == 0)
        return (struct slow_start){0};
    if (tick_us < TICK_LEAST_US)
        tick_us = TICK_LEAST_US;
    return (struct slow_start){
        .tick_us = tick_us,
        .ticks = (unsigned)((duration_us + tick_us - 1) / tick_us),
    };
}

/* A clock that seems to have stood still, or gone back, finds the start at its first step. */
static uint64_t ticks_since(const struct slow_start *s, uint64_t began_us, uint64_t now_us)
{
    uint64_t began = began_us / s->tick_us, now = now_us / s->tick_us;

    return now > began ? now - began : 0;
}

unsigned slow_start_percent(const struct slow_start *s, uint64_t began_us, uint64_t now_us)
{
    uint64_t ticks;

    if (s->tick_us == 0)
        return 100;
    ticks = ticks_since(s, began_us, now_us);
    if (ticks >= s->ticks)
        return 100;
    return FIRST_PERCENT + (unsigned)((100 - FIRST_PERCENT) * ticks / s->ticks);
}

uint64_t slow_start_next_us(const struct slow_start *s, uint64_t began_us, uint64_t now_us)
{
    uint64_t ticks;

    if (s->tick_us == 0)
        return 0;
    ticks = ticks_since(s, began_us, now_us);
    return ticks >= s->ticks ? 0 : (began_us / s->tick_us + ticks + 1) * s->tick_us;
}
