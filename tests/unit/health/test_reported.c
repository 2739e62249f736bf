/* What whoever registered an endpoint reports of it, beside our own checks. */
#include <criterion/criterion.h>

#include "fixture.h"

enum { S = 1000000 };

static void report(struct fixture *f, unsigned index, enum config_reported reported)
{
    f->backends[index].reported = reported;
    fixture_change(f);
    health_endpoint_changed(f->pool, fixture_endpoint(f, index), f->now_us);
    fixture_settle(f);
}

static enum endpoint_status status(struct fixture *f, unsigned index)
{
    return fixture_view(f, index).status;
}

static void start(struct fixture *f, unsigned size, bool checked)
{
    fixture_init(f, size);
    f->config.health = checked ? &f->checks : NULL;
    fixture_start(f);
}

/* ---- Alone ---- */

Test(reported, without_checks_the_report_is_the_status)
{
    struct fixture f;

    start(&f, 2, false);
    cr_assert_eq(status(&f, 0), ENDPOINT_HEALTHY);
    report(&f, 0, CONFIG_REPORTED_UNHEALTHY);
    cr_assert_eq(status(&f, 0), ENDPOINT_UNHEALTHY);
    cr_assert_not(fixture_usable(&f, 0));
    cr_assert_str_eq(fixture_view(&f, 0).why, "reported unhealthy by discovery");
    report(&f, 0, CONFIG_REPORTED_DEGRADED);
    cr_assert_eq(status(&f, 0), ENDPOINT_DEGRADED);
    cr_assert(fixture_usable(&f, 0));
    report(&f, 0, CONFIG_REPORTED_HEALTHY);
    cr_assert_eq(status(&f, 0), ENDPOINT_HEALTHY);
    fixture_fini(&f);
}

Test(reported, each_change_is_an_event_that_says_whose_word_it_is)
{
    struct fixture f;

    start(&f, 2, false);
    report(&f, 0, CONFIG_REPORTED_UNHEALTHY);
    cr_assert_str_eq(fixture_line(&f, EVENT_HEALTH),
                     "pool \"api\": endpoint \"a\" (10.0.0.1:80): health healthy -> unhealthy: "
                     "reported unhealthy by discovery; no requests until it is reported better");
    fixture_pass(&f, 40 * S);
    report(&f, 0, CONFIG_REPORTED_HEALTHY);
    cr_assert_str_eq(fixture_line(&f, EVENT_HEALTH),
                     "pool \"api\": endpoint \"a\" (10.0.0.1:80): health unhealthy -> healthy: "
                     "reported healthy by discovery; was unhealthy for 40 s; it serves again");
    report(&f, 0, CONFIG_REPORTED_UNHEALTHY);
    report(&f, 0, CONFIG_REPORTED_NOTHING);
    cr_assert_str_eq(fixture_event(&f, EVENT_HEALTH).why, "no longer judged by discovery");
    cr_assert_eq(fixture_events(&f, EVENT_HEALTH), 4);
    fixture_fini(&f);
}

Test(reported, what_changes_nothing_is_no_event)
{
    struct fixture f;

    start(&f, 1, false);
    report(&f, 0, CONFIG_REPORTED_HEALTHY);
    report(&f, 0, CONFIG_REPORTED_HEALTHY);
    report(&f, 0, CONFIG_REPORTED_NOTHING);
    cr_assert_eq(fixture_events(&f, EVENT_HEALTH), 0);
    fixture_fini(&f);
}

Test(reported, who_joins_begins_with_what_is_reported_of_it)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.backend_count = 1;
    f.backends[1].reported = CONFIG_REPORTED_UNHEALTHY;
    fixture_start(&f);
    fixture_join(&f, 1);
    fixture_open(&f, 1);
    cr_assert_eq(status(&f, 1), ENDPOINT_UNHEALTHY);
    cr_assert_str_eq(fixture_view(&f, 1).why, "reported unhealthy by discovery");
    cr_assert_str_eq(fixture_event(&f, EVENT_ENDPOINT).next,
                     "no requests until it is reported better");
    fixture_fini(&f);
}

Test(reported, one_that_is_reported_up_again_starts_slowly)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.slow_start_ms = 30000;
    fixture_start(&f);
    report(&f, 0, CONFIG_REPORTED_UNHEALTHY);
    fixture_pass(&f, 60 * S);
    report(&f, 0, CONFIG_REPORTED_HEALTHY);
    fixture_keep(&f);
    cr_assert_lt(atomic_load(&fixture_endpoint(&f, 0)->share), 100);
    fixture_pass(&f, 31 * S);
    cr_assert_eq(atomic_load(&fixture_endpoint(&f, 0)->share), 100);
    fixture_fini(&f);
}

