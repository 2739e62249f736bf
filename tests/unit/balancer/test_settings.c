/* Settings that change while requests are in flight, and the tiers' memory over such changes. */
#include <criterion/criterion.h>

#include "tests/unit/balancer/fixture.h"

static struct config_backend spare = {
    .id = "spare", .address = "10.0.0.9:80", .weight = 1, .priority = 1};

/* Endpoints of these priorities (0: backup). */
static void init(struct fixture *f, const struct config_pool *config, const unsigned *priorities,
                 unsigned size)
{
    struct config_backend backends[8] = {0};

    for (unsigned i = 0; i < size; i++)
        backends[i] = (struct config_backend){
            .weight = 1, .priority = priorities[i], .backup = priorities[i] == 0};
    fixture_init_config(f, config, backends, size, NULL);
}

static void change(struct fixture *f, const struct config_pool *config,
                   const struct config_place *place)
{
    balancer_pool_change(f->pool, config, place);
    fixture_refresh(f);
    balancer_pool_reclaim(f->pool);
}

static unsigned load_of(struct fixture *f, unsigned level)
{
    struct balancer_tier tiers[8];

    cr_assert_lt(level, balancer_pool_tiers(f->pool, tiers, 8));
    return tiers[level].load_percent;
}

static void expect_loads(struct fixture *f, unsigned count, const unsigned *loads)
{
    struct balancer_tier tiers[8];

    cr_assert_eq(balancer_pool_tiers(f->pool, tiers, 8), count);
    for (unsigned i = 0; i < count; i++)
        cr_expect_eq(tiers[i].load_percent, loads[i], "level %u: %u", i, tiers[i].load_percent);
}

/* ---- Endpoints ---- */

Test(settings, an_endpoint_takes_over_what_changed_and_remembers_when)
{
    static const unsigned priorities[] = {1, 1};
    struct fixture f;
    struct endpoint *e;
    struct config_backend same, heavier;
    uint64_t updated_us;

    init(&f, &(struct config_pool){.algorithm = CONFIG_ROUND_ROBIN}, priorities, 2);
    e = fixture_endpoint(&f, 0);
    same = heavier = f.backends[0];
    heavier.weight = 3;
    heavier.max_connections = 7;
    updated_us = atomic_load(&e->updated_wall_us);
    balancer_endpoint_change(f.pool, e, &same);
    cr_expect_eq(atomic_load(&e->backend), &same);
    cr_expect_eq(atomic_load(&e->updated_wall_us), updated_us, "nothing changed");
    balancer_endpoint_change(f.pool, e, &heavier);
    fixture_refresh(&f);
    balancer_pool_reclaim(f.pool);
    cr_expect_geq(atomic_load(&e->updated_wall_us), updated_us);
    cr_expect_eq(atomic_load(&e->max_connections), 7);
    fixture_run(&f, 400, 1);
    cr_expect(f.counts[0] == 300 && f.counts[1] == 100);
    fixture_fini(&f);
}

Test(settings, an_endpoint_moves_to_another_tier)
{
    static const unsigned priorities[] = {1, 2};

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct config_backend moved;
        struct fixture f;

        init(&f, &(struct config_pool){.algorithm = a, .failover = {.min_healthy_percent = 70}},
             priorities, 2);
        fixture_run(&f, 100, 1);
        cr_expect_eq(f.counts[0], 100);
        moved = f.backends[0];
        moved.priority = 3;
        balancer_endpoint_change(f.pool, fixture_endpoint(&f, 0), &moved);
        fixture_run(&f, 10, 1);
        cr_expect_eq(f.counts[0], 10, "not before the refresh");
        fixture_refresh(&f);
        fixture_run(&f, 100, 1);
        cr_expect_eq(f.counts[1], 100);
        fixture_fini(&f);
    }
}

/* ---- The pool ---- */

Test(settings, every_algorithm_may_follow_every_other_with_requests_in_flight)
{
    static const unsigned priorities[] = {1, 1, 2, 0};
    struct config_pool configs[CONFIG_ALGORITHM_COUNT];
    struct endpoint *flying[40] = {0};
    struct fixture f;

    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++)
        configs[a] = (struct config_pool){.algorithm = a, .failover = {.min_healthy_percent = 70}};
    init(&f, &configs[0], priorities, 4);
    for (unsigned step = 0; step < CONFIG_ALGORITHM_COUNT * CONFIG_ALGORITHM_COUNT; step++) {
        unsigned from = step / CONFIG_ALGORITHM_COUNT, to = step % CONFIG_ALGORITHM_COUNT;

        change(&f, &configs[from], NULL);
        for (unsigned i = 0; i < 40; i++)
            flying[i] = fixture_pick(&f, i, NULL);
        change(&f, &configs[to], NULL);
        cr_expect_eq(balancer_pool_in_flight(f.pool), 40);
        for (unsigned i = 0; i < 40; i++)
            fixture_done(&f, flying[i], 5000);
        fixture_run(&f, 2000, 4);
        cr_expect(f.counts[0] > 700 && f.counts[1] > 700 && f.counts[0] + f.counts[1] == 2000,
                  "%s after %s: %u, %u", config_algorithm_name(to), config_algorithm_name(from),
                  f.counts[0], f.counts[1]);
        cr_expect_eq(fixture_active(&f), 0);
    }
    fixture_fini(&f);
}

