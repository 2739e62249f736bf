/* Tiers in a pool: who is at which level, and who gets the requests. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "balancer/algorithm.h"
#include "base/alloc.h"
#include "tests/unit/balancer/fixture.h"

enum { PICKS = 100000, KEYS = 20000 };

/* Per tier so many endpoints of weight 1, named by their priorities; priority 0: backups. */
static void init_tiers(struct fixture *f, const struct config_pool *config,
                       const unsigned *priorities, unsigned size)
{
    struct config_backend *backends = xcalloc(size, sizeof(*backends));

    for (unsigned i = 0; i < size; i++)
        backends[i] = (struct config_backend){
            .weight = 1, .priority = priorities[i], .backup = priorities[i] == 0};
    fixture_init_config(f, config, backends, size, NULL);
    free(backends);
}

static void init(struct fixture *f, enum config_algorithm algorithm, const unsigned *priorities,
                 unsigned size)
{
    const struct config_pool config = {.algorithm = algorithm,
                                       .failover = {.min_healthy_percent = 70}};

    init_tiers(f, &config, priorities, size);
}

static unsigned counts_of_level(struct fixture *f, unsigned level)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < f->size; i++)
        sum += balancer_pool_level(f->pool, fixture_endpoint(f, i)) == level ? f->counts[i] : 0;
    return sum;
}

static void expect_tier(struct fixture *f, unsigned level, unsigned healthy, unsigned capacity,
                        unsigned load)
{
    struct balancer_tier tiers[8];
    unsigned count = balancer_pool_tiers(f->pool, tiers, 8);

    cr_assert_lt(level, count);
    cr_expect_eq(tiers[level].healthy, healthy, "level %u: %u healthy", level,
                 tiers[level].healthy);
    cr_expect_eq(tiers[level].capacity_percent, capacity, "level %u: capacity %u", level,
                 tiers[level].capacity_percent);
    cr_expect_eq(tiers[level].load_percent, load, "level %u: load %u", level,
                 tiers[level].load_percent);
}

Test(tiers, are_ordered_by_priority_then_distance_and_backups_are_last)
{
    static const struct config_place here = {"eu", "eu-a"};
    const struct config_pool config = {.locality = CONFIG_LOCALITY_PREFER};
    const struct config_backend backends[] = {
        {.weight = 1, .priority = 9, .backup = true, .place = {"us", "us-a"}},
        {.weight = 1, .priority = 2, .place = {"eu", "eu-a"}},
        {.weight = 1, .priority = 1, .place = {"us", "eu-a"}}, /* another region's zone */
        {.weight = 1, .priority = 1, .place = {"eu", "eu-b"}},
        {.weight = 1, .priority = 1, .place = {"", "eu-a"}},
        {.weight = 1, .priority = 3, .backup = true, .place = {"eu", "eu-a"}},
        {.weight = 1, .priority = 1, .place = {"eu", "eu-a"}},
    };
    static const unsigned expected[] = {5, 3, 2, 1, 0, 4, 0};
    struct balancer_tier tiers[8];
    struct fixture f;

    fixture_init_config(&f, &config, backends, 7, &here);
    for (unsigned i = 0; i < 7; i++)
        cr_expect_eq(balancer_pool_level(f.pool, fixture_endpoint(&f, i)), expected[i],
                     "endpoint %u", i);
    cr_expect_eq(balancer_pool_tiers(f.pool, tiers, 8), 6);
    cr_expect_eq(balancer_pool_tiers(f.pool, tiers, 2), 2);
    cr_expect(tiers[0].priority == 1 && tiers[0].endpoints == 2 && tiers[3].priority == 2);
    cr_expect_eq(tiers[5].priority, 0, "backups");
    cr_expect_str_eq(tiers[0].where, "zone");
    cr_expect_str_eq(tiers[1].where, "region");
    cr_expect_str_eq(tiers[2].where, "elsewhere");
    fixture_fini(&f);
}

Test(tiers, without_locality_only_priorities_count)
{
    static const struct config_place here = {"eu", "eu-a"};
    const struct config_pool config = {.locality = CONFIG_LOCALITY_OFF};
    const struct config_backend backends[] = {
        {.weight = 1, .priority = 1, .place = {"us", "us-a"}},
        {.weight = 1, .priority = 1, .place = {"eu", "eu-a"}},
    };
    struct balancer_tier tier;
    struct fixture f;

    fixture_init_config(&f, &config, backends, 2, &here);
    cr_expect_eq(balancer_pool_tiers(f.pool, &tier, 1), 1);
    cr_expect_str_eq(tier.where, "");
    fixture_fini(&f);
}

