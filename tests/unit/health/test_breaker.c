/* The breaker: by example, and against a reference that keeps the whole history and recomputes
 * everything from it. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "fixture.h"
#include "health/breaker.h"
#include "ledger.h"

static enum breaker_effect fail(struct breaker *b, uint64_t now_us)
{
    struct breaker_outcome outcome = {.error = EG_E_CONNECT, .picked_us = now_us};

    return breaker_failure(b, &outcome, now_us, 0);
}

static void fail_open(struct breaker *b, uint64_t now_us)
{
    while (fail(b, now_us) != BREAKER_CHANGED)
        cr_assert_lt(b->row, 100);
}

Test(breaker, opens_with_the_fifth_failure_in_a_row)
{
    struct breaker b;

    breaker_init(&b, &fixture_breaker, 1);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(fail(&b, 2), BREAKER_NOTHING);
    breaker_success(&b, 2, 2);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(fail(&b, 2), BREAKER_NOTHING);
    cr_assert_eq(fail(&b, 2), BREAKER_CHANGED);
    cr_assert_eq(b.state, BREAKER_OPEN);
    cr_assert_eq(b.cause, BREAKER_CAUSE_ROW);
    cr_assert_eq(b.evidence_row, 5);
}

Test(breaker, opens_at_half_of_twenty_requests_and_not_of_nineteen)
{
    struct breaker b;

    breaker_init(&b, &fixture_breaker, 1);
    breaker_count(&b, 9, 2);
    for (unsigned i = 0; i < 10; i++) {
        cr_assert_eq(fail(&b, 2), BREAKER_NOTHING);
        breaker_success(&b, 2, 2);
    }
    breaker_count(&b, 1, 2);
    cr_assert_eq(fail(&b, 2), BREAKER_CHANGED);
    cr_assert_eq(b.cause, BREAKER_CAUSE_RATE);
    cr_assert_eq(b.evidence.bad, 11);
    cr_assert_eq(b.evidence.good, 10);
}

Test(breaker, an_answer_that_ended_early_is_a_success_no_more)
{
    struct breaker_outcome cut = {.error = EG_E_UPSTREAM_TRUNCATED, .picked_us = 2, .late = true};
    struct breaker b;

    breaker_init(&b, &fixture_breaker, 1);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(b.state, BREAKER_CLOSED);
        breaker_count(&b, 1, 2);
        breaker_success(&b, 2, 2);
        breaker_failure(&b, &cut, 2, 0);
    }
    cr_assert_eq(b.state, BREAKER_OPEN);
    cr_assert_eq(b.evidence.good, 0);
}

Test(breaker, waits_twice_as_long_each_time_up_to_its_maximum_and_forgets)
{
    static const uint64_t waits_s[] = {9, 18, 36, 54, 54};
    uint64_t now_us = 1;
    struct breaker b;

    breaker_init(&b, &fixture_breaker, now_us);
    fail_open(&b, now_us);
    for (unsigned i = 0; i < 5; i++) {
        cr_assert_eq(breaker_due_us(&b) - now_us, waits_s[i] * 1000000, "opening %u", i);
        now_us = breaker_due_us(&b);
        cr_assert_eq(breaker_keep(&b, true, now_us), BREAKER_CHANGED);
        fail(&b, now_us);
    }
    now_us = breaker_due_us(&b);
    breaker_keep(&b, true, now_us);
    breaker_success(&b, now_us, now_us);
    breaker_success(&b, now_us, now_us);
    now_us += 60000000;
    fail_open(&b, now_us);
    cr_assert_eq(breaker_due_us(&b) - now_us, 9000000);
}

Test(breaker, one_that_was_opened_by_hand_stays_open)
{
    struct breaker b;

    breaker_init(&b, &fixture_breaker, 1);
    cr_assert_eq(breaker_trip(&b, 2), BREAKER_CHANGED);
    cr_assert_eq(breaker_trip(&b, 2), BREAKER_NOTHING);
    cr_assert_eq(breaker_due_us(&b), 0);
    cr_assert_eq(breaker_keep(&b, true, UINT64_MAX / 2), BREAKER_NOTHING);
    cr_assert_eq(breaker_returned(&b, UINT64_MAX / 2), BREAKER_NOTHING);
    cr_assert_eq(breaker_reset(&b, UINT64_MAX / 2), BREAKER_CHANGED);
    cr_assert_eq(b.state, BREAKER_CLOSED);
}

Test(breaker, a_place_that_nobody_gave_back_is_given_back_in_the_end)
{
    struct breaker b;
    uint64_t now_us;

    breaker_init(&b, &fixture_breaker, 1);
    fail_open(&b, 1);
    now_us = breaker_due_us(&b);
    breaker_keep(&b, true, now_us);
    cr_assert_eq(breaker_keep(&b, false, now_us + 59999999), BREAKER_NOTHING);
    cr_assert_eq(breaker_keep(&b, false, now_us + 60000000), BREAKER_PLACE_BACK);
    cr_assert_eq(breaker_keep(&b, true, now_us + 120000000), BREAKER_NOTHING);
}

/* ---- The model ---- */

