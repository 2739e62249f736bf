/* What all algorithms promise: shares by weight, whatever changes at run time. */
#include <criterion/criterion.h>

#include "tests/unit/balancer/fixture.h"

enum { PICKS = 100000 };

/* Hashing shares by chance: with 65536 slots and 100,000 random keys, an endpoint with a tenth of
 * the weight has a standard deviation of 1.5 %. */
static double tolerance_of(enum config_algorithm algorithm)
{
    return algorithm == CONFIG_IP_HASH || algorithm == CONFIG_CONSISTENT_HASH ? 0.05 : 0.02;
}

static void run(struct fixture *f)
{
    fixture_run(f, PICKS, 1);
}

Test(distribution, every_algorithm_shares_by_weight)
{
    static const unsigned weights[] = {5, 3, 2, 10};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        fixture_init(&f, a, weights, 4);
        run(&f);
        fixture_expect_shares(&f, weights, tolerance_of(a));
        cr_expect_eq(fixture_active(&f), 0);
        fixture_fini(&f);
    }
}

Test(distribution, least_latency_shares_by_weight_under_load_too)
{
    static const unsigned weights[] = {5, 3, 2, 10};
    struct fixture f;

    fixture_init(&f, CONFIG_LEAST_LATENCY, weights, 4);
    fixture_run(&f, PICKS, 300);
    fixture_expect_shares(&f, weights, 0.02);
    fixture_fini(&f);
}

Test(distribution, equal_weights_share_equally)
{
    static const unsigned weights[] = {7, 7, 7, 7, 7};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        fixture_init(&f, a, weights, 5);
        run(&f);
        fixture_expect_shares(&f, weights, tolerance_of(a));
        fixture_fini(&f);
    }
}

Test(distribution, a_weight_changed_at_run_time_counts_from_the_next_pick)
{
    static const unsigned before[] = {1, 1, 4}, after[] = {6, 1, 1};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        fixture_init(&f, a, before, 3);
        run(&f);
        fixture_set_weight(&f, 0, 6);
        fixture_set_weight(&f, 2, 1);
        run(&f);
        fixture_expect_shares(&f, after, tolerance_of(a));
        fixture_fini(&f);
    }
}

Test(distribution, a_raised_weight_does_not_wait_out_its_old_pace)
{
    static const unsigned weights[] = {1, 60000, 60000}, after[] = {60000, 60000, 60000};
    struct fixture f;

    fixture_init(&f, CONFIG_WEIGHTED, weights, 3);
    run(&f);
    fixture_set_weight(&f, 0, 60000);
    fixture_run(&f, 300, 1);
    fixture_expect_shares(&f, after, 0.02);
    fixture_fini(&f);
}

Test(distribution, leaving_and_joining_endpoints_leave_the_others_in_proportion)
{
    static const unsigned all[] = {4, 3, 2, 1}, without[] = {4, 0, 2, 1};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        fixture_init(&f, a, all, 4);
        run(&f);
        fixture_set_status(&f, 1, ENDPOINT_UNHEALTHY);
        run(&f);
        cr_expect_eq(f.counts[1], 0);
        fixture_expect_shares(&f, without, tolerance_of(a));
        fixture_set_status(&f, 1, ENDPOINT_HEALTHY);
        run(&f);
        fixture_expect_shares(&f, all, tolerance_of(a));
        fixture_fini(&f);
    }
}

Test(distribution, a_drained_endpoint_and_one_of_weight_zero_get_nothing_new)
{
    static const unsigned all[] = {4, 3, 2, 1}, left[] = {4, 0, 0, 1};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        fixture_init(&f, a, all, 4);
        fixture_set_draining(&f, 1, true);
        fixture_set_weight(&f, 2, 0);
        run(&f);
        cr_expect_eq(f.counts[1] + f.counts[2], 0);
        fixture_expect_shares(&f, left, tolerance_of(a));
        fixture_set_draining(&f, 1, false);
        fixture_set_weight(&f, 2, 2);
        run(&f);
        fixture_expect_shares(&f, all, tolerance_of(a));
        fixture_fini(&f);
    }
}

Test(distribution, an_endpoint_that_joins_with_a_weight_gets_its_share)
{
    static const unsigned before[] = {4, 0, 2, 1}, after[] = {4, 3, 2, 1};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        fixture_init(&f, a, before, 4);
        run(&f);
        cr_expect_eq(f.counts[1], 0);
        fixture_expect_shares(&f, before, tolerance_of(a));
        fixture_set_weight(&f, 1, 3);
        run(&f);
        fixture_expect_shares(&f, after, tolerance_of(a));
        fixture_fini(&f);
    }
}

