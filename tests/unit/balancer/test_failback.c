/* Failback: each policy by example, and all of them against what they promise. */
#include <criterion/criterion.h>
#include <string.h>

#include "balancer/algorithm.h"
#include "balancer/failback.h"
#include "balancer/spill.h"

enum { LEVELS = 4, STEPS = 200000, SECOND = 1000000 };

/* A machine, and levels whose capacity is set by hand (in percent of the load). */
struct bench {
    struct failback failback;
    unsigned count;
    unsigned can[LEVELS], wanted[LEVELS], load[LEVELS];
    bool settled[LEVELS], at_once;
    uint64_t now_us, next_us;
};

static void bench_init(struct bench *b, unsigned count, enum config_failback_mode mode)
{
    const struct config_failback policy = {.mode = mode, .after_ms = 60000, .step_percent = 10};

    *b = (struct bench){.count = count, .now_us = 5 * SECOND};
    failback_init(&b->failback, &policy, count);
    for (unsigned i = 0; i < count; i++) {
        b->can[i] = SPILL_WHOLE;
        b->settled[i] = true;
    }
}

/* wanted from can, as spill_shares would have it. */
static void bench_spill(struct bench *b)
{
    unsigned sum = 0, taken = 0, before = 0;

    for (unsigned i = 0; i < b->count; i++)
        sum += b->can[i];
    for (unsigned i = 0; i < b->count; i++) {
        unsigned until;

        taken += b->can[i];
        until = taken < SPILL_WHOLE ? taken : SPILL_WHOLE;
        if (sum > 0 && sum < SPILL_WHOLE)
            until = taken * SPILL_WHOLE / sum;
        b->wanted[i] = until - before;
        before = until;
    }
}

static void bench_update(struct bench *b, uint64_t seconds)
{
    struct failback_input input = {
        .wanted = b->wanted, .can = b->can, .settled = b->settled, .at_once = b->at_once};

    b->now_us += seconds * SECOND;
    input.now_us = b->now_us;
    bench_spill(b);
    b->next_us = failback_update(&b->failback, &input, b->load);
    b->at_once = false;
}

static void bench_can(struct bench *b, unsigned first, unsigned second)
{
    b->can[0] = first * (SPILL_WHOLE / 100);
    b->can[1] = second * (SPILL_WHOLE / 100);
    bench_update(b, 0);
}

static void expect_load(const struct bench *b, unsigned first, unsigned second)
{
    cr_expect_eq(b->load[0], first * (SPILL_WHOLE / 100), "level 0: %u", b->load[0]);
    cr_expect_eq(b->load[1], second * (SPILL_WHOLE / 100), "level 1: %u", b->load[1]);
}

Test(failback, in_every_mode_losses_follow_at_once)
{
    for (unsigned mode = CONFIG_FAILBACK_AUTO; mode <= CONFIG_FAILBACK_MANUAL; mode++) {
        struct bench b;

        bench_init(&b, 2, mode);
        bench_update(&b, 0);
        expect_load(&b, 100, 0);
        bench_can(&b, 60, 100);
        expect_load(&b, 60, 40);
        bench_can(&b, 0, 100);
        expect_load(&b, 0, 100);
        failback_fini(&b.failback);
    }
}

Test(failback, auto_comes_back_at_once)
{
    struct bench b;

    bench_init(&b, 2, CONFIG_FAILBACK_AUTO);
    bench_can(&b, 0, 100);
    bench_can(&b, 100, 100);
    expect_load(&b, 100, 0);
    cr_expect_eq(b.next_us, 0);
    failback_fini(&b.failback);
}

Test(failback, delayed_comes_back_after_it_was_fit_without_a_break)
{
    struct bench b;

    bench_init(&b, 2, CONFIG_FAILBACK_DELAYED);
    bench_update(&b, 0);
    bench_can(&b, 0, 100);
    bench_can(&b, 100, 100);
    expect_load(&b, 0, 100);
    cr_expect_eq(b.next_us, b.now_us + 60 * SECOND);
    bench_update(&b, 40);
    bench_can(&b, 0, 100); /* a break */
    bench_can(&b, 100, 100);
    bench_update(&b, 59);
    expect_load(&b, 0, 100);
    bench_update(&b, 1);
    expect_load(&b, 100, 0);
    failback_fini(&b.failback);
}

