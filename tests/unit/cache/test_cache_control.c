/* Cache-Control, as RFC 9111 section 5.2 says it is read. */
#include "cache/cache_control.h"
#include "cache_fixture.h"

static struct cache_control parse(const char *lines)
{
    return cache_control_parse(&fixture_response(200, lines)->fields);
}

static struct cache_control parse_request(const char *lines)
{
    return cache_control_parse_request(&fixture_request("GET", lines)->fields);
}

Test(cache_control, every_directive_is_known_in_any_case)
{
    static const struct {
        const char *text;
        unsigned have;
    } table[] = {
        {"no-store", CACHE_NO_STORE},
        {"NO-Store", CACHE_NO_STORE},
        {"no-cache", CACHE_NO_CACHE},
        {"no-cache=\"x-a, x-b\"", CACHE_NO_CACHE},
        {"private", CACHE_PRIVATE},
        {"private=\"set-cookie\"", CACHE_PRIVATE},
        {"public", CACHE_PUBLIC},
        {"must-revalidate", CACHE_MUST_REVALIDATE},
        {"proxy-revalidate", CACHE_PROXY_REVALIDATE},
        {"max-age=1", CACHE_MAX_AGE},
        {"s-maxage=1", CACHE_S_MAXAGE},
        {"stale-if-error=1", CACHE_STALE_IF_ERROR},
        {"max-stale", CACHE_MAX_STALE},
        {"public, max-age=1", CACHE_PUBLIC | CACHE_MAX_AGE},
        {" ,, public ,max-age=1, ", CACHE_PUBLIC | CACHE_MAX_AGE},
        {"x=\"no-store, private\", public", CACHE_PUBLIC},
        {"x=\"\\\", no-store\", public", CACHE_PUBLIC},
        {"immutable, must-understand, nonsense=7", 0},
        {"no-stor, no-storee", 0},
        {"", 0},
        {",", 0},
        {"=", 0},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        char lines[256];

        snprintf(lines, sizeof(lines), "Cache-Control: %s\r\n", table[i].text);
        cr_expect_eq(parse(lines).have, table[i].have, "%s", table[i].text);
    }
}

/* Section 5.2: a token or a quoted string. */
Test(cache_control, seconds_may_be_quoted)
{
    cr_expect_eq(parse("Cache-Control: max-age=\"60\"\r\n").max_age_s, 60);
    cr_expect_eq(parse("Cache-Control: max-age = 60\r\n").max_age_s, 60);
}

/* Section 4.2.1: an answer whose freshness cannot be read is stale. */
Test(cache_control, a_lifetime_that_is_no_number_is_none)
{
    static const char *const bad[] = {"max-age",     "max-age=",     "max-age=x",   "max-age=-1",
                                      "max-age=1.5", "max-age=\"60", "max-age=6 0", "max-age=0x10"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char lines[256];
        struct cache_control control;

        snprintf(lines, sizeof(lines), "Cache-Control: %s\r\n", bad[i]);
        control = parse(lines);
        cr_expect(cache_control_has(&control, CACHE_MAX_AGE), "%s", bad[i]);
        cr_expect_eq(control.max_age_s, 0, "%s", bad[i]);
    }
    cr_expect_eq(parse("Cache-Control: s-maxage=x\r\n").have, CACHE_S_MAXAGE);
    cr_expect_eq(parse("Cache-Control: stale-if-error=x\r\n").have, 0);
}

/* Section 1.2.2. */
Test(cache_control, too_many_seconds_are_two_to_the_31)
{
    cr_expect_eq(parse("Cache-Control: max-age=2147483648\r\n").max_age_s, (int64_t)1 << 31);
    cr_expect_eq(parse("Cache-Control: max-age=99999999999999999999999\r\n").max_age_s,
                 (int64_t)1 << 31);
}

/* Section 4.2.1. */
Test(cache_control, the_first_of_a_repeated_directive_counts_across_fields)
{
    struct cache_control control = parse("Cache-Control: max-age=1, max-age=2\r\n"
                                         "X-Other: no-store\r\n"
                                         "cache-control: max-age=3, public\r\n");

    cr_expect_eq(control.max_age_s, 1);
    cr_expect_eq(control.have, CACHE_MAX_AGE | CACHE_PUBLIC);
}

Test(cache_control, a_quote_that_is_never_closed_hides_nothing)
{
    cr_expect(parse("Cache-Control: x=\"a, private\r\n").have & CACHE_NO_STORE);
    cr_expect(parse("Cache-Control: public, x=\"a\\\"\r\n").have & CACHE_NO_STORE);
}

/* Section 5.4. */
Test(cache_control, pragma_counts_in_requests_without_cache_control)
{
    cr_expect_eq(parse_request("Pragma: no-cache\r\n").have, CACHE_NO_CACHE);
    cr_expect_eq(parse_request("Pragma: x, No-Cache\r\n").have, CACHE_NO_CACHE);
    cr_expect_eq(parse_request("Pragma: no-cache\r\nCache-Control: max-age=0\r\n").have,
                 CACHE_MAX_AGE);
    cr_expect_eq(parse_request("Pragma: x\r\n").have, 0);
    cr_expect_eq(parse("Pragma: no-cache\r\n").have, 0);
}

Test(cache_control, max_stale_without_a_number_means_any)
{
    cr_expect_eq(parse_request("Cache-Control: max-stale\r\n").max_stale_s, INT64_MAX);
    cr_expect_eq(parse_request("Cache-Control: max-stale=60\r\n").max_stale_s, 60);
}