Test(tiers, the_first_gets_everything_and_spills_over_as_it_loses_capacity)
{
    static const unsigned priorities[] = {1, 1, 1, 1, 2, 2};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        init(&f, a, priorities, 6);
        fixture_run(&f, 1000, 1);
        cr_expect_eq(counts_of_level(&f, 0), 1000);
        fixture_set_status(&f, 0, ENDPOINT_UNHEALTHY);
        fixture_run(&f, 1000, 1);
        cr_expect_eq(counts_of_level(&f, 0), 1000, "75 %% are enough");
        fixture_set_status(&f, 1, ENDPOINT_UNHEALTHY);
        expect_tier(&f, 0, 2, 50, 71);
        expect_tier(&f, 1, 2, 100, 29);
        fixture_run(&f, PICKS, 1);
        cr_expect_float_eq(counts_of_level(&f, 0), PICKS * 0.7142, PICKS * 0.01);
        fixture_set_status(&f, 2, ENDPOINT_UNHEALTHY);
        fixture_set_status(&f, 3, ENDPOINT_UNHEALTHY);
        fixture_run(&f, 1000, 1);
        cr_expect_eq(counts_of_level(&f, 1), 1000);
        fixture_fini(&f);
    }
}

Test(tiers, within_a_level_the_shares_are_the_weights_while_it_spills)
{
    static const unsigned priorities[] = {1, 1, 1, 1, 2, 2};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        double tolerance = a == CONFIG_IP_HASH || a == CONFIG_CONSISTENT_HASH ? 0.04 : 0.02;
        struct fixture f;

        init(&f, a, priorities, 6);
        atomic_store(&fixture_endpoint(&f, 0)->weight, 3);
        fixture_set_status(&f, 1, ENDPOINT_UNHEALTHY);
        fixture_set_status(&f, 2, ENDPOINT_UNHEALTHY); /* 4 of 6 are left: 95.2 % of the load */
        fixture_run(&f, PICKS, 1);
        cr_expect_float_eq(counts_of_level(&f, 0), PICKS * 0.9523, PICKS * 0.005);
        cr_expect_float_eq(f.counts[0], 3.0 * f.counts[3], 3.0 * f.counts[3] * tolerance);
        fixture_fini(&f);
    }
}

Test(tiers, a_healthy_endpoint_of_a_later_one_is_better_than_a_degraded_one_of_the_first)
{
    static const unsigned priorities[] = {1, 2, 0};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        init(&f, a, priorities, 3);
        fixture_set_status(&f, 0, ENDPOINT_DEGRADED);
        cr_expect_eq(fixture_pick(&f, 1, NULL)->index, 1);
        fixture_set_status(&f, 1, ENDPOINT_UNHEALTHY);
        cr_expect_eq(fixture_pick(&f, 1, NULL)->index, 0, "before the backup: it can serve");
        fixture_set_status(&f, 0, ENDPOINT_UNHEALTHY);
        cr_expect_eq(fixture_pick(&f, 1, NULL)->index, 2);
        fixture_set_status(&f, 2, ENDPOINT_UNKNOWN);
        fixture_set_status(&f, 0, ENDPOINT_HEALTHY);
        fixture_set_stall(&f, 0, STALL_STALLED, 0);
        cr_expect_eq(fixture_pick(&f, 1, NULL)->index, 0, "stalled before unknown");
        fixture_set_status(&f, 2, ENDPOINT_DEGRADED);
        cr_expect_eq(fixture_pick(&f, 1, NULL)->index, 2, "a degraded backup before stalled");
        fixture_fini(&f);
    }
}

Test(tiers, a_retry_goes_on_to_the_next_when_the_first_was_tried)
{
    static const unsigned priorities[] = {1, 2, 0};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;
        struct balancer_tried tried;

        init(&f, a, priorities, 3);
        balancer_tried_init(&tried);
        for (unsigned i = 0; i < 3; i++)
            cr_expect_eq(fixture_pick_again(&f, 1, &tried, NULL)->index, i);
        balancer_tried_fini(&tried);
        fixture_fini(&f);
    }
}

