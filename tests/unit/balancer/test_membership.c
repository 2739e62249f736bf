/* Endpoints that come and go, and what of the others goes on. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "balancer/algorithm.h"
#include "tests/unit/balancer/fixture.h"

enum { NEWCOMERS = 40 };

static struct config_backend newcomers[NEWCOMERS];
static char names[NEWCOMERS][16];

/* "n0", "n1", ...: of weight 1 and priority 1, unless a test says otherwise. */
static struct config_backend *newcomer(unsigned number)
{
    struct config_backend *backend = &newcomers[number];

    snprintf(names[number], sizeof(names[number]), "n%u", number);
    *backend = (struct config_backend){
        .id = names[number], .address = "10.0.0.1:80", .port = 80, .weight = 1, .priority = 1};
    return backend;
}

static void init(struct fixture *f, enum config_algorithm algorithm, unsigned size)
{
    struct config_backend backends[8] = {0};

    for (unsigned i = 0; i < size; i++)
        backends[i] = (struct config_backend){.weight = 1, .priority = 1};
    fixture_init_config(
        f, &(struct config_pool){.algorithm = algorithm, .failover = {.min_healthy_percent = 70}},
        backends, size, NULL);
}

/* ---- Coming and going ---- */

Test(membership, a_new_pool_has_nobody_whatever_its_configuration_lists)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct config_backend backend = {.id = "a", .address = "10.0.0.1:80", .weight = 1};
        struct fixture f = {.config = {.name = "p", .algorithm = a, .backends = &backend}};
        struct balancer_tier tier;
        int error = 0;

        f.config.backend_count = 1;
        f.pool = balancer_pool_new(&f.config, NULL);
        cr_expect_eq(balancer_pool_size(f.pool), 0);
        cr_expect_eq(balancer_pool_tiers(f.pool, &tier, 1), 0);
        cr_expect_null(fixture_pick(&f, 1, &error));
        cr_expect_eq(error, EG_E_NO_ENDPOINT);
        cr_expect_eq(balancer_pool_in_flight(f.pool), 0);
        cr_expect_null(balancer_pool_find(f.pool, "a"));
        balancer_pool_free(f.pool);
    }
}

Test(membership, a_newcomer_is_picked_when_it_was_refreshed_and_somebody_said_so)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;
        struct endpoint *e;
        int error = 0;

        init(&f, a, 0);
        e = balancer_pool_add(f.pool, newcomer(0));
        cr_expect_null(fixture_pick(&f, 1, &error), "no frame has it yet");
        fixture_refresh(&f);
        cr_expect_null(fixture_pick(&f, 1, &error));
        cr_expect_eq(error, EG_E_RESOLVE);
        atomic_store(&e->resolved, true); /* found without a refresh, by a look at each */
        cr_expect_eq(fixture_pick(&f, 1, &error), e);
        fixture_refresh(&f);
        cr_expect_eq(fixture_pick(&f, 1, &error), e);
        cr_expect_eq(atomic_load(&e->backend), newcomer(0));
        cr_expect_gt(e->created_wall_us, 0);
        cr_expect_eq(balancer_pool_in_flight(f.pool), 2);
        fixture_fini(&f);
    }
}

Test(membership, who_leaves_gets_nothing_from_that_moment_on_and_finishes_what_it_holds)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;
        struct endpoint *held, *gone;

        init(&f, a, 2);
        held = gone = fixture_pick(&f, 1, NULL);
        balancer_pool_leave(f.pool, gone);
        cr_expect(!endpoint_usable(gone));
        cr_expect_null(balancer_pool_find(f.pool, gone->id));
        for (unsigned i = 0; i < 20; i++) { /* before the refresh, and after it */
            cr_expect_neq(fixture_pick(&f, i, NULL), gone);
            if (i == 10)
                fixture_refresh(&f);
        }
        cr_expect_eq(balancer_pool_endpoint(f.pool, gone->index), gone, "it keeps its slot");
        balancer_pool_reclaim(f.pool);
        fixture_done(&f, held, 5000);
        cr_expect_eq(atomic_load(&gone->active), 0);
        balancer_pool_forget(f.pool, gone);
        cr_expect_eq(fixture_active(&f), 20);
        cr_expect_eq(balancer_pool_in_flight(f.pool), 20);
        fixture_fini(&f);
    }
}

