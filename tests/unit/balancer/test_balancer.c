/* Picking: preferences, tried sets, breakers, and why there is none. */
#include <criterion/criterion.h>

#include "tests/unit/balancer/fixture.h"

Test(balancer, a_new_endpoint_is_unknown_and_takes_its_inputs_from_the_configuration)
{
    struct config_backend backends[] = {
        {.id = "a", .address = "10.0.0.1:80", .weight = 3},
        {.id = "b", .address = "app:80", .host = "app", .weight = 1, .drain = true},
    };
    struct config_pool config = {.name = "p", .backends = backends, .backend_count = 2};
    struct balancer_pool *pool = pool_with_backends(&config, NULL);
    struct endpoint *a = balancer_pool_endpoint(pool, 0), *b = balancer_pool_endpoint(pool, 1);

    cr_expect_eq(balancer_pool_size(pool), 2);
    cr_expect_str_eq(a->id, "a");
    cr_expect_str_eq(b->address, "app:80");
    cr_expect_eq(b->index, 1);
    cr_expect_eq(atomic_load(&a->status), ENDPOINT_UNKNOWN);
    cr_expect_eq(atomic_load(&a->weight), 3);
    cr_expect(atomic_load(&a->resolved) && !atomic_load(&b->resolved));
    cr_expect(!atomic_load(&a->draining) && atomic_load(&b->draining));
    cr_expect(endpoint_usable(a) && !endpoint_usable(b));
    cr_expect_eq((uintptr_t)a % 64, 0, "no two endpoints share a cache line");
    balancer_pool_free(pool);
}

Test(balancer, freeing_no_pool_is_harmless)
{
    balancer_pool_free(NULL);
}

Test(balancer, degraded_serves_only_when_nothing_is_healthy_and_unknown_only_after_that)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        fixture_init_equal(&f, a, 3);
        fixture_set_status(&f, 0, ENDPOINT_UNKNOWN);
        fixture_set_status(&f, 1, ENDPOINT_DEGRADED);
        fixture_run(&f, 100, 1);
        cr_expect_eq(f.counts[2], 100);
        fixture_set_status(&f, 2, ENDPOINT_UNHEALTHY);
        fixture_run(&f, 100, 1);
        cr_expect_eq(f.counts[1], 100);
        fixture_set_status(&f, 1, ENDPOINT_UNHEALTHY);
        fixture_run(&f, 100, 1);
        cr_expect_eq(f.counts[0], 100);
        fixture_fini(&f);
    }
}

Test(balancer, a_retry_falls_back_to_the_next_preference_when_the_best_was_tried)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;
        struct balancer_tried tried;

        fixture_init_equal(&f, a, 2);
        fixture_set_status(&f, 0, ENDPOINT_DEGRADED);
        balancer_tried_init(&tried);
        cr_expect_eq(fixture_pick_again(&f, 1, &tried, NULL)->index, 1);
        cr_expect_eq(fixture_pick_again(&f, 1, &tried, NULL)->index, 0);
        balancer_tried_fini(&tried);
        fixture_fini(&f);
    }
}

Test(balancer, no_endpoint_is_picked_twice_for_a_request_in_pools_of_any_size)
{
    static const unsigned sizes[] = {1, 2, 63, 64, 65, 200};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        for (unsigned s = 0; s < 6; s++) {
            struct fixture f;
            struct balancer_tried tried;
            bool seen[200] = {0};
            int error = 0;

            fixture_init_equal(&f, a, sizes[s]);
            balancer_tried_init(&tried);
            for (unsigned i = 0; i < sizes[s]; i++) {
                struct endpoint *e = fixture_pick_again(&f, 77, &tried, &error);

                cr_assert(e != NULL && !seen[e->index]);
                seen[e->index] = true;
                cr_expect(balancer_tried_has(&tried, e->index));
                cr_expect_eq(tried.count, i + 1);
            }
            cr_expect_null(fixture_pick_again(&f, 77, &tried, &error));
            cr_expect_eq(error, EG_E_NO_ENDPOINT);
            cr_expect_eq(fixture_active(&f), (int)sizes[s]);
            balancer_tried_fini(&tried);
            fixture_fini(&f);
        }
    }
}

Test(balancer, a_tried_set_that_was_never_filled_has_nobody)
{
    struct balancer_tried tried;

    balancer_tried_init(&tried);
    cr_expect(!balancer_tried_has(&tried, 0) && !balancer_tried_has(&tried, 4999));
    balancer_tried_fini(&tried);
}

Test(balancer, picks_and_active_are_counted)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;
        struct endpoint *e;

        fixture_init_equal(&f, a, 1);
        e = fixture_pick(&f, 5, NULL);
        fixture_pick(&f, 5, NULL);
        cr_expect_eq(atomic_load(&e->active), 2);
        fixture_done(&f, e, 10);
        cr_expect_eq(atomic_load(&e->active), 1);
        cr_expect_eq(atomic_load(&e->picks), 2);
        fixture_fini(&f);
    }
}

