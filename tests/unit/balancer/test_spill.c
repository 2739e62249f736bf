/* Spill: examples, and a reference by fractions. */
#include <criterion/criterion.h>
#include <math.h>

#include "balancer/algorithm.h"
#include "balancer/spill.h"

enum { LEVELS = 6, STEPS = 200000 };

static void expect_shares(const struct spill_level *levels, unsigned count, unsigned min,
                          const unsigned *expected)
{
    unsigned can[LEVELS], shares[LEVELS];

    spill_shares(levels, count, min, can, shares);
    for (unsigned i = 0; i < count; i++)
        cr_expect_eq(shares[i], expected[i], "level %u: %u, expected %u", i, shares[i],
                     expected[i]);
}

Test(spill, a_level_keeps_all_of_it_down_to_min_healthy_percent)
{
    expect_shares((struct spill_level[]){{100, 70, false}, {100, 100, false}}, 2, 70,
                  (unsigned[]){10000, 0});
    expect_shares((struct spill_level[]){{100, 69, false}, {100, 100, false}}, 2, 70,
                  (unsigned[]){9857, 143});
}

Test(spill, what_a_level_cannot_take_goes_to_the_next_on_the_same_terms)
{
    expect_shares((struct spill_level[]){{100, 50, false}, {100, 100, false}, {100, 100, false}}, 3,
                  70, (unsigned[]){7142, 2858, 0});
    expect_shares((struct spill_level[]){{100, 35, false}, {100, 28, false}, {100, 100, false}}, 3,
                  70, (unsigned[]){5000, 4000, 1000});
}

Test(spill, when_it_is_short_everywhere_the_shares_are_scaled_up)
{
    expect_shares((struct spill_level[]){{100, 20, false}, {100, 10, false}}, 2, 100,
                  (unsigned[]){6666, 3334});
}

Test(spill, backups_serve_only_when_nobody_else_can_and_then_the_first_of_them_all)
{
    expect_shares((struct spill_level[]){{100, 1, false}, {10, 10, true}}, 2, 70,
                  (unsigned[]){10000, 0});
    expect_shares((struct spill_level[]){{100, 0, false}, {10, 1, true}, {10, 10, true}}, 3, 70,
                  (unsigned[]){0, 10000, 0});
    expect_shares((struct spill_level[]){{100, 0, false}, {10, 0, true}, {10, 10, true}}, 3, 70,
                  (unsigned[]){0, 0, 10000});
}

Test(spill, a_minimum_of_zero_spills_only_when_nothing_is_left)
{
    expect_shares((struct spill_level[]){{100, 1, false}, {100, 100, false}}, 2, 0,
                  (unsigned[]){10000, 0});
    expect_shares((struct spill_level[]){{100, 0, false}, {100, 100, false}}, 2, 0,
                  (unsigned[]){0, 10000});
}

Test(spill, nothing_fit_is_no_share_and_a_trace_of_it_is_not_rounded_away)
{
    unsigned can[1], shares[1];

    cr_expect(!spill_shares(&(struct spill_level){100, 0, false}, 1, 70, can, shares));
    cr_expect_eq(shares[0], 0);
    cr_expect(spill_shares(&(struct spill_level){300000000, 1, false}, 1, 70, can, shares));
    cr_expect_eq(shares[0], SPILL_WHOLE);
}

/* ---- The model ---- */

struct model {
    struct spill_level levels[LEVELS];
    unsigned count, min;
    uint64_t random;
};

static uint64_t model_random(struct model *m)
{
    m->random += BALANCER_GOLDEN;
    return balancer_mix(m->random);
}

static double reference_can(const struct spill_level *level, unsigned min)
{
    double part = level->total > 0 ? (double)level->fit / (double)level->total : 0;

    if (level->fit == 0)
        return 0;
    return min == 0 ? 1 : fmin(1, part * 100 / min);
}

/* Pours the load out: each level is a vessel. */
static void reference(const struct model *m, double *ret_shares)
{
    double left = 1, sum = 0;
    bool regular = false;

    for (unsigned i = 0; i < m->count; i++)
        regular = regular || (!m->levels[i].backup && m->levels[i].fit > 0);
    for (unsigned i = 0; i < m->count; i++) {
        double can = reference_can(&m->levels[i], m->min);

        if (m->levels[i].backup)
            can = regular ? 0 : can > 0;
        ret_shares[i] = fmin(left, can);
        left -= ret_shares[i];
        sum += ret_shares[i];
    }
    for (unsigned i = 0; i < m->count && sum > 0; i++)
        ret_shares[i] /= sum;
}

static void model_change(struct model *m)
{
    struct spill_level *level = &m->levels[model_random(m) % m->count];
    uint64_t bits = model_random(m);

    switch (bits % 8) {
    case 0:
        level->total = bits >> 8 & 0xfffff;
        level->fit = level->total > 0 ? (bits >> 32) % (level->total + 1) : 0;
        break;
    case 1:
        m->min = (unsigned)(bits >> 8) % 101;
        break;
    case 2:
        level->fit = 0;
        break;
    case 3:
        level->fit = level->total;
        break;
    default:
        level->fit = level->total > 0 ? (bits >> 32) % (level->total + 1) : 0;
    }
}

static void model_check(const struct model *m)
{
    unsigned can[LEVELS], shares[LEVELS], sum = 0;
    bool any = spill_shares(m->levels, m->count, m->min, can, shares), fit = false;
    double expected[LEVELS], can_sum = 0;

    reference(m, expected);
    for (unsigned i = 0; i < m->count; i++) {
        sum += shares[i];
        can_sum += can[i];
        fit = fit || m->levels[i].fit > 0;
        cr_assert(shares[i] == 0 || m->levels[i].fit > 0, "load on a level without anybody");
    }
    cr_assert_eq(any, fit);
    cr_assert_eq(sum, fit ? SPILL_WHOLE : 0);
    /* Rounding of what a level can is a whole part of very little when that is scaled up. */
    for (unsigned i = 0; i < m->count; i++)
        cr_assert(fabs(shares[i] - expected[i] * SPILL_WHOLE) <=
                      m->count * fmax(1, SPILL_WHOLE / fmax(can_sum, 1)),
                  "level %u: %u, expected %.1f", i, shares[i], expected[i] * SPILL_WHOLE);
}

/* More capacity of one level: no less load for it, no more for the others. */
static void model_check_monotone(struct model *m)
{
    unsigned can[LEVELS], before[LEVELS], after[LEVELS];
    unsigned grown = (unsigned)(model_random(m) % m->count);
    struct spill_level *level = &m->levels[grown], old = *level;

    spill_shares(m->levels, m->count, m->min, can, before);
    level->fit += (level->total - level->fit) / 2;
    if (spill_shares(m->levels, m->count, m->min, can, after) && old.fit > 0) {
        for (unsigned i = 0; i < m->count; i++)
            cr_assert(i == grown ? after[i] + 1 >= before[i] : after[i] <= before[i] + 1,
                      "level %u grew, level %u went from %u to %u", grown, i, before[i], after[i]);
    }
    *level = old;
}

Test(spill, agrees_with_the_reference_and_is_monotone_in_capacity)
{
    for (unsigned count = 1; count <= LEVELS; count++) {
        struct model m = {.count = count, .min = 70, .random = count};

        for (unsigned i = 0; i < count; i++)
            m.levels[i].backup = count > 2 && i + 1 + count / 4 >= count;
        for (unsigned step = 0; step < STEPS / LEVELS; step++) {
            model_change(&m);
            model_check(&m);
            model_check_monotone(&m);
        }
    }
}
