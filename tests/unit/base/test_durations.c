#include <criterion/criterion.h>

#include "base/durations.h"

Test(durations, a_bound_belongs_to_its_bucket)
{
    struct durations d = {0};

    for (unsigned i = 0; i < DURATION_BOUNDS; i++) {
        durations_add(&d, duration_bounds_us[i]);
        cr_expect_eq(d.counts[i], i == 0 ? 1 : 2);
        durations_add(&d, duration_bounds_us[i] + 1);
        cr_expect_eq(d.counts[i + 1], 1);
    }
}

Test(durations, nothing_is_short_and_everything_fits)
{
    struct durations d = {0};

    durations_add(&d, 0);
    durations_add(&d, UINT64_MAX / 2);
    cr_expect_eq(d.counts[0], 1);
    cr_expect_eq(d.counts[DURATION_BOUNDS], 1);
    cr_expect_eq(d.sum_us, UINT64_MAX / 2);
}

Test(durations, of_two_make_one)
{
    struct durations a = {0}, b = {0};

    durations_add(&a, 700);
    durations_add(&b, 700);
    durations_add(&b, 60000000);
    durations_merge(&a, &b);
    cr_expect_eq(a.counts[1], 2);
    cr_expect_eq(a.counts[DURATION_BOUNDS], 1);
    cr_expect_eq(a.sum_us, 60001400);
}
