#include <criterion/criterion.h>

#include "base/timestamp.h"

static void expect_log(uint64_t wall_us, const char *want)
{
    char out[TIMESTAMP_LOG_BYTES];

    timestamp_log(out, wall_us);
    cr_assert_arr_eq(out, want, sizeof(out), "%.*s", (int)sizeof(out), out);
}

Test(timestamp, log_times_have_milliseconds)
{
    expect_log(0, "1970-01-01T00:00:00.000Z");
    expect_log(1795256760123999u, "2026-11-21T10:26:00.123Z");
    expect_log(1795256760999999u, "2026-11-21T10:26:00.999Z"); /* the cached second */
    expect_log(1795256761000000u, "2026-11-21T10:26:01.000Z");
    expect_log(951825600000000u, "2000-02-29T12:00:00.000Z");
}

Test(timestamp, http_dates_are_imf_fixdate)
{
    char out[TIMESTAMP_HTTP_BYTES];

    timestamp_http(out, 784111777); /* the example of RFC 9110 section 5.6.7 */
    cr_assert_arr_eq(out, "Sun, 06 Nov 1994 08:49:37 GMT", sizeof(out));
}