enum { STEPS = 100000, SEEDS = 4 };

struct turn { /* a change of state, or a reset of a closed one */
    uint64_t at_us;
    enum breaker_state to;
    bool hand;
};
struct reference {
    const struct config_breaker *config;
    struct ledger *ledger; /* of what was counted since it closed */
    struct turn *turns;
    size_t turn_count;
    unsigned row, probed, out; /* out: probes that were taken and not answered */
    uint64_t heard_us, *failures;
    size_t failure_count;
    uint64_t until_low_us, until_high_us;
};

static struct turn *last_turn(struct reference *ref)
{
    return &ref->turns[ref->turn_count - 1];
}

static void turn_to(struct reference *ref, enum breaker_state to, bool hand, uint64_t now_us)
{
    ref->turns[ref->turn_count++] = (struct turn){now_us, to, hand};
    ledger_clear(ref->ledger);
    ref->row = ref->probed = ref->out = 0;
    ref->heard_us = now_us;
}

/* How many openings before the latest belong to its row: back to a long or handmade peace. */
static unsigned openings_in_row(const struct reference *ref)
{
    unsigned openings = 0;

    for (size_t i = ref->turn_count; i-- > 0;) {
        const struct turn *turn = &ref->turns[i];

        if (turn->to == BREAKER_OPEN)
            openings++;
        if (turn->to == BREAKER_CLOSED &&
            (turn->hand || i == 0 ||
             ref->turns[i + 1].at_us - turn->at_us >= ref->config->max_recovery_timeout_ms * 1000))
            break;
    }
    return openings;
}

static void reference_open(struct reference *ref, bool hand, uint64_t now_us)
{
    uint64_t max_us = ref->config->max_recovery_timeout_ms * 1000, us;
    double wait_us = (double)ref->config->recovery_timeout_ms * 1000;

    turn_to(ref, BREAKER_OPEN, hand, now_us);
    for (unsigned i = 1; i < openings_in_row(ref) && wait_us < (double)max_us; i++)
        wait_us *= 2;
    us = wait_us < (double)max_us ? (uint64_t)wait_us : max_us;
    ref->until_low_us = now_us + us - us / 10;
    ref->until_high_us = now_us + (us + us / 10 < max_us ? us + us / 10 : max_us);
}

static enum breaker_effect reference_success(struct reference *ref, uint64_t picked_us,
                                             uint64_t opened_us, uint64_t now_us)
{
    enum breaker_state state = last_turn(ref)->to;

    if (state == BREAKER_CLOSED) {
        uint64_t since_us = 0;

        /* A reset of a closed one is no turn of its state. */
        for (size_t i = ref->turn_count; i-- > 0 && ref->turns[i].to == BREAKER_CLOSED;)
            since_us = ref->turns[i].at_us;
        if (picked_us >= since_us)
            ref->row = 0;
    }
    if (state != BREAKER_HALF_OPEN || picked_us < opened_us)
        return BREAKER_NOTHING;
    ref->heard_us = now_us;
    if (++ref->probed < ref->config->success_threshold)
        return BREAKER_PLACE_BACK;
    turn_to(ref, BREAKER_CLOSED, false, now_us);
    return BREAKER_CHANGED;
}

static enum breaker_effect reference_failure(struct reference *ref,
                                             const struct breaker_outcome *outcome,
                                             uint64_t opened_us, uint64_t since_us, uint64_t now_us)
{
    const struct config_breaker *config = ref->config;
    enum breaker_state state = last_turn(ref)->to;
    struct window_totals sum;

    if (state == BREAKER_OPEN ||
        outcome->picked_us < (state == BREAKER_HALF_OPEN ? opened_us : since_us))
        return BREAKER_NOTHING;
    ref->failures[ref->failure_count++] = now_us;
    if (state == BREAKER_CLOSED) {
        if (outcome->late)
            ledger_take_back(ref->ledger, now_us);
        ledger_note(ref->ledger, now_us, 0, 1);
        ref->row++;
        sum = ledger_sum(ref->ledger, now_us);
        if ((config->failure_threshold == 0 || ref->row < config->failure_threshold) &&
            (config->error_percent == 0 || sum.good + sum.bad < config->min_requests ||
             (double)sum.bad / (double)(sum.good + sum.bad) < config->error_percent / 100.0))
            return BREAKER_NOTHING;
    }
    reference_open(ref, false, now_us);
    return BREAKER_CHANGED;
}

