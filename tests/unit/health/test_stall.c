/* Stalls and the usual latency: by example, and against references. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "fixture.h"
#include "health/stall.h"

static const struct config_outlier defaults = {.stall_factor = 4, .stall_min_ms = 50};

enum { S = 1000000 };

static uint64_t learn(uint64_t usual, unsigned times, uint64_t latency_us, uint64_t *now_us,
                      uint64_t every_us)
{
    for (unsigned i = 0; i < times; i++)
        usual = stall_usual_add(usual, latency_us, *now_us += every_us);
    return usual;
}

Test(stall, nobody_is_judged_before_five_answers)
{
    uint64_t now_us = S, usual = learn(0, 4, 20000, &now_us, 1000);

    cr_assert_eq(stall_limit_us(usual, 0, 0, &defaults), 0);
    usual = learn(usual, 1, 20000, &now_us, 1000);
    cr_assert_eq(stall_limit_us(usual, 0, 0, &defaults), 80000);
    cr_assert_eq(stall_limit_us(usual, 0, 0, &(struct config_outlier){.stall_min_ms = 50}), 0,
                 "off");
}

Test(stall, the_limit_is_never_below_its_minimum)
{
    uint64_t now_us = S, usual = learn(0, 5, 300, &now_us, 1000);

    cr_assert_eq(stall_limit_us(usual, 0, 0, &defaults), 50000);
}

Test(stall, one_hiccup_does_not_make_the_limit_patient_for_seconds)
{
    uint64_t now_us = 0, usual = learn(0, 100, 5000, &now_us, 1000);

    usual = stall_usual_add(usual, 90000, now_us);
    cr_assert_eq(stall_limit_us(usual, 0, 0, &defaults), 360000, "nothing else is known");
    cr_assert_eq(stall_limit_us(usual, 6000, 0, &defaults), 112500,
                 "above the peak, not four of it");
    cr_assert_eq(stall_limit_us(usual, 60000, 0, &defaults), 240000);
    cr_assert_eq(stall_limit_us(usual, 10000000, 0, &defaults), 360000,
                 "who waited through a stall");
    usual = learn(usual, 40, 5000, &now_us, 1000000);
    cr_assert_eq(stall_limit_us(usual, 6000, 0, &defaults), 50000);
}

Test(stall, the_usual_latency_is_a_peak_that_halves_in_five_seconds_of_answers)
{
    uint64_t now_us = S, usual = learn(0, 5, 1000, &now_us, 1000);

    usual = stall_usual_add(usual, 400000, now_us);
    cr_assert_eq(stall_usual_us(usual), 400000);
    usual = learn(usual, 5000, 1000, &now_us, 1000);
    cr_assert_float_eq((double)stall_usual_us(usual), 200000, 2000);
    usual = learn(usual, 60000, 1000, &now_us, 1000);
    cr_assert_float_eq((double)stall_usual_us(usual), 1000, 100);
}

Test(stall, time_without_answers_does_not_lower_the_usual_latency)
{
    uint64_t now_us = S, usual = learn(0, 5, 300000, &now_us, 1000);

    usual = stall_usual_add(usual, 100, now_us + 3600ull * S);
    cr_assert_float_eq((double)stall_usual_us(usual), 300000 * 0.87, 300);
}

Test(stall, it_is_probed_after_a_second_and_later_each_time)
{
    static const uint64_t waits_us[] = {900000,   1800000,  3600000, 7200000,
                                        14400000, 27000000, 27000000};
    uint64_t now_us = S;
    struct stall s;

    stall_init(&s, now_us);
    cr_assert(stall_silent(&s, now_us - 100, now_us, 0));
    for (unsigned i = 0; i < 7; i++) {
        cr_assert_eq(stall_due_us(&s) - now_us, waits_us[i]);
        now_us = stall_due_us(&s);
        cr_assert(stall_keep(&s, true, now_us, 0));
        cr_assert_eq(s.state, STALL_PROBING);
        cr_assert_not(stall_silent(&s, now_us - STALL_CLOCKS_APART_US - 1, now_us, 0),
                      "an old request says nothing new");
        cr_assert(i % 2 ? stall_silent(&s, now_us, now_us, 0)
                        : stall_failure(&s, now_us, now_us, 0));
    }
    cr_assert(stall_answer(&s, now_us), "whoever was answered");
    cr_assert_eq(s.state, STALL_CLEAR);
    cr_assert_eq(s.stalls, 1);
}

Test(stall, a_probe_that_nobody_hears_of_is_given_up)
{
    uint64_t now_us = S;
    struct stall s;

    stall_init(&s, now_us);
    stall_silent(&s, now_us, now_us, 0);
    now_us = stall_due_us(&s);
    stall_keep(&s, true, now_us, 0);
    now_us = stall_due_us(&s);
    cr_assert_not(stall_keep(&s, true, now_us, 0), "nobody took the place: it stays");
    now_us = stall_due_us(&s);
    cr_assert(stall_keep(&s, false, now_us, 0));
    cr_assert_eq(s.state, STALL_STALLED);
}

/* ---- The models ---- */

enum { STEPS = 100000, SEEDS = 4 };

/* The machine in other words: when it stalled, and how many probes have come to nothing. */
struct reference {
    bool stalled, probing;
    unsigned vain; /* probes */
    uint64_t since_us, due_us;
};

struct model {
    struct stall s;
    struct reference ref;
    uint64_t random, now_us;
    unsigned changes;
};

static unsigned draw(struct model *m, unsigned below)
{
    return (unsigned)(fixture_random(&m->random) % below);
}

