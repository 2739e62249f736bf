/* Slow start: the ramp, its steps, and their number. */
#include <criterion/criterion.h>

#include "balancer/algorithm.h"
#include "balancer/slow_start.h"

enum { STEPS = 200000 };

Test(slow_start, without_a_duration_everybody_starts_at_full_speed)
{
    struct slow_start s = slow_start_make(0, false);

    cr_expect_eq(slow_start_percent(&s, 5, 5), 100);
    cr_expect_eq(slow_start_next_us(&s, 5, 5), 0);
}

Test(slow_start, begins_at_ten_percent_and_ends_in_time)
{
    for (unsigned few = 0; few < 2; few++) {
        struct slow_start s = slow_start_make(30000, few);

        cr_expect_eq(slow_start_percent(&s, 60000000, 60000000), 10);
        cr_expect_eq(slow_start_percent(&s, 60000000, 75000000), 55);
        cr_expect_lt(slow_start_percent(&s, 60000000, 89000000), 100);
        cr_expect_eq(slow_start_percent(&s, 60000000, 90000000), 100);
        cr_expect_eq(slow_start_next_us(&s, 60000000, 90000000), 0);
    }
}

Test(slow_start, a_very_short_one_is_one_step)
{
    struct slow_start s = slow_start_make(1, false);

    cr_expect_eq(slow_start_percent(&s, 1000000, 1000000), 10);
    cr_expect_eq(slow_start_next_us(&s, 1000000, 1000000), 1100000);
    cr_expect_eq(slow_start_percent(&s, 1000000, 1100000), 100);
}

Test(slow_start, a_clock_that_seems_to_go_back_finds_it_at_its_beginning)
{
    struct slow_start s = slow_start_make(30000, false);

    cr_expect_eq(slow_start_percent(&s, 60000000, 10), 10);
    cr_expect_gt(slow_start_next_us(&s, 60000000, 10), 60000000u);
}

Test(slow_start, endpoints_that_came_at_different_times_step_at_the_same_ones)
{
    struct slow_start s = slow_start_make(30000, false);

    cr_expect_eq(slow_start_next_us(&s, 60000001, 60100000),
                 slow_start_next_us(&s, 60090000, 60100000));
}

struct model {
    struct slow_start s;
    uint64_t duration_us, began_us, now_us, random;
    unsigned percent, steps;
    uint64_t next_us, stepped_us;
};

static uint64_t model_random(struct model *m)
{
    m->random += BALANCER_GOLDEN;
    return balancer_mix(m->random);
}

static void model_begin(struct model *m, bool few)
{
    static const unsigned durations_ms[] = {1, 50, 150, 999, 5000, 30000, 600000};
    unsigned duration_ms = durations_ms[model_random(m) % 7];

    m->s = slow_start_make(duration_ms, few);
    m->duration_us = duration_ms * 1000ull;
    m->began_us = m->now_us += 1 + model_random(m) % 10000000;
    m->percent = slow_start_percent(&m->s, m->began_us, m->now_us);
    m->next_us = slow_start_next_us(&m->s, m->began_us, m->now_us);
    m->steps = 0;
    m->stepped_us = 0;
    cr_assert_eq(m->percent, 10);
}

/* Never more than two ticks from the straight line from 10 to 100 percent. */
static void model_check_line(const struct model *m)
{
    double slack = 1 + 90.0 * 2 * (double)m->s.tick_us / (double)m->duration_us;
    double line = 10 + 90.0 * (double)(m->now_us - m->began_us) / (double)m->duration_us;

    line = line < 100 ? line : 100;
    cr_assert(m->percent > line - slack && m->percent < line + slack, "%u, not %.1f", m->percent,
              line);
}

static void model_step(struct model *m, bool few)
{
    unsigned before = m->percent;

    m->now_us += model_random(m) % (m->duration_us / 8 + 20000);
    m->percent = slow_start_percent(&m->s, m->began_us, m->now_us);
    cr_assert(m->percent >= before && m->percent <= 100);
    if (m->percent != before) {
        cr_assert(m->next_us != 0 && m->now_us >= m->next_us, "a step that was not foretold");
        m->steps++;
    }
    m->next_us = slow_start_next_us(&m->s, m->began_us, m->now_us);
    cr_assert_eq(m->next_us == 0, m->percent == 100);
    if (m->next_us != 0) {
        cr_assert_gt(m->next_us, m->now_us);
        cr_assert_eq(m->next_us % m->s.tick_us, 0);
        cr_assert_geq(m->s.tick_us, 100000u);
    }
    cr_assert_leq(m->steps, few ? 10u : 90u);
    model_check_line(m);
    if (m->now_us >= m->began_us + m->duration_us + m->s.tick_us)
        cr_assert_eq(m->percent, 100);
}

Test(slow_start, rises_in_foretold_steps_along_a_line_and_arrives)
{
    for (unsigned few = 0; few < 2; few++) {
        struct model m = {.random = few};

        model_begin(&m, few);
        for (unsigned step = 0; step < STEPS / 2; step++) {
            if (m.percent == 100 && model_random(&m) % 4 == 0)
                model_begin(&m, few);
            model_step(&m, few);
        }
    }
}