/* ---- Beside checks ---- */

Test(reported, the_worse_of_report_and_checks_counts)
{
    static const struct {
        enum check_verdict verdict;
        enum config_reported reported;
        enum endpoint_status status;
    } cases[] = {
        {CHECK_PASS, CONFIG_REPORTED_NOTHING, ENDPOINT_HEALTHY},
        {CHECK_PASS, CONFIG_REPORTED_DEGRADED, ENDPOINT_DEGRADED},
        {CHECK_PASS, CONFIG_REPORTED_UNHEALTHY, ENDPOINT_UNHEALTHY},
        {CHECK_DEGRADED, CONFIG_REPORTED_HEALTHY, ENDPOINT_DEGRADED},
        {CHECK_DEGRADED, CONFIG_REPORTED_UNHEALTHY, ENDPOINT_UNHEALTHY},
        {CHECK_FAIL, CONFIG_REPORTED_HEALTHY, ENDPOINT_UNHEALTHY},
        {CHECK_FAIL, CONFIG_REPORTED_DEGRADED, ENDPOINT_UNHEALTHY},
        {CHECK_FAIL, CONFIG_REPORTED_UNHEALTHY, ENDPOINT_UNHEALTHY},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;

        start(&f, 2, true);
        fixture_checks(&f, 0, cases[i].verdict, 3);
        report(&f, 0, cases[i].reported);
        cr_assert_eq(status(&f, 0), cases[i].status, "case %zu, report last", i);
        fixture_fini(&f);
        start(&f, 2, true);
        report(&f, 0, cases[i].reported);
        fixture_checks(&f, 0, cases[i].verdict, 3);
        cr_assert_eq(status(&f, 0), cases[i].status, "case %zu, checks last", i);
        fixture_fini(&f);
    }
}

Test(reported, one_that_is_not_checked_yet_is_not_believed_to_be_well)
{
    struct fixture f;

    start(&f, 1, true);
    report(&f, 0, CONFIG_REPORTED_HEALTHY);
    cr_assert_eq(status(&f, 0), ENDPOINT_UNKNOWN);
    report(&f, 0, CONFIG_REPORTED_DEGRADED);
    cr_assert_eq(status(&f, 0), ENDPOINT_UNKNOWN);
    report(&f, 0, CONFIG_REPORTED_UNHEALTHY);
    cr_assert_eq(status(&f, 0), ENDPOINT_UNHEALTHY);
    fixture_fini(&f);
}

Test(reported, a_status_that_the_report_holds_says_so)
{
    struct fixture f;

    start(&f, 2, true);
    fixture_checks(&f, 0, CHECK_PASS, 1);
    report(&f, 0, CONFIG_REPORTED_DEGRADED);
    fixture_checks(&f, 0, CHECK_FAIL, 3);
    cr_assert_str_eq(fixture_event(&f, EVENT_HEALTH).next,
                     "no requests; checked every 1 s, 2 passed in a row bring it back");
    fixture_checks(&f, 0, CHECK_PASS, 2);
    cr_assert_eq(status(&f, 0), ENDPOINT_DEGRADED);
    cr_assert_str_eq(fixture_event(&f, EVENT_HEALTH).why,
                     "2 checks in a row passed, the last: status 503; reported degraded by "
                     "discovery");
    fixture_checks(&f, 0, CHECK_DEGRADED, 3);
    report(&f, 0, CONFIG_REPORTED_UNHEALTHY);
    cr_assert_str_eq(fixture_event(&f, EVENT_HEALTH).next,
                     "no requests until it is reported better");
    report(&f, 0, CONFIG_REPORTED_HEALTHY);
    cr_assert_str_eq(fixture_event(&f, EVENT_HEALTH).why,
                     "reported healthy by discovery; degraded by our own checks");
    fixture_fini(&f);
}

