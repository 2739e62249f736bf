/* Durations, sizes, percentages, names and addresses, as users write them. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "config/values_internal.h"

Test(values, durations_are_read_with_every_unit)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        {"0", 0},        {"0s", 0},           {"250ms", 250}, {"5s", 5000}, {"2m", 120000},
        {"1h", 3600000}, {"30d", 2592000000}, {"007s", 7000}, {"5S", 5000},
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t ms = 1;

        cr_expect_eq(config_value_duration(slice_str(good[i].text), &ms), CONFIG_VALUE_OK);
        cr_expect_eq(ms, good[i].ms, "%s", good[i].text);
    }
}

Test(values, sizes_are_read_with_every_unit)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},       {"512b", 512},     {"64k", 65536},
        {"64K", 65536}, {"10m", 10485760}, {"1g", 1073741824},
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t bytes = 1;

        cr_expect_eq(config_value_size(slice_str(good[i].text), &bytes), CONFIG_VALUE_OK);
        cr_expect_eq(bytes, good[i].bytes, "%s", good[i].text);
    }
}

Test(values, percentages_are_whole_numbers_with_a_sign)
{
    static const struct {
        const char *text;
        enum config_value_result result;
        uint64_t percent;
    } table[] = {
        {"0", CONFIG_VALUE_OK, 0},
        {"0%", CONFIG_VALUE_OK, 0},
        {"10%", CONFIG_VALUE_OK, 10},
        {"100%", CONFIG_VALUE_OK, 100},
        {"250%", CONFIG_VALUE_OK, 250}, /* the range is the caller's */
        {"10", CONFIG_VALUE_NO_UNIT, 1},
        {"10 %", CONFIG_VALUE_BAD_UNIT, 1},
        {"10%%", CONFIG_VALUE_BAD_UNIT, 1},
        {"10s", CONFIG_VALUE_BAD_UNIT, 1},
        {"1.5%", CONFIG_VALUE_NOT_A_NUMBER, 1},
        {"-1%", CONFIG_VALUE_NOT_A_NUMBER, 1},
        {"%", CONFIG_VALUE_NOT_A_NUMBER, 1},
        {"", CONFIG_VALUE_NOT_A_NUMBER, 1},
        {"99999999999999999999%", CONFIG_VALUE_TOO_LARGE, 1},
    };
    char out[CONFIG_VALUE_TEXT_BYTES];

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        uint64_t percent = 1;

        cr_expect_eq(config_value_percent(slice_str(table[i].text), &percent), table[i].result,
                     "%s", table[i].text);
        cr_expect_eq(percent, table[i].percent, "%s", table[i].text);
    }
    cr_expect_str_eq(config_value_format_percent(0, out), "0");
    cr_expect_str_eq(config_value_format_percent(70, out), "70%");
}