Test(distribution, an_ejected_endpoint_leaves_the_others_in_proportion)
{
    static const unsigned all[] = {4, 3, 2, 1}, without[] = {4, 3, 0, 1};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        fixture_init(&f, a, all, 4);
        fixture_set_ejected(&f, 2, true);
        run(&f);
        cr_expect_eq(f.counts[2], 0);
        fixture_expect_shares(&f, without, tolerance_of(a));
        fixture_set_ejected(&f, 2, false);
        run(&f);
        fixture_expect_shares(&f, all, tolerance_of(a));
        fixture_fini(&f);
    }
}

static void init_slow_start(struct fixture *f, enum config_algorithm algorithm,
                            const unsigned *weights, unsigned size)
{
    const struct config_pool config = {.algorithm = algorithm, .slow_start_ms = 30000};
    struct config_backend backends[8] = {0};

    for (unsigned i = 0; i < size; i++)
        backends[i].weight = weights[i];
    fixture_init_config(f, &config, backends, size, NULL);
}

/* Shares stand still between two refreshes, whatever the clock says. */
static void expect_shares_at(struct fixture *f, uint64_t at_us, const unsigned *hundredths)
{
    f->now_us = at_us;
    fixture_refresh(f);
    run(f);
    fixture_expect_shares(f, hundredths, tolerance_of(f->config.algorithm));
}

Test(distribution, an_endpoint_that_returns_starts_slowly_and_the_others_stay_in_proportion)
{
    static const unsigned weights[] = {4, 3, 2, 1}, first[] = {400, 30, 200, 100},
                          half[] = {400, 165, 200, 100}, all[] = {400, 300, 200, 100};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        init_slow_start(&f, a, weights, 4);
        run(&f);
        fixture_expect_shares(&f, weights, tolerance_of(a)); /* nobody starts slowly at the start */
        balancer_endpoint_returned(f.pool, fixture_endpoint(&f, 1), 60000000);
        expect_shares_at(&f, 60000000, first);
        expect_shares_at(&f, 75000000, half);
        expect_shares_at(&f, 90000000, all);
        fixture_fini(&f);
    }
}

Test(distribution, refresh_tells_when_a_slow_start_goes_on)
{
    static const unsigned weights[] = {1, 1};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        bool hashes = a == CONFIG_IP_HASH || a == CONFIG_CONSISTENT_HASH;
        unsigned steps = 0;
        struct fixture f;
        uint64_t next_us;

        init_slow_start(&f, a, weights, 2);
        f.now_us = 60000000;
        cr_expect_eq(fixture_refresh(&f).next_us, 0);
        balancer_endpoint_returned(f.pool, fixture_endpoint(&f, 0), f.now_us);
        while ((next_us = fixture_refresh(&f).next_us) != 0) {
            cr_assert_gt(next_us, f.now_us);
            f.now_us = next_us;
            steps++;
        }
        cr_expect_leq(steps, hashes ? 10u : 90u);
        cr_expect_eq(atomic_load(&fixture_endpoint(&f, 0)->share), 100);
        fixture_fini(&f);
    }
}

Test(distribution, a_returning_endpoint_gets_no_burst)
{
    static const enum config_algorithm fair[] = {CONFIG_ROUND_ROBIN, CONFIG_WEIGHTED,
                                                 CONFIG_LEAST_CONNECTIONS};
    static const unsigned weights[] = {1, 1, 1, 1};

    for (unsigned a = 0; a < 3; a++) {
        struct fixture f;

        fixture_init(&f, fair[a], weights, 4);
        fixture_set_status(&f, 2, ENDPOINT_UNHEALTHY);
        fixture_run(&f, PICKS, 1);
        fixture_set_status(&f, 2, ENDPOINT_HEALTHY);
        fixture_run(&f, 40, 1);
        cr_expect_leq(f.counts[2], 11, "%s: %u of 40", config_algorithm_name(fair[a]), f.counts[2]);
        cr_expect_geq(f.counts[2], 9);
        fixture_fini(&f);
    }
}

Test(distribution, a_pool_of_one_serves_everything)
{
    static const unsigned weights[] = {3};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        fixture_init(&f, a, weights, 1);
        fixture_run(&f, 1000, 10);
        cr_expect_eq(f.counts[0], 1000);
        fixture_fini(&f);
    }
}

Test(distribution, round_robin_with_equal_weights_is_strict_rotation)
{
    struct fixture f;

    fixture_init_equal(&f, CONFIG_ROUND_ROBIN, 7);
    for (unsigned i = 0; i < 70; i++) {
        struct endpoint *e = fixture_pick(&f, 0, NULL);

        cr_expect_eq(e->index, i % 7);
        fixture_done(&f, e, 1);
    }
    fixture_fini(&f);
}

Test(distribution, round_robin_gives_exact_shares_in_every_round)
{
    static const unsigned weights[] = {5, 1, 1, 13, 2};
    struct fixture f;

    fixture_init(&f, CONFIG_ROUND_ROBIN, weights, 5);
    for (unsigned round = 0; round < 10; round++) {
        fixture_run(&f, 22, 1);
        fixture_expect_shares(&f, weights, 0);
    }
    fixture_fini(&f);
}
