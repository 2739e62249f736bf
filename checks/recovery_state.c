/* See recovery_state.h. */
#include "checks/recovery_state.h"

#include "base/check.h"

void recovery_state_init(struct recovery_state *state, unsigned max_attempts, uint64_t interval_us)
{
    CHECK(max_attempts > 0);
    *state = (struct recovery_state){
        .max_attempts = max_attempts,
        .interval_us = interval_us,
        .condition = RECOVERY_ASIDE,
    };
}

/* The first moment that the interval allows. */
static uint64_t earliest_us(const struct recovery_state *state, uint64_t now_us)
{
    uint64_t earliest = state->started_us > 0 ? state->started_us + state->interval_us : 0;

    return earliest > now_us ? earliest : now_us;
}

static void set_phase(struct recovery_state *state, enum recovery_phase phase, uint64_t now_us)
{
    state->phase = phase;
    state->held = false;
    state->due_us =
        phase == RECOVERY_DUE || phase == RECOVERY_RESTING ? earliest_us(state, now_us) : 0;
}

/* What an endpoint in its condition is to wait for while no action runs. */
static enum recovery_phase phase_for(const struct recovery_state *state)
{
    if (state->condition != RECOVERY_ILL)
        return RECOVERY_AT_EASE;
    return state->attempts < state->max_attempts ? RECOVERY_DUE : RECOVERY_RESTING;
}

void recovery_state_change(struct recovery_state *state, unsigned max_attempts,
                           uint64_t interval_us, uint64_t now_us)
{
    CHECK(max_attempts > 0);
    state->max_attempts = max_attempts;
    state->interval_us = interval_us;
    state->attempts = state->phase == RECOVERY_RUNNING ? 1 : 0;
    if (state->phase != RECOVERY_RUNNING)
        set_phase(state, phase_for(state), now_us);
}

void recovery_state_set_condition(struct recovery_state *state, enum recovery_condition condition,
                                  uint64_t now_us)
{
    if (condition == state->condition)
        return;
    state->condition = condition;
    if (condition == RECOVERY_WELL)
        state->attempts = 0;
    if (state->phase != RECOVERY_RUNNING)
        set_phase(state, phase_for(state), now_us);
}

enum recovery_step recovery_state_step(struct recovery_state *state, uint64_t now_us,
                                       bool (*brake)(void *arg, uint64_t now_us), void *arg)
{
    if (state->due_us == 0 || now_us < state->due_us)
        return RECOVERY_NOTHING;
    if (state->phase == RECOVERY_RESTING) {
        set_phase(state, RECOVERY_GIVEN_UP, now_us);
        return RECOVERY_GIVE_UP;
    }
    CHECK(state->phase == RECOVERY_DUE && state->attempts < state->max_attempts);
    if (!brake(arg, now_us)) {
        state->held = true;
        return RECOVERY_HOLD;
    }
    state->attempts++;
    state->started_us = now_us;
    state->ended_us = 0;
    set_phase(state, RECOVERY_RUNNING, now_us);
    return RECOVERY_START;
}

uint64_t recovery_state_due_us(const struct recovery_state *state)
{
    return state->due_us;
}

void recovery_state_ended(struct recovery_state *state, uint64_t now_us)
{
    CHECK(state->phase == RECOVERY_RUNNING);
    state->ended_us = now_us;
    set_phase(state, phase_for(state), now_us);
}

/* A passed check after the end is a success even if the endpoint had risen while the action ran:
 * who did it cannot be told, and what counts is that it is up. */
enum recovery_verdict recovery_state_checked(struct recovery_state *state, uint64_t began_us,
                                             bool passed)
{
    if (state->ended_us == 0 || began_us < state->ended_us)
        return RECOVERY_UNJUDGED;
    state->ended_us = 0;
    return passed ? RECOVERY_VERIFIED : RECOVERY_IN_VAIN;
}