Test(values, names_hold_nothing_that_would_have_to_be_escaped)
{
    static const char *const good[] = {"a", "us-east-1", "a.b:80", "[::1]:80",
                                       "~_,;=(){}@&+$!'*^|"};
    static const char *const bad[] = {"",   " ",  "a b", "a\t", "a\"",  "a\\",     "a/b",
                                      "a?", "a#", "a%",  "a\n", "\x7f", "\xc3\xa4"};
    char longest[130];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_expect(config_value_is_name(good[i]), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(config_value_is_name(bad[i]), "%s", bad[i]);
    memset(longest, 'a', sizeof(longest));
    longest[129] = '\0';
    cr_expect_not(config_value_is_name(longest));
    longest[128] = '\0';
    cr_expect(config_value_is_name(longest));
}

Test(values, that_are_malformed_say_how_and_leave_the_result_alone)
{
    static const struct {
        const char *text;
        enum config_value_result result;
    } bad[] = {
        {"", CONFIG_VALUE_NOT_A_NUMBER},
        {"s", CONFIG_VALUE_NOT_A_NUMBER},
        {"-1s", CONFIG_VALUE_NOT_A_NUMBER},
        {"+1s", CONFIG_VALUE_NOT_A_NUMBER},
        {" 1s", CONFIG_VALUE_NOT_A_NUMBER},
        {"1.5s", CONFIG_VALUE_NOT_A_NUMBER},
        {"5", CONFIG_VALUE_NO_UNIT},
        {"5 s", CONFIG_VALUE_BAD_UNIT},
        {"5sec", CONFIG_VALUE_BAD_UNIT},
        {"1m30s", CONFIG_VALUE_BAD_UNIT},
        {"99999999999999999999s", CONFIG_VALUE_TOO_LARGE},
        {"9223372036854775807d", CONFIG_VALUE_TOO_LARGE},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t value = 42;

        cr_expect_eq(config_value_duration(slice_str(bad[i].text), &value), bad[i].result, "%s",
                     bad[i].text);
        cr_expect_eq(value, 42);
    }
}

Test(values, are_written_as_short_as_they_can_be)
{
    char out[CONFIG_VALUE_TEXT_BYTES];

    cr_expect_str_eq(config_value_format_duration(0, out), "0");
    cr_expect_str_eq(config_value_format_duration(1, out), "1ms");
    cr_expect_str_eq(config_value_format_duration(1500, out), "1500ms");
    cr_expect_str_eq(config_value_format_duration(90000, out), "90s");
    cr_expect_str_eq(config_value_format_duration(7200000, out), "2h");
    cr_expect_str_eq(config_value_format_size(32768, out), "32k");
    cr_expect_str_eq(config_value_format_size(1000, out), "1000b");
    cr_expect_str_eq(config_value_format_size(INT64_MAX, out), "9223372036854775807b");
}

static struct config_address parse(const char *text)
{
    struct config_address address;
    char *why = config_address_parse(&address, slice_str(text), 0);

    cr_assert_null(why, "%s: %s", text, why);
    return address;
}

Test(values, addresses_are_told_apart_by_kind)
{
    struct config_address address = parse("10.0.0.1:80");

    cr_expect_eq(address.kind, CONFIG_ADDRESS_IPV4);
    cr_expect_eq(address.port, 80);
    address = parse("[2001:db8::1]:443");
    cr_expect_eq(address.kind, CONFIG_ADDRESS_IPV6);
    cr_expect(slice_eq(address.host, slice_str("2001:db8::1")));
    address = parse("unix:/run/app.sock");
    cr_expect_eq(address.kind, CONFIG_ADDRESS_UNIX);
    cr_expect(slice_eq(address.host, slice_str("/run/app.sock")));
    address = parse("app_1.Internal:65535");
    cr_expect_eq(address.kind, CONFIG_ADDRESS_NAME);
    cr_expect(slice_eq(address.host, slice_str("app_1.Internal")));
    cr_expect_eq(parse(":80").kind, CONFIG_ADDRESS_ANY);
    cr_expect_eq(parse("127.0.0.1:0").port, 0);
}

Test(values, addresses_conflict_when_both_cannot_be_bound)
{
    static const struct {
        const char *a, *b;
        bool conflict;
    } table[] = {
        {":80", ":80", true},
        {":80", "[::]:80", true},
        {":80", "0.0.0.0:80", true},
        {"[::]:80", "[0:0::0]:80", true},
        {"[::]:80", "0.0.0.0:80", false},
        {":80", "127.0.0.1:80", false},
        {"0.0.0.0:80", "127.0.0.1:80", false},
        {"127.0.0.1:80", "127.0.0.1:81", false},
        {"127.0.0.1:0", "127.0.0.1:0", false},
        {"unix:/a", "unix:/a", true},
        {"unix:/a", "unix:/b", false},
        {"unix:/a", ":80", false},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct config_address a = parse(table[i].a), b = parse(table[i].b);

        cr_expect_eq(config_address_conflicts(&a, &b), table[i].conflict, "%s %s", table[i].a,
                     table[i].b);
        cr_expect_eq(config_address_conflicts(&b, &a), table[i].conflict);
    }
}

Test(values, host_names_follow_the_rules_of_labels)
{
    static const char *const good[] = {"a", "a.b", "a-b.c-d", "_srv.a", "xn--bcher-kva.example",
                                       "1a"};
    static const char *const bad[] = {
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "-a",
        "a-",
        "a-.b",
        "a b",
        "a/b",
        "1234567890123456789012345678901234567890123456789012345678901234"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_expect(config_is_host_name(slice_str(good[i])), "%s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_expect_not(config_is_host_name(slice_str(bad[i])), "%s", bad[i]);
}