Test(settings, a_limit_that_is_set_while_requests_are_in_flight_counts_them)
{
    static const unsigned priorities[] = {1, 1};
    const struct config_pool unlimited = {.algorithm = CONFIG_ROUND_ROBIN};
    const struct config_pool limited = {.algorithm = CONFIG_ROUND_ROBIN, .max_connections = 5};
    struct endpoint *flying[8];
    struct fixture f;
    int error = 0;

    init(&f, &unlimited, priorities, 2);
    for (unsigned i = 0; i < 8; i++)
        flying[i] = fixture_pick(&f, 1, NULL);
    change(&f, &limited, NULL);
    for (unsigned i = 0; i < 4; i++) {
        cr_expect_null(fixture_pick(&f, 1, &error));
        cr_expect_eq(error, EG_E_OVERLOAD);
        fixture_done(&f, flying[i], 1);
    }
    cr_expect_not_null(fixture_pick(&f, 1, &error), "four were left of five");
    cr_expect_null(fixture_pick(&f, 1, &error));
    change(&f, &unlimited, NULL);
    cr_expect_not_null(fixture_pick(&f, 1, &error));
    fixture_fini(&f);
}

Test(settings, locality_and_place_rearrange_the_tiers)
{
    const struct config_pool off = {.algorithm = CONFIG_ROUND_ROBIN},
                             prefer = {.algorithm = CONFIG_ROUND_ROBIN,
                                       .locality = CONFIG_LOCALITY_PREFER};
    const struct config_place here = {.region = "r", .zone = "a"},
                              there = {.region = "r", .zone = "b"};
    const struct config_backend backends[] = {{.weight = 1, .priority = 1, .place = {"r", "a"}},
                                              {.weight = 1, .priority = 1, .place = {"r", "b"}}};
    struct fixture f;

    fixture_init_config(&f, &off, backends, 2, &here);
    fixture_run(&f, 100, 1);
    cr_expect(f.counts[0] == 50 && f.counts[1] == 50);
    change(&f, &prefer, &here);
    fixture_run(&f, 100, 1);
    cr_expect_eq(f.counts[0], 100);
    change(&f, &prefer, &there);
    fixture_run(&f, 100, 1);
    cr_expect_eq(f.counts[1], 100);
    change(&f, &prefer, NULL);
    fixture_run(&f, 100, 1);
    cr_expect(f.counts[0] == 50 && f.counts[1] == 50);
    fixture_fini(&f);
}

Test(settings, a_newcomer_panics_with_the_others)
{
    static const unsigned priorities[] = {1, 1};
    const struct config_pool config = {.algorithm = CONFIG_ROUND_ROBIN,
                                       .failover = {.panic_percent = 50}};
    struct fixture f;
    struct endpoint *e;

    init(&f, &config, priorities, 2);
    fixture_set_status(&f, 0, ENDPOINT_UNHEALTHY);
    fixture_set_status(&f, 1, ENDPOINT_UNHEALTHY);
    cr_expect(balancer_pool_panicking(f.pool));
    e = fixture_join(&f, &spare);
    atomic_store(&e->status, ENDPOINT_UNHEALTHY);
    fixture_refresh(&f);
    cr_expect(atomic_load(&e->panicking) && endpoint_usable(e));
    fixture_fini(&f);
}

/* ---- Tiers ---- */

Test(settings, tiers_appear_and_vanish_and_the_load_follows)
{
    static const unsigned priorities[] = {2};
    const struct config_pool config = {.algorithm = CONFIG_LEAST_CONNECTIONS,
                                       .failover = {.min_healthy_percent = 70}};
    struct config_backend first = spare, backup = spare;
    struct endpoint *e, *last;
    struct fixture f;

    init(&f, &config, priorities, 1);
    first.id = "first";
    e = fixture_join(&f, &first);
    expect_loads(&f, 2, (unsigned[]){100, 0});
    backup.backup = true;
    last = fixture_join(&f, &backup);
    expect_loads(&f, 3, (unsigned[]){100, 0, 0});
    fixture_leave(&f, e);
    expect_loads(&f, 2, (unsigned[]){100, 0});
    fixture_leave(&f, fixture_endpoint(&f, 0));
    expect_loads(&f, 1, (unsigned[]){100});
    cr_expect_eq(fixture_pick(&f, 1, NULL), last);
    fixture_done(&f, last, 1);
    fixture_leave(&f, last);
    cr_expect_null(fixture_pick(&f, 1, NULL));
    fixture_fini(&f);
}

