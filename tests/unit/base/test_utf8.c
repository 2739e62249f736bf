/* Text that was cut between two bytes. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/utf8.h"

static size_t whole(const char *text)
{
    return utf8_whole(text, strlen(text));
}

Test(utf8, characters_that_are_whole_remain)
{
    cr_expect_eq(whole(""), 0);
    cr_expect_eq(whole("abc"), 3);
    cr_expect_eq(whole("caf\xc3\xa9"), 5);
    cr_expect_eq(whole("\xe2\x82\xac"), 3);
    cr_expect_eq(whole("\xf0\x9f\x98\x80"), 4);
}

Test(utf8, a_character_that_is_cut_goes_whatever_is_left_of_it)
{
    static const char text[] = "a\xf0\x9f\x98\x80";

    cr_expect_eq(utf8_whole(text, 4), 1);
    cr_expect_eq(utf8_whole(text, 3), 1);
    cr_expect_eq(utf8_whole(text, 2), 1);
    cr_expect_eq(whole("caf\xc3"), 3);
    cr_expect_eq(whole("\xe2\x82"), 0);
}

Test(utf8, what_is_not_utf8_remains)
{
    cr_expect_eq(whole("\x80\x80\x80\x80\x80"), 5);
    cr_expect_eq(whole("\xa9"), 1);
    cr_expect_eq(whole("a\xc3\x80\x80"), 4);
}
