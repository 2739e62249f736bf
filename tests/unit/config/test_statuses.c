/* Sets of statuses, and lists written as one string. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/values_internal.h"

static bool same(const struct config_statuses *a, const struct config_statuses *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* The statuses from first to last, nothing else. */
static struct config_statuses range(int first, int last)
{
    struct config_statuses set = {0};

    for (int status = first; status <= last; status++)
        set.bits[status / 64] |= UINT64_C(1) << (status % 64);
    return set;
}

static void check_set(const char *text, struct config_statuses expected)
{
    struct config_statuses set = range(100, 599);
    char *why = config_statuses_parse(&set, slice_str(text));

    cr_expect_null(why, "%s: %s", text, why);
    cr_expect(same(&set, &expected), "%s", text);
    free(why);
}

static struct config_statuses both(struct config_statuses a, struct config_statuses b)
{
    for (size_t i = 0; i < sizeof(a.bits) / sizeof(a.bits[0]); i++)
        a.bits[i] |= b.bits[i];
    return a;
}

Test(statuses, every_single_one_is_itself)
{
    for (int status = 100; status <= 599; status++) {
        char text[16];

        snprintf(text, sizeof(text), "%d", status);
        check_set(text, range(status, status));
    }
}

Test(statuses, every_range_holds_its_ends_and_what_is_between)
{
    for (int first = 100; first <= 599; first += 7) {
        for (int last = first; last <= 599; last += 11) {
            char text[16];

            snprintf(text, sizeof(text), "%d-%d", first, last);
            check_set(text, range(first, last));
        }
    }
    check_set("100-599", range(100, 599));
    check_set("204-204", range(204, 204));
}

Test(statuses, classes_are_ranges)
{
    check_set("1xx", range(100, 199));
    check_set("2xx", range(200, 299));
    check_set("3Xx", range(300, 399));
    check_set("4xX", range(400, 499));
    check_set("5XX", range(500, 599));
}

Test(statuses, lists_are_unions_and_white_space_does_not_matter)
{
    check_set("", (struct config_statuses){0});
    check_set("  \t", (struct config_statuses){0});
    check_set("200,304", both(range(200, 200), range(304, 304)));
    check_set(" 200 - 299 ,\t304 ", both(range(200, 299), range(304, 304)));
    check_set("200-250, 240-299", range(200, 299));
    check_set("2xx, 200", range(200, 299));
    check_set("599, 100", both(range(599, 599), range(100, 100)));
}

Test(statuses, that_are_none_are_refused)
{
    static const struct {
        const char *text, *says;
    } table[] = {
        {"ok", "\"ok\" is not a status; write one such as \"200\", \"500-504\" or \"5xx\""},
        {",", "\"\" is not a status"},
        {"200,", "\"\" is not a status"},
        {"200,,201", "\"\" is not a status"},
        {"200 201", "\"200 201\" is not a status"},
        {"20", "\"20\" is not a status"},
        {"2000", "\"2000\" is not a status"},
        {"-200", "\"-200\" is not a status"},
        {"200-", "\"200-\" is not a status"},
        {"-", "\"-\" is not a status"},
        {"200--299", "\"200--299\" is not a status"},
        {"200-299-304", "is not a status"},
        {"+20", "is not a status"},
        {"2x", "is not a status"},
        {"20x", "is not a status"},
        {"xxx", "is not a status"},
        {"2xx-3xx", "is not a status"},
        {"200;304", "is not a status"},
        {"099", "\"099\" is out of range; write statuses from 100 to 599"},
        {"600", "is out of range"},
        {"000", "is out of range"},
        {"999", "is out of range"},
        {"0xx", "is out of range"},
        {"6xx", "is out of range"},
        {"9xx", "is out of range"},
        {"500-600", "is out of range"},
        {"99-200", "is not a status"},
        {"299-200", "\"299-200\" has its ends swapped; write \"200-299\""},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct config_statuses set = range(200, 299), before = set;
        char *why = config_statuses_parse(&set, slice_str(table[i].text));

        cr_assert_not_null(why, "accepted: %s", table[i].text);
        cr_expect_not_null(strstr(why, table[i].says), "%s: %s", table[i].text, why);
        cr_expect(same(&set, &before), "%s changed the set", table[i].text);
        free(why);
    }
}

Test(statuses, one_is_in_a_set_only_if_it_was_put_there)
{
    struct config_statuses set = range(200, 299);

    cr_expect(config_statuses_have(&set, 200) && config_statuses_have(&set, 299));
    cr_expect_not(config_statuses_have(&set, 199) || config_statuses_have(&set, 300));
    cr_expect_not(config_statuses_have(&set, -1) || config_statuses_have(&set, 0));
    cr_expect_not(config_statuses_have(&set, 640) || config_statuses_have(&set, 100000));
}

Test(statuses, items_of_a_string_are_what_stands_between_commas)
{
    struct slice rest = slice_str(" a ,b,, c"), item;
    static const char *const expected[] = {"a", "b", "", "c"};

    for (size_t i = 0; i < 4; i++) {
        cr_assert(config_value_next_item(&rest, &item));
        cr_expect(slice_eq(item, slice_str(expected[i])), "%.*s", SLICE_FMT(item));
    }
    cr_expect_not(config_value_next_item(&rest, &item));
    rest = slice_str("");
    cr_expect(config_value_next_item(&rest, &item) && item.n == 0);
    cr_expect_not(config_value_next_item(&rest, &item));
}
