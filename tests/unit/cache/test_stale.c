/* Serving a stored answer: RFC 9111 section 4.2.4, RFC 5861 section 4. */
#include "cache/stale.h"
#include "cache_fixture.h"

/* May an answer with those lines serve such a request `after_s` later, with stale = "100s"? */
static bool serves(const char *answered, const char *asked, int64_t after_s)
{
    const struct http_response_head *response = fixture_response(200, answered);
    const struct cache_control control = cache_control_parse(&response->fields);
    const struct cache_freshness freshness = cache_freshness_of(response, &control, CAME_S);
    const struct cache_stale_rule rule = cache_stale_rule_of(&freshness, &control, CAME_S);
    const struct cache_control in =
        cache_control_parse_request(&fixture_request("GET", asked)->fields);

    return cache_may_serve(&rule, &in, CAME_S + after_s, 100000);
}

Test(stale, as_long_as_the_configuration_says_beyond_freshness)
{
    cr_expect(serves("", "", 0));
    cr_expect(serves("", "", 100));
    cr_expect_not(serves("", "", 101));
    cr_expect(serves("Cache-Control: max-age=50\r\n", "", 150));
    cr_expect_not(serves("Cache-Control: max-age=50\r\n", "", 151));
    cr_expect(serves("Cache-Control: max-age=50\r\nAge: 30\r\n", "", 120));
    cr_expect_not(serves("Cache-Control: max-age=50\r\nAge: 30\r\n", "", 121));
}

/* RFC 5861 section 4. */
Test(stale, its_own_stale_if_error_says_less_or_more)
{
    cr_expect(serves("Cache-Control: max-age=1, stale-if-error=10\r\n", "", 11));
    cr_expect_not(serves("Cache-Control: max-age=1, stale-if-error=10\r\n", "", 12));
    cr_expect(serves("Cache-Control: stale-if-error=1000\r\n", "", 1000));
    cr_expect_not(serves("Cache-Control: stale-if-error=1000\r\n", "", 1001));
    cr_expect_not(serves("Cache-Control: stale-if-error=0\r\n", "", 0));
}

/* RFC 9111 section 4.2.4; 5.2.2.10 for s-maxage. */
Test(stale, who_forbids_it_is_served_fresh_only)
{
    static const char *const forbidding[] = {"max-age=5, must-revalidate",
                                             "max-age=5, proxy-revalidate", "s-maxage=5",
                                             "s-maxage=5, stale-if-error=60"};

    for (size_t i = 0; i < sizeof(forbidding) / sizeof(*forbidding); i++) {
        char lines[128];

        snprintf(lines, sizeof(lines), "Cache-Control: %s\r\n", forbidding[i]);
        cr_expect(serves(lines, "", 4), "%s", lines);
        cr_expect_not(serves(lines, "", 5), "%s", lines);
    }
}

/* Section 5.2.1.4: it wants the backend's word. */
Test(stale, a_request_with_no_cache_gets_nothing_stored)
{
    cr_expect_not(serves("Cache-Control: max-age=50\r\n", "Cache-Control: no-cache\r\n", 0));
    cr_expect_not(serves("Cache-Control: max-age=50\r\n", "Pragma: no-cache\r\n", 0));
}

/* Section 5.2.1: wishes, against an error; 5.2.1.5: no-store says nothing about what is stored. */
Test(stale, other_wishes_of_a_request_give_way)
{
    cr_expect(serves("", "Cache-Control: max-age=0\r\n", 50));
    cr_expect(serves("", "Cache-Control: min-fresh=10\r\n", 50));
    cr_expect(serves("", "Cache-Control: only-if-cached\r\n", 50));
    cr_expect(serves("", "Cache-Control: no-store\r\n", 50));
    cr_expect(serves("", "If-None-Match: \"x\"\r\n", 50));
}

Test(stale, a_request_may_say_how_stale_is_too_stale)
{
    cr_expect(serves("", "Cache-Control: max-stale\r\n", 100));
    cr_expect(serves("", "Cache-Control: max-stale=20\r\n", 20));
    cr_expect_not(serves("", "Cache-Control: max-stale=20\r\n", 21));
    cr_expect_not(serves("", "Cache-Control: stale-if-error=20\r\n", 21));
    cr_expect_not(serves("", "Cache-Control: max-stale=1000, stale-if-error=1000\r\n", 101));
}

Test(stale, a_clock_that_was_set_back_makes_nothing_younger)
{
    cr_expect(serves("Age: 100\r\n", "", -5000));
    cr_expect_not(serves("Age: 101\r\n", "", -5000));
}
