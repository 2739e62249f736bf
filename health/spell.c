/* Bad spells: see spell.h. */
#include "health/spell.h"

int64_t spell_excess(const struct spell *spell, unsigned percent)
{
    uint64_t all = spell->totals.good + spell->totals.bad;

    return (int64_t)(spell->totals.bad * 100) - (int64_t)(all * percent);
}

void spell_good(struct spell *spell, unsigned percent, uint64_t count)
{
    spell->totals.good += count;
    if (spell_excess(spell, percent) <= 0)
        spell->totals = (struct window_totals){0};
}

void spell_bad(struct spell *spell, unsigned percent, bool late, uint64_t now_us)
{
    if (spell_excess(spell, percent) <= 0)
        *spell = (struct spell){.since_us = now_us};
    /* Without one in the spell the success was before it, and is forgotten. */
    if (late && spell->totals.good > 0)
        spell->totals.good--;
    spell->totals.bad++;
}
