/* What may be stored: RFC 9111 section 3, row by row. */
#include "cache/storable.h"
#include "cache_fixture.h"

static const char *objection_to(const struct http_request_head *request,
                                const struct http_response_head *response)
{
    const struct cache_control in = cache_control_parse_request(&request->fields);
    const struct cache_control out = cache_control_parse(&response->fields);
    const struct cache_freshness freshness = cache_freshness_of(response, &out, CAME_S);
    const struct cache_store_question question = {
        .request = request,
        .response = response,
        .asked = &in,
        .control = &out,
        .freshness = &freshness,
        .own_cookie = SLICE_LIT("EGSID"),
    };
    const char *why = cache_storable_objection(&question);

    return why ? why : "none";
}

static const char *of_framed(const char *answered)
{
    return objection_to(fixture_request("GET", ""), fixture_response(200, answered));
}

static const char *objection(const char *method, const char *asked, int status,
                             const char *answered)
{
    char lines[4096];

    snprintf(lines, sizeof(lines), "%sContent-Length: 0\r\n", answered);
    return objection_to(fixture_request(method, asked), fixture_response(status, lines));
}

static const char *of_get(const char *asked, const char *answered)
{
    return objection("GET", asked, 200, answered);
}

/* RFC 9110 section 15.1, without those that storable.c names. */
Test(storable, the_statuses_that_may_be_cached_without_being_told_so)
{
    for (int status = 200; status < 600; status++) {
        bool kept = status == 200 || status == 203 || status == 204 || status == 300 ||
                    status == 301 || status == 308 || status == 404 || status == 410;

        cr_expect_str_eq(objection("GET", "", status, "Cache-Control: max-age=60\r\n"),
                         kept ? "none" : "status", "%d", status);
    }
}

Test(storable, only_a_get_without_a_body)
{
    cr_expect_str_eq(objection("HEAD", "", 200, ""), "not a GET");
    cr_expect_str_eq(objection("POST", "Content-Length: 0\r\n", 200, ""), "not a GET");
    cr_expect_str_eq(of_get("Content-Length: 5\r\n", ""), "the request has a body");
    cr_expect_str_eq(of_get("Transfer-Encoding: chunked\r\n", ""), "the request has a body");
    cr_expect_str_eq(of_get("Content-Length: 0\r\n", ""), "none");
}

/* RFC 9112 section 8. */
Test(storable, an_answer_that_ends_with_its_connection_may_have_been_cut)
{
    struct http_response_head *response = fixture_response(200, "");

    cr_expect_eq(response->framing, HTTP_FRAMING_UNTIL_CLOSE);
    cr_expect_str_eq(of_framed(""), "its end is the connection's");
    cr_expect_str_eq(of_framed("Content-Length: 0\r\n"), "none");
    cr_expect_str_eq(of_framed("Transfer-Encoding: chunked\r\n"), "none");
}

/* Section 5.2.1.5 and 5.2.2.5. */
Test(storable, no_store_of_either_side)
{
    cr_expect_str_eq(of_get("Cache-Control: no-store\r\n", ""), "no-store");
    cr_expect_str_eq(of_get("", "Cache-Control: max-age=60, no-store\r\n"), "no-store");
}

/* Section 5.2.2.7. */
Test(storable, private_is_not_for_a_shared_cache)
{
    cr_expect_str_eq(of_get("", "Cache-Control: private, max-age=60\r\n"), "private");
    cr_expect_str_eq(of_get("", "Cache-Control: private=\"x-a\"\r\n"), "private");
}

