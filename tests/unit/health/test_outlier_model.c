/* Outlier detection against a reference with the whole history. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "fixture.h"
#include "health/outlier.h"
#include "ledger.h"

enum { STEPS = 100000, SEEDS = 4, BUSY_SEEDS = 3 };

struct reference {
    const struct config_outlier *config;
    struct ledger *ledger; /* since the endpoint serves */
    uint64_t since_us, until_us;
    bool ejected;
    unsigned row, in_row;
    struct outcomes *spell;
    struct window_totals others_then;
    bool suspect, by_spell; /* the latest bad rate was found by the spell alone */
};

/* What came since the spell's first failure, one by one. */
enum { OUTCOMES = 1 << 16 };
struct outcomes {
    uint64_t since_us;
    unsigned count;
    bool failed[OUTCOMES];
};

/* In failures. */
static double outcomes_excess(const struct outcomes *all, double share)
{
    double excess = 0;

    for (unsigned i = 0; i < all->count; i++)
        excess += (all->failed[i] ? 1 : 0) - share;
    return excess;
}

static void outcomes_note(struct outcomes *all, double share, bool failed, uint64_t now_us)
{
    if (all->count == 0 && !failed)
        return;
    if (all->count == 0)
        all->since_us = now_us;
    cr_assert_lt(all->count, OUTCOMES);
    all->failed[all->count++] = failed;
    if (outcomes_excess(all, share) < 1e-6)
        all->count = 0;
}

static void outcomes_take_back(struct outcomes *all)
{
    for (unsigned i = all->count; i-- > 0;) {
        if (!all->failed[i]) {
            memmove(all->failed + i, all->failed + i + 1, all->count - i - 1);
            all->count--;
            return;
        }
    }
}

static struct window_totals outcomes_totals(const struct outcomes *all)
{
    struct window_totals totals = {0};

    for (unsigned i = 0; i < all->count; i++)
        ++*(all->failed[i] ? &totals.bad : &totals.good);
    return totals;
}

static double rate(struct window_totals totals)
{
    return (double)totals.bad / (double)(totals.good + totals.bad);
}

static double reference_share(const struct reference *ref)
{
    return ref->config->error_percent / 100.0;
}

/* By shares, as the header says it: without 20 failures, against the others with 10 more. */
static bool reference_spell_is_bad(struct reference *ref, struct window_totals others,
                                   struct window_totals window)
{
    struct window_totals own = outcomes_totals(ref->spell);
    double all = (double)(own.good + own.bad), rest, rest_bad;
    double excess = outcomes_excess(ref->spell, reference_share(ref));

    if (excess < 5 - 1e-6) {
        ref->suspect = false;
        return false;
    }
    if (!ref->suspect)
        ref->others_then = others;
    ref->suspect = true;
    rest_bad = (double)(others.bad - ref->others_then.bad) + 10;
    rest = rest_bad / (rest_bad + (double)(others.good - ref->others_then.good));
    return excess > 20 - 1e-6 && (double)(own.bad - 20) / all >= 2 * rest - 1e-12 &&
           (double)(window.good + window.bad) * reference_share(ref) > 20 + 1e-6;
}

static enum outlier_cause reference_failure(struct reference *ref,
                                            const struct outlier_outcome *outcome, uint64_t now_us)
{
    struct window_totals own;
    bool spell_is_bad;

    if (ref->ejected || outcome->picked_us < ref->since_us)
        return OUTLIER_CAUSE_NONE;
    if (outcome->late)
        ledger_take_back(ref->ledger, now_us);
    ledger_note(ref->ledger, now_us, 0, 1);
    own = ledger_sum(ref->ledger, now_us);
    if (now_us - ref->spell->since_us > ref->config->window_ms * 900)
        ref->spell->count = 0;
    if (outcome->late)
        outcomes_take_back(ref->spell);
    outcomes_note(ref->spell, reference_share(ref), true, now_us);
    spell_is_bad = reference_spell_is_bad(ref, outcome->others, own);
    ref->by_spell = false;
    if (++ref->row >= ref->config->consecutive_5xx && ref->config->consecutive_5xx > 0)
        return OUTLIER_CAUSE_ROW;
    if (own.good + own.bad >= ref->config->min_requests && rate(own) >= reference_share(ref) &&
        outcome->rest.good + outcome->rest.bad > 0 && rate(own) >= 2 * rate(outcome->rest))
        return OUTLIER_CAUSE_RATE;
    ref->by_spell = spell_is_bad;
    return spell_is_bad ? OUTLIER_CAUSE_RATE : OUTLIER_CAUSE_NONE;
}