Test(membership, the_lowest_free_slot_is_given_and_a_slot_is_free_when_its_endpoint_is_forgotten)
{
    struct fixture f;
    struct endpoint *e;

    init(&f, CONFIG_ROUND_ROBIN, 4);
    balancer_pool_leave(f.pool, fixture_endpoint(&f, 1));
    cr_expect_eq(fixture_join(&f, newcomer(0))->index, 4, "who leaves is still there");
    balancer_pool_forget(f.pool, fixture_endpoint(&f, 1));
    cr_expect_null(fixture_endpoint(&f, 1));
    fixture_leave(&f, fixture_endpoint(&f, 3));
    cr_expect_eq(balancer_pool_size(f.pool), 5);
    cr_expect_eq(fixture_join(&f, newcomer(1))->index, 1);
    e = fixture_join(&f, newcomer(2));
    cr_expect_eq(e->index, 3);
    cr_expect_eq(fixture_join(&f, newcomer(3))->index, 5);
    cr_expect_eq(balancer_pool_find(f.pool, "n2"), e);
    balancer_pool_reclaim(f.pool);
    fixture_run(&f, 600, 1);
    for (unsigned i = 0; i < 6; i++)
        cr_expect_eq(f.counts[i], 100, "slot %u: %u", i, f.counts[i]);
    fixture_fini(&f);
}

Test(membership, a_pool_grows_to_thousands_and_shrinks_to_nothing)
{
    struct fixture f;
    char ids[3000][16];
    struct config_backend backend = {.address = "10.0.0.1:80", .weight = 1};
    static struct config_backend backends[3000];

    init(&f, CONFIG_RANDOM, 0);
    for (unsigned i = 0; i < 3000; i++) {
        struct endpoint *e;

        snprintf(ids[i], sizeof(ids[i]), "m%u", i);
        backends[i] = backend;
        backends[i].id = ids[i];
        e = balancer_pool_add(f.pool, &backends[i]);
        cr_assert_eq(e->index, i);
        atomic_store(&e->resolved, true);
    }
    fixture_refresh(&f);
    balancer_pool_reclaim(f.pool);
    f.size = 3000;
    fixture_run(&f, 3000, 100);
    for (unsigned i = 0; i < 3000; i++)
        balancer_pool_leave(f.pool, fixture_endpoint(&f, i));
    fixture_refresh(&f);
    for (unsigned i = 0; i < 3000; i++)
        balancer_pool_forget(f.pool, fixture_endpoint(&f, i));
    cr_expect_null(fixture_pick(&f, 1, NULL));
    fixture_join(&f, newcomer(0));
    balancer_pool_reclaim(f.pool);
    cr_expect_eq(fixture_pick(&f, 1, NULL)->index, 0);
    fixture_fini(&f);
}

Test(membership, what_is_taken_out_stays_until_the_turns_after_the_next_refresh_are_over)
{
    struct fixture f;
    struct endpoint *e;

    init(&f, CONFIG_LEAST_CONNECTIONS, 2);
    e = fixture_join(&f, newcomer(0));
    balancer_pool_leave(f.pool, e);
    fixture_refresh(&f);
    fixture_refresh(&f); /* without a change: no turns are counted from here */
    balancer_pool_forget(f.pool, e);
    balancer_pool_reclaim(f.pool);
    cr_expect_str_eq(e->id, "n0", "a worker may have found it in its slot just before");
    fixture_refresh(&f);
    cr_expect_str_eq(e->id, "n0", "and its turn may have begun before this");
    balancer_pool_reclaim(f.pool); /* now it is gone */
    fixture_fini(&f);
}

/* ---- Turns and shares ---- */

Test(membership, a_rotation_goes_on_when_somebody_comes_to_another_tier)
{
    struct fixture f;

    init(&f, CONFIG_ROUND_ROBIN, 3);
    for (unsigned i = 0; i < 50; i++) {
        if (i % 7 == 3) {
            newcomer(i / 7)->priority = 5;
            fixture_join(&f, &newcomers[i / 7]);
        }
        cr_expect_eq(fixture_pick(&f, 1, NULL)->index, i % 3);
    }
    fixture_fini(&f);
}

