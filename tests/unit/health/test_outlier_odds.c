/*
 * What outlier detection's rates are worth, played through with dice: how often they are wrong
 * about an endpoint that is as it always was, and how long they take for one that is not. The dice
 * fall the same way each time. Three endpoints with the same traffic, and nothing is judged by
 * failures in a row, which at these shares of errors are frequent by chance.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "fixture.h"
#include "health/outlier.h"

enum { MEMBERS = 3 };

static const struct config_outlier defaults = {.error_percent = 30,
                                               .min_requests = 20,
                                               .window_ms = 10000,
                                               .base_ejection_ms = 30000,
                                               .max_ejection_ms = 300000,
                                               .max_ejected_percent = 50};

struct member {
    struct outlier outlier;
    struct window_totals totals;
    uint64_t fails_at; /* the number of its next request that fails */
    double share;      /* of them, from now on */
};

struct play {
    struct member members[MEMBERS];
    struct window pool;
    uint64_t random, per_second;
    unsigned by_window, by_spell;
};

/* Successes until the next failure: geometric. */
static uint64_t draw_gap(struct play *play, double share)
{
    double uniform = ((double)(fixture_random(&play->random) >> 11) + 0.5) / 9007199254740992.0;

    return share >= 1 ? 0 : (uint64_t)(log(uniform) / log1p(-share));
}

static void member_draw(struct play *play, struct member *m)
{
    m->fails_at = m->totals.good + m->totals.bad + draw_gap(play, m->share);
}

static uint64_t time_of(const struct play *play, uint64_t request)
{
    return 1000000 + request * 1000000 / play->per_second;
}

static void play_init(struct play *play, uint64_t per_second, double share, uint64_t seed)
{
    *play = (struct play){.random = seed, .per_second = per_second};
    window_init(&play->pool, defaults.window_ms);
    for (unsigned i = 0; i < MEMBERS; i++) {
        play->members[i].share = share;
        outlier_init(&play->members[i].outlier, &defaults, 1);
        member_draw(play, &play->members[i]);
    }
}

/* Its successes up to its request `end`. */
static void member_succeed(struct play *play, struct member *m, uint64_t end, uint64_t now_us)
{
    uint64_t count = end - m->totals.good - m->totals.bad;

    outlier_count(&m->outlier, count, now_us);
    window_add(&play->pool, now_us, count, 0);
    m->totals.good += count;
}

static struct window_totals rest_of(struct play *play, struct member *m, uint64_t now_us)
{
    struct window_totals own = window_sum(&m->outlier.window, now_us);
    struct window_totals rest = window_sum(&play->pool, now_us);

    rest.good -= own.good < rest.good ? own.good : rest.good;
    rest.bad -= own.bad < rest.bad ? own.bad : rest.bad;
    return rest;
}

/* Its next request that fails is the next one to fail of all. */
static enum outlier_cause member_fail(struct play *play, struct member *m)
{
    uint64_t request = m->fails_at, now_us = time_of(play, request);
    struct outlier_outcome outcome = {.picked_us = now_us};
    enum outlier_cause cause;

    for (unsigned i = 0; i < MEMBERS; i++) {
        struct member *other = &play->members[i];

        member_succeed(play, other, request, now_us);
        outcome.others.good += other == m ? 0 : other->totals.good;
        outcome.others.bad += other == m ? 0 : other->totals.bad;
    }
    outcome.rest = rest_of(play, m, now_us);
    m->totals.bad++;
    window_add(&play->pool, now_us, 0, 1);
    cause = outlier_failure(&m->outlier, &outcome, now_us);
    if (cause == OUTLIER_CAUSE_RATE) {
        bool by_window = m->outlier.evidence.span_us == defaults.window_ms * 1000;

        play->by_window += by_window;
        play->by_spell += !by_window;
    }
    member_draw(play, m);
    return cause;
}

static struct member *play_next(struct play *play)
{
    struct member *next = &play->members[0];

    for (unsigned i = 1; i < MEMBERS; i++) {
        if (play->members[i].fails_at < next->fails_at)
            next = &play->members[i];
    }
    return next;
}

/* Until that time; whoever is found bad is left where it is, and forgiven. */
static void play_on(struct play *play, double seconds)
{
    uint64_t end = (uint64_t)(seconds * (double)play->per_second);

    for (struct member *m = play_next(play); m->fails_at < end; m = play_next(play)) {
        if (member_fail(play, m) != OUTLIER_CAUSE_NONE)
            outlier_reset(&m->outlier, time_of(play, m->fails_at));
    }
}

/* ---- How often it is wrong ---- */