/* ---- Keys and sessions ---- */

static unsigned level_of_key(struct fixture *f, unsigned k, bool session)
{
    uint64_t key = balancer_mix(k + 1);
    struct endpoint *e = session ? fixture_pick_session(f, key, NULL) : fixture_pick(f, key, NULL);

    fixture_done(f, e, 1);
    return balancer_pool_level(f->pool, e);
}

Test(tiers, a_key_or_session_stays_at_its_level_unless_the_share_of_that_shrinks)
{
    static const unsigned priorities[] = {1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    static unsigned before[KEYS];

    for (unsigned session = 0; session < 2; session++) {
        struct fixture f;
        unsigned moved = 0;

        init(&f, session ? CONFIG_ROUND_ROBIN : CONFIG_CONSISTENT_HASH, priorities, 12);
        for (unsigned i = 0; i < 3; i++) {
            fixture_set_status(&f, i, ENDPOINT_UNHEALTHY);     /* 35.7 % are left */
            fixture_set_status(&f, 4 + i, ENDPOINT_UNHEALTHY); /* the same: 35.7, 28.6 */
        }
        for (unsigned k = 0; k < KEYS; k++)
            before[k] = level_of_key(&f, k, session);
        fixture_set_status(&f, 4, ENDPOINT_HEALTHY); /* 35.7, 64.3, 0 */
        for (unsigned k = 0; k < KEYS; k++) {
            unsigned after = level_of_key(&f, k, session);

            cr_expect(after == before[k] || (before[k] == 2 && after == 1), "from level %u to %u",
                      before[k], after);
            moved += after != before[k];
        }
        cr_expect_float_eq(moved, KEYS * 0.286, KEYS * 0.02);
        fixture_fini(&f);
    }
}

/* ---- Failback ---- */

static void init_failback(struct fixture *f, enum config_failback_mode mode)
{
    static const unsigned priorities[] = {1, 2};
    const struct config_pool config = {
        .failback = {.mode = mode, .after_ms = 60000, .step_percent = 10}};

    init_tiers(f, &config, priorities, 2);
}

Test(tiers, the_load_returns_as_the_failback_policy_says_and_refresh_tells_when)
{
    struct fixture f;
    struct balancer_tier tiers[2];
    struct balancer_refresh refresh;

    init_failback(&f, CONFIG_FAILBACK_DELAYED);
    atomic_store(&fixture_endpoint(&f, 0)->status, ENDPOINT_UNHEALTHY);
    cr_expect(fixture_refresh(&f).tiers_changed);
    cr_expect(!fixture_refresh(&f).tiers_changed);
    atomic_store(&fixture_endpoint(&f, 0)->status, ENDPOINT_HEALTHY);
    refresh = fixture_refresh(&f);
    cr_expect(!refresh.tiers_changed);
    cr_expect_eq(refresh.next_us, f.now_us + 60000000);
    balancer_pool_tiers(f.pool, tiers, 2);
    cr_expect(tiers[0].held_back && !tiers[1].held_back && tiers[1].load_percent == 100);
    fixture_run(&f, 100, 1);
    cr_expect_eq(f.counts[1], 100);
    f.now_us = refresh.next_us;
    refresh = fixture_refresh(&f);
    cr_expect(refresh.tiers_changed && refresh.next_us == 0);
    fixture_run(&f, 100, 1);
    cr_expect_eq(f.counts[0], 100);
    fixture_fini(&f);
}

Test(tiers, an_operator_can_bring_the_load_back)
{
    struct fixture f;

    init_failback(&f, CONFIG_FAILBACK_MANUAL);
    fixture_set_status(&f, 0, ENDPOINT_UNHEALTHY);
    fixture_set_status(&f, 0, ENDPOINT_HEALTHY);
    cr_expect_eq(fixture_pick(&f, 1, NULL)->index, 1);
    balancer_pool_fail_back(f.pool);
    cr_expect(fixture_refresh(&f).tiers_changed);
    cr_expect_eq(fixture_pick(&f, 1, NULL)->index, 0);
    fixture_fini(&f);
}

Test(tiers, a_level_held_back_serves_before_a_request_is_refused)
{
    struct fixture f;
    struct balancer_tried tried;

    init_failback(&f, CONFIG_FAILBACK_MANUAL);
    fixture_set_status(&f, 0, ENDPOINT_UNHEALTHY);
    fixture_set_status(&f, 0, ENDPOINT_HEALTHY);
    balancer_tried_init(&tried);
    cr_expect_eq(fixture_pick_again(&f, 1, &tried, NULL)->index, 1);
    cr_expect_eq(fixture_pick_again(&f, 1, &tried, NULL)->index, 0);
    balancer_tried_fini(&tried);
    fixture_fini(&f);
}

Test(tiers, at_the_start_the_load_does_not_wait_for_a_policy)
{
    static const unsigned priorities[] = {1, 1, 2};
    const struct config_pool config = {.failback = {.mode = CONFIG_FAILBACK_MANUAL},
                                       .failover = {.min_healthy_percent = 70}};
    struct fixture f;

    init_tiers(&f, &config, priorities, 3);
    balancer_pool_free(f.pool);
    f.pool = pool_with_backends(&f.config, NULL); /* all unknown, as with checks */
    cr_expect_lt(fixture_pick(&f, 1, NULL)->index, 2u);
    fixture_set_status(&f, 2, ENDPOINT_HEALTHY); /* its check was the first to answer */
    cr_expect_eq(fixture_pick(&f, 1, NULL)->index, 2);
    fixture_set_status(&f, 0, ENDPOINT_HEALTHY);
    expect_tier(&f, 0, 1, 50, 71);
    fixture_set_status(&f, 1, ENDPOINT_HEALTHY);
    expect_tier(&f, 0, 2, 100, 100);
    fixture_fini(&f);
}

/* ---- Probes ---- */

Test(tiers, an_endpoint_that_waits_for_probes_gets_them_though_its_tier_has_no_load)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        static const unsigned priorities[] = {1, 2};
        struct fixture f;

        init(&f, a, priorities, 2);
        fixture_set_breaker(&f, 0, BREAKER_HALF_OPEN, 0);
        fixture_run(&f, 100, 1);
        cr_expect_eq(f.counts[1], 100);
        expect_tier(&f, 0, 0, 0, 0);
        atomic_store(&fixture_endpoint(&f, 0)->probes, 2); /* given without a refresh */
        fixture_run(&f, 100, 1);
        cr_expect_eq(f.counts[0], 2);
        cr_expect_eq(atomic_load(&fixture_endpoint(&f, 0)->probes), 0);
        fixture_set_breaker(&f, 0, BREAKER_CLOSED, 0);
        fixture_run(&f, 100, 1);
        cr_expect_eq(f.counts[0], 100);
        fixture_fini(&f);
    }
}

