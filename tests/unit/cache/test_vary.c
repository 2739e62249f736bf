/* Variants, RFC 9111 section 4.1. */
#include "cache/vary.h"
#include "cache_fixture.h"

/* Does an answer with `vary` to a request with `first` fit a request with `second`? */
static bool fits(const char *vary, const char *first, const char *second)
{
    char signature[4096], lines[512];
    const struct http_fields *response;
    size_t size;

    snprintf(lines, sizeof(lines), "Vary: %s\r\n", vary);
    response = &fixture_response(200, lines)->fields;
    size = cache_vary_write(NULL, response, &fixture_request("GET", first)->fields);
    cr_assert(size <= sizeof(signature));
    cr_assert_eq(cache_vary_write(signature, response, &fixture_request("GET", first)->fields),
                 size);
    cr_assert(
        cache_vary_matches(slice_from(signature, size), &fixture_request("GET", first)->fields));
    return cache_vary_matches(slice_from(signature, size), &fixture_request("GET", second)->fields);
}

Test(vary, the_named_fields_must_be_equal_and_no_others)
{
    cr_expect(fits("X-A", "X-A: 1\r\n", "x-a: 1\r\nX-B: 7\r\n"));
    cr_expect_not(fits("X-A", "X-A: 1\r\n", "X-A: 2\r\n"));
    cr_expect_not(fits("X-A, X-B", "X-A: 1\r\nX-B: 1\r\n", "X-A: 1\r\nX-B: 2\r\n"));
    cr_expect_not(fits("X-A", "X-A: 1\r\n", "X-A: 11\r\n"));
    cr_expect_not(fits("X-A", "X-A: 11\r\n", "X-A: 1\r\n"));
    cr_expect_not(fits("X-A", "X-A: a\r\n", "X-A: A\r\n"));
}

Test(vary, absent_fits_absent_only)
{
    cr_expect(fits("X-A", "", ""));
    cr_expect_not(fits("X-A", "", "X-A: 1\r\n"));
    cr_expect_not(fits("X-A", "X-A: 1\r\n", ""));
    cr_expect_not(fits("X-A", "X-A:\r\n", ""));
    cr_expect_not(fits("X-A", "", "X-A:\r\n"));
    cr_expect(fits("X-A", "X-A:\r\n", "X-A:\r\n"));
}

Test(vary, several_fields_are_one_joined_by_commas)
{
    cr_expect(fits("X-A", "X-A: 1\r\nX-A: 2\r\n", "X-A: 1,2\r\n"));
    cr_expect_not(fits("X-A", "X-A: 1\r\nX-A: 2\r\n", "X-A: 2,1\r\n"));
    cr_expect_not(fits("X-A", "X-A: 1\r\nX-A: 2\r\n", "X-A: 1\r\n"));
}

Test(vary, content_negotiation_ignores_white_space_and_the_case_of_codings)
{
    cr_expect(
        fits("Accept-Encoding", "Accept-Encoding: gzip, br\r\n", "Accept-Encoding: GZip ,br,\r\n"));
    cr_expect(fits("Accept-Language", "Accept-Language: en-GB\r\nAccept-Language: de\r\n",
                   "Accept-Language: en-gb, de\r\n"));
    cr_expect(fits("Accept", "Accept: text/html, */*\r\n", "Accept: text/html,*/*\r\n"));
    cr_expect_not(fits("Accept", "Accept: text/html;v=A\r\n", "Accept: text/html;v=a\r\n"));
    cr_expect_not(fits("Accept-Encoding", "Accept-Encoding: gzip\r\n", "Accept-Encoding: br\r\n"));
}

Test(vary, white_space_in_other_fields_and_in_quotes_counts)
{
    cr_expect_not(fits("User-Agent", "User-Agent: a (b, c)\r\n", "User-Agent: a (b,c)\r\n"));
    cr_expect_not(fits("Accept", "Accept: a/b;x=\"1, 2\"\r\n", "Accept: a/b;x=\"1,2\"\r\n"));
}

/* A value cannot pretend to be another field's line. */
Test(vary, values_with_an_equals_sign_are_values)
{
    cr_expect(fits("X-A", "X-A: b=c=\r\n", "X-A: b=c=\r\n"));
    cr_expect_not(fits("X-A", "X-A: b=c\r\n", "X-A: b\r\n"));
}

Test(vary, a_star_or_nonsense_or_too_much_fits_nothing)
{
    static const char *const unusable[] = {
        "*",     "X-A, *", "X-A,*,X-B", "a b",
        "\"x\"", "x=y",    "a/b",       "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q",
    };
    static const char *const usable[] = {"", ",", "Origin", "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p",
                                         "*a"};
    char lines[512];

    for (size_t i = 0; i < sizeof(unusable) / sizeof(*unusable); i++) {
        snprintf(lines, sizeof(lines), "Vary: %s\r\n", unusable[i]);
        cr_expect_not(cache_vary_is_usable(&fixture_response(200, lines)->fields), "%s", lines);
    }
    for (size_t i = 0; i < sizeof(usable) / sizeof(*usable); i++) {
        snprintf(lines, sizeof(lines), "Vary: %s\r\n", usable[i]);
        cr_expect(cache_vary_is_usable(&fixture_response(200, lines)->fields), "%s", lines);
    }
    cr_expect_not(
        cache_vary_is_usable(&fixture_response(200, "Vary: Origin\r\nVary: *\r\n")->fields));
}

Test(vary, names_are_found_in_any_field_and_case)
{
    const struct http_fields *f =
        &fixture_response(200, "Vary: Origin\r\nvary: Accept, COOKIE\r\n")->fields;

    cr_expect(cache_vary_names(f, SLICE_LIT("cookie")));
    cr_expect(cache_vary_names(f, SLICE_LIT("origin")));
    cr_expect_not(cache_vary_names(f, SLICE_LIT("cook")));
}
