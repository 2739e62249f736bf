/* Why each endpoint may or may not be chosen, and that asking changes nothing. */
#include <criterion/criterion.h>
#include <string.h>

#include "balancer/algorithm.h"
#include "tests/unit/balancer/fixture.h"

enum { SIZE = 6 };

static struct balancer_candidate said[SIZE];

static void init(struct fixture *f, enum config_algorithm algorithm, const unsigned *priorities)
{
    const struct config_pool config = {.algorithm = algorithm,
                                       .failover = {.min_healthy_percent = 70}};
    struct config_backend backends[SIZE] = {0};

    for (unsigned i = 0; i < SIZE; i++)
        backends[i] = (struct config_backend){
            .weight = 1, .priority = priorities[i], .backup = priorities[i] == 0};
    fixture_init_config(f, &config, backends, SIZE, NULL);
}

static struct endpoint *explain(struct fixture *f)
{
    const struct balancer_request request = {.hash = 1, .random = 1, .now_us = f->now_us};
    struct endpoint *chosen;

    cr_assert_eq(balancer_pool_explain(f->pool, &request, said, SIZE, &chosen), SIZE);
    return chosen;
}

static void expect(unsigned index, enum balancer_verdict verdict)
{
    cr_expect_eq(said[index].endpoint->index, index);
    cr_expect_eq(said[index].verdict, verdict, "endpoint %u: %s", index,
                 balancer_verdict_name(said[index].verdict));
    cr_expect_eq(said[index].eligible, verdict == BALANCER_ELIGIBLE);
}

static const unsigned equal[SIZE] = {1, 1, 1, 1, 1, 1};

Test(explain, says_who_was_taken_out_and_who_cannot_serve)
{
    struct fixture f;

    init(&f, CONFIG_ROUND_ROBIN, equal);
    fixture_set_draining(&f, 0, true);
    fixture_set_weight(&f, 1, 0);
    fixture_set_resolved(&f, 2, false);
    fixture_set_status(&f, 3, ENDPOINT_UNHEALTHY);
    fixture_set_ejected(&f, 4, true);
    cr_expect_eq(explain(&f), fixture_endpoint(&f, 5));
    expect(0, BALANCER_IS_DRAINING);
    expect(1, BALANCER_IS_WEIGHTLESS);
    expect(2, BALANCER_IS_UNRESOLVED);
    expect(3, BALANCER_IS_UNHEALTHY);
    expect(4, BALANCER_IS_EJECTED);
    expect(5, BALANCER_ELIGIBLE);
    cr_expect_eq(said[5].share_percent, 100);
    cr_expect_eq(said[4].share_percent, 0);
    balancer_pool_leave(f.pool, fixture_endpoint(&f, 5));
    cr_expect_null(explain(&f));
    expect(5, BALANCER_IS_LEAVING);
    fixture_fini(&f);
}

Test(explain, says_whom_breakers_and_limits_keep_out)
{
    struct fixture f;

    init(&f, CONFIG_LEAST_CONNECTIONS, equal);
    fixture_set_breaker(&f, 0, BREAKER_OPEN, 0);
    fixture_set_breaker(&f, 1, BREAKER_HALF_OPEN, 0);
    fixture_set_stall(&f, 2, STALL_STALLED, 0);
    fixture_set_status(&f, 3, ENDPOINT_DEGRADED);
    fixture_set_status(&f, 4, ENDPOINT_UNKNOWN);
    cr_expect_eq(explain(&f), fixture_endpoint(&f, 5));
    expect(0, BALANCER_BREAKER_OPEN);
    expect(1, BALANCER_BREAKER_HALF_OPEN);
    expect(2, BALANCER_IS_STALLED);
    expect(3, BALANCER_IS_DEGRADED);
    expect(4, BALANCER_IS_UNKNOWN);
    expect(5, BALANCER_ELIGIBLE);
    atomic_store(&fixture_endpoint(&f, 5)->max_connections, 1);
    fixture_refresh(&f);
    cr_expect_eq(fixture_pick(&f, 1, NULL), fixture_endpoint(&f, 5));
    cr_expect_eq(explain(&f), fixture_endpoint(&f, 3));
    expect(3, BALANCER_ELIGIBLE);
    expect(5, BALANCER_IS_FULL);
    fixture_fini(&f);
}

Test(explain, says_who_would_do_but_for_the_tier)
{
    static const unsigned priorities[] = {1, 1, 2, 2, 0, 0};
    struct fixture f;
    struct endpoint *chosen;

    init(&f, CONFIG_RANDOM, priorities);
    chosen = explain(&f);
    cr_expect_lt(chosen->index, 2);
    for (unsigned i = 0; i < SIZE; i++) {
        expect(i, i < 2 ? BALANCER_ELIGIBLE : BALANCER_OTHER_LEVEL);
        cr_expect_eq(said[i].priority, priorities[i]);
        cr_expect_str_eq(said[i].level_where, "");
        cr_expect_eq(said[i].share_percent, i < 2 ? 50 : 0);
    }
    fixture_set_status(&f, 0, ENDPOINT_UNHEALTHY); /* half of it: 71.4 % of the load */
    explain(&f);
    cr_expect_eq(said[1].share_percent, 71);
    cr_expect_eq(said[2].share_percent, 14);
    cr_expect_eq(said[4].share_percent, 0);
    fixture_fini(&f);
}

