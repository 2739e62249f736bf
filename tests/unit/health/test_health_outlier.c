/* How a pool's windows, counters and endpoints come together when one fails now and then. */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"
#include "health/health_internal.h"

#define S UINT64_C(1000000)

/* Nothing but the share of failures is judged. */
static void only_rate(struct fixture *f, unsigned size)
{
    fixture_init(f, size);
    f->config.breaker.failure_threshold = 0;
    f->config.breaker.error_percent = 0;
    f->config.outlier.consecutive_5xx = 0;
    f->config.outlier.error_percent = 30;
    fixture_start(f);
}

static void report(struct fixture *f, unsigned index, bool good)
{
    struct health_report outcome = {.result = good ? HEALTH_SUCCESS : HEALTH_FAILURE,
                                    .status = good ? 200 : 500,
                                    .picked_us = f->now_us};

    health_report(f->pool, fixture_endpoint(f, index), &outcome, f->now_us);
}

/* A millisecond each of a good answer by everybody, the health thread having its turns. */
static void good_times(struct fixture *f, unsigned size, unsigned ms)
{
    while (ms-- > 0) {
        fixture_pass(f, 1000);
        for (unsigned i = 0; i < size; i++)
            report(f, i, true);
    }
}

/* Without a turn of the health thread: milliseconds until `index` is ejected, whose every third
 * answer is bad, while of `of` answers of the others one is (0: none). */
static unsigned until_ejected(struct fixture *f, unsigned size, unsigned index, unsigned of)
{
    unsigned ms = 0;

    while (!fixture_view(f, index).ejected && ms < 3000) {
        ms++;
        f->now_us += 1000;
        for (unsigned i = 0; i < size; i++)
            report(f, i, i == index ? ms % 3 != 0 : of == 0 || (ms + i) % of != 0);
    }
    return ms;
}

Test(health_outlier, a_busy_endpoint_does_not_wait_until_its_good_times_are_forgotten)
{
    struct fixture f;
    unsigned ms;

    only_rate(&f, 3);
    good_times(&f, 3, 12345);
    ms = until_ejected(&f, 3, 1, 0);
    cr_assert_eq(ms, 582, "%u ms", ms);
    cr_assert_str_eq(fixture_view(&f, 1).ejected_why,
                     "194 of 580 requests in 579 ms failed (33 %), of the others' 0 %, the last: "
                     "status 500");
    fixture_fini(&f);
}

Test(health_outlier, the_comparison_does_not_wait_for_the_next_tick)
{
    struct fixture f;

    /* At whatever moment between two ticks it begins: the others are counted to the last. */
    for (unsigned ms = 12000; ms < 13000; ms += 90) {
        only_rate(&f, 2);
        good_times(&f, 2, ms);
        cr_assert_eq(until_ejected(&f, 2, 0, 0), 582);
        fixture_fini(&f);
    }
}

Test(health_outlier, what_the_others_have_as_well_ejects_nobody)
{
    struct fixture f;

    for (unsigned of = 3; of <= 5; of++) {
        only_rate(&f, 3);
        good_times(&f, 3, 12345);
        cr_assert_eq(until_ejected(&f, 3, 0, of), 3000, "1 of %u", of);
        cr_assert_eq(fixture_events(&f, EVENT_OUTLIER), 0);
        fixture_fini(&f);
    }
    only_rate(&f, 3);
    good_times(&f, 3, 12345);
    cr_assert_lt(until_ejected(&f, 3, 0, 10), 3000, "of theirs only one in ten");
    cr_assert(strstr(fixture_view(&f, 0).ejected_why, "of the others' 10 %, ") != NULL ||
                  strstr(fixture_view(&f, 0).ejected_why, "of the others' 9.") != NULL,
              "%s", fixture_view(&f, 0).ejected_why);
    fixture_fini(&f);
}

/* The pool's and each endpoint's counters are of the same outcomes, whoever comes and goes. */
Test(health_outlier, others_that_come_and_go_are_counted_while_they_are_there)
{
    struct endpoint *gone;
    struct fixture f;

    only_rate(&f, 4);
    good_times(&f, 4, 12345);
    gone = fixture_leave(&f, 3);
    cr_assert_eq(until_ejected(&f, 3, 2, 0), 582);
    fixture_forget(&f, gone);
    for (unsigned i = 0; i < 3; i++)
        record_feed_locked(f.pool, health_record(fixture_endpoint(&f, i)), f.now_us);
    cr_assert_eq(f.pool->counted.good, 4 * 12345 + 2 * 582 + 582 * 2 / 3);
    cr_assert_eq(f.pool->counted.bad, 194);
    cr_assert_eq(health_record(fixture_endpoint(&f, 2))->counted.bad, 194);
    fixture_fini(&f);
}

Test(health_outlier, answers_that_ended_early_are_failures_of_a_spell_too)
{
    struct fixture f;
    unsigned cut = 0;

    only_rate(&f, 2);
    good_times(&f, 2, 12345);
    while (!fixture_view(&f, 0).ejected && cut < 1000) {
        good_times(&f, 2, 2);
        fixture_cut(&f, 0);
        cut++;
    }
    cr_assert_eq(cut, 50, "%u", cut);
    cr_assert_eq(health_record(fixture_endpoint(&f, 0))->counted.bad, 50);
    cr_assert_eq(health_record(fixture_endpoint(&f, 0))->counted.good, 12345 + 50);
    record_feed_locked(f.pool, health_record(fixture_endpoint(&f, 1)), f.now_us);
    cr_assert_eq(f.pool->counted.good, 2 * 12345 + 50 + 100);
    fixture_fini(&f);
}

Test(health_outlier, one_that_returned_begins_with_nothing_against_it)
{
    struct fixture f;

    only_rate(&f, 3);
    good_times(&f, 3, 12345);
    until_ejected(&f, 3, 1, 0);
    fixture_pass(&f, 31 * S);
    cr_assert_not(fixture_view(&f, 1).ejected);
    good_times(&f, 3, 100);
    report(&f, 1, false);
    cr_assert_not(fixture_view(&f, 1).ejected);
    fixture_fini(&f);
}
