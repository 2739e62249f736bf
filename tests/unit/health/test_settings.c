/* Settings that change while the pool serves: states and timers stay, limits are the new ones. */
#include <criterion/criterion.h>

#include "fixture.h"

enum { S = 1000000 };

static enum breaker_state breaker(struct fixture *f)
{
    return fixture_view(f, 0).breaker;
}

/* ---- What stays ---- */

Test(settings, a_change_that_changes_nothing_tells_nothing)
{
    struct fixture f;
    struct health_view before, after;

    fixture_init(&f, 2);
    f.config.health = &f.checks;
    fixture_start(&f);
    fixture_checks(&f, 0, CHECK_PASS, 1);
    fixture_errors(&f, 0, 3);
    fixture_success(&f, 1);
    fixture_keep(&f);
    before = fixture_view(&f, 0);
    for (unsigned i = 0; i < 100; i++)
        fixture_change(&f);
    after = fixture_view(&f, 0);
    cr_assert_eq(events_last_id(health_events(f.health)), 1, "that it is healthy");
    cr_assert_eq(after.consecutive_failures, before.consecutive_failures);
    cr_assert_eq(after.failures, before.failures);
    cr_assert_eq(after.status, ENDPOINT_HEALTHY);
    cr_assert_eq(after.checks, 1);
    fixture_errors(&f, 0, 2);
    cr_assert_eq(breaker(&f), BREAKER_OPEN, "its row was three already");
    fixture_fini(&f);
}

Test(settings, an_open_breaker_keeps_its_time)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.breaker.recovery_timeout_ms = 20000;
    fixture_start(&f);
    fixture_errors(&f, 0, 5);
    fixture_pass(&f, 10 * S);
    f.config.breaker.recovery_timeout_ms = 60000;
    f.config.breaker.window_ms = 5000;
    f.config.breaker.failure_threshold = 1;
    fixture_change(&f);
    cr_assert_eq(breaker(&f), BREAKER_OPEN);
    cr_assert_leq(fixture_view(&f, 0).retry_in_us, 12 * S);
    cr_assert_geq(fixture_view(&f, 0).breaker_for_us, 10 * S);
    fixture_pass(&f, 13 * S);
    cr_assert_eq(breaker(&f), BREAKER_HALF_OPEN);
    fixture_errors(&f, 0, 1);
    fixture_pass(&f, 50 * S);
    cr_assert_eq(breaker(&f), BREAKER_OPEN, "the next one is the new settings'");
    fixture_fini(&f);
}

Test(settings, an_operators_trip_stays)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    health_trip(f.pool, fixture_endpoint(&f, 0), "test", f.now_us);
    f.config.breaker.failure_threshold = 0;
    f.config.breaker.error_percent = 0;
    fixture_change(&f);
    fixture_pass(&f, 3600ull * S);
    cr_assert(fixture_view(&f, 0).tripped);
    cr_assert_not(fixture_usable(&f, 0));
    fixture_fini(&f);
}

Test(settings, an_ejection_lasts_as_it_was_said_to)
{
    struct fixture f;

    fixture_init(&f, 3);
    f.config.breaker.failure_threshold = 0;
    f.config.breaker.error_percent = 0;
    fixture_start(&f);
    fixture_errors(&f, 0, 5);
    cr_assert(fixture_view(&f, 0).ejected);
    f.config.outlier.base_ejection_ms = 1000;
    f.config.outlier.window_ms = 3000;
    f.config.outlier.consecutive_5xx = 0;
    f.config.outlier.max_ejected_percent = 0;
    fixture_change(&f);
    fixture_pass(&f, 29 * S);
    cr_assert(fixture_view(&f, 0).ejected);
    fixture_pass(&f, 2 * S);
    cr_assert_not(fixture_view(&f, 0).ejected);
    fixture_fini(&f);
}