Test(failback, gradual_comes_back_a_step_at_a_time_and_never_two_at_once)
{
    struct bench b;

    bench_init(&b, 2, CONFIG_FAILBACK_GRADUAL);
    bench_update(&b, 0);
    bench_can(&b, 0, 100);
    bench_can(&b, 100, 100);
    bench_update(&b, 60);
    expect_load(&b, 10, 90);
    bench_update(&b, 600); /* called much too late */
    expect_load(&b, 20, 80);
    for (unsigned i = 0; i < 8; i++)
        bench_update(&b, 60);
    expect_load(&b, 100, 0);
    cr_expect_eq(b.next_us, 0);
    failback_fini(&b.failback);
}

Test(failback, manual_comes_back_when_somebody_says_so_and_stays)
{
    struct bench b;

    bench_init(&b, 2, CONFIG_FAILBACK_MANUAL);
    bench_update(&b, 0);
    bench_can(&b, 0, 100);
    bench_can(&b, 100, 100);
    bench_update(&b, 100000);
    expect_load(&b, 0, 100);
    cr_expect_eq(b.next_us, 0);
    b.at_once = true;
    bench_update(&b, 1);
    expect_load(&b, 100, 0);
    bench_update(&b, 1);
    expect_load(&b, 100, 0);
    failback_fini(&b.failback);
}

Test(failback, the_policy_gives_way_where_the_later_levels_cannot_carry_the_load)
{
    struct bench b;

    bench_init(&b, 2, CONFIG_FAILBACK_MANUAL);
    bench_update(&b, 0);
    bench_can(&b, 0, 100);
    bench_can(&b, 100, 30);
    expect_load(&b, 70, 30);
    bench_can(&b, 100, 100); /* what came back stays */
    expect_load(&b, 70, 30);
    bench_can(&b, 100, 0);
    expect_load(&b, 100, 0);
    failback_fini(&b.failback);
}

Test(failback, a_level_in_the_middle_may_come_back_while_the_first_waits)
{
    struct bench b;

    bench_init(&b, 3, CONFIG_FAILBACK_DELAYED);
    bench_update(&b, 0);
    bench_can(&b, 0, 0);
    cr_expect_eq(b.load[2], SPILL_WHOLE);
    bench_can(&b, 0, 100);
    bench_update(&b, 30);
    bench_can(&b, 100, 100);
    bench_update(&b, 30);
    expect_load(&b, 0, 100);
    bench_update(&b, 30);
    expect_load(&b, 100, 0);
    failback_fini(&b.failback);
}

Test(failback, a_level_that_waits_for_its_first_verdicts_is_where_it_belongs_at_once)
{
    struct bench b;

    bench_init(&b, 2, CONFIG_FAILBACK_MANUAL);
    b.settled[0] = false;
    bench_can(&b, 0, 100);
    expect_load(&b, 0, 100);
    bench_can(&b, 50, 100);
    expect_load(&b, 50, 50);
    b.settled[0] = true;
    bench_can(&b, 100, 100); /* with its last verdict */
    expect_load(&b, 100, 0);
    bench_can(&b, 0, 100);
    bench_can(&b, 100, 100);
    expect_load(&b, 0, 100);
    failback_fini(&b.failback);
}

Test(failback, after_nothing_at_all_was_left_whoever_comes_first_serves)
{
    struct bench b;

    bench_init(&b, 2, CONFIG_FAILBACK_MANUAL);
    bench_update(&b, 0);
    bench_can(&b, 0, 100);
    bench_can(&b, 0, 0);
    expect_load(&b, 0, 0);
    bench_can(&b, 100, 0);
    expect_load(&b, 100, 0);
    failback_fini(&b.failback);
}

/* ---- The model ---- */

/* What happened to one boundary: everything the promises are about. */
struct past {
    uint64_t room_since_us[SPILL_WHOLE / 100 + 1]; /* since when it could carry that many percent */
    unsigned carried;
    uint64_t gained_us; /* the last time when it rose by the policy */
};

struct model {
    struct bench bench;
    struct past past[LEVELS];
    enum config_failback_mode mode;
    uint64_t random;
};

static uint64_t model_random(struct model *m)
{
    m->random += BALANCER_GOLDEN;
    return balancer_mix(m->random);
}

static unsigned sum_until(const unsigned *values, unsigned level)
{
    unsigned sum = 0;

    for (unsigned i = 0; i <= level; i++)
        sum += values[i];
    return sum;
}

static void past_note(struct past *p, unsigned wanted, uint64_t now_us)
{
    for (unsigned percent = 0; percent <= 100; percent++) {
        if (wanted < percent * (SPILL_WHOLE / 100))
            p->room_since_us[percent] = UINT64_MAX;
        else if (p->room_since_us[percent] == UINT64_MAX)
            p->room_since_us[percent] = now_us;
    }
}