Test(explain, counts_panic_as_everybody_being_healthy)
{
    const struct config_pool config = {.algorithm = CONFIG_ROUND_ROBIN,
                                       .failover = {.panic_percent = 50}};
    struct config_backend backends[SIZE] = {0};
    struct fixture f;

    for (unsigned i = 0; i < SIZE; i++)
        backends[i] = (struct config_backend){.weight = 1, .priority = 1};
    fixture_init_config(&f, &config, backends, SIZE, NULL);
    for (unsigned i = 0; i < SIZE; i++)
        fixture_set_status(&f, i, ENDPOINT_UNHEALTHY);
    cr_expect_not_null(explain(&f));
    for (unsigned i = 0; i < SIZE; i++)
        expect(i, BALANCER_ELIGIBLE);
    fixture_fini(&f);
}

Test(explain, says_that_the_pool_is_full_by_choosing_nobody_though_all_are_eligible)
{
    const struct config_pool config = {.algorithm = CONFIG_ROUND_ROBIN, .max_connections = 1};
    struct config_backend backends[SIZE] = {0};
    struct fixture f;

    for (unsigned i = 0; i < SIZE; i++)
        backends[i] = (struct config_backend){.weight = 1, .priority = 1};
    fixture_init_config(&f, &config, backends, SIZE, NULL);
    fixture_pick(&f, 1, NULL);
    cr_expect_null(explain(&f));
    for (unsigned i = 0; i < SIZE; i++)
        expect(i, BALANCER_ELIGIBLE);
    fixture_fini(&f);
}

Test(explain, follows_a_session_and_asks_for_a_probe_without_taking_it)
{
    static const unsigned priorities[] = {1, 2, 2, 2, 2, 2};
    struct balancer_request request = {.hash = 1, .random = 1, .session = 7};
    struct endpoint *chosen;
    struct fixture f;

    init(&f, CONFIG_ROUND_ROBIN, priorities);
    request.session_endpoint = fixture_endpoint(&f, 4);
    balancer_pool_explain(f.pool, &request, said, SIZE, &chosen);
    cr_expect_eq(chosen, fixture_endpoint(&f, 4));
    expect(0, BALANCER_ELIGIBLE);
    expect(4, BALANCER_ELIGIBLE);
    expect(3, BALANCER_OTHER_LEVEL);
    fixture_set_breaker(&f, 0, BREAKER_HALF_OPEN, 1);
    for (unsigned i = 0; i < 5; i++)
        cr_expect_eq(explain(&f), fixture_endpoint(&f, 0));
    cr_expect_eq(atomic_load(&fixture_endpoint(&f, 0)->probes), 1);
    expect(3, BALANCER_ELIGIBLE);
    fixture_fini(&f);
}

/* The same pool twice, and one of them is asked all the time: both go the same way. */
Test(explain, foretells_the_next_pick_and_leaves_no_trace)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        static const unsigned priorities[] = {1, 1, 1, 2, 2, 0};
        struct fixture asked, silent;

        init(&asked, a, priorities);
        init(&silent, a, priorities);
        for (unsigned i = 0; i < 500; i++) {
            uint64_t random = fixture_random(&asked);
            struct balancer_request request = {
                .hash = random, .random = ~random, .now_us = asked.now_us};
            struct balancer_tried tried;
            struct endpoint *foretold, *e, *other;
            int error;

            if (i % 50 == 25) {
                fixture_set_status(&asked, i / 50 % 3, ENDPOINT_UNHEALTHY);
                fixture_set_status(&silent, i / 50 % 3, ENDPOINT_UNHEALTHY);
            }
            for (unsigned k = 0; k < 3; k++)
                balancer_pool_explain(asked.pool, &request, said, SIZE, &foretold);
            balancer_tried_init(&tried);
            e = balancer_pick(asked.pool, &request, &tried, &error);
            balancer_tried_fini(&tried);
            other = balancer_pick(silent.pool, &request, &tried, &error);
            balancer_tried_fini(&tried);
            cr_assert(e != NULL && other != NULL && foretold == e, "%s, pick %u",
                      config_algorithm_name(a), i);
            cr_assert_eq(e->index, other->index);
            cr_assert_eq(atomic_load(&e->picks), atomic_load(&other->picks));
            if (i % 3 != 0) {
                fixture_done(&asked, e, 1000 + i % 7);
                fixture_done(&silent, other, 1000 + i % 7);
            }
        }
        cr_expect_eq(balancer_pool_in_flight(asked.pool), balancer_pool_in_flight(silent.pool));
        fixture_fini(&asked);
        fixture_fini(&silent);
    }
}

Test(explain, fills_no_more_than_there_is_room_for_and_has_a_name_for_each_verdict)
{
    const struct balancer_request request = {.hash = 1, .random = 1};
    struct endpoint *chosen;
    struct fixture f;

    init(&f, CONFIG_IP_HASH, equal);
    cr_expect_eq(balancer_pool_explain(f.pool, &request, said, 2, &chosen), 2);
    cr_expect_not_null(chosen);
    for (unsigned v = 0; v < BALANCER_VERDICT_COUNT; v++)
        cr_expect_gt(strlen(balancer_verdict_name(v)), 0);
    fixture_fini(&f);
    fixture_init_equal(&f, CONFIG_WEIGHTED, 0);
    cr_expect_eq(balancer_pool_explain(f.pool, &request, said, SIZE, &chosen), 0);
    cr_expect_null(chosen);
    fixture_fini(&f);
}