static void reference_set(struct reference *ref, bool ejected, uint64_t now_us)
{
    ref->ejected = ejected;
    ref->since_us = now_us;
    ref->row = 0;
    ref->suspect = false;
    ref->spell->count = 0;
    ledger_clear(ref->ledger);
}

static void reference_eject(struct reference *ref, uint64_t now_us)
{
    uint64_t length_us = ref->config->base_ejection_ms * 1000;

    /* One by one, as time would have done it. */
    for (uint64_t t_us = ref->since_us + length_us; t_us <= now_us && ref->in_row > 0;
         t_us += length_us)
        ref->in_row--;
    ref->in_row += ref->in_row < 30;
    for (unsigned i = 1; i < ref->in_row; i++)
        length_us = length_us * 2 < ref->config->max_ejection_ms * 1000
                        ? length_us * 2
                        : ref->config->max_ejection_ms * 1000;
    ref->until_us = now_us + length_us;
    reference_set(ref, true, now_us);
}

/* What the model is fed with. A calm one sees a request now and then; a busy one has hundreds in a
 * second, good times and bad ones, and neighbours that sometimes fail as well. */
struct profile {
    struct config_outlier config;
    bool busy;
    unsigned step_us; /* between two steps, at most */
};

static const struct profile calm = {.config = {.consecutive_5xx = 5,
                                               .error_percent = 20,
                                               .min_requests = 20,
                                               .window_ms = 10000,
                                               .base_ejection_ms = 30000,
                                               .max_ejection_ms = 300000},
                                    .step_us = 60000};
static const struct profile busy = {.config = {.error_percent = 30,
                                               .min_requests = 20,
                                               .window_ms = 2000,
                                               .base_ejection_ms = 300,
                                               .max_ejection_ms = 3000},
                                    .busy = true,
                                    .step_us = 5000};

struct model {
    const struct profile *profile;
    struct outlier o;
    struct reference ref;
    uint64_t random, now_us;
    unsigned failures;       /* of 1000 outcomes, at the moment */
    unsigned others_failing; /* of 10 of theirs */
    struct window_totals others;
    unsigned ejections, by_spell;
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
        .others = m->others,
    };
    enum outlier_cause wanted = reference_failure(&m->ref, &outcome, m->now_us);
    bool compares = outlier_compares(&m->o), suspect = m->o.suspect;
    enum outlier_cause cause = outlier_failure(&m->o, &outcome, m->now_us);

    cr_assert_eq(cause, wanted, "seed %u step %u: cause %d, not %d", seed, step, cause, wanted);
    cr_assert(compares || m->o.suspect == suspect || !m->o.suspect, "seed %u step %u", seed, step);
    if (m->ref.by_spell && cause != OUTLIER_CAUSE_NONE) {
        struct window_totals own = outcomes_totals(m->ref.spell);

        cr_assert(m->o.evidence.own.good == own.good && m->o.evidence.own.bad == own.bad &&
                      m->o.evidence.span_us == m->now_us - m->ref.spell->since_us,
                  "seed %u step %u: evidence", seed, step);
    }
    /* The pool does not always allow it. */
    if (cause == OUTLIER_CAUSE_NONE || draw(m, 3) == 0)
        return;
    m->by_spell += m->ref.by_spell;
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
    for (uint64_t i = 0; i < count; i++)
        outcomes_note(m->ref.spell, reference_share(&m->ref), false, m->now_us);
    if (picked_us >= m->ref.since_us)
        m->ref.row = 0;
}

