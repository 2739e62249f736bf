/* Twice as long with each failure, within bounds, and not the same for everybody. */
#include <criterion/criterion.h>

#include "discovery/backoff.h"

static uint64_t full_ms(unsigned failures)
{
    uint64_t full = BACKOFF_FIRST_MS;

    while (failures-- > 0 && full < BACKOFF_LONGEST_MS)
        full *= 2;
    return full < BACKOFF_LONGEST_MS ? full : BACKOFF_LONGEST_MS;
}

Test(backoff, doubles_up_to_the_longest_and_stays_in_the_upper_half)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct backoff backoff;

        backoff_init(&backoff, seed);
        for (unsigned i = 0; i < 40; i++) {
            uint64_t delay = backoff_next_ms(&backoff);

            cr_assert_leq(delay, full_ms(i));
            cr_assert_geq(delay, full_ms(i) / 2);
        }
    }
}

Test(backoff, begins_anew_after_a_success)
{
    struct backoff backoff;

    backoff_init(&backoff, 1);
    for (unsigned i = 0; i < 10; i++)
        backoff_next_ms(&backoff);
    backoff_reset(&backoff);
    cr_expect_leq(backoff_next_ms(&backoff), (uint64_t)BACKOFF_FIRST_MS);
}

Test(backoff, is_spread_over_instances)
{
    uint64_t least = UINT64_MAX, most = 0;

    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct backoff backoff;
        uint64_t delay;

        backoff_init(&backoff, seed);
        delay = backoff_next_ms(&backoff);
        least = delay < least ? delay : least;
        most = delay > most ? delay : most;
    }
    cr_expect_gt(most - least, (uint64_t)BACKOFF_FIRST_MS / 3);
}
