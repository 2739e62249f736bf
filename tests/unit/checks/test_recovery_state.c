/* When recovery is tried: against a reference that decides each time from the whole history. */
#include <criterion/criterion.h>

#include "checks/recovery_state.h"

enum { STEPS = 300000, MAX_ATTEMPTS = 3 };
#define INTERVAL_US 60000000u

static bool brake_open(void *arg, uint64_t now_us)
{
    unsigned *asked = arg;

    if (asked)
        ++*asked;
    return true;
}

static bool brake_shut(void *arg, uint64_t now_us)
{
    return false;
}

static struct recovery_state ill_state(uint64_t now_us)
{
    struct recovery_state state;

    recovery_state_init(&state, MAX_ATTEMPTS, INTERVAL_US);
    recovery_state_set_condition(&state, RECOVERY_ILL, now_us);
    return state;
}

Test(recovery_state, tries_at_once_then_every_interval_then_gives_up)
{
    uint64_t now_us = 1000;
    struct recovery_state state = ill_state(now_us);

    for (unsigned i = 1; i <= MAX_ATTEMPTS; i++) {
        cr_expect_eq(recovery_state_due_us(&state), now_us);
        cr_expect_eq(recovery_state_step(&state, now_us, brake_open, NULL), RECOVERY_START);
        cr_expect_eq(state.attempts, i);
        cr_expect_eq(recovery_state_step(&state, now_us, brake_open, NULL), RECOVERY_NOTHING);
        recovery_state_ended(&state, now_us + 5);
        cr_expect_eq(recovery_state_step(&state, now_us + INTERVAL_US - 1, brake_open, NULL),
                     RECOVERY_NOTHING);
        now_us += INTERVAL_US;
    }
    cr_expect_eq(recovery_state_step(&state, now_us, brake_open, NULL), RECOVERY_GIVE_UP);
    cr_expect_eq(recovery_state_due_us(&state), 0);
    recovery_state_set_condition(&state, RECOVERY_WELL, now_us);
    recovery_state_set_condition(&state, RECOVERY_ILL, now_us + 1);
    cr_expect_eq(recovery_state_step(&state, now_us + 1, brake_open, NULL), RECOVERY_START);
}

Test(recovery_state, other_settings_count_anew_and_keep_the_interval)
{
    struct recovery_state state = ill_state(1000);

    cr_expect_eq(recovery_state_step(&state, 1000, brake_open, NULL), RECOVERY_START);
    recovery_state_change(&state, 1, 2 * INTERVAL_US, 1500);
    cr_expect_eq(state.attempts, 1); /* the one that runs */
    recovery_state_ended(&state, 2000);
    cr_expect_eq(state.phase, RECOVERY_RESTING);
    cr_expect_eq(recovery_state_step(&state, 1000 + 2 * INTERVAL_US, brake_open, NULL),
                 RECOVERY_GIVE_UP);
    recovery_state_change(&state, 2, 3 * INTERVAL_US, 3000);
    cr_expect_eq(state.phase, RECOVERY_DUE); /* there are attempts again */
    cr_expect_eq(recovery_state_due_us(&state), 1000 + 3 * INTERVAL_US);
    recovery_state_set_condition(&state, RECOVERY_WELL, 4000);
    recovery_state_change(&state, 3, INTERVAL_US, 5000);
    cr_expect_eq(recovery_state_due_us(&state), 0);
}

Test(recovery_state, an_endpoint_that_flaps_is_helped_once_per_interval)
{
    struct recovery_state state = ill_state(1000);

    cr_expect_eq(recovery_state_step(&state, 1000, brake_open, NULL), RECOVERY_START);
    recovery_state_ended(&state, 1001);
    recovery_state_set_condition(&state, RECOVERY_WELL, 2000);
    recovery_state_set_condition(&state, RECOVERY_ILL, 3000);
    cr_expect_eq(recovery_state_due_us(&state), 1000 + INTERVAL_US);
}

Test(recovery_state, a_drain_ends_it_and_is_no_cure)
{
    struct recovery_state state = ill_state(1000);

    cr_expect_eq(recovery_state_step(&state, 1000, brake_open, NULL), RECOVERY_START);
    recovery_state_ended(&state, 1001);
    recovery_state_set_condition(&state, RECOVERY_ASIDE, 2000);
    cr_expect_eq(recovery_state_due_us(&state), 0);
    recovery_state_set_condition(&state, RECOVERY_ILL, 3000);
    cr_expect_eq(state.attempts, 1);
}