struct model {
    struct breaker b;
    struct reference ref;
    uint64_t random, now_us, opened_us, since_us;
    unsigned places; /* left to be taken */
};

static unsigned draw(struct model *m, unsigned below)
{
    return (unsigned)(fixture_random(&m->random) % below);
}

/* Mostly just picked, at times long ago. */
static uint64_t draw_picked(struct model *m)
{
    uint64_t ago_us = draw(m, 4) == 0 ? draw(m, 30000000) : draw(m, 3);

    return m->now_us > ago_us ? m->now_us - ago_us : 0;
}

static void draw_time(struct model *m)
{
    unsigned kind = draw(m, 1000);

    if (kind < 500)
        m->now_us += draw(m, 20000);
    else if (kind < 995)
        m->now_us += draw(m, 500000);
    else
        m->now_us += draw(m, 100000000);
}

/* Applies the effect as the façade does: counts places, notes the beginning of states. */
static void model_effect(struct model *m, enum breaker_effect effect)
{
    if (effect == BREAKER_PLACE_BACK && m->ref.out > 0) {
        m->ref.out--;
        m->places++;
    }
    if (effect != BREAKER_CHANGED)
        return;
    m->since_us = m->now_us;
    if (m->b.state == BREAKER_OPEN)
        m->opened_us = m->now_us;
    m->places = m->b.state == BREAKER_HALF_OPEN ? breaker_places(&m->b) : 0;
}

static enum breaker_effect model_keep(struct model *m, enum breaker_effect *ret_wanted)
{
    struct reference *ref = &m->ref;
    struct turn *turn = last_turn(ref);
    bool places_left = m->places > 0;

    *ret_wanted = BREAKER_NOTHING;
    if (turn->to == BREAKER_OPEN && !turn->hand && m->now_us >= m->b.half_open_us) {
        turn_to(ref, BREAKER_HALF_OPEN, false, m->now_us);
        *ret_wanted = BREAKER_CHANGED;
    } else if (turn->to == BREAKER_HALF_OPEN &&
               m->now_us - ref->heard_us >= ref->config->max_recovery_timeout_ms * 1000) {
        ref->heard_us = m->now_us;
        *ret_wanted = places_left ? BREAKER_NOTHING : BREAKER_PLACE_BACK;
    }
    return breaker_keep(&m->b, places_left, m->now_us);
}

static enum breaker_effect model_outcome(struct model *m, enum breaker_effect *ret_wanted)
{
    struct breaker_outcome outcome = {.error = EG_E_CONNECT, .picked_us = draw_picked(m)};
    unsigned kind = draw(m, 10);

    if (kind < 4) {
        uint64_t count = draw(m, 4);

        if (last_turn(&m->ref)->to == BREAKER_CLOSED)
            ledger_note(m->ref.ledger, m->now_us, count, 0);
        breaker_count(&m->b, count, m->now_us);
        *ret_wanted = reference_success(&m->ref, outcome.picked_us, m->opened_us, m->now_us);
        return breaker_success(&m->b, outcome.picked_us, m->now_us);
    }
    if (kind < 8) {
        outcome.late = draw(m, 4) == 0;
        *ret_wanted = reference_failure(&m->ref, &outcome, m->opened_us, m->since_us, m->now_us);
        return breaker_failure(&m->b, &outcome, m->now_us, fixture_random(&m->random));
    }
    *ret_wanted = BREAKER_NOTHING;
    if (last_turn(&m->ref)->to == BREAKER_HALF_OPEN && outcome.picked_us >= m->opened_us) {
        *ret_wanted = BREAKER_PLACE_BACK;
        m->ref.heard_us = m->now_us;
    }
    return breaker_cancelled(&m->b, outcome.picked_us, m->now_us);
}

static enum breaker_effect model_by_hand(struct model *m, enum breaker_effect *ret_wanted)
{
    struct turn *turn = last_turn(&m->ref);
    bool was_closed = turn->to == BREAKER_CLOSED;