Test(tiers, a_stall_is_probed_by_one_token_even_if_the_breaker_is_half_open_too)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        static const unsigned priorities[] = {1, 2};
        struct fixture f;

        init(&f, a, priorities, 2);
        atomic_store(&fixture_endpoint(&f, 0)->breaker, BREAKER_HALF_OPEN);
        fixture_set_stall(&f, 0, STALL_PROBING, 3);
        fixture_run(&f, 100, 1);
        cr_expect_eq(f.counts[0], 3);
        fixture_fini(&f);
    }
}

Test(tiers, a_stalled_endpoint_serves_as_such_while_nobody_else_can)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        static const unsigned priorities[] = {1};
        struct fixture f;

        init(&f, a, priorities, 1);
        fixture_set_stall(&f, 0, STALL_STALLED, 0);
        fixture_run(&f, 10, 1);
        fixture_set_stall(&f, 0, STALL_PROBING, 0);
        fixture_run(&f, 10, 1);
        cr_expect_eq(f.counts[0], 10);
        fixture_fini(&f);
    }
}

Test(tiers, an_ejected_endpoint_gets_nothing_not_even_as_the_last)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        static const unsigned priorities[] = {1, 1};
        struct fixture f;
        int error = 0;

        init(&f, a, priorities, 2);
        fixture_set_ejected(&f, 0, true);
        fixture_run(&f, 100, 1);
        cr_expect_eq(f.counts[0], 0);
        fixture_set_ejected(&f, 1, true);
        cr_expect_null(fixture_pick(&f, 1, &error));
        cr_expect_eq(error, EG_E_NO_ENDPOINT);
        fixture_fini(&f);
    }
}
