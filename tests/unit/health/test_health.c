/* Health: one place that changes an endpoint's condition, and records it. */
#include <criterion/criterion.h>

#include "health/health.h"

static struct config_backend backends[] = {
    {.id = "a", .address = "10.0.0.1:80", .weight = 1},
    {.id = "b", .address = "10.0.0.2:80", .weight = 1, .drain = true},
    {.id = "c", .address = "app:80", .host = "app", .weight = 1},
};
static const struct config_pool config = {.name = "pool", .backends = backends, .backend_count = 3};

static struct balancer_pool *pool_started(uint64_t now_us)
{
    struct balancer_pool *pool = balancer_pool_new(&config);

    for (unsigned i = 0; i < 3; i++)
        health_endpoint_start(pool, balancer_pool_endpoint(pool, i), &backends[i], now_us);
    return pool;
}

static struct endpoint *pick(struct balancer_pool *pool)
{
    struct balancer_request request = {.random = 1, .now_us = 1};
    struct balancer_tried tried;
    struct endpoint *e;
    int error;

    balancer_tried_init(&tried);
    e = balancer_pick(pool, &request, &tried, &error);
    balancer_tried_fini(&tried);
    if (e != NULL)
        balancer_done(pool, e, BALANCER_CANCELLED, 0, 1);
    return e;
}

Test(health, without_a_check_an_endpoint_is_healthy_from_its_start_unless_it_drains)
{
    struct balancer_pool *pool = pool_started(1000);
    struct health_view a = health_view(balancer_pool_endpoint(pool, 0));
    struct health_view b = health_view(balancer_pool_endpoint(pool, 1));

    cr_expect_eq(a.status, ENDPOINT_HEALTHY);
    cr_expect_eq(a.breaker, BREAKER_CLOSED);
    cr_expect_eq(a.since_us, 1000);
    cr_expect_str_eq(a.why, "no check is configured");
    cr_expect_eq(b.status, ENDPOINT_DRAINING);
    cr_expect_eq(pick(pool), balancer_pool_endpoint(pool, 0));
    balancer_pool_free(pool);
}

Test(health, a_change_records_since_when_and_why_and_reaches_the_balancer)
{
    struct balancer_pool *pool = pool_started(1000);
    struct endpoint *a = balancer_pool_endpoint(pool, 0);
    struct health_view view;

    cr_expect(health_set_status(pool, a, ENDPOINT_UNHEALTHY, "3 checks failed", 2000));
    view = health_view(a);
    cr_expect_eq(view.status, ENDPOINT_UNHEALTHY);
    cr_expect_eq(view.since_us, 2000);
    cr_expect_str_eq(view.why, "3 checks failed");
    cr_expect_null(pick(pool));
    balancer_pool_free(pool);
}

Test(health, the_same_status_again_keeps_its_time_and_reason)
{
    struct balancer_pool *pool = pool_started(1000);
    struct endpoint *a = balancer_pool_endpoint(pool, 0);

    cr_expect(!health_set_status(pool, a, ENDPOINT_HEALTHY, "check succeeded", 2000));
    cr_expect_eq(health_view(a).since_us, 1000);
    cr_expect_str_eq(health_view(a).why, "no check is configured");
    balancer_pool_free(pool);
}

Test(health, a_check_does_not_end_a_drain)
{
    struct balancer_pool *pool = pool_started(1000);
    struct endpoint *a = balancer_pool_endpoint(pool, 0);

    cr_expect(health_set_draining(pool, a, true, "operator", 2000));
    cr_expect(!health_set_draining(pool, a, true, "operator", 2500));
    cr_expect(!health_set_status(pool, a, ENDPOINT_HEALTHY, "check succeeded", 3000));
    cr_expect_eq(health_view(a).status, ENDPOINT_DRAINING);
    cr_expect_null(pick(pool));
    cr_expect(health_set_draining(pool, a, false, "operator", 4000));
    cr_expect_eq(health_view(a).status, ENDPOINT_HEALTHY);
    cr_expect_eq(pick(pool), a);
    balancer_pool_free(pool);
}

Test(health, a_half_open_breaker_gets_its_probes)
{
    struct balancer_pool *pool = pool_started(1000);
    struct endpoint *a = balancer_pool_endpoint(pool, 0);

    cr_expect(health_set_breaker(pool, a, BREAKER_OPEN, 0));
    cr_expect(!health_set_breaker(pool, a, BREAKER_OPEN, 0));
    cr_expect_null(pick(pool));
    cr_expect(health_set_breaker(pool, a, BREAKER_HALF_OPEN, 1));
    cr_expect_eq(pick(pool), a);
    cr_expect_null(pick(pool), "its only probe was taken");
    cr_expect(!health_set_breaker(pool, a, BREAKER_HALF_OPEN, 1), "no change, but a new probe");
    cr_expect_eq(pick(pool), a);
    cr_expect(health_set_breaker(pool, a, BREAKER_CLOSED, 0));
    cr_expect_eq(pick(pool), a);
    balancer_pool_free(pool);
}

Test(health, a_name_serves_once_it_is_resolved)
{
    struct balancer_pool *pool = pool_started(1000);
    struct endpoint *c = balancer_pool_endpoint(pool, 2);

    health_set_status(pool, balancer_pool_endpoint(pool, 0), ENDPOINT_UNHEALTHY, "test", 2000);
    cr_expect_null(pick(pool));
    health_set_resolved(pool, c, true);
    cr_expect_eq(pick(pool), c);
    health_set_resolved(pool, c, false);
    cr_expect_null(pick(pool));
    balancer_pool_free(pool);
}
