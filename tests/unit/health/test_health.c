/* The façade: how the machines go together and what the balancer sees of them. */
#include <criterion/criterion.h>

#include "fixture.h"

enum { S = 1000000 };

static struct endpoint *pick(struct fixture *f)
{
    struct balancer_request request = {.random = f->now_us, .now_us = f->now_us};
    struct balancer_tried tried;
    struct endpoint *e;
    int error;

    balancer_tried_init(&tried);
    e = balancer_pick(f->balancer, &request, &tried, &error);
    balancer_tried_fini(&tried);
    return e;
}

/* Of a request that was picked at `picked_us`. */
static void report(struct fixture *f, unsigned index, enum health_result result, uint64_t picked_us)
{
    struct health_report r = {.result = result,
                              .error = result == HEALTH_FAILURE ? EG_E_UPSTREAM_RESET : EG_OK,
                              .status = result == HEALTH_SUCCESS ? 200 : 0,
                              .picked_us = picked_us,
                              .latency_us = f->now_us - picked_us};

    health_report(f->pool, fixture_endpoint(f, index), &r, f->now_us);
}

/* ---- From the start ---- */

Test(health, without_checks_an_endpoint_is_healthy_from_the_start)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.backends[1].drain = true;
    fixture_start(&f);
    cr_assert_eq(fixture_view(&f, 0).status, ENDPOINT_HEALTHY);
    cr_assert_eq(fixture_view(&f, 1).status, ENDPOINT_DRAINING);
    cr_assert(fixture_usable(&f, 0));
    cr_assert_not(fixture_usable(&f, 1));
    cr_assert_eq(f.statuses, 0, "the first status is no change");
    fixture_fini(&f);
}

Test(health, with_checks_it_is_unknown_until_the_first_verdict)
{
    struct fixture f;

    fixture_init(&f, 1);
    f.config.health = &f.checks;
    fixture_start(&f);
    cr_assert_eq(fixture_view(&f, 0).status, ENDPOINT_UNKNOWN);
    cr_assert_eq(health_check_interval_ms(f.pool, fixture_endpoint(&f, 0)), 1000);
    fixture_check(&f, 0, CHECK_PASS, "");
    cr_assert_eq(fixture_view(&f, 0).status, ENDPOINT_HEALTHY);
    cr_assert_eq(health_check_interval_ms(f.pool, fixture_endpoint(&f, 0)), 5000);
    fixture_checks(&f, 0, CHECK_FAIL, 1);
    cr_assert_eq(health_check_interval_ms(f.pool, fixture_endpoint(&f, 0)), 1000);
    fixture_keep(&f);
    cr_assert_eq(f.statuses, 1);
    cr_assert_eq(f.from, ENDPOINT_UNKNOWN);
    cr_assert_eq(f.to, ENDPOINT_HEALTHY);
    fixture_fini(&f);
}

Test(health, what_the_last_bad_check_found_is_kept_beside_why_the_status_changed)
{
    struct fixture f;
    struct health_view view;

    fixture_init(&f, 1);
    f.config.health = &f.checks;
    fixture_start(&f);
    cr_assert_eq(fixture_view(&f, 0).check_failed_ago_us, 0);
    for (unsigned i = 0; i < 3; i++)
        fixture_check(&f, 0, CHECK_FAIL, "connection refused");
    fixture_check(&f, 0, CHECK_FAIL, "FATAL: the database system is starting up");
    view = fixture_view(&f, 0);
    cr_assert_str_eq(view.why, "3 checks in a row failed, the last: connection refused");
    cr_assert_str_eq(view.check_why, "FATAL: the database system is starting up");
    cr_assert_gt(view.check_failed_ago_us, 0);
    fixture_check(&f, 0, CHECK_PASS, "");
    cr_assert_str_eq(fixture_view(&f, 0).check_why, view.check_why, "until another one");
    fixture_fini(&f);
}

Test(health, the_health_thread_is_woken_once_until_it_comes)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    fixture_errors(&f, 0, 4);
    cr_assert_eq(f.wakes, 0, "failures are counted without it");
    fixture_errors(&f, 0, 1);
    fixture_errors(&f, 1, 5);
    cr_assert_eq(f.wakes, 1);
    fixture_keep(&f);
    health_set_weight(f.pool, fixture_endpoint(&f, 0), 7);
    health_set_weight(f.pool, fixture_endpoint(&f, 0), 7);
    health_set_resolved(f.pool, fixture_endpoint(&f, 0), false);
    cr_assert_leq(f.wakes, 3);
    cr_assert_eq(atomic_load(&fixture_endpoint(&f, 0)->weight), 7);
    cr_assert_not(fixture_usable(&f, 0));
    fixture_fini(&f);
}

