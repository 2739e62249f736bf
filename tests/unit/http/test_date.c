/* HTTP dates, RFC 9110 section 5.6.7. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

#include "base/timestamp.h"
#include "http/date.h"

enum { NOW = 1795262400 }; /* Sat, 21 Nov 2026 12:00:00 GMT */

static int64_t read_date(const char *text)
{
    int64_t date_s = -1;

    cr_expect(http_date_parse(slice_str(text), NOW, &date_s), "%s", text);
    return date_s;
}

Test(date, all_three_forms_say_the_same)
{
    cr_expect_eq(read_date("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
    cr_expect_eq(read_date("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
    cr_expect_eq(read_date("Sun Nov  6 08:49:37 1994"), 784111777);
    cr_expect_eq(read_date("Wed Nov 16 08:49:37 1994"), 784111777 + 864000);
}

Test(date, reads_back_what_timestamp_http_writes)
{
    for (int64_t t = 0; t < 253402300800; t += 86400 * 3 + 3599) {
        char text[TIMESTAMP_HTTP_BYTES];
        int64_t date_s = -1;

        timestamp_http(text, (uint64_t)t);
        cr_assert(http_date_parse(slice_from(text, sizeof(text)), NOW, &date_s));
        cr_assert_eq(date_s, t, "%.29s", text);
    }
}

Test(date, every_year_of_the_calendar_agrees_with_the_c_library)
{
    for (int year = 0; year <= 9999; year++) {
        struct tm tm = {.tm_year = year - 1900, .tm_mon = 2, .tm_mday = 1, .tm_hour = 23};
        int64_t date_s = -1;
        char text[64];

        snprintf(text, sizeof(text), "Mon, 01 Mar %04d 23:00:00 GMT", year);
        cr_assert(http_date_parse(slice_str(text), NOW, &date_s), "%s", text);
        cr_assert_eq(date_s, (int64_t)timegm(&tm), "%s", text);
    }
}

Test(date, two_digits_of_a_year_are_never_more_than_fifty_years_ahead)
{
    cr_expect_eq(read_date("Friday, 20-Nov-76 12:00:00 GMT"), 3373099200);
    cr_expect_eq(read_date("Saturday, 21-Nov-77 12:00:00 GMT"), 248961600);
    cr_expect_eq(read_date("Wednesday, 31-Dec-76 12:00:00 GMT"), 220881600);
    cr_expect_eq(read_date("Thursday, 29-Feb-96 00:00:00 GMT"), 825552000);
}

Test(date, anything_else_is_refused_and_leaves_the_result_alone)
{
    static const char *const bad[] = {
        "",
        "0",
        "-1",
        "Sun",
        "Sun, ",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1995 08:49:37 GMT",
        "Sun, 29 Feb 1900 08:49:37 GMT",
        "Sunday, 29-Feb-95 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Xxx, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 ",
        "Sun Nov  6 08:49:37 94",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        int64_t date_s = 42;

        cr_expect_not(http_date_parse(slice_str(bad[i]), NOW, &date_s), "%s", bad[i]);
        cr_expect_eq(date_s, 42);
    }
}
