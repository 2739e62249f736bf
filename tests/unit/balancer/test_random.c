/* random: two choices keep the longest queue short. */
#include <criterion/criterion.h>

#include "tests/unit/balancer/fixture.h"

static int longest_queue(struct fixture *f)
{
    int longest = 0;

    for (unsigned i = 0; i < f->size; i++) {
        int active = atomic_load(&fixture_endpoint(f, i)->active);

        longest = active > longest ? active : longest;
    }
    return longest;
}

Test(random, two_choices_keep_loads_even)
{
    struct fixture f;

    /* 10,000 requests held by 100 endpoints. One choice would leave one with about 100 + 4 * 10;
     * two leave none with more than ln ln 100 / ln 2 + O(1) over the average. */
    fixture_init_equal(&f, CONFIG_RANDOM, 100);
    for (unsigned i = 0; i < 10000; i++)
        fixture_pick(&f, 0, NULL);
    cr_expect_leq(longest_queue(&f), 104, "%d", longest_queue(&f));
    fixture_fini(&f);
}

Test(random, of_two_endpoints_the_less_loaded_is_always_taken)
{
    struct fixture f;

    fixture_init_equal(&f, CONFIG_RANDOM, 2);
    atomic_store(&fixture_endpoint(&f, 0)->active, 1);
    for (unsigned i = 0; i < 1000; i++) {
        struct endpoint *e = fixture_pick(&f, 0, NULL);

        cr_expect_eq(e->index, 1);
        fixture_done(&f, e, 1);
    }
    fixture_fini(&f);
}

Test(random, loads_are_compared_for_their_weight)
{
    static const unsigned weights[] = {4, 1};
    struct fixture f;

    fixture_init(&f, CONFIG_RANDOM, weights, 2);
    for (unsigned i = 0; i < 1000; i++)
        fixture_pick(&f, 0, NULL);
    cr_expect(atomic_load(&fixture_endpoint(&f, 0)->active) >= 798 &&
              atomic_load(&fixture_endpoint(&f, 0)->active) <= 802);
    fixture_fini(&f);
}
