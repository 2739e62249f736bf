/* The façade: how the machines go together, what the balancer sees, what is told. */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"

static bool usable(struct fixture *f, unsigned index)
{
    return endpoint_usable(fixture_endpoint(f, index));
}

static void fail_times(struct fixture *f, unsigned index, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        fixture_error(f, index, EG_E_CONNECT);
}

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

Test(health, without_checks_an_endpoint_is_healthy_from_the_start)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.backends[1].drain = true;
    fixture_start(&f);
    cr_assert_eq(fixture_view(&f, 0).status, ENDPOINT_HEALTHY);
    cr_assert_eq(fixture_view(&f, 1).status, ENDPOINT_DRAINING);
    cr_assert(usable(&f, 0));
    cr_assert_not(usable(&f, 1));
    fixture_fini(&f);
}

Test(health, five_failures_open_the_breaker_before_the_report_returns)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    fail_times(&f, 0, 4);
    cr_assert(usable(&f, 0));
    fail_times(&f, 0, 1);
    cr_assert_not(usable(&f, 0));
    cr_assert_eq(f.wakes, 1);
    cr_assert_eq(fixture_view(&f, 0).outcome_count, 5);
    cr_assert_eq(fixture_view(&f, 0).outcomes[0].error, EG_E_CONNECT);
    fixture_fini(&f);
}

Test(health, the_breaker_goes_half_open_by_time_and_lets_only_so_many_through)
{
    struct fixture f;
    struct endpoint *first;

    fixture_init(&f, 1);
    fixture_start(&f);
    fail_times(&f, 0, 5);
    fixture_pass(&f, 12000000);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_HALF_OPEN);
    first = pick(&f);
    cr_assert_not_null(first);
    cr_assert_not_null(pick(&f));
    cr_assert_not_null(pick(&f));
    cr_assert_null(pick(&f), "a fourth request at once");
    fixture_success(&f, 0);
    cr_assert_not_null(pick(&f), "the place of the first came back");
    fixture_success(&f, 0);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_CLOSED);
    cr_assert_not_null(pick(&f));
    fixture_fini(&f);
}