static void model_time(struct model *m, unsigned seed, unsigned step)
{
    bool over;

    m->now_us +=
        draw(m, 500) == 0 && !m->profile->busy ? draw(m, 400000000) : draw(m, m->profile->step_us);
    over = m->ref.ejected && m->now_us >= m->ref.until_us;
    cr_assert_eq(outlier_keep(&m->o, m->now_us), over, "seed %u step %u", seed, step);
    if (over)
        reference_set(&m->ref, false, m->now_us);
}

static void model_others(struct model *m)
{
    if (m->profile->busy && draw(m, 700) == 0) {
        m->failures = draw(m, 2) == 0 ? draw(m, 100) : 310 + draw(m, 290);
        m->others_failing = draw(m, 3) == 0 ? draw(m, 6) : 0;
    }
    m->others.good += draw(m, 8);
    if (draw(m, 10) < m->others_failing)
        m->others.bad += draw(m, 8);
    if (m->others.good > 0 && draw(m, 200) == 0) { /* an answer of theirs ended early */
        m->others.good--;
        m->others.bad++;
    }
}

static struct model *model_new(unsigned seed, const struct profile *profile)
{
    struct model *m = xcalloc(1, sizeof(*m));

    m->profile = profile;
    m->random = seed;
    m->now_us = 1000000;
    m->failures = profile->busy ? 0 : 400;
    m->ref.config = &profile->config;
    m->ref.ledger = ledger_new(profile->config.window_ms);
    m->ref.spell = xcalloc(1, sizeof(*m->ref.spell));
    m->ref.since_us = m->now_us;
    outlier_init(&m->o, &profile->config, m->now_us);
    return m;
}

static void model_agrees(struct model *m, unsigned seed, unsigned step)
{
    struct window_totals own = window_sum(&m->o.window, m->now_us);
    struct window_totals sum = ledger_sum(m->ref.ledger, m->now_us);

    cr_assert(m->o.ejected == m->ref.ejected && m->o.row == m->ref.row && own.good == sum.good &&
                  own.bad == sum.bad,
              "seed %u step %u", seed, step);
    cr_assert(!m->o.ejected || (m->o.until_us == m->ref.until_us && m->o.until_us > m->now_us),
              "seed %u step %u: until", seed, step);
    cr_assert_eq(m->o.ejections, m->ejections);
}

static void model_run(unsigned seed, const struct profile *profile)
{
    struct model *m = model_new(seed, profile);

    for (unsigned step = 0; step < STEPS; step++) {
        unsigned kind = draw(m, 1000);

        model_time(m, seed, step);
        model_others(m);
        if (kind < (profile->busy ? 1 : 5)) {
            cr_assert_eq(outlier_reset(&m->o, m->now_us), m->ref.ejected);
            reference_set(&m->ref, false, m->now_us);
            m->ref.in_row = 0;
        } else if (draw(m, 1000) < m->failures) {
            model_failure(m, seed, step);
        } else {
            model_success(m);
        }
        model_agrees(m, seed, step);
    }
    cr_log_info("seed %u: %u ejections, %u by a spell", seed, m->ejections, m->by_spell);
    cr_assert_gt(m->ejections, 50, "%u", m->ejections);
    if (profile->busy)
        cr_assert_gt(m->by_spell, 10, "%u", m->by_spell);
    free(m->ref.ledger);
    free(m->ref.spell);
    free(m);
}

Test(outlier_model, does_what_a_reference_with_the_whole_history_does)
{
    for (unsigned seed = 1; seed <= SEEDS; seed++)
        model_run(seed, &calm);
}

Test(outlier_model, does_what_a_reference_does_under_load)
{
    for (unsigned seed = 1; seed <= BUSY_SEEDS; seed++)
        model_run(seed, &busy);
}
