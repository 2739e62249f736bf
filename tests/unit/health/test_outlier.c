/* Outlier detection, by example. */
#include <criterion/criterion.h>

#include "health/outlier.h"

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

/* A busy endpoint: `seconds` of 600 requests, of which every third fails if `bad`; the other two of
 * the pool have as many each, and fail as many if `others_bad`. */
struct busy {
    struct outlier o;
    uint64_t now_us;
    struct window_totals others;
};

static enum outlier_cause busy_second(struct busy *b, bool bad, bool others_bad)
{
    enum outlier_cause cause = OUTLIER_CAUSE_NONE;

    for (unsigned i = 0; i < 200 && cause == OUTLIER_CAUSE_NONE; i++) {
        struct outlier_outcome outcome;

        b->now_us += 5000;
        b->others.good += others_bad ? 4 : 6;
        b->others.bad += others_bad ? 2 : 0;
        outcome = (struct outlier_outcome){
            .picked_us = b->now_us, .rest = b->others, .others = b->others};
        outlier_count(&b->o, bad ? 2 : 3, b->now_us);
        outlier_success(&b->o, b->now_us);
        if (bad)
            cause = outlier_failure(&b->o, &outcome, b->now_us);
    }
    return cause;
}

static struct busy busy_after_good_times(const struct config_outlier *config)
{
    struct busy b = {.now_us = 1000000};

    outlier_init(&b.o, config, b.now_us);
    for (unsigned i = 0; i < 20; i++)
        busy_second(&b, false, false);
    return b;
}

static const struct config_outlier as_by_default = {.error_percent = 30,
                                                    .min_requests = 20,
                                                    .window_ms = 10000,
                                                    .base_ejection_ms = 30000,
                                                    .max_ejection_ms = 300000,
                                                    .max_ejected_percent = 50};

Test(outlier, a_busy_endpoint_is_found_long_before_the_window_has_forgotten_its_good_times)
{
    struct busy b = busy_after_good_times(&as_by_default);

    cr_assert_eq(busy_second(&b, true, false), OUTLIER_CAUSE_RATE);
    cr_assert_eq(b.o.evidence.own.bad, 194);
    cr_assert_eq(b.o.evidence.own.good, 386);
    cr_assert_eq(b.o.evidence.span_us, 965000);
    cr_assert_eq(b.o.evidence.rest.bad, 0);
    cr_assert_gt(b.o.evidence.rest.good, 600);
}

Test(outlier, when_all_fail_from_the_same_moment_none_is_left_out)
{
    struct busy b = busy_after_good_times(&as_by_default);

    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(busy_second(&b, true, true), OUTLIER_CAUSE_NONE);
}

Test(outlier, a_suspicion_is_forgotten_with_its_spell)
{
    struct busy b = busy_after_good_times(&as_by_default);

    b.others.bad += 1000; /* long ago, when it matters */
    for (unsigned i = 0; i < 8; i++) {
        struct outlier_outcome outcome = {.picked_us = b.now_us, .others = b.others};

        outlier_failure(&b.o, &outcome, b.now_us);
    }
    cr_assert(b.o.suspect);
    outlier_count(&b.o, 1000, b.now_us);
    cr_assert_not(outlier_compares(&b.o));
    b.others.bad += 1000;
    cr_assert_eq(busy_second(&b, true, false), OUTLIER_CAUSE_RATE);
    cr_assert_eq(b.o.evidence.rest.bad, 0);
}

Test(outlier, more_is_asked_of_a_spell_where_more_requests_are_asked_for)
{
    struct config_outlier config = as_by_default;
    struct busy b;

    config.min_requests = 40;
    b = busy_after_good_times(&config);
    cr_assert_eq(busy_second(&b, true, false), OUTLIER_CAUSE_NONE);
    cr_assert_eq(busy_second(&b, true, false), OUTLIER_CAUSE_RATE);
    config.min_requests = 1;
    b = busy_after_good_times(&config);
    cr_assert_eq(busy_second(&b, true, false), OUTLIER_CAUSE_RATE);
    cr_assert_eq(b.o.evidence.own.bad, 194, "never less than of 20");
}

/* One failure after `good` successes, the others' window half bad, but not since a suspicion. So
 * whatever is found is found by a spell. */
static enum outlier_cause lone_failure(struct outlier *o, uint64_t good, uint64_t now_us)
{
    struct outlier_outcome outcome = {
        .picked_us = now_us, .rest = {50, 50}, .others = {now_us / 1000, 0}};

    outlier_count(o, good, now_us);
    return outlier_failure(o, &outcome, now_us);
}

Test(outlier, where_little_traffic_hides_nothing_the_window_alone_is_judged)
{
    for (uint64_t before = 0; before <= 60; before += 20) {
        enum outlier_cause cause = OUTLIER_CAUSE_NONE;
        uint64_t now_us = 1000000;
        struct outlier o;

        outlier_init(&o, &as_by_default, now_us);
        outlier_count(&o, before, now_us);
        for (unsigned i = 0; i < 33; i++)
            cause = lone_failure(&o, i % 5 == 4 ? 1 : 0, now_us += 100000);
        /* 33 failures and 6 successes: a spell of 39, which is bad enough. */
        cr_assert_eq(cause, before + 39 > 66 ? OUTLIER_CAUSE_RATE : OUTLIER_CAUSE_NONE);
    }
}

Test(outlier, what_goes_on_for_longer_than_the_window_is_no_spell)
{
    uint64_t now_us = 1000000;
    struct outlier o;

    outlier_init(&o, &as_by_default, now_us);
    for (unsigned i = 0; i < 300; i++) /* every third of 50 a second: 20 too many after 12 s */
        cr_assert_eq(lone_failure(&o, 2, now_us += 60000), OUTLIER_CAUSE_NONE, "%u", i);
    for (unsigned i = 0; i < 300 && lone_failure(&o, 2, now_us += 40000) == OUTLIER_CAUSE_NONE; i++)
        cr_assert_lt(i, 299, "every third of 75 a second: 20 too many after 8 s");
}

Test(outlier, a_rate_that_is_switched_off_asks_for_nothing)
{
    struct config_outlier config = as_by_default;
    struct busy b;

    config.error_percent = 0;
    b = busy_after_good_times(&config);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(busy_second(&b, true, false), OUTLIER_CAUSE_NONE);
    cr_assert_not(outlier_compares(&b.o));
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