Test(settings, load_that_waits_for_an_operator_waits_on_while_others_come_and_go)
{
    static const unsigned priorities[] = {1, 2};
    const struct config_pool config = {.algorithm = CONFIG_ROUND_ROBIN,
                                       .failover = {.min_healthy_percent = 70},
                                       .failback = {.mode = CONFIG_FAILBACK_MANUAL}};
    struct config_backend third = spare;
    struct endpoint *e;
    struct fixture f;

    init(&f, &config, priorities, 2);
    fixture_set_status(&f, 0, ENDPOINT_UNHEALTHY);
    fixture_set_status(&f, 0, ENDPOINT_HEALTHY);
    expect_loads(&f, 2, (unsigned[]){0, 100});
    third.priority = 3;
    e = fixture_join(&f, &third);
    expect_loads(&f, 3, (unsigned[]){0, 100, 0});
    fixture_leave(&f, e);
    expect_loads(&f, 2, (unsigned[]){0, 100});
    fixture_join(&f, &spare); /* at the first level */
    expect_loads(&f, 2, (unsigned[]){0, 100});
    balancer_pool_fail_back(f.pool);
    fixture_refresh(&f);
    expect_loads(&f, 2, (unsigned[]){100, 0});
    fixture_fini(&f);
}

Test(settings, load_that_comes_back_by_steps_goes_on_doing_so)
{
    static const unsigned priorities[] = {1, 2};
    const struct config_pool config = {
        .algorithm = CONFIG_ROUND_ROBIN,
        .failover = {.min_healthy_percent = 70},
        .failback = {.mode = CONFIG_FAILBACK_GRADUAL, .after_ms = 1000, .step_percent = 10}};
    struct config_backend third = spare;
    struct balancer_refresh refresh;
    struct fixture f;

    init(&f, &config, priorities, 2);
    fixture_set_status(&f, 0, ENDPOINT_UNHEALTHY);
    fixture_set_status(&f, 0, ENDPOINT_HEALTHY);
    f.now_us += 1000000;
    fixture_refresh(&f);
    cr_expect_eq(load_of(&f, 0), 10);
    f.now_us += 900000;
    third.priority = 3;
    balancer_pool_add(f.pool, &third);
    refresh = fixture_refresh(&f);
    cr_expect_eq(load_of(&f, 0), 10);
    cr_expect_eq(refresh.next_us, f.now_us + 100000, "it has waited for 900 ms already");
    f.now_us += 100000;
    fixture_refresh(&f);
    expect_loads(&f, 3, (unsigned[]){20, 80, 0});
    fixture_fini(&f);
}

Test(settings, a_policy_is_replaced_while_the_load_waits)
{
    static const unsigned priorities[] = {1, 2};
    const struct config_pool manual = {.algorithm = CONFIG_ROUND_ROBIN,
                                       .failover = {.min_healthy_percent = 70},
                                       .failback = {.mode = CONFIG_FAILBACK_MANUAL}},
                             automatic = {.algorithm = CONFIG_ROUND_ROBIN,
                                          .failover = {.min_healthy_percent = 70}};
    struct fixture f;

    init(&f, &manual, priorities, 2);
    fixture_set_status(&f, 0, ENDPOINT_UNHEALTHY);
    fixture_set_status(&f, 0, ENDPOINT_HEALTHY);
    cr_expect_eq(load_of(&f, 0), 0);
    change(&f, &automatic, NULL);
    cr_expect_eq(load_of(&f, 0), 100);
    fixture_fini(&f);
}

Test(settings, a_slow_start_goes_on_while_others_come_and_go)
{
    static const unsigned priorities[] = {1, 1};
    const struct config_pool config = {.algorithm = CONFIG_ROUND_ROBIN, .slow_start_ms = 9000};
    struct endpoint *slow;
    struct fixture f;

    init(&f, &config, priorities, 2);
    slow = fixture_endpoint(&f, 0);
    balancer_endpoint_returned(f.pool, slow, f.now_us);
    fixture_refresh(&f);
    cr_expect_eq(atomic_load(&slow->share), 10);
    f.now_us += 4500000;
    fixture_join(&f, &spare);
    cr_expect(atomic_load(&slow->share) > 50 && atomic_load(&slow->share) < 60);
    f.now_us += 4600000;
    fixture_leave(&f, balancer_pool_find(f.pool, "spare"));
    cr_expect_eq(atomic_load(&slow->share), 100);
    fixture_fini(&f);
}
