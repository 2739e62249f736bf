/* Age and lifetime, RFC 9111 section 4.2. */
#include "cache/freshness.h"
#include "cache_fixture.h"

static struct cache_freshness freshness(const char *lines)
{
    const struct http_response_head *response = fixture_response(200, lines);
    const struct cache_control control = cache_control_parse(&response->fields);

    return cache_freshness_of(response, &control, CAME_S);
}

static void expect(const char *lines, int64_t age_s, int64_t lifetime_s, bool is_explicit)
{
    struct cache_freshness f = freshness(lines);

    cr_expect_eq(f.initial_age_s, age_s, "%s: age %lld", lines, (long long)f.initial_age_s);
    cr_expect_eq(f.lifetime_s, lifetime_s, "%s: %lld", lines, (long long)f.lifetime_s);
    cr_expect_eq(f.is_explicit, is_explicit, "%s", lines);
}

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

/* Section 4.2.1. */
Test(freshness, what_goes_before_what)
{
    expect(DATE, 0, 0, false);
    expect(DATE "Cache-Control: max-age=60\r\n", 0, 60, true);
    expect(DATE "Cache-Control: max-age=60, s-maxage=30\r\n", 0, 30, true);
    expect(DATE "Expires: Sun, 06 Nov 1994 08:50:37 GMT\r\n", 0, 60, true);
    expect(DATE "Expires: Sun, 06 Nov 1994 08:50:37 GMT\r\nCache-Control: max-age=5\r\n", 0, 5,
           true);
    expect(DATE "Expires: Sun, 06 Nov 1994 08:50:37 GMT\r\nCache-Control: max-age=x\r\n", 0, 0,
           true);
}

/* Section 5.3. */
Test(freshness, an_expires_in_the_past_or_unreadable_means_stale)
{
    expect(DATE "Expires: 0\r\n", 0, 0, true);
    expect(DATE "Expires: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 0, 0, true);
    expect(DATE "Expires: Sat, 05 Nov 1994 08:49:37 GMT\r\n", 0, 0, true);
}

/* Section 4.2.1: against the backend's own Date, so that clocks need not agree. */
Test(freshness, expires_is_compared_with_date)
{
    expect("Date: Sun, 06 Nov 1994 08:48:37 GMT\r\nExpires: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 60,
           60, true);
    expect("Date: Sun, 06 Nov 1994 08:59:37 GMT\r\nExpires: Sun, 06 Nov 1994 09:00:37 GMT\r\n", 0,
           60, true);
}

/* Section 4.2.2. */
Test(freshness, a_guess_is_a_tenth_of_the_time_since_the_last_change)
{
    expect(DATE "Last-Modified: Sun, 06 Nov 1994 08:33:37 GMT\r\n", 0, 96, false);
    expect(DATE "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n", 0, 0, false);
    expect(DATE "Last-Modified: Mon, 07 Nov 1994 08:49:37 GMT\r\n", 0, 0, false);
    expect(DATE "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n", 0, 86400, false);
    expect(DATE "Last-Modified: yesterday\r\n", 0, 0, false);
}

/* Section 4.2.3. */
Test(freshness, the_age_is_the_larger_of_what_age_says_and_what_date_shows)
{
    expect(DATE "Age: 30\r\n", 30, 0, false);
    expect("Date: Sun, 06 Nov 1994 08:49:27 GMT\r\n", 10, 0, false);
    expect("Date: Sun, 06 Nov 1994 08:49:27 GMT\r\nAge: 3\r\n", 10, 0, false);
    expect("Date: Sun, 06 Nov 1994 08:49:27 GMT\r\nAge: 30\r\n", 30, 0, false);
    expect("Date: Sun, 06 Nov 1994 08:55:27 GMT\r\n", 0, 0, false);
}

/* Section 5.1. */
Test(freshness, an_age_that_cannot_be_read_is_ignored_and_the_first_of_several_counts)
{
    expect(DATE "Age: -1\r\n", 0, 0, false);
    expect(DATE "Age: soon\r\n", 0, 0, false);
    expect(DATE "Age: 7, 9\r\n", 7, 0, false);
    expect(DATE "Age: 7\r\nAge: 9\r\n", 7, 0, false);
    expect(DATE "Age: 99999999999999\r\n", (int64_t)1 << 31, 0, false);
}

/* RFC 9110 section 6.6.1. */
Test(freshness, without_a_date_it_is_from_when_it_came)
{
    struct cache_freshness f = freshness("Date: today\r\n");

    cr_expect_not(f.has_date);
    cr_expect_eq(f.date_s, CAME_S);
    cr_expect(freshness(DATE).has_date);
}