Test(reported, a_status_that_is_as_before_says_who_holds_it_now)
{
    struct fixture f;

    start(&f, 2, true);
    report(&f, 0, CONFIG_REPORTED_UNHEALTHY);
    fixture_checks(&f, 0, CHECK_FAIL, 3);
    report(&f, 0, CONFIG_REPORTED_HEALTHY);
    cr_assert_eq(status(&f, 0), ENDPOINT_UNHEALTHY);
    cr_assert_str_eq(fixture_view(&f, 0).why,
                     "reported healthy by discovery; unhealthy by our own checks");
    report(&f, 0, CONFIG_REPORTED_UNHEALTHY);
    fixture_checks(&f, 0, CHECK_PASS, 2);
    cr_assert_eq(status(&f, 0), ENDPOINT_UNHEALTHY);
    cr_assert_str_eq(fixture_view(&f, 0).why,
                     "2 checks in a row passed, the last: status 503; reported unhealthy by "
                     "discovery");
    cr_assert_eq(fixture_events(&f, EVENT_HEALTH), 1);
    fixture_fini(&f);
}

Test(reported, recovery_is_for_whom_our_own_checks_find_unhealthy)
{
    struct fixture f;

    start(&f, 2, true);
    fixture_checks(&f, 0, CHECK_PASS, 1);
    fixture_keep(&f);
    f.statuses = 0;
    report(&f, 0, CONFIG_REPORTED_UNHEALTHY);
    fixture_keep(&f);
    cr_assert_eq(f.statuses, 0);
    fixture_checks(&f, 0, CHECK_FAIL, 3);
    fixture_keep(&f);
    cr_assert_eq(f.statuses, 1, "though its status has not changed");
    cr_assert_eq(f.to, ENDPOINT_UNHEALTHY);
    report(&f, 0, CONFIG_REPORTED_HEALTHY);
    fixture_keep(&f);
    cr_assert_eq(f.statuses, 1);
    fixture_fini(&f);
}

Test(reported, where_checks_end_the_report_alone_counts)
{
    struct fixture f;

    start(&f, 2, true);
    fixture_checks(&f, 0, CHECK_FAIL, 3);
    report(&f, 0, CONFIG_REPORTED_DEGRADED);
    f.config.health = NULL;
    fixture_change(&f);
    cr_assert_eq(status(&f, 0), ENDPOINT_DEGRADED);
    cr_assert_str_eq(fixture_view(&f, 0).why, "no longer checked; reported degraded by discovery");
    fixture_fini(&f);
}

/* ---- Beside drain and breaker ---- */

Test(reported, a_drain_hides_it_until_it_ends)
{
    struct fixture f;

    start(&f, 2, false);
    health_set_draining(f.pool, fixture_endpoint(&f, 0), true, "test", f.now_us);
    report(&f, 0, CONFIG_REPORTED_UNHEALTHY);
    cr_assert_eq(status(&f, 0), ENDPOINT_DRAINING);
    cr_assert_eq(fixture_events(&f, EVENT_HEALTH), 0);
    health_set_draining(f.pool, fixture_endpoint(&f, 0), false, "work is done", f.now_us);
    cr_assert_eq(status(&f, 0), ENDPOINT_UNHEALTHY);
    cr_assert_str_eq(fixture_event(&f, EVENT_DRAIN).why,
                     "work is done; reported unhealthy by discovery");
    fixture_fini(&f);
}

Test(reported, up_again_lets_an_open_breaker_find_out_at_once)
{
    struct fixture f;

    start(&f, 2, false);
    report(&f, 0, CONFIG_REPORTED_UNHEALTHY);
    fixture_errors(&f, 0, 5);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_OPEN);
    report(&f, 0, CONFIG_REPORTED_HEALTHY);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_HALF_OPEN);
    cr_assert_str_eq(fixture_event(&f, EVENT_BREAKER).why, "discovery reports it up again");
    fixture_fini(&f);
}

Test(reported, healthy_is_no_news_for_a_breaker_that_traffic_opened)
{
    struct fixture f;

    start(&f, 2, false);
    fixture_errors(&f, 0, 5);
    report(&f, 0, CONFIG_REPORTED_DEGRADED);
    report(&f, 0, CONFIG_REPORTED_HEALTHY);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_OPEN);
    fixture_fini(&f);
}

Test(reported, a_pool_that_is_moved_keeps_what_was_reported)
{
    struct fixture f;

    start(&f, 2, false);
    report(&f, 0, CONFIG_REPORTED_UNHEALTHY);
    health_pool_move(f.pool, &f.config);
    cr_assert_eq(status(&f, 0), ENDPOINT_UNHEALTHY);
    cr_assert_eq(fixture_events(&f, EVENT_HEALTH), 1);
    fixture_fini(&f);
}