/* ---- The breaker ---- */

Test(health, five_failures_open_the_breaker_before_the_report_returns)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    fixture_errors(&f, 0, 4);
    cr_assert(fixture_usable(&f, 0));
    fixture_errors(&f, 0, 1);
    cr_assert_not(fixture_usable(&f, 0));
    cr_assert_eq(fixture_view(&f, 0).outcome_count, 5);
    cr_assert_eq(fixture_view(&f, 0).outcomes[0].error, EG_E_CONNECT);
    cr_assert_eq(fixture_view(&f, 0).outcomes[4].ago_us, 4000);
    fixture_fini(&f);
}

Test(health, a_success_in_between_ends_the_row)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.breaker.error_percent = 0;
    fixture_start(&f);
    for (unsigned i = 0; i < 20; i++) {
        fixture_errors(&f, 0, 4);
        fixture_success(&f, 0);
    }
    cr_assert(fixture_usable(&f, 0));
    cr_assert_eq(fixture_view(&f, 0).successes, 20);
    cr_assert_eq(fixture_view(&f, 0).failures, 80);
    fixture_fini(&f);
}

Test(health, the_breaker_goes_half_open_by_time_and_lets_only_so_many_through)
{
    struct fixture f;

    fixture_init(&f, 1);
    fixture_start(&f);
    fixture_errors(&f, 0, 5);
    fixture_pass(&f, 12 * S);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_HALF_OPEN);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_not_null(pick(&f));
    cr_assert_null(pick(&f), "a fourth request at once");
    fixture_success(&f, 0);
    cr_assert_not_null(pick(&f), "the place of the first came back");
    report(&f, 0, HEALTH_CANCELLED, f.now_us);
    cr_assert_not_null(pick(&f), "and that of one that was given up");
    fixture_success(&f, 0);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_CLOSED);
    for (unsigned i = 0; i < 10; i++)
        cr_assert_not_null(pick(&f));
    for (unsigned i = 0; i < HEALTH_BREAKER_STATES; i++)
        cr_assert_eq(fixture_view(&f, 0).breaker_entered[i], 1, "its beginning does not count");
    fixture_fini(&f);
}

Test(health, a_straggler_from_before_the_opening_decides_nothing)
{
    struct fixture f;
    uint64_t before_us;

    fixture_init(&f, 1);
    fixture_start(&f);
    before_us = f.now_us;
    fixture_errors(&f, 0, 5);
    fixture_pass(&f, 12 * S);
    report(&f, 0, HEALTH_SUCCESS, before_us);
    report(&f, 0, HEALTH_SUCCESS, before_us);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_HALF_OPEN);
    report(&f, 0, HEALTH_FAILURE, before_us);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_HALF_OPEN);
    cr_assert_eq(atomic_load(&fixture_endpoint(&f, 0)->probes), 3);
    fixture_fini(&f);
}

Test(health, a_probes_place_that_got_lost_comes_back_in_the_end)
{
    struct fixture f;

    fixture_init(&f, 1);
    fixture_start(&f);
    fixture_errors(&f, 0, 5);
    fixture_pass(&f, 12 * S);
    for (unsigned i = 0; i < 3; i++)
        pick(&f); /* and no report */
    fixture_pass(&f, 57 * S);
    cr_assert_null(pick(&f));
    fixture_pass(&f, 4 * S);
    cr_assert_not_null(pick(&f));
    cr_assert_null(pick(&f));
    fixture_fini(&f);
}

Test(health, long_ago_successes_do_not_hide_a_bad_rate)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.breaker.failure_threshold = 0;
    f.config.outlier.consecutive_5xx = 0;
    fixture_start(&f);
    for (unsigned i = 0; i < 2000; i++)
        fixture_success(&f, 0);
    fixture_pass(&f, 30 * S);
    fixture_errors(&f, 0, 19);
    cr_assert(fixture_usable(&f, 0));
    fixture_errors(&f, 0, 1);
    cr_assert_not(fixture_usable(&f, 0));
    fixture_fini(&f);
}

