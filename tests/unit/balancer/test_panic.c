/* Panic mode: health is ignored while too few are left to be believed. */
#include <criterion/criterion.h>

#include "tests/unit/balancer/fixture.h"

static void init(struct fixture *f, enum config_algorithm algorithm, unsigned percent)
{
    const struct config_pool config = {
        .algorithm = algorithm, .failover = {.min_healthy_percent = 70, .panic_percent = percent}};
    const struct config_backend backends[] = {
        {.weight = 1, .priority = 1}, {.weight = 1, .priority = 1}, {.weight = 1, .priority = 1},
        {.weight = 1, .priority = 1}, {.weight = 1, .priority = 2}, {.weight = 1, .priority = 2},
    };

    fixture_init_config(f, &config, backends, 6, NULL);
}

/* Each in another way. */
static void lose(struct fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct endpoint *e = fixture_endpoint(f, i);

        if (i % 3 == 0)
            atomic_store(&e->status, ENDPOINT_UNHEALTHY);
        else if (i % 3 == 1)
            atomic_store(&e->breaker, BREAKER_OPEN);
        else
            atomic_store(&e->ejected, true);
    }
}

Test(panic, below_the_threshold_everybody_present_is_used_until_it_is_over)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        static const unsigned all[] = {1, 1, 1, 1, 1, 1};
        struct fixture f;

        init(&f, a, 50);
        lose(&f, 3);
        cr_expect(!fixture_refresh(&f).panic_changed);
        cr_expect(!balancer_pool_panicking(f.pool));
        lose(&f, 4);
        cr_expect(fixture_refresh(&f).panic_changed);
        cr_expect(balancer_pool_panicking(f.pool));
        fixture_run(&f, 100000, 1);
        fixture_expect_shares(&f, all, 0.03);
        fixture_set_status(&f, 0, ENDPOINT_HEALTHY);
        cr_expect(!balancer_pool_panicking(f.pool));
        fixture_run(&f, 1000, 1);
        cr_expect_eq(f.counts[1] + f.counts[2] + f.counts[3], 0);
        fixture_fini(&f);
    }
}

Test(panic, is_off_by_default_and_with_nobody_to_ask)
{
    struct fixture f;

    init(&f, CONFIG_ROUND_ROBIN, 0);
    lose(&f, 6);
    fixture_refresh(&f);
    cr_expect(!balancer_pool_panicking(f.pool));
    cr_expect_null(fixture_pick(&f, 1, NULL));
    fixture_fini(&f);
    init(&f, CONFIG_ROUND_ROBIN, 50);
    for (unsigned i = 0; i < 6; i++)
        fixture_set_draining(&f, i, true);
    cr_expect(!balancer_pool_panicking(f.pool));
    fixture_fini(&f);
}

Test(panic, leaves_draining_weightless_and_unresolved_endpoints_alone)
{
    struct fixture f;

    init(&f, CONFIG_RANDOM, 80);
    fixture_set_draining(&f, 0, true);
    fixture_set_weight(&f, 1, 0);
    fixture_set_resolved(&f, 2, false);
    fixture_set_status(&f, 3, ENDPOINT_DRAINING);
    cr_expect_not(balancer_pool_panicking(f.pool), "2 of 2 that are meant to serve");
    fixture_set_status(&f, 5, ENDPOINT_UNHEALTHY);
    cr_expect(balancer_pool_panicking(f.pool), "1 of 2");
    fixture_run(&f, 1000, 1);
    cr_expect_eq(f.counts[4] + f.counts[5], 1000);
    fixture_fini(&f);
}

Test(panic, needs_no_probes)
{
    struct fixture f;

    init(&f, CONFIG_ROUND_ROBIN, 50);
    lose(&f, 6);
    fixture_set_breaker(&f, 1, BREAKER_HALF_OPEN, 0);
    cr_expect(balancer_pool_panicking(f.pool));
    fixture_run(&f, 600, 1);
    cr_expect_gt(f.counts[1], 50u);
    fixture_fini(&f);
}

Test(panic, who_was_tripped_by_hand_is_no_reason_for_it)
{
    const struct config_pool config = {.failover = {.panic_percent = 60}};
    struct config_backend backends[4] = {0};
    struct fixture f;

    for (unsigned i = 0; i < 4; i++)
        backends[i] = (struct config_backend){.weight = 1, .priority = 1};
    fixture_init_config(&f, &config, backends, 4, NULL);
    for (unsigned i = 0; i < 2; i++) {
        atomic_store(&fixture_endpoint(&f, i)->tripped, true);
        fixture_set_breaker(&f, i, BREAKER_OPEN, 0);
    }
    fixture_refresh(&f);
    cr_expect(!balancer_pool_panicking(f.pool));
    fixture_set_status(&f, 2, ENDPOINT_UNHEALTHY);
    fixture_refresh(&f);
    cr_expect(balancer_pool_panicking(f.pool), "one of two");
    fixture_fini(&f);
}
