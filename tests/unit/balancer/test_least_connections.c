/* least_connections: exact, by weight, over everything in flight. */
#include <criterion/criterion.h>

#include "tests/unit/balancer/fixture.h"

/* The smallest active / weight of the pool, scaled so that fractions compare exactly. */
static uint64_t least_load(struct fixture *f, const unsigned *weights)
{
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < f->size; i++) {
        uint64_t load = (uint64_t)atomic_load(&fixture_endpoint(f, i)->active) * 60 / weights[i];

        least = load < least ? load : least;
    }
    return least;
}

Test(least_connections, always_takes_the_least_loaded_for_its_weight)
{
    static const unsigned weights[] = {1, 2, 3, 4, 5};
    enum { FLYING = 50 };
    struct endpoint *flying[FLYING] = {0};
    struct fixture f;

    fixture_init(&f, CONFIG_LEAST_CONNECTIONS, weights, 5);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned place = (unsigned)(fixture_random(&f) % FLYING); /* ends in any order */
        uint64_t least;
        struct endpoint *e;

        if (flying[place] != NULL)
            fixture_done(&f, flying[place], 1);
        least = least_load(&f, weights);
        e = fixture_pick(&f, 0, NULL);
        cr_assert_eq((uint64_t)(atomic_load(&e->active) - 1) * 60 / weights[e->index], least);
        flying[place] = e;
    }
    fixture_fini(&f);
}

Test(least_connections, held_requests_settle_exactly_by_weight)
{
    static const unsigned weights[] = {1, 2, 3};
    struct fixture f;

    fixture_init(&f, CONFIG_LEAST_CONNECTIONS, weights, 3);
    for (unsigned i = 0; i < 60; i++)
        fixture_pick(&f, 0, NULL);
    for (unsigned i = 0; i < 3; i++)
        cr_expect_eq(atomic_load(&fixture_endpoint(&f, i)->active), (int)(10 * weights[i]));
    fixture_fini(&f);
}

Test(least_connections, a_slow_endpoint_gets_less_of_the_traffic)
{
    enum { FLYING = 64 };
    struct endpoint *flying[FLYING] = {0};
    uint64_t ends[FLYING] = {0};
    unsigned counts[2] = {0};
    struct fixture f;

    /* e0 answers after 10 ticks, e1 after 90: with equal numbers in flight e0 gets nine times as
     * many. */
    fixture_init_equal(&f, CONFIG_LEAST_CONNECTIONS, 2);
    for (unsigned tick = 0; tick < 20000; tick++) {
        for (unsigned i = 0; i < FLYING; i++) {
            if (flying[i] != NULL && ends[i] > tick)
                continue;
            if (flying[i] != NULL)
                fixture_done(&f, flying[i], 1);
            flying[i] = fixture_pick(&f, 0, NULL);
            ends[i] = tick + (flying[i]->index == 0 ? 10 : 90);
            counts[flying[i]->index]++;
        }
    }
    cr_expect(counts[0] > 8.0 * counts[1] && counts[0] < 10.0 * counts[1], "%u : %u", counts[0],
              counts[1]);
    fixture_fini(&f);
}
