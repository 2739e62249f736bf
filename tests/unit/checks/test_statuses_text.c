/* Sets of statuses as evidence. */
#include <criterion/criterion.h>
#include <string.h>

#include "checks/statuses_text.h"

static void set(struct config_statuses *statuses, int first, int last)
{
    for (int s = first; s <= last; s++)
        statuses->bits[s / 64] |= 1ull << (s % 64);
}

Test(statuses_text, statuses_are_said_as_they_are_written)
{
    struct config_statuses statuses = {0};
    char out[STATUSES_TEXT_BYTES];

    cr_expect_str_eq(statuses_text(out, &statuses), "");
    set(&statuses, 200, 299);
    cr_expect_str_eq(statuses_text(out, &statuses), "200-299");
    set(&statuses, 304, 304);
    set(&statuses, 500, 599);
    cr_expect_str_eq(statuses_text(out, &statuses), "200-299, 304, 500-599");
    memset(&statuses, 0, sizeof(statuses));
    for (int s = 101; s < 599; s += 2)
        set(&statuses, s, s);
    statuses_text(out, &statuses);
    cr_expect(strlen(out) < sizeof(out));
    cr_expect_str_eq(out + strlen(out) - 3, "...");
}