static void expect_error(struct fixture *f, int expected)
{
    int error = 0;

    cr_expect_null(fixture_pick(f, 1, &error));
    cr_expect_eq(error, expected, "%s: %s, expected %s", config_algorithm_name(f->config.algorithm),
                 error_name(error), error_name(expected));
}

Test(balancer, an_empty_pool_has_no_endpoint)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        fixture_init(&f, a, NULL, 0);
        expect_error(&f, EG_E_NO_ENDPOINT);
        fixture_fini(&f);
    }
}

Test(balancer, the_error_tells_why_there_is_none)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        fixture_init_equal(&f, a, 3);
        for (unsigned i = 0; i < 3; i++)
            fixture_set_breaker(&f, i, BREAKER_OPEN, 0);
        expect_error(&f, EG_E_BREAKER_OPEN);
        fixture_set_status(&f, 0, ENDPOINT_UNHEALTHY);
        expect_error(&f, EG_E_NO_ENDPOINT); /* not every one is kept out by its breaker */
        fixture_set_draining(&f, 0, true);
        expect_error(&f, EG_E_BREAKER_OPEN); /* taken out on purpose: has no say */
        fixture_set_weight(&f, 1, 0);
        expect_error(&f, EG_E_BREAKER_OPEN);
        fixture_set_resolved(&f, 2, false);
        expect_error(&f, EG_E_RESOLVE);
        fixture_set_weight(&f, 1, 1);
        expect_error(&f, EG_E_NO_ENDPOINT); /* one open, one unresolved */
        fixture_set_weight(&f, 1, 0);
        fixture_set_status(&f, 2, ENDPOINT_DRAINING);
        expect_error(&f, EG_E_NO_ENDPOINT);
        cr_expect_eq(fixture_active(&f), 0);
        fixture_fini(&f);
    }
}

Test(balancer, a_tried_endpoint_whose_breaker_opened_since_is_an_open_breaker)
{
    struct fixture f;
    struct balancer_tried tried;
    struct endpoint *e;
    int error = 0;

    fixture_init_equal(&f, CONFIG_ROUND_ROBIN, 1);
    balancer_tried_init(&tried);
    e = fixture_pick_again(&f, 0, &tried, NULL);
    fixture_done(&f, e, 1);
    fixture_set_breaker(&f, 0, BREAKER_OPEN, 0);
    cr_expect_null(fixture_pick_again(&f, 0, &tried, &error));
    cr_expect_eq(error, EG_E_BREAKER_OPEN);
    balancer_tried_fini(&tried);
    fixture_fini(&f);
}

Test(balancer, a_half_open_breaker_lets_its_probes_through_and_no_more)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        fixture_init_equal(&f, a, 2);
        fixture_set_breaker(&f, 0, BREAKER_HALF_OPEN, 2);
        fixture_run(&f, 1000, 1);
        cr_expect_eq(f.counts[0], 2);
        cr_expect_eq(f.counts[1], 998);
        fixture_set_breaker(&f, 1, BREAKER_OPEN, 0);
        expect_error(&f, EG_E_BREAKER_OPEN);
        cr_expect_eq(fixture_active(&f), 0);
        fixture_fini(&f);
    }
}

Test(balancer, an_input_counts_before_the_change_is_announced)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        /* Between the store and balancer_pool_refresh the line-up still names e0. */
        fixture_init_equal(&f, a, 3);
        atomic_store(&fixture_endpoint(&f, 0)->status, ENDPOINT_UNHEALTHY);
        fixture_run(&f, 300, 1);
        cr_expect_eq(f.counts[0], 0);
        /* All of the line-up gone, one outside of it came: found all the same. */
        fixture_set_status(&f, 1, ENDPOINT_UNHEALTHY);
        atomic_store(&fixture_endpoint(&f, 2)->status, ENDPOINT_UNHEALTHY);
        atomic_store(&fixture_endpoint(&f, 0)->status, ENDPOINT_HEALTHY);
        fixture_run(&f, 10, 1);
        cr_expect_eq(f.counts[0], 10);
        cr_expect_eq(fixture_active(&f), 0);
        fixture_fini(&f);
    }
}

Test(balancer, states_have_the_contracts_names)
{
    cr_expect_str_eq(endpoint_status_name(ENDPOINT_UNKNOWN), "unknown");
    cr_expect_str_eq(endpoint_status_name(ENDPOINT_HEALTHY), "healthy");
    cr_expect_str_eq(endpoint_status_name(ENDPOINT_DEGRADED), "degraded");
    cr_expect_str_eq(endpoint_status_name(ENDPOINT_UNHEALTHY), "unhealthy");
    cr_expect_str_eq(endpoint_status_name(ENDPOINT_DRAINING), "draining");
    cr_expect_str_eq(breaker_state_name(BREAKER_CLOSED), "closed");
    cr_expect_str_eq(breaker_state_name(BREAKER_OPEN), "open");
    cr_expect_str_eq(breaker_state_name(BREAKER_HALF_OPEN), "half_open");
}