/* Would less on the earlier levels leave more to a later one than that can carry? */
static bool had_to_give_way(const struct bench *b, unsigned boundary)
{
    return sum_until(b->load, boundary) > 0 && b->load[boundary + 1] == b->can[boundary + 1];
}

static void model_check_gain(struct model *m, unsigned boundary)
{
    struct bench *b = &m->bench;
    struct past *p = &m->past[boundary];
    unsigned carried = sum_until(b->load, boundary);
    unsigned lower = boundary > 0 ? sum_until(b->load, boundary - 1) : 0;
    uint64_t after_us = m->bench.failback.policy.after_ms * 1000;

    /* Pushed up by a boundary before it, or by levels behind it. */
    if (carried <= p->carried || carried == lower || had_to_give_way(b, boundary))
        return;
    cr_assert_neq(m->mode, CONFIG_FAILBACK_MANUAL, "came back by itself");
    cr_assert_neq(p->room_since_us[carried / (SPILL_WHOLE / 100)], UINT64_MAX);
    cr_assert_geq(b->now_us - p->room_since_us[carried / (SPILL_WHOLE / 100)], after_us);
    if (m->mode == CONFIG_FAILBACK_GRADUAL) {
        cr_assert_leq(carried - p->carried, 10u * (SPILL_WHOLE / 100));
        cr_assert_geq(b->now_us - p->gained_us, after_us);
        p->gained_us = b->now_us;
    }
}

static void model_check(struct model *m, bool at_once)
{
    struct bench *b = &m->bench;
    unsigned can = sum_until(b->can, b->count - 1);

    cr_assert_eq(sum_until(b->load, b->count - 1), can > 0 ? SPILL_WHOLE : 0);
    for (unsigned i = 0; i < b->count; i++) {
        unsigned carried = sum_until(b->load, i), wanted = sum_until(b->wanted, i);

        cr_assert_leq(carried, wanted, "more on the earlier levels than belongs there");
        cr_assert(b->load[i] == 0 || b->can[i] > 0, "load on a level without anybody");
        cr_assert(can < SPILL_WHOLE || b->load[i] <= b->can[i], "more than it can");
        if (can == 0 || i + 1 == b->count)
            continue;
        past_note(&m->past[i], wanted, b->now_us);
        if (at_once || m->mode == CONFIG_FAILBACK_AUTO || can < SPILL_WHOLE)
            cr_assert_eq(carried, wanted, "it belongs there at once");
        else
            model_check_gain(m, i);
        m->past[i].carried = carried;
    }
}

static void model_change(struct model *m)
{
    struct bench *b = &m->bench;
    uint64_t bits = model_random(m);
    unsigned level = (unsigned)(bits >> 8) % b->count;

    switch (bits % 8) {
    case 0:
        b->can[level] = 0;
        break;
    case 1:
    case 2:
        b->can[level] = SPILL_WHOLE;
        break;
    case 3:
        b->can[level] = (unsigned)(bits >> 16) % 101 * (SPILL_WHOLE / 100);
        break;
    default:
        break; /* only time passes */
    }
}

static void model_step(struct model *m)
{
    struct bench *b = &m->bench;
    bool at_once = model_random(m) % 64 == 0;

    model_change(m);
    /* At the time it asked to be called, or at another. */
    if (b->next_us > b->now_us && model_random(m) % 2 == 0)
        b->now_us = b->next_us;
    else
        b->now_us += model_random(m) % (20 * SECOND);
    b->at_once = at_once;
    bench_update(b, 0);
    cr_assert(b->next_us == 0 || b->next_us > b->now_us, "it asks for a time that is gone");
    model_check(m, at_once);
}

Test(failback, keeps_its_promises_whatever_comes)
{
    for (unsigned mode = CONFIG_FAILBACK_AUTO; mode <= CONFIG_FAILBACK_MANUAL; mode++) {
        for (unsigned count = 1; count <= LEVELS; count++) {
            struct model m = {.mode = mode, .random = mode * 10 + count};

            bench_init(&m.bench, count, mode);
            memset(m.past, 0, sizeof(m.past));
            bench_update(&m.bench, 0);
            model_check(&m, true);
            for (unsigned step = 0; step < STEPS / LEVELS; step++)
                model_step(&m);
            failback_fini(&m.bench.failback);
        }
    }
}
