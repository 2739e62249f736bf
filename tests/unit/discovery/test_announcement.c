/* Bursts of changes are told together, and sets not too often. */
#include <criterion/criterion.h>

#include "discovery/announcement.h"

static struct {
    struct loop loop;
    struct announcement announcement;
    unsigned told;
} f;

static void on_tell(struct announcement *announcement)
{
    f.told++;
    announcement_made(announcement);
}

static void setup(void)
{
    memset(&f, 0, sizeof(f));
    cr_assert_eq(loop_init(&f.loop), EG_OK);
    loop_enter(&f.loop);
    announcement_init(&f.announcement, &f.loop, on_tell);
}

static void teardown(void)
{
    announcement_cancel(&f.announcement);
    loop_leave(&f.loop);
    loop_fini(&f.loop);
}

TestSuite(announcement, .init = setup, .fini = teardown);

/* In how many milliseconds it will be told. */
static uint64_t due_in(void)
{
    cr_assert(f.announcement.due);
    return f.announcement.timer.deadline_ms - f.loop.now_ms;
}

Test(announcement, the_first_change_is_told_soon)
{
    announcement_soon(&f.announcement, 1);
    cr_expect_leq(due_in(), ANNOUNCEMENT_SOON_MS + 2 * LOOP_TICK_MS);
}

Test(announcement, a_burst_does_not_put_it_off)
{
    announcement_soon(&f.announcement, 1);
    uint64_t deadline_ms = f.announcement.timer.deadline_ms;

    f.loop.now_ms += 5;
    announcement_soon(&f.announcement, 1);
    cr_expect_eq(f.announcement.timer.deadline_ms, deadline_ms);
}

Test(announcement, while_changes_go_on_sets_are_apart)
{
    announcement_made(&f.announcement);
    f.loop.now_ms += 30;
    announcement_soon(&f.announcement, 1);
    cr_expect_geq(due_in(), ANNOUNCEMENT_APART_MS - 30);
}

Test(announcement, large_sets_are_further_apart)
{
    announcement_made(&f.announcement);
    announcement_soon(&f.announcement, 60000);
    cr_expect_geq(due_in(), ANNOUNCEMENT_APART_MS + 300);
}

Test(announcement, after_a_quiet_time_it_is_soon_again)
{
    announcement_made(&f.announcement);
    f.loop.now_ms += ANNOUNCEMENT_APART_MS;
    announcement_soon(&f.announcement, 1);
    cr_expect_leq(due_in(), ANNOUNCEMENT_SOON_MS + 2 * LOOP_TICK_MS);
}

Test(announcement, what_was_told_meanwhile_is_not_due)
{
    announcement_soon(&f.announcement, 1);
    announcement_made(&f.announcement);
    cr_expect_not(f.announcement.due);
    cr_expect_eq(f.announcement.timer.deadline_ms, 0);
}