static void reference_wait(struct model *m, uint64_t random)
{
    double backoff_us = fmin(1e6 * pow(2, fmin(m->ref.vain, 20)), 30e6);
    uint64_t us = (uint64_t)backoff_us;

    m->ref.probing = false;
    m->ref.stalled = true;
    m->ref.since_us = m->now_us;
    m->ref.due_us = m->now_us + us - us / 10 + random % (us / 5 + 1);
}

static void reference_vain(struct model *m, uint64_t random)
{
    m->ref.vain++;
    reference_wait(m, random);
}

static bool model_silent(struct model *m, bool *ret_wanted)
{
    uint64_t random = fixture_random(&m->random), waiting_us = m->now_us - draw(m, 3000000);

    *ret_wanted = true;
    if (!m->ref.stalled) {
        m->ref.vain = 0;
        reference_wait(m, random);
    } else if (m->ref.probing && waiting_us >= m->ref.since_us - STALL_CLOCKS_APART_US) {
        reference_vain(m, random);
    } else {
        *ret_wanted = false;
    }
    return stall_silent(&m->s, waiting_us, m->now_us, random);
}

static bool model_time(struct model *m, bool *ret_wanted)
{
    uint64_t random = fixture_random(&m->random);
    bool left = draw(m, 2) == 0;

    *ret_wanted = false;
    if (m->ref.stalled && m->now_us >= m->ref.due_us) {
        if (!m->ref.probing) {
            *ret_wanted = m->ref.probing = true;
            m->ref.since_us = m->now_us;
            m->ref.due_us = m->now_us + 30000000;
        } else if (left) {
            m->ref.due_us = m->now_us + 30000000;
        } else {
            *ret_wanted = true;
            reference_vain(m, random);
        }
    }
    return stall_keep(&m->s, left, m->now_us, random);
}

static bool model_outcome(struct model *m, bool *ret_wanted)
{
    uint64_t random = fixture_random(&m->random), picked_us = m->now_us - draw(m, 3000000);
    bool of_probe = m->ref.probing && picked_us >= m->ref.since_us - STALL_CLOCKS_APART_US;

    switch (draw(m, 8)) {
    case 0:
        *ret_wanted = m->ref.stalled;
        m->ref.stalled = m->ref.probing = false;
        return stall_answer(&m->s, m->now_us);
    case 1:
        *ret_wanted = m->ref.stalled && !m->ref.probing;
        if (*ret_wanted) {
            m->ref.probing = true;
            m->ref.since_us = m->now_us;
            m->ref.due_us = m->now_us + 30000000;
        }
        return stall_probe_now(&m->s, m->now_us);
    case 2:
    case 3:
        *ret_wanted = of_probe;
        return stall_cancelled(&m->s, picked_us);
    default:
        *ret_wanted = of_probe;
        if (of_probe)
            reference_vain(m, random);
        return stall_failure(&m->s, picked_us, m->now_us, random);
    }
}

static void model_run(unsigned seed)
{
    struct model m = {.random = seed, .now_us = 100ull * S};

    stall_init(&m.s, m.now_us);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned kind = draw(&m, 10);
        bool wanted, got;

        m.now_us += draw(&m, 20) == 0 ? draw(&m, 20000000) : draw(&m, 400000);
        got = kind < 4   ? model_silent(&m, &wanted)
              : kind < 8 ? model_time(&m, &wanted)
                         : model_outcome(&m, &wanted);
        cr_assert_eq(got, wanted, "seed %u step %u", seed, step);
        cr_assert_eq(m.s.state,
                     m.ref.probing   ? STALL_PROBING
                     : m.ref.stalled ? STALL_STALLED
                                     : STALL_CLEAR,
                     "seed %u step %u: state", seed, step);
        cr_assert_eq(stall_due_us(&m.s), m.ref.stalled ? m.ref.due_us : 0, "seed %u step %u: due",
                     seed, step);
        m.changes += got;
    }
    cr_assert_gt(m.changes, 1000);
}

Test(stall, does_what_a_reference_does)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++)
        model_run(seed);
}

/*
 * The peak in floating point: the greatest of what all samples so far have fallen to by now, where
 * time counts only in so far as the steps between answers are at most a second long.
 */
static void usual_run(unsigned seed)
{
    uint64_t random = seed, now_us = 1000ull * S, usual = 0;
    double peak = 0, slow_peak = 0;

    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t bits = fixture_random(&random), latency_us, gap_us;
        double step_s, got;

        gap_us =
            bits % 100 == 0 ? fixture_random(&random) % 10000000 : fixture_random(&random) % 30000;
        latency_us = 100 + fixture_random(&random) % (bits >> 32 & 0xff ? 5000 : 2000000);
        now_us += gap_us;
        step_s = fmin((double)gap_us / 1e6, 1);
        peak = fmax(peak * pow(2, -step_s / 5), (double)latency_us);
        slow_peak = fmax(slow_peak * pow(2, -step_s / 10), (double)latency_us);
        usual = stall_usual_add(usual, latency_us, now_us);
        got = (double)stall_usual_us(usual);
        /* It is stored once a second, and a gap swallows the part of a second before it: so it
         * may read two steps too high, and fall at half the speed where answers come in bursts. */
        cr_assert(got >= peak * 0.95 - 10 && got <= slow_peak * 1.35 + 10,
                  "seed %u step %u: %f, not %f to %f", seed, step, got, peak, slow_peak);
        cr_assert_eq(stall_limit_us(usual, 0, 0, &defaults) != 0, step >= 4);
    }
}

Test(stall, the_usual_latency_is_what_floating_point_says)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++)
        usual_run(seed);
}