static unsigned picks_of_newcomer(enum config_algorithm algorithm, unsigned picks)
{
    struct fixture f;
    struct endpoint *e;
    unsigned got;

    init(&f, algorithm, 4);
    fixture_run(&f, 10000, 8);
    e = fixture_join(&f, newcomer(0));
    atomic_store(&e->latency_ewma, 5000 << 16); /* as fast as the others */
    atomic_store(&e->latency_stamp_us, f.now_us);
    fixture_run(&f, picks, 1);
    got = f.counts[e->index];
    fixture_fini(&f);
    return got;
}

Test(membership, a_newcomer_gets_its_turns_and_no_flood)
{
    static const enum config_algorithm by_turns[] = {
        CONFIG_ROUND_ROBIN, CONFIG_WEIGHTED, CONFIG_LEAST_CONNECTIONS, CONFIG_LEAST_LATENCY};

    for (unsigned a = 0; a < 4; a++) {
        unsigned got = picks_of_newcomer(by_turns[a], 100);

        cr_expect(got >= 19 && got <= 22, "%s: %u of 100", config_algorithm_name(by_turns[a]), got);
    }
}

static double tolerance_of(enum config_algorithm algorithm)
{
    bool by_chance = algorithm == CONFIG_IP_HASH || algorithm == CONFIG_CONSISTENT_HASH;

    return by_chance || algorithm == CONFIG_RANDOM ? 0.06 : 0.02;
}

static void expect_shares(struct fixture *f, double tolerance)
{
    unsigned weights[FIXTURE_MAX] = {0};

    for (unsigned i = 0; i < f->size; i++) {
        const struct endpoint *e = fixture_endpoint(f, i);

        if (e != NULL && !atomic_load(&e->leaving))
            weights[i] = atomic_load(&e->weight);
    }
    fixture_expect_shares(f, weights, tolerance);
}

Test(membership, shares_follow_the_weights_whoever_comes_and_goes)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct fixture f;

        init(&f, a, 4);
        for (unsigned round = 0; round < 8; round++) {
            newcomer(round)->weight = 1 + round % 3;
            fixture_join(&f, &newcomers[round]);
            if (round % 2 == 1)
                fixture_leave(&f, fixture_endpoint(&f, round / 2));
            balancer_pool_reclaim(f.pool);
            fixture_run(&f, 60000, 1);
            expect_shares(&f, tolerance_of(a));
        }
        fixture_fini(&f);
    }
}

Test(membership, shares_over_a_time_of_many_changes_are_those_of_who_was_there_throughout)
{
    static const enum config_algorithm by_turns[] = {CONFIG_ROUND_ROBIN, CONFIG_WEIGHTED,
                                                     CONFIG_LEAST_CONNECTIONS};

    for (unsigned a = 0; a < 3; a++) {
        unsigned sums[4] = {0};
        struct fixture f;

        init(&f, by_turns[a], 4);
        for (unsigned round = 0; round < 400; round++) { /* seven picks, then a change */
            struct endpoint *guest = fixture_join(&f, newcomer(0));

            fixture_run(&f, 7, 1);
            for (unsigned i = 0; i < 4; i++)
                sums[i] += f.counts[i];
            fixture_leave(&f, guest);
            balancer_pool_reclaim(f.pool);
        }
        for (unsigned i = 1; i < 4; i++)
            cr_expect(sums[i] > sums[0] * 0.95 && sums[i] < sums[0] * 1.05, "%s: %u and %u",
                      config_algorithm_name(by_turns[a]), sums[i], sums[0]);
        fixture_fini(&f);
    }
}

/* ---- Keys ---- */

enum { KEYS = 5000 };

static void map(struct fixture *f, const struct endpoint **owners)
{
    for (unsigned k = 0; k < KEYS; k++) {
        struct endpoint *e = fixture_pick(f, balancer_mix(k + 1), NULL);

        cr_assert_not_null(e);
        owners[k] = e;
        fixture_done(f, e, 1);
    }
}

/* Returns how many keys moved; all of them to or from this one. */
static unsigned moved_only_with(const struct endpoint **before, const struct endpoint **after,
                                const struct endpoint *e)
{
    unsigned moved = 0;

    for (unsigned k = 0; k < KEYS; k++) {
        moved += before[k] != after[k];
        cr_assert(before[k] == after[k] || before[k] == e || after[k] == e);
    }
    return moved;
}