Test(health, an_endpoint_that_cuts_every_answer_short_is_found_out)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert(fixture_usable(&f, 0));
        fixture_success(&f, 0);
        fixture_cut(&f, 0);
    }
    cr_assert_not(fixture_usable(&f, 0));
    fixture_fini(&f);
}

Test(health, an_answer_that_began_is_no_success_yet)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    for (unsigned i = 0; i < 5; i++) {
        cr_assert(fixture_usable(&f, 0));
        health_answered(f.pool, fixture_endpoint(&f, 0), f.now_us, 1000, f.now_us + 1000);
        fixture_error(&f, 0, EG_E_UPSTREAM_TRUNCATED);
    }
    cr_assert_not(fixture_usable(&f, 0), "five in a row");
    cr_assert_geq(health_answered_us(f.pool, fixture_endpoint(&f, 0)), f.now_us - 2000);
    fixture_fini(&f);
}

Test(health, a_probe_whose_answer_is_cut_short_reopens_the_breaker)
{
    struct fixture f;
    uint64_t picked_us;

    fixture_init(&f, 1);
    fixture_start(&f);
    fixture_errors(&f, 0, 5);
    fixture_pass(&f, 12 * S);
    picked_us = f.now_us;
    report(&f, 0, HEALTH_SUCCESS, picked_us);
    report(&f, 0, HEALTH_FAILURE, picked_us);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_OPEN);
    cr_assert_eq(fixture_view(&f, 0).breaker_entered[BREAKER_OPEN], 2);
    fixture_fini(&f);
}

Test(health, checks_do_not_close_a_breaker_but_their_return_lets_it_probe_at_once)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.health = &f.checks;
    fixture_start(&f);
    fixture_checks(&f, 0, CHECK_PASS, 1);
    fixture_errors(&f, 0, 5);
    fixture_checks(&f, 0, CHECK_PASS, 10);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_OPEN, "health says fine, traffic fails");
    fixture_checks(&f, 0, CHECK_FAIL, 3);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_OPEN);
    fixture_checks(&f, 0, CHECK_PASS, 2);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_HALF_OPEN);
    health_trip(f.pool, fixture_endpoint(&f, 0), "test", f.now_us);
    fixture_checks(&f, 0, CHECK_FAIL, 3);
    fixture_checks(&f, 0, CHECK_PASS, 2);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_OPEN, "by hand is by hand");
    fixture_fini(&f);
}

Test(health, what_was_opened_by_hand_opens_again_only_by_hand)
{
    struct fixture f;

    fixture_init(&f, 1);
    fixture_start(&f);
    health_trip(f.pool, fixture_endpoint(&f, 0), "test", f.now_us);
    cr_assert_not(fixture_usable(&f, 0));
    cr_assert(fixture_view(&f, 0).tripped);
    fixture_pass(&f, 3600ull * S);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_OPEN);
    health_reset(f.pool, fixture_endpoint(&f, 0), "test", f.now_us);
    cr_assert(fixture_usable(&f, 0));
    fixture_fini(&f);
}

Test(health, a_clock_that_is_behind_does_no_harm)
{
    struct fixture f;
    struct health_view view;

    fixture_init(&f, 1);
    fixture_start(&f);
    fixture_errors(&f, 0, 5);
    f.now_us -= 400 * 1000; /* of a worker whose turn was long */
    view = fixture_view(&f, 0);
    cr_assert_eq(view.breaker_for_us, 0);
    cr_assert_leq(view.retry_in_us, 11 * S);
    report(&f, 0, HEALTH_SUCCESS, f.now_us);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_OPEN);
    fixture_fini(&f);
}

/* ---- Outliers ---- */

static void only_outlier(struct fixture *f, unsigned size)
{
    fixture_init(f, size);
    f->config.breaker.failure_threshold = 0;
    f->config.breaker.error_percent = 0;
    fixture_start(f);
}

static void fail_5xx(struct fixture *f, unsigned index)
{
    for (unsigned i = 0; i < 5; i++)
        fixture_status(f, index, 500);
}