Test(settings, a_stall_stays_and_its_probe_comes_as_it_would_have)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.timeouts.response_ms = 30000;
    fixture_start(&f);
    f.now_us += 4 * S;
    health_stalled(f.pool, fixture_endpoint(&f, 0), f.now_us - 3500000, f.now_us);
    cr_assert_eq(fixture_view(&f, 0).stall, STALL_STALLED);
    f.config.outlier.stall_factor = 0;
    fixture_change(&f);
    cr_assert_eq(fixture_view(&f, 0).stall, STALL_STALLED);
    fixture_pass(&f, 2 * S);
    cr_assert_eq(fixture_view(&f, 0).stall, STALL_PROBING);
    fixture_success(&f, 0);
    cr_assert_eq(fixture_view(&f, 0).stall, STALL_CLEAR);
    fixture_fini(&f);
}

Test(settings, latencies_and_counts_stay)
{
    struct fixture f;

    fixture_init(&f, 1);
    fixture_start(&f);
    for (unsigned i = 0; i < 200; i++)
        fixture_success(&f, 0);
    fixture_pass(&f, 2 * S);
    cr_assert_gt(health_pool_latency_us(f.pool, 99), 0);
    fixture_change(&f);
    cr_assert_gt(health_pool_latency_us(f.pool, 99), 0);
    cr_assert_gt(fixture_view(&f, 0).p50_us, 0);
    cr_assert_eq(fixture_view(&f, 0).successes, 200);
    fixture_fini(&f);
}

/* ---- What follows ---- */

Test(settings, a_new_threshold_counts_at_once)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    fixture_errors(&f, 0, 2);
    f.config.breaker.failure_threshold = 3;
    fixture_change(&f);
    cr_assert_eq(breaker(&f), BREAKER_CLOSED);
    fixture_errors(&f, 0, 1);
    cr_assert_eq(breaker(&f), BREAKER_OPEN);
    fixture_fini(&f);
}

Test(settings, a_window_of_another_length_starts_anew)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.breaker.failure_threshold = 0;
    f.config.outlier.consecutive_5xx = 0;
    fixture_start(&f);
    fixture_errors(&f, 0, 19);
    fixture_change(&f);
    fixture_success(&f, 1);
    f.config.breaker.window_ms = 20000;
    fixture_change(&f);
    fixture_errors(&f, 0, 19);
    cr_assert_eq(breaker(&f), BREAKER_CLOSED, "the first 19 were of the other window");
    fixture_change(&f);
    fixture_errors(&f, 0, 1);
    cr_assert_eq(breaker(&f), BREAKER_OPEN, "and these are of the same one");
    fixture_fini(&f);
}

Test(settings, half_open_lets_as_many_through_as_it_now_should)
{
    struct fixture f;
    struct endpoint *e;

    fixture_init(&f, 1);
    fixture_start(&f);
    e = fixture_endpoint(&f, 0);
    fixture_errors(&f, 0, 5);
    fixture_pass(&f, 12 * S);
    cr_assert_eq(atomic_load(&e->probes), 3);
    atomic_fetch_sub(&e->probes, 2); /* two picks */
    f.config.breaker.half_open_max = 1;
    fixture_change(&f);
    cr_assert_eq(atomic_load(&e->probes), 0, "two are out, one more than there may be");
    f.config.breaker.half_open_max = 5;
    fixture_change(&f);
    cr_assert_eq(atomic_load(&e->probes), 3, "two of five are out");
    f.config.breaker.half_open_max = 1;
    f.config.breaker.success_threshold = 3;
    fixture_change(&f);
    fixture_success(&f, 0);
    cr_assert_eq(atomic_load(&e->probes), 0, "the one that was owed");
    fixture_success(&f, 0);
    cr_assert_eq(atomic_load(&e->probes), 1);
    fixture_fini(&f);
}

Test(settings, another_share_of_ejected_ones_counts_at_once)
{
    struct fixture f;

    fixture_init(&f, 4);
    f.config.breaker.failure_threshold = 0;
    f.config.breaker.error_percent = 0;
    f.config.outlier.max_ejected_percent = 0;
    fixture_start(&f);
    fixture_errors(&f, 0, 6);
    cr_assert(fixture_usable(&f, 0));
    f.config.outlier.max_ejected_percent = 25;
    fixture_change(&f);
    fixture_errors(&f, 0, 1);
    cr_assert_not(fixture_usable(&f, 0));
    fixture_fini(&f);
}