Test(membership, only_the_keys_of_who_comes_or_goes_move)
{
    static const enum config_algorithm hashing[] = {CONFIG_IP_HASH, CONFIG_CONSISTENT_HASH};

    for (unsigned a = 0; a < 2; a++) {
        const struct endpoint *first[KEYS], *with[KEYS], *without[KEYS];
        struct fixture f;
        struct endpoint *e, *gone;
        unsigned moved;

        init(&f, hashing[a], 8);
        map(&f, first);
        e = fixture_join(&f, newcomer(0));
        map(&f, with);
        moved = moved_only_with(first, with, e);
        cr_expect(moved > KEYS / 9 * 0.8 && moved < KEYS / 9 * 1.2, "%u moved", moved);
        gone = fixture_endpoint(&f, 3);
        fixture_leave(&f, gone);
        map(&f, without);
        moved_only_with(with, without, gone);
        e = fixture_join(&f, newcomer(1)); /* in the slot of the other */
        cr_expect_eq(e->index, 3);
        map(&f, with);
        moved_only_with(without, with, e);
        fixture_leave(&f, e);
        map(&f, with);
        cr_expect_arr_eq(with, without, sizeof(with));
        fixture_fini(&f);
    }
}

Test(membership, who_has_a_key_does_not_depend_on_the_order_in_which_endpoints_came)
{
    const struct endpoint *first[KEYS], *second[KEYS];
    struct fixture f, g;

    init(&f, CONFIG_IP_HASH, 0);
    init(&g, CONFIG_IP_HASH, 0);
    for (unsigned i = 0; i < 10; i++) {
        fixture_join(&f, newcomer(i));
        fixture_join(&g, newcomer(9 - i));
    }
    fixture_leave(&g, balancer_pool_find(g.pool, "n4"));
    fixture_join(&g, newcomer(4));
    map(&f, first);
    map(&g, second);
    for (unsigned k = 0; k < KEYS; k++)
        cr_assert_str_eq(first[k]->id, second[k]->id);
    fixture_fini(&f);
    fixture_fini(&g);
}

/* Another address under an id that is there: the keys wait for it where they are. */
Test(membership, the_keys_of_an_id_stay_with_the_elder_until_it_leaves_and_then_go_to_the_other)
{
    const struct endpoint *before[KEYS], *both[KEYS], *after[KEYS];
    struct config_backend replacement = *newcomer(0);
    struct endpoint *old, *new;
    struct fixture f;

    init(&f, CONFIG_IP_HASH, 4);
    old = fixture_join(&f, newcomer(0));
    fixture_leave(&f, fixture_endpoint(&f, 1)); /* so that the other gets a lower slot */
    map(&f, before);
    replacement.weight = 1;
    new = fixture_join(&f, &replacement);
    cr_expect_lt(new->index, old->index);
    map(&f, both);
    cr_expect_arr_eq(before, both, sizeof(before));
    fixture_leave(&f, old);
    cr_expect_eq(balancer_pool_find(f.pool, "n0"), new);
    map(&f, after);
    for (unsigned k = 0; k < KEYS; k++)
        cr_assert_eq(after[k], before[k] == old ? new : before[k]);
    fixture_fini(&f);
}

/* ---- Tiers ---- */

/* Two of the first tier, two of the second. */
static void init_two_tiers(struct fixture *f, const struct config_failback *failback)
{
    const struct config_pool config = {.failover = {.min_healthy_percent = 70},
                                       .failback = *failback};
    struct config_backend backends[4] = {0};

    for (unsigned i = 0; i < 4; i++)
        backends[i] = (struct config_backend){.weight = 1, .priority = 1 + i / 2};
    fixture_init_config(f, &config, backends, 4, NULL);
}

static unsigned load_of(const struct fixture *f, unsigned level)
{
    struct balancer_tier tiers[4] = {0};

    cr_assert_lt(level, balancer_pool_tiers(f->pool, tiers, 4));
    return tiers[level].load_percent;
}

