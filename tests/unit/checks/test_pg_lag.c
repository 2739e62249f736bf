#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "checks/pg_lag.h"

enum { SECOND = 1000 * 1000 };

static const struct pg_standing idle = {
    .standby = true, .connected = true, .lag_known = true, .lag_ms = 3600 * 1000};
static const struct pg_standing behind = {
    .standby = true, .connected = true, .behind = true, .lag_known = true, .lag_ms = 12 * 1000};
static const struct pg_standing cut_off = {
    .standby = true, .lag_known = true, .lag_ms = 3600 * 1000};

static bool within(const struct pg_standing *standing, uint64_t *caught_up_us, uint64_t now_us,
                   const char *expected)
{
    char why[PG_LAG_WHY_BYTES] = "";
    bool ok = pg_lag_within(standing, caught_up_us, 10 * 1000, now_us, why);

    cr_expect_str_eq(why, expected);
    return ok;
}

Test(pg_lag, an_idle_primary_does_not_make_its_standby_late)
{
    uint64_t caught_up_us = 0;

    cr_expect(within(&idle, &caught_up_us, 5 * SECOND, ""));
    cr_expect_eq(caught_up_us, 5 * SECOND);
}

Test(pg_lag, a_standby_that_has_not_replayed_what_it_received_is_late)
{
    uint64_t caught_up_us = 0;

    cr_expect_not(within(&behind, &caught_up_us, 5 * SECOND, "replication lag 12 s, limit 10 s"));
}

Test(pg_lag, a_standby_is_not_later_than_since_it_was_seen_up_to_date)
{
    uint64_t caught_up_us = 5 * SECOND;

    cr_expect(within(&behind, &caught_up_us, 9 * SECOND, ""));
    cr_expect(within(&cut_off, &caught_up_us, 15 * SECOND, ""));
    cr_expect_not(within(&cut_off, &caught_up_us, 17 * SECOND,
                         "replication lag 12 s, limit 10 s, not connected to its primary"));
}

Test(pg_lag, what_is_not_known_is_not_taken_for_good)
{
    const struct pg_standing new_and_alone = {.standby = true};
    uint64_t caught_up_us = 0;

    cr_expect_not(within(&new_and_alone, &caught_up_us, SECOND,
                         "replication lag unknown: nothing replayed yet, not connected to its "
                         "primary"));
}

Test(pg_lag, a_primary_and_a_check_without_a_limit_have_no_lag)
{
    const struct pg_standing primary = {.connected = false, .behind = true, .lag_ms = 99999};
    uint64_t caught_up_us = 0;
    char why[PG_LAG_WHY_BYTES];

    cr_expect(within(&primary, &caught_up_us, SECOND, ""));
    cr_expect(pg_lag_within(&cut_off, &caught_up_us, 0, SECOND, why));
}

Test(pg_lag, the_row_is_read)
{
    const struct slice row[] = {SLICE_LIT("t"), SLICE_LIT("f"), SLICE_LIT("t"), SLICE_LIT("1500")};
    const struct slice skewed[] = {SLICE_LIT("t"), SLICE_LIT("t"), SLICE_LIT("t"), SLICE_LIT("-3")};
    const struct slice unknown[] = {SLICE_LIT("t"), SLICE_LIT("t"), SLICE_LIT("f"), {NULL, 0}};
    const struct slice wrong[] = {SLICE_LIT("true"), SLICE_LIT("t"), SLICE_LIT("t"),
                                  SLICE_LIT("x")};
    struct pg_standing s;

    cr_assert_eq(pg_lag_read(&s, row, 4), 0);
    cr_expect(s.standby && !s.connected && s.behind && s.lag_known && s.lag_ms == 1500);
    cr_assert_eq(pg_lag_read(&s, skewed, 4), 0);
    cr_expect(s.lag_known && s.lag_ms == 0);
    cr_assert_eq(pg_lag_read(&s, unknown, 4), 0);
    cr_expect_not(s.lag_known);
    cr_assert_eq(pg_lag_read(&s, row, 1), 0);
    cr_expect(s.standby && s.connected && !s.behind);
    cr_expect_neq(pg_lag_read(&s, wrong, 4), 0);
    cr_expect_neq(pg_lag_read(&s, row, 0), 0);
    cr_expect_neq(pg_lag_read(&s, row, 2), 0);
}

Test(pg_lag, nothing_is_read_behind_an_empty_column)
{
    char *bytes = malloc(3); /* that end with the row, for AddressSanitizer to see */
    struct pg_standing s;

    memcpy(bytes, "ttf", 3);
    const struct slice row[] = {{bytes, 1}, {bytes + 1, 1}, {bytes + 2, 1}, {bytes + 3, 0}};
    cr_expect_neq(pg_lag_read(&s, row, 4), 0);
    free(bytes);
}