    *ret_wanted = BREAKER_CHANGED;
    switch (draw(m, 4)) {
    case 0:
        if (turn->to != BREAKER_OPEN)
            reference_open(&m->ref, true, m->now_us);
        else if (turn->hand)
            *ret_wanted = BREAKER_NOTHING;
        turn = last_turn(&m->ref);
        turn->hand = true;
        return breaker_trip(&m->b, m->now_us);
    case 1:
        turn_to(&m->ref, BREAKER_CLOSED, true, m->now_us);
        m->ref.failure_count = 0;
        *ret_wanted = was_closed ? BREAKER_NOTHING : BREAKER_CHANGED;
        return breaker_reset(&m->b, m->now_us);
    default:
        if (turn->to == BREAKER_OPEN && !turn->hand)
            turn_to(&m->ref, BREAKER_HALF_OPEN, false, m->now_us);
        else
            *ret_wanted = BREAKER_NOTHING;
        return breaker_returned(&m->b, m->now_us);
    }
}

static void model_compare(struct model *m, unsigned seed, unsigned step)
{
    struct reference *ref = &m->ref;
    struct turn *turn = last_turn(ref);
    struct window_totals own = window_sum(&m->b.window, m->now_us);
    struct window_totals sum = ledger_sum(ref->ledger, m->now_us);

    cr_assert_eq(m->b.state, turn->to, "seed %u step %u: state", seed, step);
    cr_assert_eq(m->b.row, ref->row, "seed %u step %u: row", seed, step);
    cr_assert_eq(m->b.probed, ref->probed, "seed %u step %u: probed", seed, step);
    cr_assert_eq(own.good, sum.good, "seed %u step %u: good in the window", seed, step);
    cr_assert_eq(own.bad, sum.bad, "seed %u step %u: bad in the window", seed, step);
    cr_assert_eq(breaker_is_tripped(&m->b), turn->to == BREAKER_OPEN && turn->hand,
                 "seed %u step %u: by hand", seed, step);
    if (m->b.state == BREAKER_OPEN && !turn->hand)
        cr_assert(m->b.half_open_us >= ref->until_low_us && m->b.half_open_us <= ref->until_high_us,
                  "seed %u step %u: recovery timeout", seed, step);
    if (m->b.state == BREAKER_HALF_OPEN)
        cr_assert_eq(m->places + ref->out, breaker_places(&m->b), "seed %u step %u: places", seed,
                     step);
    for (unsigned i = 0; i < BREAKER_FAILURES_KEPT; i++) {
        const struct breaker_failure *kept = breaker_failure_at(&m->b, i);

        cr_assert_eq(kept != NULL, i < ref->failure_count, "seed %u step %u: kept", seed, step);
        if (kept != NULL)
            cr_assert_eq(kept->at_us, ref->failures[ref->failure_count - 1 - i],
                         "seed %u step %u: kept", seed, step);
    }
}

static void model_run(unsigned seed, const struct config_breaker *config)
{
    struct model m = {.random = seed, .now_us = 1000000};
    unsigned openings = 0, closings = 0;

    m.ref = (struct reference){.config = config,
                               .ledger = ledger_new(config->window_ms),
                               .turns = xcalloc(STEPS + 1, sizeof(struct turn)),
                               .failures = xcalloc(STEPS, sizeof(uint64_t))};
    breaker_init(&m.b, config, m.now_us);
    turn_to(&m.ref, BREAKER_CLOSED, false, m.now_us);
    m.since_us = m.now_us;
    for (unsigned step = 0; step < STEPS; step++) {
        enum breaker_effect wanted, effect;
        unsigned kind = draw(&m, 1000);

        draw_time(&m);
        if (m.places > 0 && draw(&m, 2) == 0) {
            m.places--;
            m.ref.out++;
        }
        if (kind < 5)
            effect = model_by_hand(&m, &wanted);
        else if (kind < 300)
            effect = model_keep(&m, &wanted);
        else
            effect = model_outcome(&m, &wanted);
        cr_assert_eq(effect, wanted, "seed %u step %u: effect %d, not %d", seed, step, effect,
                     wanted);
        model_effect(&m, effect);
        model_compare(&m, seed, step);
        openings += effect == BREAKER_CHANGED && m.b.state == BREAKER_OPEN;
        closings += effect == BREAKER_CHANGED && m.b.state == BREAKER_CLOSED;
    }
    cr_assert(openings > 100 && closings > 50, "the model slept: %u openings, %u closings",
              openings, closings);
    free(m.ref.ledger);
    free(m.ref.turns);
    free(m.ref.failures);
}

Test(breaker, does_what_a_reference_with_the_whole_history_does)
{
    struct config_breaker rate_only = fixture_breaker, row_only = fixture_breaker;

    rate_only.failure_threshold = 0;
    row_only.error_percent = 0;
    row_only.success_threshold = 1;
    row_only.half_open_max = 1;
    for (unsigned seed = 1; seed <= SEEDS; seed++)
        model_run(seed, &fixture_breaker);
    model_run(SEEDS + 1, &rate_only);
    model_run(SEEDS + 2, &row_only);
}
