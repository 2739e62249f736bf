#include <criterion/criterion.h>

#include "net/wheel.h"

enum { TIMERS = 2000 };

static struct wheel wheel;
static unsigned fired;
static uint64_t now_ms;

static void on_timer(struct loop_timer *timer)
{
    fired++;
}

static void timer_init(struct loop_timer *timer, loop_timer_cb cb)
{
    list_init(&timer->node);
    timer->deadline_ms = timer->slot_ms = 0;
    timer->on_timer = cb;
}

static void advance_to(uint64_t at_ms)
{
    now_ms = at_ms;
    wheel_advance(&wheel, now_ms);
}

static void setup(void)
{
    fired = 0;
    now_ms = 1000003;
    wheel_init(&wheel, now_ms);
}

TestSuite(wheel, .init = setup);

Test(wheel, timers_fire_once_never_early_and_at_most_two_ticks_late)
{
    for (uint64_t after = 1; after < 400; after++) {
        struct loop_timer timer;
        uint64_t start = now_ms;
        unsigned before = fired;

        timer_init(&timer, on_timer);
        cr_assert(wheel_set(&wheel, &timer, start + after, start));
        advance_to(start + after - 1);
        cr_assert_eq(fired, before, "early after %llu", (unsigned long long)after);
        advance_to(start + after + 2 * WHEEL_TICK_MS);
        cr_assert_eq(fired, before + 1, "not after %llu", (unsigned long long)after);
        advance_to(now_ms + 20000);
        cr_assert_eq(fired, before + 1);
        cr_assert_eq(timer.deadline_ms, 0);
    }
}

Test(wheel, moving_a_deadline_later_touches_no_slot)
{
    struct loop_timer timer;
    uint64_t start = now_ms;

    timer_init(&timer, on_timer);
    cr_expect(wheel_set(&wheel, &timer, start + 100, start));
    uint64_t slot = timer.slot_ms;
    for (uint64_t t = 0; t < 90; t++)
        cr_expect_not(wheel_set(&wheel, &timer, start + 100 + t * 1000, start));
    cr_expect_eq(timer.slot_ms, slot);
    advance_to(start + 89 * 1000 + 99);
    cr_expect_eq(fired, 0);
    advance_to(start + 89 * 1000 + 140);
    cr_expect_eq(fired, 1);
}

Test(wheel, moving_a_deadline_earlier_is_heeded)
{
    struct loop_timer timer;
    uint64_t start = now_ms;

    timer_init(&timer, on_timer);
    wheel_set(&wheel, &timer, start + 60000, start);
    cr_expect(wheel_set(&wheel, &timer, start + 50, start));
    advance_to(start + 90);
    cr_expect_eq(fired, 1);
}

Test(wheel, deadlines_beyond_one_turn_of_the_wheel_hold)
{
    struct loop_timer timer;
    uint64_t start = now_ms;

    timer_init(&timer, on_timer);
    wheel_set(&wheel, &timer, start + 75000, start);
    for (uint64_t t = start; t < start + 75000; t += 7)
        advance_to(t);
    cr_expect_eq(fired, 0);
    advance_to(start + 75040);
    cr_expect_eq(fired, 1);
    cr_expect_eq(wheel_next_ms(&wheel), 0, "empty");
}

Test(wheel, a_long_stall_fires_everything_that_is_due)
{
    static struct loop_timer timers[TIMERS];
    uint64_t start = now_ms;

    for (unsigned i = 0; i < TIMERS; i++) {
        timer_init(&timers[i], on_timer);
        wheel_set(&wheel, &timers[i], start + 1 + i * 13, start);
    }
    advance_to(start + 3600000);
    cr_expect_eq(fired, TIMERS);
}

Test(wheel, an_idle_wheel_catches_up_when_it_is_used_again)
{
    struct loop_timer timer;

    timer_init(&timer, on_timer);
    now_ms += 3600000; /* nobody advanced it */
    wheel_set(&wheel, &timer, now_ms + 500, now_ms);
    cr_expect_geq(wheel_next_ms(&wheel), now_ms + 500);
    cr_expect_leq(wheel_next_ms(&wheel), now_ms + 500 + WHEEL_TICK_MS);
}

Test(wheel, next_is_the_earliest_occupied_slot)
{
    struct loop_timer a, b;

    timer_init(&a, on_timer);
    timer_init(&b, on_timer);
    cr_expect_eq(wheel_next_ms(&wheel), 0);
    wheel_set(&wheel, &a, now_ms + 5000, now_ms);
    wheel_set(&wheel, &b, now_ms + 300, now_ms);
    uint64_t next = wheel_next_ms(&wheel);
    cr_expect_geq(next, now_ms + 300);
    cr_expect_leq(next, now_ms + 300 + WHEEL_TICK_MS);
}

/* Many timers, moved at random, against what the contract promises of each. */
static struct {
    struct loop_timer timer;
    uint64_t deadline_ms;
} model[TIMERS];

static void on_model_timer(struct loop_timer *timer)
{
    size_t i = (size_t)((char *)timer - (char *)model) / sizeof(model[0]);

    cr_assert_neq(model[i].deadline_ms, 0, "it was armed");
    cr_assert_geq(now_ms, model[i].deadline_ms);
    model[i].deadline_ms = 0;
    fired++;
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

Test(wheel, keeps_its_promise_to_many_timers_that_move_at_random)
{
    uint32_t random = 1;

    for (unsigned i = 0; i < TIMERS; i++)
        timer_init(&model[i].timer, on_model_timer);
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = next_random(&random) % TIMERS;

        if (next_random(&random) % 4 == 0) {
            list_remove(&model[i].timer.node);
            model[i].timer.deadline_ms = model[i].timer.slot_ms = model[i].deadline_ms = 0;
        } else {
            model[i].deadline_ms = now_ms + 1 + next_random(&random) % 30000;
            wheel_set(&wheel, &model[i].timer, model[i].deadline_ms, now_ms);
        }
        advance_to(now_ms + next_random(&random) % 30);
        if (step % 64 != 0)
            continue;
        for (unsigned k = 0; k < TIMERS; k++)
            cr_assert(model[k].deadline_ms == 0 ||
                      model[k].deadline_ms + 2 * WHEEL_TICK_MS > now_ms);
    }
    cr_expect_gt(fired, 1000);
}

static struct loop_timer victim, setter;

static void on_cancelling(struct loop_timer *timer)
{
    fired++;
    list_remove(&victim.node);
    victim.deadline_ms = victim.slot_ms = 0;
}

Test(wheel, a_timer_may_cancel_another_of_its_slot)
{
    struct loop_timer first;

    timer_init(&first, on_cancelling);
    timer_init(&victim, on_timer);
    wheel_set(&wheel, &first, now_ms + 100, now_ms);
    wheel_set(&wheel, &victim, now_ms + 100, now_ms);
    advance_to(now_ms + 200);
    cr_expect_eq(fired, 1);
}

static void on_setting_again(struct loop_timer *timer)
{
    if (++fired < 5)
        wheel_set(&wheel, &setter, now_ms + 1, now_ms);
}

Test(wheel, a_timer_that_sets_itself_fires_in_a_later_tick)
{
    timer_init(&setter, on_setting_again);
    wheel_set(&wheel, &setter, now_ms + 1, now_ms);
    for (unsigned i = 0; i < 5; i++) {
        cr_expect_eq(fired, i);
        advance_to(now_ms + 2 * WHEEL_TICK_MS);
    }
    cr_expect_eq(fired, 5);
}
