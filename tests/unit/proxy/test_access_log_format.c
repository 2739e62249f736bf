#include <criterion/criterion.h>

#include "proxy/access_log.h"

static struct access_log_line example(void)
{
    return (struct access_log_line){
        .time_us = 1795256760123456u,
        .request_id = SLICE_LIT("4f3a"),
        .client = SLICE_LIT("203.0.113.9"),
        .listener = SLICE_LIT("edge"),
        .route = SLICE_LIT("api"),
        .pool = SLICE_LIT("api"),
        .endpoint = SLICE_LIT("a"),
        .attempts = 2,
        .method = SLICE_LIT("GET"),
        .host = SLICE_LIT("example.com"),
        .path = SLICE_LIT("/v1/items?q=1"),
        .protocol = SLICE_LIT("HTTP/1.1"),
        .status = 200,
        .bytes_in = 120,
        .bytes_out = 18446744073709551615u,
        .total_us = 1234567,
        .connect_us = -1,
        .first_byte_us = 7,
        .user_agent = SLICE_LIT("curl/8 \"x\""),
        .trace_id = SLICE_LIT("0af7651916cd43dd8448eb211c80319c"),
    };
}

static void expect(const struct access_log_line *line, bool json, const char *want)
{
    char out[4096];
    size_t n = access_log_format(line, json, out, sizeof(out) - 1);

    out[n] = '\0';
    cr_assert_str_eq(out, want);
}

Test(access_log_format, a_line_of_json)
{
    struct access_log_line line = example();

    expect(&line, true,
           "{\"time\":\"2026-11-21T10:26:00.123Z\",\"request_id\":\"4f3a\","
           "\"client\":\"203.0.113.9\",\"listener\":\"edge\",\"route\":\"api\",\"pool\":\"api\","
           "\"endpoint\":\"a\",\"attempts\":2,\"method\":\"GET\",\"host\":\"example.com\","
           "\"path\":\"/v1/items?q=1\",\"protocol\":\"HTTP/1.1\",\"status\":200,"
           "\"error_type\":null,\"error\":null,\"bytes_in\":120,"
           "\"bytes_out\":18446744073709551615,\"time_total\":1.234567,\"time_connect\":null,"
           "\"time_first_byte\":0.000007,\"user_agent\":\"curl/8 \\\"x\\\"\","
           "\"trace_id\":\"0af7651916cd43dd8448eb211c80319c\"}\n");
}

Test(access_log_format, a_line_of_text)
{
    struct access_log_line line = example();

    line.error_type = SLICE_LIT("timeout");
    line.error = SLICE_LIT("backend did not answer in time");
    expect(&line, false,
           "2026-11-21T10:26:00.123Z 4f3a 203.0.113.9 edge api api a 2 GET example.com "
           "/v1/items?q=1 HTTP/1.1 200 timeout \"backend did not answer in time\" 120 "
           "18446744073709551615 1.234567 - 0.000007 \"curl/8 \\x22x\\x22\" "
           "0af7651916cd43dd8448eb211c80319c\n");
}

Test(access_log_format, nothing_known_is_null_or_a_dash)
{
    struct access_log_line line = {.connect_us = -1, .first_byte_us = -1, .status = 400};

    expect(&line, false,
           "1970-01-01T00:00:00.000Z - - - - - - 0 - - - - 400 - - 0 0 0.000000 - - - -\n");
}

Test(access_log_format, a_client_cannot_forge_lines_or_fields)
{
    struct access_log_line line = example();
    char out[4096];

    line.path = SLICE_LIT("/a b\n{\"x\":1}\t\x7f\xff\\");
    line.user_agent = SLICE_LIT("a\"\nb\x1b[2J");
    for (int json = 0; json < 2; json++) {
        size_t n = access_log_format(&line, json, out, sizeof(out));

        cr_assert_gt(n, 0u);
        for (size_t i = 0; i + 1 < n; i++)
            cr_assert((unsigned char)out[i] >= 0x20 && out[i] != 0x7f);
    }
    access_log_format(&line, false, out, sizeof(out));
    cr_assert_not_null(strstr(out, " /a\\x20b\\x0a{\\x22x\\x22:1}\\x09\\x7f\\xff\\x5c "));
}

Test(access_log_format, every_capacity_that_is_too_small_gives_nothing)
{
    struct access_log_line line = example();
    char out[4096];

    for (int json = 0; json < 2; json++) {
        size_t need = access_log_format(&line, json, out, sizeof(out));

        for (size_t capacity = 0; capacity < need; capacity++)
            cr_assert_eq(access_log_format(&line, json, out, capacity), 0u);
        cr_assert_eq(access_log_format(&line, json, out, need), need);
    }
}
