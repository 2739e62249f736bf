/* Bad spells against a search through all stretches. */
#include <criterion/criterion.h>

#include "fixture.h"
#include "health/spell.h"

enum { STEPS = 3000, SEEDS = 40 };

/* Of all stretches of outcomes[] that end with its last, the greatest excess; 0: of the empty one.
 * As many are looked at as there are: each is summed up by itself, from the end. */
static int64_t greatest_excess(const unsigned char *failed, unsigned count, unsigned percent)
{
    int64_t excess = 0, greatest = 0;

    for (unsigned i = count; i-- > 0;) {
        excess += failed[i] ? 100 - (int64_t)percent : -(int64_t)percent;
        greatest = excess > greatest ? excess : greatest;
    }
    return greatest;
}

Test(spell, is_the_worst_of_all_stretches_that_end_now)
{
    static unsigned char failed[STEPS];

    for (unsigned seed = 1; seed <= SEEDS; seed++) {
        uint64_t random = seed;
        unsigned percent = 1 + seed * 7 % 99, share = 1 + seed * 31 % 99;
        struct spell spell = {0};

        for (unsigned i = 0; i < STEPS; i++) {
            failed[i] = fixture_random(&random) % 100 < share;
            if (failed[i])
                spell_bad(&spell, percent, false, i);
            else
                spell_good(&spell, percent, 1);
            cr_assert_eq(spell_excess(&spell, percent), greatest_excess(failed, i + 1, percent),
                         "seed %u step %u", seed, i);
        }
    }
}

Test(spell, successes_count_the_same_at_once_as_one_by_one)
{
    uint64_t random = 1;
    struct spell one = {0}, all = {0};

    for (unsigned i = 0; i < 100000; i++) {
        unsigned count = (unsigned)(fixture_random(&random) % 6);

        spell_good(&all, 30, count);
        while (count-- > 0)
            spell_good(&one, 30, 1);
        spell_bad(&all, 30, false, i);
        spell_bad(&one, 30, false, i);
        cr_assert(one.since_us == all.since_us && one.totals.good == all.totals.good &&
                      one.totals.bad == all.totals.bad,
                  "step %u", i);
    }
}

Test(spell, says_since_when_and_how_many)
{
    struct spell spell = {0};

    spell_bad(&spell, 30, false, 1000);
    spell_good(&spell, 30, 3);
    spell_bad(&spell, 30, false, 2000);
    spell_good(&spell, 30, 1);
    spell_bad(&spell, 30, false, 3000);
    cr_assert(spell.since_us == 2000 && spell.totals.bad == 2 && spell.totals.good == 1);
    spell_bad(&spell, 30, true, 4000);
    cr_assert(spell.totals.bad == 3 && spell.totals.good == 0, "one of its successes was none");
    spell_bad(&spell, 30, true, 5000);
    cr_assert(spell.totals.bad == 4 && spell.totals.good == 0, "one from before it");
}

Test(spell, begins_anew_when_the_percent_is_another)
{
    struct spell spell = {0};

    spell_bad(&spell, 30, false, 1000);
    spell_good(&spell, 30, 2);
    spell_bad(&spell, 50, false, 2000);
    cr_assert(spell.since_us == 2000 && spell.totals.bad == 1 && spell.totals.good == 0);
}
