/* Limits on how often something may begin, on a clock of the test's own. */
#include <criterion/criterion.h>

#include "checks/pacer.h"

Test(pacer, gives_its_rate_however_it_is_asked)
{
    static const unsigned rates[] = {1, 10, 333, 1000, 100000};

    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct pacer pacer;
        uint64_t now_us = 5000000, end_us = now_us + 10000000, taken = 0;

        pacer_init(&pacer, rates[i]);
        while (now_us < end_us) {
            while (pacer_take(&pacer, now_us))
                taken++;
            uint64_t wait_us = pacer_wait_us(&pacer, now_us);
            cr_assert_gt(wait_us, 0);
            now_us += wait_us;
        }
        cr_expect_geq(taken, rates[i] * 10, "%u per second: %zu", rates[i], (size_t)taken);
        cr_expect_leq(taken, rates[i] * 10 + rates[i] / 100 + 2, "%u per second: %zu", rates[i],
                      (size_t)taken);
    }
}

Test(pacer, a_timer_that_is_late_by_a_few_milliseconds_costs_nothing)
{
    struct pacer pacer;
    unsigned taken = 0;

    pacer_init(&pacer, 1000);
    for (uint64_t now_us = 1000000; now_us < 11000000; now_us += 4000)
        while (pacer_take(&pacer, now_us))
            taken++;
    cr_expect_geq(taken, 9990);
}

Test(pacer, a_long_pause_is_not_saved_up)
{
    struct pacer pacer;
    unsigned taken = 0;

    pacer_init(&pacer, 1000);
    cr_assert(pacer_take(&pacer, 1000000));
    while (pacer_take(&pacer, 600000000))
        taken++;
    cr_expect_leq(taken, 7);
}

Test(brake, lets_so_many_begin_in_any_minute)
{
    struct brake brake;

    brake_init(&brake, 3);
    cr_expect(brake_take(&brake, 10000000));
    cr_expect(brake_take(&brake, 11000000));
    cr_expect(brake_take(&brake, 30000000));
    cr_expect_not(brake_take(&brake, 30000000));
    cr_expect_eq(brake_wait_us(&brake, 30000000), 40000000);
    cr_expect_not(brake_take(&brake, 69999999));
    cr_expect(brake_take(&brake, 70000000));
    cr_expect_not(brake_take(&brake, 70000000));
    cr_expect_eq(brake_wait_us(&brake, 70000000), 1000000);
    brake_fini(&brake);
}

Test(pacer, another_rate_holds_from_the_next_one_on)
{
    struct pacer pacer;

    pacer_init(&pacer, 1);
    cr_assert(pacer_take(&pacer, 10000000));
    pacer_change(&pacer, 1000);
    cr_expect_not(pacer_take(&pacer, 10500000));
    cr_expect(pacer_take(&pacer, 11000000));
    cr_expect_eq(pacer_wait_us(&pacer, 11000000 - PACER_BURST_US), 1000);
}

static unsigned take_all(struct brake *brake, uint64_t now_us)
{
    unsigned taken = 0;

    while (brake_take(brake, now_us))
        taken++;
    return taken;
}

Test(brake, under_another_limit_what_began_within_the_last_minute_counts)
{
    static const struct {
        unsigned from, begun, to, more;
    } cases[] = {{1, 0, 10, 10}, {3, 2, 5, 3}, {3, 3, 5, 2},
                 {5, 5, 3, 0},   {5, 4, 5, 1}, {5, 2, 3, 1}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct brake brake;

        brake_init(&brake, cases[i].from);
        for (unsigned j = 0; j < cases[i].begun; j++)
            cr_assert(brake_take(&brake, 1000000 + j));
        brake_change(&brake, cases[i].to);
        cr_expect_eq(take_all(&brake, 2000000), cases[i].more, "case %zu", i);
        brake_fini(&brake);
    }
}

Test(brake, under_another_limit_what_began_earlier_does_not_count)
{
    struct brake brake;

    brake_init(&brake, 3);
    cr_assert_eq(take_all(&brake, 1000000), 3);
    cr_assert(brake_take(&brake, 1000000 + BRAKE_WINDOW_US));
    brake_change(&brake, 4); /* one of these is young */
    cr_expect_eq(take_all(&brake, 2000000 + BRAKE_WINDOW_US), 3);
    brake_fini(&brake);
}

Test(brake, a_smaller_limit_waits_for_the_oldest_of_so_many)
{
    struct brake brake;

    brake_init(&brake, 4);
    for (unsigned i = 1; i <= 4; i++)
        cr_assert(brake_take(&brake, i * 1000000));
    brake_change(&brake, 2);
    cr_expect_eq(brake_wait_us(&brake, 5000000), BRAKE_WINDOW_US - 2000000);
    brake_fini(&brake);
}

Test(brake, a_hundred_thousand_tries_never_pass_the_limit)
{
    enum { LIMIT = 7, KEPT = 100000 };
    static uint64_t begun[KEPT];
    struct brake brake;
    uint64_t now_us = 1, random = 42;
    size_t count = 0;

    brake_init(&brake, LIMIT);
    for (unsigned i = 0; i < KEPT; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        now_us += random >> 40; /* up to 17 s */
        bool free_place = brake_wait_us(&brake, now_us) == 0;
        cr_assert_eq(brake_take(&brake, now_us), free_place);
        if (!free_place)
            continue;
        begun[count++] = now_us;
        if (count > LIMIT)
            cr_assert_geq(now_us - begun[count - 1 - LIMIT], BRAKE_WINDOW_US);
    }
    brake_fini(&brake);
}