Test(health, an_outlier_is_ejected_and_returns)
{
    struct fixture f;

    only_outlier(&f, 3);
    fail_5xx(&f, 1);
    cr_assert(atomic_load(&fixture_endpoint(&f, 1)->ejected));
    cr_assert_not(fixture_usable(&f, 1));
    cr_assert_eq(fixture_view(&f, 1).retry_in_us, 30 * S);
    fixture_pass(&f, 29 * S);
    cr_assert_not(fixture_usable(&f, 1));
    cr_assert_eq(fixture_view(&f, 1).ejected_for_us, 29 * S);
    cr_assert_str_eq(fixture_view(&f, 1).ejected_why, "5 failures in a row, the last: status 500");
    fixture_pass(&f, 1 * S);
    cr_assert(fixture_usable(&f, 1));
    cr_assert_str_eq(fixture_view(&f, 1).ejected_why, "");
    fixture_fini(&f);
}

Test(health, ejections_leave_half_of_the_pool_and_the_last_usable_endpoint)
{
    struct fixture f;

    only_outlier(&f, 4);
    for (unsigned i = 0; i < 4; i++)
        fail_5xx(&f, i);
    cr_assert_not(fixture_usable(&f, 0));
    cr_assert_not(fixture_usable(&f, 1));
    cr_assert(fixture_usable(&f, 2));
    cr_assert(fixture_usable(&f, 3));
    fixture_fini(&f);

    only_outlier(&f, 4);
    health_set_draining(f.pool, fixture_endpoint(&f, 3), true, "test", f.now_us);
    fail_5xx(&f, 0);
    fail_5xx(&f, 1);
    cr_assert_not(fixture_usable(&f, 0));
    cr_assert(fixture_usable(&f, 1), "half of three is one: who drains does not count");
    fixture_fini(&f);

    only_outlier(&f, 2);
    health_set_draining(f.pool, fixture_endpoint(&f, 1), true, "test", f.now_us);
    fail_5xx(&f, 0);
    cr_assert(fixture_usable(&f, 0), "the other one drains");
    fixture_fini(&f);
}

Test(health, those_that_drain_take_no_place_among_the_ejected)
{
    struct fixture f;

    only_outlier(&f, 4);
    for (unsigned i = 0; i < 2; i++) {
        fail_5xx(&f, i);
        cr_assert(fixture_view(&f, i).ejected);
        health_set_draining(f.pool, fixture_endpoint(&f, i), true, "test", f.now_us);
    }
    fail_5xx(&f, 2);
    cr_assert(fixture_view(&f, 2).ejected, "one of the two that are meant to serve");
    health_set_draining(f.pool, fixture_endpoint(&f, 0), false, "test", f.now_us);
    fixture_pass(&f, 40 * S);
    cr_assert_not(fixture_view(&f, 2).ejected);
    health_set_draining(f.pool, fixture_endpoint(&f, 1), false, "test", f.now_us);
    for (unsigned i = 0; i < 4; i++)
        fail_5xx(&f, i);
    cr_assert(fixture_view(&f, 0).ejected && fixture_view(&f, 1).ejected);
    cr_assert_not(fixture_view(&f, 2).ejected || fixture_view(&f, 3).ejected, "half of four");
    fixture_fini(&f);
}

Test(health, who_lets_only_probes_through_does_not_stand_in_for_an_ejected_one)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.outlier.max_ejected_percent = 0;
    fixture_start(&f);
    fixture_errors(&f, 0, 5);
    fixture_pass(&f, 12 * S);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_HALF_OPEN);
    f.config.outlier.max_ejected_percent = 50;
    f.config.outlier.consecutive_5xx = 3;
    fixture_change(&f);
    for (unsigned i = 0; i < 4; i++)
        fixture_status(&f, 1, 500);
    cr_assert_not(fixture_view(&f, 1).ejected, "three requests at once are not a pool");
    fixture_fini(&f);
}

Test(health, an_error_rate_ejects_one_that_is_worse_than_the_rest)
{
    struct fixture f;

    fixture_init(&f, 3);
    f.config.breaker.failure_threshold = 0;
    f.config.breaker.error_percent = 0;
    f.config.outlier.error_percent = 20;
    fixture_start(&f);
    for (unsigned i = 0; i < 40; i++) {
        fixture_successes(&f, 0, 2);
        fixture_successes(&f, 1, 1);
        fixture_successes(&f, 2, 2);
        fixture_pass(&f, S / 10);
        if (i % 2 == 0 && fixture_usable(&f, 1))
            fixture_status(&f, 1, 503);
    }
    cr_assert_not(fixture_usable(&f, 1));
    cr_assert(fixture_usable(&f, 0));
    fixture_fini(&f);
}

