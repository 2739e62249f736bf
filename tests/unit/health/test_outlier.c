/* Outlier detection: by example, and against a reference with the whole history. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "fixture.h"
#include "health/outlier.h"
#include "ledger.h"

static const struct config_outlier defaults = {.consecutive_5xx = 5,
                                               .error_percent = 20,
                                               .min_requests = 20,
                                               .window_ms = 10000,
                                               .base_ejection_ms = 30000,
                                               .max_ejection_ms = 300000,
                                               .max_ejected_percent = 50};

static enum outlier_cause fail(struct outlier *o, uint64_t now_us, uint64_t rest_good,
                               uint64_t rest_bad)
{
    struct outlier_outcome outcome = {.picked_us = now_us, .rest = {rest_good, rest_bad}};

    return outlier_failure(o, &outcome, now_us);
}

Test(outlier, five_failures_in_a_row_are_enough)
{
    struct outlier o;

    outlier_init(&o, &defaults, 1);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(fail(&o, 2, 0, 0), OUTLIER_CAUSE_NONE);
    cr_assert_eq(fail(&o, 2, 0, 0), OUTLIER_CAUSE_ROW);
    cr_assert_eq(fail(&o, 2, 0, 0), OUTLIER_CAUSE_ROW, "said again while the pool does not act");
}

Test(outlier, a_bad_rate_counts_only_when_the_others_are_better)
{
    struct outlier o;

    outlier_init(&o, &defaults, 1);
    outlier_count(&o, 40, 2);
    for (unsigned i = 0; i < 9; i++) {
        cr_assert_eq(fail(&o, 2, 100, 0), OUTLIER_CAUSE_NONE, "9 of 49 are not 20 %%");
        outlier_success(&o, 2);
    }
    cr_assert_eq(fail(&o, 2, 80, 20), OUTLIER_CAUSE_NONE, "the others have 20 %% too");
    outlier_success(&o, 2);
    cr_assert_eq(fail(&o, 2, 0, 0), OUTLIER_CAUSE_NONE, "there are no others");
    outlier_success(&o, 2);
    cr_assert_eq(fail(&o, 2, 90, 10), OUTLIER_CAUSE_RATE);
}

Test(outlier, ejections_grow_and_shrink_again)
{
    static const uint64_t lengths_s[] = {30, 60, 120, 240, 300, 300};
    uint64_t now_us = 1;
    struct outlier o;

    outlier_init(&o, &defaults, now_us);
    for (unsigned i = 0; i < 6; i++) {
        outlier_eject(&o, now_us);
        cr_assert_eq(o.until_us - now_us, lengths_s[i] * 1000000);
        cr_assert_not(outlier_keep(&o, o.until_us - 1));
        now_us = o.until_us;
        cr_assert(outlier_keep(&o, now_us));
    }
    now_us += 4 * 30000000; /* well-behaved for four times 30 s: 6 - 4 + 1 */
    outlier_eject(&o, now_us);
    cr_assert_eq(o.until_us - now_us, 120000000);
}

Test(outlier, the_pool_keeps_half_of_its_endpoints_and_the_last_usable_one)
{
    cr_assert(outlier_pool_allows(&(struct outlier_pool){4, 1, 2}, 50));
    cr_assert_not(outlier_pool_allows(&(struct outlier_pool){4, 2, 1}, 50));
    cr_assert_not(outlier_pool_allows(&(struct outlier_pool){4, 0, 0}, 100), "the last one");
    cr_assert_not(outlier_pool_allows(&(struct outlier_pool){1, 0, 0}, 50));
    cr_assert_not(outlier_pool_allows(&(struct outlier_pool){3, 0, 2}, 10), "10 %% of 3 are none");
    cr_assert(outlier_pool_allows(&(struct outlier_pool){2, 0, 1}, 50));
}

/* ---- The model ---- */

enum { STEPS = 100000, SEEDS = 4 };

struct reference {
    struct ledger *ledger; /* since the endpoint serves */
    uint64_t since_us, until_us;
    bool ejected;
    unsigned row, in_row;
};

static double rate(struct window_totals totals)
{
    return (double)totals.bad / (double)(totals.good + totals.bad);
}

static enum outlier_cause reference_failure(struct reference *ref,
                                            const struct outlier_outcome *outcome, uint64_t now_us)
{
    struct window_totals own;

    if (ref->ejected || outcome->picked_us < ref->since_us)
        return OUTLIER_CAUSE_NONE;
    if (outcome->late)
        ledger_take_back(ref->ledger, now_us);
    ledger_note(ref->ledger, now_us, 0, 1);
    own = ledger_sum(ref->ledger, now_us);
    if (++ref->row >= defaults.consecutive_5xx)
        return OUTLIER_CAUSE_ROW;
    if (own.good + own.bad < defaults.min_requests || rate(own) < defaults.error_percent / 100.0 ||
        outcome->rest.good + outcome->rest.bad == 0 || rate(own) < 2 * rate(outcome->rest))
        return OUTLIER_CAUSE_NONE;
    return OUTLIER_CAUSE_RATE;
}