static void expect_no_false_alarm(double share, unsigned per_second, double hours)
{
    struct play play;

    play_init(&play, per_second, share, 1 + per_second + (uint64_t)(share * 1000));
    play_on(&play, hours * 3600);
    cr_log_info("%.1f %% of %u/s for %.1f h: %u by the window, %u by a spell", share * 100,
                per_second, hours, play.by_window, play.by_spell);
    cr_assert_eq(play.by_spell, 0, "%.1f %% of %u/s", share * 100, per_second);
}

static double hours_wanted(void)
{
    const char *hours = getenv("OUTLIER_ODDS_HOURS");

    return hours != NULL ? strtod(hours, NULL) : 1;
}

Test(outlier_odds, no_spell_is_found_at_an_endpoint_that_is_as_it_always_was)
{
    static const double shares[] = {0.001, 0.01, 0.05, 0.1, 0.2};

    for (unsigned i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        for (unsigned per_second = 10; per_second <= 1000; per_second *= 10)
            expect_no_false_alarm(shares[i], per_second, hours_wanted());
    }
}

/* That the dice would show it: where what is usual is next to error_percent, and the others are
 * well, it does not take long. */
Test(outlier_odds, what_is_usual_next_to_the_limit_is_found_out_sooner_or_later)
{
    struct play play;

    play_init(&play, 1000, 0.27, 1);
    play.members[1].share = play.members[2].share = 0.001;
    member_draw(&play, &play.members[1]);
    member_draw(&play, &play.members[2]);
    play_on(&play, 600);
    cr_assert_gt(play.by_spell, 0);
}

Test(outlier_odds, what_all_have_in_common_is_nobodys_fault)
{
    struct play play;

    for (unsigned seed = 1; seed <= 20; seed++) {
        play_init(&play, 600, 0.001, seed);
        play_on(&play, 15);
        for (unsigned i = 0; i < MEMBERS; i++) {
            play.members[i].share = 0.4;
            play.members[i].fails_at = 15 * 600;
            member_draw(&play, &play.members[i]);
        }
        play_on(&play, 75);
        cr_assert_eq(play.by_spell + play.by_window, 0, "seed %u", seed);
    }
}

/* ---- How long it takes ---- */

enum { GOOD_TIMES_S = 15, RUNS = 41, GIVEN_UP_S = 30 };

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Seconds from the first bad request until it is found out. */
static double play_to_the_end(unsigned per_second, double share, uint64_t seed)
{
    uint64_t from = (uint64_t)GOOD_TIMES_S * per_second;
    struct member *bad;
    struct play play;

    play_init(&play, per_second, 0.001, seed);
    play_on(&play, GOOD_TIMES_S);
    bad = &play.members[0];
    member_succeed(&play, bad, from, time_of(&play, from));
    bad->share = share;
    member_draw(&play, bad);
    for (;;) {
        struct member *m = play_next(&play);
        double now_s = (double)(m->fails_at - from) / per_second;

        if (now_s > GIVEN_UP_S || (member_fail(&play, m) == OUTLIER_CAUSE_RATE && m == bad))
            return now_s;
    }
}

static double median_s(unsigned per_second, double share)
{
    double seconds[RUNS];

    for (unsigned i = 0; i < RUNS; i++)
        seconds[i] = play_to_the_end(per_second, share, 1 + i);
    qsort(seconds, RUNS, sizeof(seconds[0]), compare);
    cr_log_info("%3.0f %% of %4u/s: %.2f s, nine of ten within %.2f s", share * 100, per_second,
                seconds[RUNS / 2], seconds[RUNS * 9 / 10]);
    return seconds[RUNS / 2];
}

/* The table of docs/failover.md, with --verbose. */
Test(outlier_odds, the_busier_and_the_worse_an_endpoint_the_sooner_it_is_found_out)
{
    static const unsigned per_second[] = {10, 30, 100, 300, 600, 1000};
    static const double shares[] = {0.2, 1 / 3.0, 0.5, 1};

    for (unsigned i = 0; i < sizeof(per_second) / sizeof(per_second[0]); i++) {
        double before = GIVEN_UP_S + 1;

        for (unsigned j = 0; j < sizeof(shares) / sizeof(shares[0]); j++) {
            double now = median_s(per_second[i], shares[j]);

            cr_assert_leq(now, before);
            before = now;
        }
    }
    cr_assert_gt(median_s(600, 0.2), GIVEN_UP_S, "that is no bad rate");
    cr_assert_lt(median_s(600, 1 / 3.0), 1.2);
    cr_assert_lt(median_s(600, 0.5), 0.3);
    cr_assert_lt(median_s(1000, 1), 0.1);
}