/* Section 5.2.2.4. */
Test(storable, what_could_only_be_used_after_validation_is_not_worth_it)
{
    cr_expect_str_eq(of_get("", "Cache-Control: no-cache\r\n"), "no-cache");
    cr_expect_str_eq(of_get("", "Cache-Control: max-age=0, must-revalidate\r\n"),
                     "stale already, and must not be served stale");
    cr_expect_str_eq(of_get("", "Cache-Control: proxy-revalidate\r\n"),
                     "stale already, and must not be served stale");
    cr_expect_str_eq(of_get("", "Cache-Control: s-maxage=10\r\nAge: 10\r\n"),
                     "stale already, and must not be served stale");
    cr_expect_str_eq(of_get("", "Cache-Control: s-maxage=10\r\nAge: 9\r\n"), "none");
    /* A request's no-cache forbids an answer from the cache, not keeping the new one. */
    cr_expect_str_eq(of_get("Cache-Control: no-cache\r\n", ""), "none");
}

/* Section 3.5. */
Test(storable, authorization_needs_a_word_of_permission)
{
    static const char ask[] = "Authorization: Basic eDp5\r\n";

    cr_expect_str_eq(of_get(ask, ""), "authorization");
    cr_expect_str_eq(of_get(ask, "Cache-Control: max-age=60\r\n"), "authorization");
    cr_expect_str_eq(of_get(ask, "Cache-Control: public\r\n"), "none");
    cr_expect_str_eq(of_get(ask, "Cache-Control: s-maxage=60\r\n"), "none");
    cr_expect_str_eq(of_get(ask, "Cache-Control: max-age=60, must-revalidate\r\n"), "none");
}

/* Section 7.3. */
Test(storable, an_answer_that_sets_a_cookie_is_somebodys)
{
    cr_expect_str_eq(of_get("", "Set-Cookie: a=b\r\nCache-Control: public\r\n"), "set-cookie");
}

Test(storable, an_answer_to_a_cookie_is_personal_unless_it_says_otherwise)
{
    static const char ask[] = "Cookie: session=1\r\n";

    cr_expect_str_eq(of_get(ask, ""), "cookie");
    cr_expect_str_eq(of_get(ask, "Last-Modified: Thu, 01 Jan 1970 00:00:00 GMT\r\n"), "cookie");
    cr_expect_str_eq(of_get(ask, "Cache-Control: max-age=0\r\n"), "cookie");
    cr_expect_str_eq(of_get(ask, "Cache-Control: max-age=1\r\n"), "none");
    cr_expect_str_eq(of_get(ask, "Cache-Control: public\r\n"), "none");
    cr_expect_str_eq(of_get(ask, "Vary: Cookie\r\n"), "none");
}

Test(storable, our_own_cookie_is_nobodys_session)
{
    cr_expect_str_eq(of_get("Cookie: EGSID=abc\r\n", ""), "none");
    cr_expect_str_eq(of_get("Cookie: EGSID=abc; EGSID=def\r\n", ""), "none");
    cr_expect_str_eq(of_get("Cookie: EGSID=abc; a=b\r\n", ""), "cookie");
    cr_expect_str_eq(of_get("Cookie: EGSID=abc\r\nCookie: a=b\r\n", ""), "cookie");
    cr_expect_str_eq(of_get("Cookie: egsid=abc\r\n", ""), "cookie");
    cr_expect_str_eq(of_get("Cookie: =abc\r\n", ""), "cookie");
    cr_expect_str_eq(of_get("Cookie: abc\r\n", ""), "cookie");
    cr_expect_str_eq(of_get("Cookie:\r\n", ""), "none");
}

/* Section 4.1. */
Test(storable, what_fits_no_later_request_is_not_kept)
{
    cr_expect_str_eq(of_get("", "Vary: *\r\n"), "vary");
    cr_expect_str_eq(of_get("", "Vary: Accept\r\n"), "none");
}

/* This is a store of last good answers: it need not be fresh for a second. */
Test(storable, no_freshness_at_all_is_fine)
{
    cr_expect_str_eq(of_get("", ""), "none");
    cr_expect_str_eq(of_get("", "Expires: 0\r\n"), "none");
    cr_expect_str_eq(of_get("If-None-Match: \"x\"\r\n", "ETag: \"y\"\r\n"), "none");
}