Test(health, nothing_is_ejected_while_its_breaker_has_the_matter_in_hand)
{
    struct fixture f;

    fixture_init(&f, 3);
    f.config.outlier.consecutive_5xx = 2;
    f.config.breaker.failure_threshold = 1;
    fixture_start(&f);
    fail_5xx(&f, 0);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_OPEN);
    cr_assert_eq(fixture_view(&f, 0).ejections, 0);
    fixture_fini(&f);
}

/* ---- Drain, reset, Retry-After ---- */

Test(health, a_drain_hides_what_checks_find_and_ends_in_unknown)
{
    struct fixture f;
    struct endpoint *e;

    fixture_init(&f, 2);
    f.config.health = &f.checks;
    fixture_start(&f);
    e = fixture_endpoint(&f, 0);
    fixture_checks(&f, 0, CHECK_PASS, 1);
    cr_assert(health_set_draining(f.pool, e, true, "test", f.now_us));
    cr_assert_not(health_set_draining(f.pool, e, true, "test", f.now_us));
    fixture_checks(&f, 0, CHECK_FAIL, 5);
    cr_assert_eq(fixture_view(&f, 0).status, ENDPOINT_DRAINING);
    cr_assert_not(fixture_usable(&f, 0));
    cr_assert(health_set_draining(f.pool, e, false, "test", f.now_us));
    cr_assert_eq(fixture_view(&f, 0).status, ENDPOINT_UNKNOWN);
    fixture_checks(&f, 0, CHECK_PASS, 1);
    cr_assert_eq(fixture_view(&f, 0).status, ENDPOINT_HEALTHY);
    fixture_fini(&f);
}

Test(health, a_drain_ends_in_healthy_without_checks)
{
    struct fixture f;

    fixture_init(&f, 1);
    f.backends[0].drain = true;
    fixture_start(&f);
    health_set_draining(f.pool, fixture_endpoint(&f, 0), false, "test", f.now_us);
    cr_assert(fixture_usable(&f, 0));
    fixture_keep(&f);
    cr_assert_eq(f.from, ENDPOINT_DRAINING);
    cr_assert_eq(f.to, ENDPOINT_HEALTHY);
    fixture_fini(&f);
}

Test(health, a_reset_forgets_failures_ejection_and_stall)
{
    struct fixture f;
    struct health_view view;

    only_outlier(&f, 3);
    fail_5xx(&f, 0);
    health_reset(f.pool, fixture_endpoint(&f, 0), "test", f.now_us);
    view = fixture_view(&f, 0);
    cr_assert(fixture_usable(&f, 0));
    cr_assert_not(view.ejected);
    cr_assert_eq(view.outcome_count, 0);
    cr_assert_eq(view.consecutive_failures, 0);
    fixture_fini(&f);
}

Test(health, retry_after_is_the_first_thing_that_may_help)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    cr_assert_geq(health_retry_after_s(f.pool, f.now_us), 1);
    fixture_errors(&f, 0, 5);
    fixture_pass(&f, 5 * S);
    fixture_errors(&f, 1, 5);
    cr_assert_geq(health_retry_after_s(f.pool, f.now_us), 4);
    cr_assert_leq(health_retry_after_s(f.pool, f.now_us), 7);
    fixture_fini(&f);

    fixture_init(&f, 1);
    f.config.health = &f.checks;
    fixture_start(&f);
    fixture_checks(&f, 0, CHECK_FAIL, 3);
    cr_assert_eq(health_retry_after_s(f.pool, f.now_us), 2, "a check within a second");
    fixture_fini(&f);
}

/* ---- Latency ---- */

Test(health, percentiles_are_of_the_last_seconds)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    cr_assert_eq(health_pool_latency_us(f.pool, 50), 0);
    fixture_successes(&f, 0, 200);
    fixture_pass(&f, 2 * S);
    cr_assert_float_eq((double)health_pool_latency_us(f.pool, 99), 1000, 250);
    cr_assert_float_eq((double)fixture_view(&f, 0).p50_us, 1000, 250);
    cr_assert_eq(fixture_view(&f, 1).p50_us, 0);
    fixture_pass(&f, 7 * S);
    cr_assert_float_eq((double)health_pool_latency_us(f.pool, 99), 1000, 250);
    fixture_pass(&f, 18 * S);
    cr_assert_eq(health_pool_latency_us(f.pool, 50), 0, "they are too old");
    cr_assert_eq(fixture_view(&f, 0).p50_us, 0);
    cr_assert_eq(health_pool_latency_us(f.pool, 0), 0);
    cr_assert_eq(health_pool_latency_us(f.pool, 100), 0);
    fixture_fini(&f);
}

