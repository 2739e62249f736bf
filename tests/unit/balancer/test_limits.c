/* Limits of connections: of endpoints and of the pool. */
#include <criterion/criterion.h>

#include "balancer/algorithm.h"
#include "tests/unit/balancer/fixture.h"

static void init(struct fixture *f, enum config_algorithm algorithm, unsigned pool_limit,
                 const unsigned *limits, unsigned size)
{
    struct config_pool config = {.algorithm = algorithm, .max_connections = pool_limit};
    struct config_backend backends[8] = {0};

    for (unsigned i = 0; i < size; i++) {
        backends[i].weight = 1;
        backends[i].max_connections = limits[i];
    }
    fixture_init_config(f, &config, backends, size, NULL);
}

static void expect_error(struct fixture *f, int expected)
{
    int error = 0;

    cr_expect_null(fixture_pick(f, 1, &error));
    cr_expect_eq(error, expected, "%s: %s", config_algorithm_name(f->config.algorithm),
                 error_name(error));
}

Test(limits, every_place_of_every_endpoint_is_used_and_none_more)
{
    static const unsigned limits[] = {3, 1, 7};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;
        struct endpoint *e;

        init(&f, a, 0, limits, 3);
        for (unsigned i = 0; i < 11; i++)
            cr_expect_not_null(fixture_pick(&f, fixture_random(&f), NULL));
        for (unsigned i = 0; i < 3; i++)
            cr_expect_eq(atomic_load(&fixture_endpoint(&f, i)->active), (int)limits[i]);
        expect_error(&f, EG_E_OVERLOAD);
        e = fixture_endpoint(&f, 1);
        fixture_done(&f, e, 1000);
        cr_expect_eq(fixture_pick(&f, 1, NULL), e, "the place that became free");
        expect_error(&f, EG_E_OVERLOAD);
        fixture_fini(&f);
    }
}

Test(limits, an_endpoint_without_a_limit_takes_what_the_full_ones_cannot)
{
    static const unsigned limits[] = {2, 0, 2};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        init(&f, a, 0, limits, 3);
        for (unsigned i = 0; i < 100; i++)
            cr_expect_not_null(fixture_pick(&f, fixture_random(&f), NULL));
        cr_expect_eq(fixture_active(&f), 100);
        cr_expect_leq(atomic_load(&fixture_endpoint(&f, 0)->active), 2);
        cr_expect_leq(atomic_load(&fixture_endpoint(&f, 2)->active), 2);
        fixture_fini(&f);
    }
}

Test(limits, the_pools_own_limit_counts_all_of_it)
{
    static const unsigned limits[] = {0, 0};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;
        struct endpoint *e = NULL;

        init(&f, a, 5, limits, 2);
        for (unsigned i = 0; i < 5; i++)
            e = fixture_pick(&f, fixture_random(&f), NULL);
        cr_assert_not_null(e);
        cr_expect_eq(balancer_pool_in_flight(f.pool), 5);
        expect_error(&f, EG_E_OVERLOAD);
        cr_expect_eq(balancer_pool_in_flight(f.pool), 5);
        fixture_done(&f, e, 1000);
        cr_expect_not_null(fixture_pick(&f, 1, NULL));
        fixture_fini(&f);
    }
}

Test(limits, a_pick_that_finds_nobody_gives_the_pools_place_back)
{
    static const unsigned limits[] = {0};
    struct fixture f;

    init(&f, CONFIG_ROUND_ROBIN, 5, limits, 1);
    fixture_set_status(&f, 0, ENDPOINT_UNHEALTHY);
    for (unsigned i = 0; i < 10; i++)
        expect_error(&f, EG_E_NO_ENDPOINT);
    cr_expect_eq(balancer_pool_in_flight(f.pool), 0);
    fixture_fini(&f);
}

Test(limits, a_full_healthy_endpoint_is_waited_for_rather_than_taking_an_unknown_or_stalled_one)
{
    static const unsigned limits[] = {1, 0, 0};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        init(&f, a, 0, limits, 3);
        fixture_set_status(&f, 1, ENDPOINT_UNKNOWN);
        fixture_set_stall(&f, 2, STALL_STALLED, 0);
        cr_expect_eq(fixture_pick(&f, 1, NULL)->index, 0);
        expect_error(&f, EG_E_OVERLOAD);
        fixture_set_status(&f, 0, ENDPOINT_UNHEALTHY);
        cr_expect_eq(fixture_pick(&f, 1, NULL)->index, 2);
        fixture_fini(&f);
    }
}

Test(limits, a_degraded_endpoint_serves_what_the_healthy_one_cannot)
{
    static const unsigned limits[] = {1, 0};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        init(&f, a, 0, limits, 2);
        fixture_set_status(&f, 1, ENDPOINT_DEGRADED);
        cr_expect_eq(fixture_pick(&f, 1, NULL)->index, 0);
        cr_expect_eq(fixture_pick(&f, 1, NULL)->index, 1);
        fixture_fini(&f);
    }
}

Test(limits, one_that_was_tried_is_not_waited_for)
{
    static const unsigned limits[] = {1};
    struct fixture f;
    struct balancer_tried tried;
    int error = 0;

    init(&f, CONFIG_ROUND_ROBIN, 0, limits, 1);
    balancer_tried_init(&tried);
    cr_expect_not_null(fixture_pick_again(&f, 0, &tried, NULL));
    cr_expect_null(fixture_pick_again(&f, 0, &tried, &error));
    cr_expect_eq(error, EG_E_NO_ENDPOINT);
    balancer_tried_fini(&tried);
    fixture_fini(&f);
}

Test(limits, a_limit_changed_at_run_time_counts_from_the_next_pick)
{
    static const unsigned limits[] = {0, 0};
    struct fixture f;

    init(&f, CONFIG_LEAST_CONNECTIONS, 0, limits, 2);
    for (unsigned i = 0; i < 10; i++)
        fixture_pick(&f, 0, NULL);
    atomic_store(&fixture_endpoint(&f, 0)->max_connections, 4);
    fixture_refresh(&f);
    for (unsigned i = 0; i < 10; i++)
        cr_expect_eq(fixture_pick(&f, 0, NULL)->index, 1);
    fixture_fini(&f);
}

Test(limits, shares_below_the_limit_stay_those_of_the_weights)
{
    static const unsigned limits[] = {50, 50, 50, 50}, equal[] = {1, 1, 1, 1};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        init(&f, a, 200, limits, 4);
        fixture_run(&f, 100000, 1);
        fixture_expect_shares(&f, equal, 0.03);
        cr_expect_eq(fixture_active(&f), 0);
        cr_expect_eq(balancer_pool_in_flight(f.pool), 0);
        fixture_fini(&f);
    }
}
