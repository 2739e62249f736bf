/* Pools so large that a pick compares some and not all: shares, queues and the last place stay what
 * they are in small ones. */
#include <criterion/criterion.h>

#include "balancer/sample.h"
#include "tests/unit/balancer/fixture.h"

enum { LARGE = 1000, PICKS = 400 * LARGE };

static const enum config_algorithm compares[] = {CONFIG_WEIGHTED, CONFIG_LEAST_CONNECTIONS,
                                                 CONFIG_LEAST_LATENCY};
enum { COMPARES = sizeof(compares) / sizeof(compares[0]) };

/* One of weight 500, a hundred of 20, the rest of 1: 3,399 parts. */
enum { HEAVY = 7, PARTS = 500 + 100 * 20 + 899 };
struct tally {
    unsigned heavy, middle, light;
};

static struct tally run_unequal(enum config_algorithm algorithm)
{
    static unsigned weights[LARGE];
    struct tally tally = {0};
    struct fixture f;

    for (unsigned i = 0; i < LARGE; i++)
        weights[i] = i == HEAVY ? 500 : i % 10 == 0 ? 20 : 1;
    fixture_init(&f, algorithm, weights, LARGE);
    fixture_run(&f, PICKS, 1);
    tally.heavy = f.counts[HEAVY];
    for (unsigned i = 0; i < LARGE; i++) {
        tally.middle += weights[i] == 20 ? f.counts[i] : 0;
        tally.light += weights[i] == 1 ? f.counts[i] : 0;
    }
    fixture_fini(&f);
    return tally;
}

Test(sample, a_heavy_endpoint_among_many_light_ones_gets_its_share)
{
    static const enum config_algorithm by_weight[] = {CONFIG_WEIGHTED, CONFIG_LEAST_CONNECTIONS};

    for (unsigned a = 0; a < 2; a++) {
        struct tally tally = run_unequal(by_weight[a]);
        const char *name = config_algorithm_name(by_weight[a]);

        cr_expect_float_eq(tally.heavy, PICKS * 500.0 / PARTS, PICKS * 0.01, "%s: %u", name,
                           tally.heavy);
        cr_expect_float_eq(tally.middle, PICKS * 2000.0 / PARTS, PICKS * 0.02, "%s: %u", name,
                           tally.middle);
        cr_expect_float_eq(tally.light, PICKS * 899.0 / PARTS, PICKS * 0.02, "%s: %u", name,
                           tally.light);
    }
}

/* It goes by latency first, and all are equally fast here. */
Test(sample, least_latency_still_sends_more_to_the_heavier)
{
    struct tally tally = run_unequal(CONFIG_LEAST_LATENCY);

    cr_expect_gt(tally.heavy, 5 * (tally.middle / 100));
    cr_expect_gt(tally.middle / 100, 5 * (tally.light / 899));
}

Test(sample, nobody_is_forgotten_among_equals)
{
    for (unsigned a = 0; a < COMPARES; a++) {
        unsigned least = UINT32_MAX, most = 0;
        struct fixture f;

        fixture_init_equal(&f, compares[a], LARGE);
        fixture_run(&f, PICKS, 1);
        for (unsigned i = 0; i < LARGE; i++) {
            least = f.counts[i] < least ? f.counts[i] : least;
            most = f.counts[i] > most ? f.counts[i] : most;
        }
        cr_expect(least > 300 && most < 500, "%s: %u to %u, 400 each were due",
                  config_algorithm_name(compares[a]), least, most);
        fixture_fini(&f);
    }
}

/* Ten times as many requests as endpoints in flight: a look at all would give each exactly ten. */
Test(sample, queues_are_hardly_longer_than_if_all_were_compared)
{
    struct fixture f;

    fixture_init_equal(&f, CONFIG_LEAST_CONNECTIONS, LARGE);
    for (unsigned i = 0; i < 10 * LARGE; i++)
        cr_assert_not_null(fixture_pick(&f, 1, NULL));
    for (unsigned i = 0; i < LARGE; i++) {
        int active = atomic_load(&fixture_endpoint(&f, i)->active);

        cr_expect(active >= 8 && active <= 12, "%d", active);
    }
    fixture_fini(&f);
}

Test(sample, the_last_place_is_found_wherever_it_is)
{
    for (unsigned a = 0; a < COMPARES; a++) {
        struct config_pool config = {.algorithm = compares[a]};
        static struct config_backend backends[LARGE];
        int error = 0;
        struct fixture f;

        for (unsigned i = 0; i < LARGE; i++)
            backends[i] = (struct config_backend){.weight = 1, .max_connections = 1};
        fixture_init_config(&f, &config, backends, LARGE, NULL);
        for (unsigned i = 0; i < LARGE; i++)
            cr_assert_not_null(fixture_pick(&f, 1, &error), "%s: %u, %s",
                               config_algorithm_name(compares[a]), i, error_name(error));
        cr_expect_null(fixture_pick(&f, 1, &error));
        cr_expect_eq(error, EG_E_OVERLOAD);
        fixture_fini(&f);
    }
}