Test(membership, load_does_not_leave_a_tier_because_others_join_it)
{
    static const struct config_failback failback = {.mode = CONFIG_FAILBACK_MANUAL};
    struct endpoint *joined[3];
    struct fixture f;

    init_two_tiers(&f, &failback);
    cr_assert_eq(load_of(&f, 0), 100);
    for (unsigned i = 0; i < 3; i++)
        joined[i] = balancer_pool_add(f.pool, newcomer(i));
    fixture_refresh(&f);
    cr_expect_eq(load_of(&f, 0), 100, "they have no address yet");
    for (unsigned i = 0; i < 3; i++)
        atomic_store(&joined[i]->resolved, true);
    fixture_refresh(&f);
    cr_expect_eq(load_of(&f, 0), 100, "they have not been checked yet");
    for (unsigned i = 0; i < 3; i++)
        atomic_store(&joined[i]->status, ENDPOINT_UNHEALTHY);
    fixture_refresh(&f);
    cr_expect_eq(load_of(&f, 0), 57, "they are meant to carry it, and do not");
    fixture_fini(&f);
}

Test(membership, newcomers_alone_in_a_tier_serve_as_unknown_ones_do)
{
    static const struct config_failback failback = {.mode = CONFIG_FAILBACK_AUTO};
    struct endpoint *joined;
    struct fixture f;

    init_two_tiers(&f, &failback);
    joined = balancer_pool_add(f.pool, newcomer(0));
    atomic_store(&joined->resolved, true);
    for (unsigned i = 0; i < 4; i++)
        balancer_pool_leave(f.pool, fixture_endpoint(&f, i));
    fixture_refresh(&f);
    cr_expect_eq(fixture_pick(&f, 1, NULL), joined);
    cr_expect_eq(load_of(&f, 0), 100);
    fixture_fini(&f);
}

Test(membership, a_tier_that_is_new_does_not_bring_back_load_that_is_held)
{
    static const struct config_failback failback = {.mode = CONFIG_FAILBACK_MANUAL};
    struct endpoint *joined;
    struct fixture f;

    init_two_tiers(&f, &failback);
    for (unsigned i = 0; i < 2; i++)
        fixture_set_status(&f, i, ENDPOINT_UNHEALTHY);
    fixture_refresh(&f);
    for (unsigned i = 0; i < 2; i++)
        fixture_set_status(&f, i, ENDPOINT_HEALTHY);
    fixture_refresh(&f);
    cr_assert_eq(load_of(&f, 1), 100, "held until an operator says so");
    newcomer(0)->priority = 0;
    joined = balancer_pool_add(f.pool, &newcomers[0]);
    fixture_refresh(&f);
    cr_expect_eq(load_of(&f, 2), 100, "the new tier is not checked yet");
    atomic_store(&joined->resolved, true);
    atomic_store(&joined->status, ENDPOINT_HEALTHY);
    fixture_refresh(&f);
    cr_expect_eq(load_of(&f, 0), 100, "what has just come has nothing to come back to");
    fixture_fini(&f);
}

Test(membership, tiers_that_are_only_renumbered_keep_the_load)
{
    static const struct config_failback failback = {.mode = CONFIG_FAILBACK_MANUAL};
    struct config_backend moved[2];
    struct fixture f;

    init_two_tiers(&f, &failback);
    for (unsigned i = 2; i < 4; i++) { /* the second goes before the first */
        moved[i - 2] = *atomic_load(&fixture_endpoint(&f, i)->backend);
        moved[i - 2].priority = 0;
        balancer_endpoint_change(f.pool, fixture_endpoint(&f, i), &moved[i - 2]);
    }
    fixture_refresh(&f);
    cr_expect_eq(load_of(&f, 0), 100);
    cr_expect_eq(load_of(&f, 1), 0);
    fixture_fini(&f);
}

/* ---- Retries ---- */

Test(membership, a_newcomer_in_the_slot_of_one_that_was_tried_was_not_tried_itself)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct balancer_tried tried;
        struct endpoint *gone, *e;
        struct fixture f;

        init(&f, a, 2);
        balancer_tried_init(&tried);
        for (unsigned i = 0; i < 2; i++)
            fixture_done(&f, fixture_pick_again(&f, 1, &tried, NULL), 1);
        cr_assert_null(fixture_pick_again(&f, 1, &tried, NULL));
        gone = fixture_endpoint(&f, 1);
        fixture_leave(&f, gone);
        e = fixture_join(&f, newcomer(0));
        cr_assert_eq(e->index, 1);
        cr_expect_eq(fixture_pick_again(&f, 1, &tried, NULL), e);
        cr_expect_null(fixture_pick_again(&f, 1, &tried, NULL), "now it was");
        balancer_tried_fini(&tried);
        fixture_fini(&f);
    }
}