Test(recovery_state, a_check_that_began_before_the_end_verifies_nothing)
{
    struct recovery_state state = ill_state(1000);

    cr_expect_eq(recovery_state_step(&state, 1000, brake_open, NULL), RECOVERY_START);
    cr_expect_eq(recovery_state_checked(&state, 1001, true), RECOVERY_UNJUDGED);
    recovery_state_ended(&state, 5000);
    cr_expect_eq(recovery_state_checked(&state, 4999, true), RECOVERY_UNJUDGED);
    cr_expect_eq(recovery_state_checked(&state, 5000, false), RECOVERY_IN_VAIN);
    cr_expect_eq(recovery_state_checked(&state, 6000, true), RECOVERY_UNJUDGED);
}

Test(recovery_state, the_brake_is_asked_again_and_told_of_once)
{
    struct recovery_state state = ill_state(1000);

    cr_expect_eq(recovery_state_step(&state, 1000, brake_shut, NULL), RECOVERY_HOLD);
    cr_expect(state.held);
    cr_expect_eq(recovery_state_step(&state, 2000, brake_shut, NULL), RECOVERY_HOLD);
    cr_expect_eq(state.attempts, 0);
    cr_expect_eq(recovery_state_step(&state, 3000, brake_open, NULL), RECOVERY_START);
    cr_expect_not(state.held);
}

/* ---- the model ---- */

/* What happened; no phases. */
struct model {
    enum recovery_condition condition;
    bool running, given_up, unverified;
    unsigned attempts;
    uint64_t started_us, ended_us;
};

static enum recovery_step model_step(struct model *m, uint64_t now_us, bool brake)
{
    bool rested = m->started_us == 0 || now_us >= m->started_us + INTERVAL_US;

    if (m->condition != RECOVERY_ILL || m->running || m->given_up || !rested)
        return RECOVERY_NOTHING;
    if (m->attempts == MAX_ATTEMPTS) {
        m->given_up = true;
        return RECOVERY_GIVE_UP;
    }
    if (!brake)
        return RECOVERY_HOLD;
    m->attempts++;
    m->running = true;
    m->unverified = false;
    m->started_us = now_us;
    return RECOVERY_START;
}

static void model_set_condition(struct model *m, enum recovery_condition condition)
{
    if (m->condition == condition)
        return;
    m->condition = condition;
    m->given_up = false;
    if (condition == RECOVERY_WELL)
        m->attempts = 0;
}

static enum recovery_verdict model_checked(struct model *m, uint64_t began_us, bool passed)
{
    if (!m->unverified || began_us < m->ended_us)
        return RECOVERY_UNJUDGED;
    m->unverified = false;
    return passed ? RECOVERY_VERIFIED : RECOVERY_IN_VAIN;
}

static uint64_t seed = 20261121;

static unsigned chance(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static void one_step(struct recovery_state *state, struct model *m, uint64_t now_us)
{
    bool brake = chance(4) > 0, passed = chance(2) > 0;
    uint64_t began_us = now_us - (now_us > 5000000 ? chance(5000000) : 0);
    enum recovery_condition condition = chance(8) == 0   ? RECOVERY_ASIDE
                                        : chance(5) == 0 ? RECOVERY_WELL
                                                         : RECOVERY_ILL;
    unsigned asked = 0;

    switch (chance(8)) {
    case 0:
        recovery_state_set_condition(state, condition, now_us);
        model_set_condition(m, condition);
        break;
    case 1:
    case 2:
        if (!m->running)
            break;
        recovery_state_ended(state, now_us);
        m->running = false;
        m->unverified = true;
        m->ended_us = now_us;
        break;
    case 3:
        cr_assert_eq(recovery_state_checked(state, began_us, passed),
                     model_checked(m, began_us, passed));
        break;
    default:
        cr_assert_eq(recovery_state_step(state, now_us, brake ? brake_open : brake_shut, &asked),
                     model_step(m, now_us, brake));
        cr_assert_leq(asked, 1);
    }
}

Test(recovery_state, does_as_the_reference_through_300000_random_steps)
{
    struct recovery_state state;
    struct model m = {.condition = RECOVERY_ASIDE};
    uint64_t now_us = 1, last_start_us = 0;

    recovery_state_init(&state, MAX_ATTEMPTS, INTERVAL_US);
    for (unsigned i = 0; i < STEPS; i++) {
        now_us += chance(3) == 0 ? chance(90000000) : chance(1000);
        one_step(&state, &m, now_us);
        cr_assert_eq(state.attempts, m.attempts);
        cr_assert_eq(state.phase == RECOVERY_RUNNING, m.running);
        cr_assert_leq(state.attempts, MAX_ATTEMPTS);
        cr_assert_eq(recovery_state_due_us(&state) == 0,
                     m.running || m.given_up || m.condition != RECOVERY_ILL);
        if (m.started_us != last_start_us && last_start_us != 0)
            cr_assert_geq(m.started_us - last_start_us, INTERVAL_US);
        last_start_us = m.started_us;
    }
}