Test(health, when_it_last_answered_is_known_to_a_millisecond)
{
    struct fixture f;

    fixture_init(&f, 1);
    fixture_start(&f);
    cr_assert_eq(health_answered_us(f.pool, fixture_endpoint(&f, 0)), 0);
    f.now_us += 345;
    fixture_success(&f, 0);
    cr_assert_eq(health_answered_us(f.pool, fixture_endpoint(&f, 0)), f.now_us - 345);
    fixture_status(&f, 0, 500);
    cr_assert_eq(health_answered_us(f.pool, fixture_endpoint(&f, 0)), f.now_us - 345,
                 "a 500 is an answer");
    fixture_errors(&f, 0, 1);
    cr_assert_lt(health_answered_us(f.pool, fixture_endpoint(&f, 0)), f.now_us - 345);
    fixture_fini(&f);
}

/* ---- Slow start ---- */

/* In hundredths; what the balancer gives it now. */
static unsigned share(struct fixture *f, unsigned index)
{
    fixture_keep(f);
    return atomic_load(&fixture_endpoint(f, index)->share);
}

Test(health, whoever_was_away_starts_slowly)
{
    struct fixture f;
    unsigned whole;

    fixture_init(&f, 2);
    f.config.health = &f.checks;
    f.config.slow_start_ms = 30000;
    fixture_start(&f);
    fixture_checks(&f, 0, CHECK_PASS, 1);
    fixture_checks(&f, 1, CHECK_PASS, 1);
    whole = share(&f, 0);
    fixture_checks(&f, 0, CHECK_FAIL, 3);
    fixture_checks(&f, 0, CHECK_PASS, 2);
    cr_assert_lt(share(&f, 0), whole);
    fixture_pass(&f, 31 * S);
    cr_assert_eq(share(&f, 0), whole);

    fixture_errors(&f, 0, 5);
    fixture_pass(&f, 12 * S);
    fixture_success(&f, 0);
    cr_assert_eq(share(&f, 0), whole, "half open it is held back by its places");
    fixture_success(&f, 0);
    cr_assert_lt(share(&f, 0), whole);
    cr_assert_eq(share(&f, 1), whole);
    fixture_fini(&f);
}

Test(health, after_a_drain_it_starts_slowly_once_a_check_found_it_well)
{
    struct fixture f;
    unsigned whole;

    fixture_init(&f, 2);
    f.config.health = &f.checks;
    f.config.slow_start_ms = 30000;
    fixture_start(&f);
    fixture_checks(&f, 0, CHECK_PASS, 1);
    whole = share(&f, 0);
    health_set_draining(f.pool, fixture_endpoint(&f, 0), true, "test", f.now_us);
    fixture_pass(&f, 60 * S);
    health_set_draining(f.pool, fixture_endpoint(&f, 0), false, "test", f.now_us);
    fixture_pass(&f, 60 * S);
    fixture_checks(&f, 0, CHECK_PASS, 1);
    cr_assert_lt(share(&f, 0), whole);
    fixture_fini(&f);
}

/* ---- Large pools ---- */

static unsigned healthy(struct fixture *f)
{
    struct balancer_tier tier;

    cr_assert_eq(balancer_pool_tiers(f->balancer, &tier, 1), 1);
    return tier.healthy;
}

Test(health, the_line_up_of_a_large_pool_is_not_made_for_each_change)
{
    struct fixture f;

    fixture_init(&f, 100);
    fixture_start(&f);
    fixture_pass(&f, S);
    health_trip(f.pool, fixture_endpoint(&f, 0), "test", f.now_us);
    fixture_keep(&f);
    cr_assert_eq(healthy(&f), 99, "the first one at once");
    health_trip(f.pool, fixture_endpoint(&f, 1), "test", f.now_us);
    health_trip(f.pool, fixture_endpoint(&f, 2), "test", f.now_us);
    fixture_keep(&f);
    cr_assert_eq(healthy(&f), 99);
    cr_assert_not(fixture_usable(&f, 1), "but nobody is used who may not be");
    cr_assert_eq(f.next_us, f.now_us + 2000);
    fixture_pass(&f, 2000);
    cr_assert_eq(healthy(&f), 97);
    fixture_fini(&f);
}