static void reference_set(struct reference *ref, bool ejected, uint64_t now_us)
{
    ref->ejected = ejected;
    ref->since_us = now_us;
    ref->row = 0;
    ledger_clear(ref->ledger);
}

static void reference_eject(struct reference *ref, uint64_t now_us)
{
    uint64_t length_us = defaults.base_ejection_ms * 1000;

    /* One by one, as time would have done it. */
    for (uint64_t t_us = ref->since_us + length_us; t_us <= now_us && ref->in_row > 0;
         t_us += length_us)
        ref->in_row--;
    ref->in_row += ref->in_row < 30;
    for (unsigned i = 1; i < ref->in_row; i++)
        length_us = length_us * 2 < defaults.max_ejection_ms * 1000
                        ? length_us * 2
                        : defaults.max_ejection_ms * 1000;
    ref->until_us = now_us + length_us;
    reference_set(ref, true, now_us);
}

struct model {
    struct outlier o;
    struct reference ref;
    uint64_t random, now_us;
    unsigned ejections;
};

static unsigned draw(struct model *m, unsigned below)
{
    return (unsigned)(fixture_random(&m->random) % below);
}

static void model_failure(struct model *m, unsigned seed, unsigned step)
{
    struct outlier_outcome outcome = {
        .picked_us = m->now_us - (draw(m, 5) == 0 ? draw(m, 900000) : 0),
        .late = draw(m, 4) == 0,
        .rest = {draw(m, 100), draw(m, 3) == 0 ? draw(m, 50) : 0},
    };
    enum outlier_cause wanted = reference_failure(&m->ref, &outcome, m->now_us);
    enum outlier_cause cause = outlier_failure(&m->o, &outcome, m->now_us);

    cr_assert_eq(cause, wanted, "seed %u step %u: cause %d, not %d", seed, step, cause, wanted);
    /* The pool does not always allow it. */
    if (cause == OUTLIER_CAUSE_NONE || draw(m, 3) == 0)
        return;
    outlier_eject(&m->o, m->now_us);
    reference_eject(&m->ref, m->now_us);
    m->ejections++;
}

static void model_success(struct model *m)
{
    uint64_t count = draw(m, 5), picked_us = m->now_us - (draw(m, 5) == 0 ? draw(m, 900000) : 0);

    outlier_count(&m->o, count, m->now_us);
    outlier_success(&m->o, picked_us);
    if (m->ref.ejected)
        return;
    ledger_note(m->ref.ledger, m->now_us, count, 0);
    if (picked_us >= m->ref.since_us)
        m->ref.row = 0;
}

static void model_time(struct model *m, unsigned seed, unsigned step)
{
    bool over;

    m->now_us += draw(m, 500) == 0 ? draw(m, 400000000) : draw(m, 60000);
    over = m->ref.ejected && m->now_us >= m->ref.until_us;
    cr_assert_eq(outlier_keep(&m->o, m->now_us), over, "seed %u step %u", seed, step);
    if (over)
        reference_set(&m->ref, false, m->now_us);
}

static void model_run(unsigned seed)
{
    struct model m = {.random = seed, .now_us = 1000000};

    m.ref.ledger = ledger_new(defaults.window_ms);
    m.ref.since_us = m.now_us;
    outlier_init(&m.o, &defaults, m.now_us);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned kind = draw(&m, 1000);
        struct window_totals own, sum;

        model_time(&m, seed, step);
        if (kind < 5) {
            cr_assert_eq(outlier_reset(&m.o, m.now_us), m.ref.ejected);
            reference_set(&m.ref, false, m.now_us);
            m.ref.in_row = 0;
        } else if (kind < 600) {
            model_success(&m);
        } else {
            model_failure(&m, seed, step);
        }
        own = window_sum(&m.o.window, m.now_us);
        sum = ledger_sum(m.ref.ledger, m.now_us);
        cr_assert(m.o.ejected == m.ref.ejected && m.o.row == m.ref.row && own.good == sum.good &&
                      own.bad == sum.bad,
                  "seed %u step %u", seed, step);
        cr_assert(!m.o.ejected || (m.o.until_us == m.ref.until_us && m.o.until_us > m.now_us),
                  "seed %u step %u: until", seed, step);
        cr_assert_eq(m.o.ejections, m.ejections);
    }
    cr_assert_gt(m.ejections, 100);
    free(m.ref.ledger);
}

Test(outlier, does_what_a_reference_with_the_whole_history_does)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++)
        model_run(seed);
}
