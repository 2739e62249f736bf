/* weighted: smoothness, and the order of stride scheduling. */
#include <criterion/criterion.h>

#include "tests/unit/balancer/fixture.h"

enum { PICKS = 10000 };

/* The longest run of one endpoint in a row. */
static unsigned longest_run(struct fixture *f, unsigned index)
{
    unsigned longest = 0, run = 0;

    for (unsigned i = 0; i < PICKS; i++) {
        struct endpoint *e = fixture_pick(f, 0, NULL);

        run = e->index == index ? run + 1 : 0;
        longest = run > longest ? run : longest;
        fixture_done(f, e, 1);
    }
    return longest;
}

Test(weighted, weights_5_1_1_never_give_more_than_three_in_a_row)
{
    static const unsigned weights[] = {5, 1, 1};
    struct fixture f;

    /* Five turns and two gaps between them: three in a row cannot be avoided. */
    fixture_init(&f, CONFIG_WEIGHTED, weights, 3);
    cr_expect_leq(longest_run(&f, 0), 3);
    fixture_fini(&f);
}

Test(weighted, light_endpoints_come_in_between_and_not_after_each_other)
{
    static const unsigned weights[] = {5, 1, 1};
    static const char expected[] = "aabaacaaabaaca";
    struct fixture f;

    fixture_init(&f, CONFIG_WEIGHTED, weights, 3);
    for (unsigned i = 0; i < sizeof(expected) - 1; i++) {
        struct endpoint *e = fixture_pick(&f, 0, NULL);

        cr_expect_eq(e->index, (unsigned)(expected[i] - 'a'), "pick %u", i);
        fixture_done(&f, e, 1);
    }
    fixture_fini(&f);
}

Test(weighted, two_equal_endpoints_alternate)
{
    static const unsigned weights[] = {9, 9};
    struct fixture f;

    fixture_init(&f, CONFIG_WEIGHTED, weights, 2);
    cr_expect_eq(longest_run(&f, 0), 1);
    cr_expect_eq(longest_run(&f, 1), 1);
    fixture_fini(&f);
}

Test(weighted, a_light_endpoint_gets_its_turn_within_its_period)
{
    static const unsigned weights[] = {100, 100, 1};
    struct fixture f;
    unsigned since = 0, longest = 0;

    fixture_init(&f, CONFIG_WEIGHTED, weights, 3);
    for (unsigned i = 0; i < PICKS; i++) {
        struct endpoint *e = fixture_pick(&f, 0, NULL);

        since = e->index == 2 ? 0 : since + 1;
        longest = since > longest ? since : longest;
        fixture_done(&f, e, 1);
    }
    cr_expect_leq(longest, 202, "%u picks without it", longest);
    fixture_fini(&f);
}

Test(weighted, any_window_of_picks_holds_the_shares_within_one_turn_each)
{
    static const unsigned weights[] = {7, 5, 3, 1};
    struct fixture f;
    unsigned counts[4] = {0};

    fixture_init(&f, CONFIG_WEIGHTED, weights, 4);
    for (unsigned i = 1; i <= PICKS; i++) {
        struct endpoint *e = fixture_pick(&f, 0, NULL);

        counts[e->index]++;
        fixture_done(&f, e, 1);
        for (unsigned k = 0; k < 4; k++) {
            double expected = i * weights[k] / 16.0;

            cr_assert(counts[k] > expected - 2 && counts[k] < expected + 2,
                      "after %u picks endpoint %u has %u", i, k, counts[k]);
        }
    }
    fixture_fini(&f);
}

Test(weighted, the_time_line_may_wrap_around)
{
    static const unsigned weights[] = {2, 1};
    struct fixture f;

    fixture_init(&f, CONFIG_WEIGHTED, weights, 2);
    /* Far behind its end, as after years: the clock follows at the next pick. */
    fixture_run(&f, 3, 1);
    for (unsigned i = 0; i < 2; i++)
        atomic_fetch_add(&fixture_endpoint(&f, i)->turn, INT64_MAX - (1ull << 34));
    fixture_run(&f, 3000, 1);
    fixture_expect_shares(&f, weights, 0.01);
    fixture_fini(&f);
}