/* ---- Checks begin and end ---- */

Test(settings, without_checks_nobody_is_doubted_any_more)
{
    struct fixture f;

    fixture_init(&f, 4);
    f.config.health = &f.checks;
    f.config.slow_start_ms = 30000;
    fixture_start(&f);
    fixture_checks(&f, 0, CHECK_PASS, 1);
    fixture_checks(&f, 1, CHECK_FAIL, 3);
    health_set_draining(f.pool, fixture_endpoint(&f, 3), true, "test", f.now_us);
    fixture_keep(&f);
    f.config.health = NULL;
    fixture_change(&f);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(fixture_view(&f, i).status, ENDPOINT_HEALTHY);
    cr_assert_eq(fixture_view(&f, 3).status, ENDPOINT_DRAINING);
    cr_assert_eq(fixture_events(&f, EVENT_HEALTH), 4, "two before, two that are trusted now");
    cr_assert_str_eq(fixture_view(&f, 1).why, "no longer checked");
    cr_assert_str_eq(fixture_event(&f, EVENT_HEALTH).why, "no longer checked");
    cr_assert_lt(atomic_load(&fixture_endpoint(&f, 1)->share), 100, "it was away");
    fixture_checks(&f, 0, CHECK_FAIL, 5);
    cr_assert_eq(fixture_view(&f, 0).status, ENDPOINT_HEALTHY, "late verdicts");
    cr_assert_eq(f.from, ENDPOINT_UNKNOWN);
    cr_assert_eq(f.to, ENDPOINT_HEALTHY);
    fixture_fini(&f);
}

Test(settings, checks_that_begin_do_not_doubt_those_that_serve)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    f.config.health = &f.checks;
    fixture_change(&f);
    cr_assert_eq(fixture_view(&f, 0).status, ENDPOINT_HEALTHY);
    cr_assert_eq(events_last_id(health_events(f.health)), 0);
    cr_assert_eq(health_check_interval_ms(f.pool, fixture_endpoint(&f, 0)), 1000,
                 "but somebody should look soon");
    fixture_checks(&f, 0, CHECK_PASS, 1);
    cr_assert_eq(health_check_interval_ms(f.pool, fixture_endpoint(&f, 0)), 5000);
    fixture_checks(&f, 1, CHECK_FAIL, 2);
    cr_assert(fixture_usable(&f, 1));
    fixture_checks(&f, 1, CHECK_FAIL, 1);
    cr_assert_not(fixture_usable(&f, 1));
    fixture_fini(&f);
}

Test(settings, checks_that_change_keep_what_the_old_ones_found)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.health = &f.checks;
    fixture_start(&f);
    fixture_checks(&f, 0, CHECK_FAIL, 3);
    fixture_checks(&f, 1, CHECK_PASS, 1);
    fixture_checks(&f, 1, CHECK_FAIL, 1);
    f.checks.fall = 2;
    f.checks.rise = 1;
    fixture_change(&f);
    cr_assert_eq(fixture_view(&f, 0).status, ENDPOINT_UNHEALTHY);
    fixture_checks(&f, 0, CHECK_PASS, 1);
    cr_assert_eq(fixture_view(&f, 0).status, ENDPOINT_HEALTHY);
    fixture_checks(&f, 1, CHECK_FAIL, 1);
    cr_assert_eq(fixture_view(&f, 1).status, ENDPOINT_UNHEALTHY, "its second in a row");
    fixture_fini(&f);
}

/* ---- Drains by configuration ---- */

Test(settings, a_drain_comes_and_goes_at_run_time)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    cr_assert(health_set_draining(f.pool, fixture_endpoint(&f, 0), true,
                                  "drained by the configuration", f.now_us));
    fixture_change(&f);
    cr_assert_not(fixture_usable(&f, 0));
    cr_assert(health_set_draining(f.pool, fixture_endpoint(&f, 0), false,
                                  "no longer drained by the configuration", f.now_us));
    cr_assert(fixture_usable(&f, 0));
    cr_assert_eq(fixture_events(&f, EVENT_DRAIN), 2);
    fixture_fini(&f);
}
