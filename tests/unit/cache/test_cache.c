/* The whole cache: what goes in comes out, to whom, and how it is marked. */
#include "cache_fixture.h"

static struct cache *cache;

static void setup(void)
{
    cache = fixture_cache();
}

static void teardown(void)
{
    cache_free(cache);
}

TestSuite(cache, .init = setup, .fini = teardown);

struct served {
    struct cache_entry *entry;
    struct http_response_head head;
    struct http_field fields[FIXTURE_FIELDS];
    char text[CACHE_TEXT_BYTES];
};

static bool serve(struct served *served, const char *method, const char *asked, int64_t after_s)
{
    served->entry = cache_find_stale(cache, &fixture_key, fixture_request(method, asked),
                                     CAME_S + after_s, 0, 0);
    if (served->entry == NULL)
        return false;
    cr_assert(cache_entry_fields(served->entry) <= FIXTURE_FIELDS);
    cache_entry_head(served->entry, CAME_S + after_s, served->fields, FIXTURE_FIELDS, served->text,
                     &served->head);
    return true;
}

static struct slice field(const struct served *served, const char *name)
{
    const struct http_field *f = http_fields_find(&served->head.fields, slice_str(name));

    return f ? f->value : SLICE_LIT("(none)");
}

Test(cache, a_stored_answer_comes_back_with_age_and_cache_status)
{
    struct served served;

    cr_assert(fixture_store(cache, "",
                            "Date: Sun, 06 Nov 1994 08:49:27 GMT\r\nCache-Control: max-age=60\r\n"
                            "Content-Type: text/plain\r\nETag: \"e\"\r\n",
                            "hello"));
    cr_assert(serve(&served, "GET", "", 20));
    cr_expect_eq(served.head.status, 200);
    cr_expect_slice(served.head.reason, "Why");
    cr_expect_slice(cache_entry_body(served.entry), "hello");
    cr_expect_eq(served.head.framing, HTTP_FRAMING_LENGTH);
    cr_expect_eq(served.head.content_length, 5);
    cr_expect_slice(field(&served, "content-type"), "text/plain");
    cr_expect_slice(field(&served, "etag"), "\"e\"");
    cr_expect_slice(field(&served, "date"), "Sun, 06 Nov 1994 08:49:27 GMT");
    cr_expect_slice(field(&served, "age"), "30");
    cr_expect_slice(field(&served, "cache-status"), "evergate; hit; ttl=30");
    cache_release(&served.entry);
    cr_expect_null(served.entry);

    cr_assert(serve(&served, "GET", "", 90));
    cr_expect_slice(field(&served, "age"), "100");
    cr_expect_slice(field(&served, "cache-status"),
                    "evergate; hit; ttl=-40; detail=stale-if-error");
    cache_release(&served.entry);
}

/* RFC 9211 section 2: the cache closest to the client is the last one. */
Test(cache, a_cache_status_from_further_up_stays_before_ours)
{
    struct served served;

    cr_assert(fixture_store(cache, "", "Cache-Status: origin; hit\r\nAge: 5\r\nAge: 6\r\n", ""));
    cr_assert(serve(&served, "GET", "", 0));
    cr_expect_slice(field(&served, "cache-status"), "origin; hit");
    cr_expect_slice(field(&served, "age"), "5");
    cr_expect_slice(served.head.fields.v[served.head.fields.count - 1].value,
                    "evergate; hit; ttl=-5; detail=stale-if-error");
    cache_release(&served.entry);
}

/* RFC 9110 section 7.6.1, RFC 9111 section 3.1. */
Test(cache, hop_by_hop_fields_are_not_stored)
{
    static const char *const gone[] = {"connection",
                                       "keep-alive",
                                       "x-hop",
                                       "upgrade",
                                       "proxy-authenticate",
                                       "trailer",
                                       "te",
                                       "transfer-encoding",
                                       "content-length",
                                       "proxy-connection",
                                       "proxy-authentication-info"};
    struct served served;
    struct cache_recording *recording =
        fixture_record(cache, "", 200,
                       "Connection: x-hop, keep-alive\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\n"
                       "Upgrade: h2c\r\nProxy-Authenticate: Basic\r\nTrailer: X-T\r\nTE: x\r\n"
                       "Proxy-Connection: x\r\nProxy-Authentication-Info: x\r\n"
                       "Transfer-Encoding: chunked\r\nX-Kept: 1\r\nVia: 1.1 up\r\n");

    cr_assert(cache_record_data(&recording, SLICE_LIT("body")));
    cache_record_end(&recording);
    cr_assert(serve(&served, "GET", "", 0));
    for (size_t i = 0; i < sizeof(gone) / sizeof(*gone); i++)
        cr_expect_slice(field(&served, gone[i]), "(none)");
    cr_expect_slice(field(&served, "x-kept"), "1");
    cr_expect_slice(field(&served, "via"), "1.1 up");
    cr_expect(http_fields_has(&served.head.fields, HTTP_FIELD_VIA));
    cr_expect_not(http_fields_has(&served.head.fields, HTTP_FIELD_UPGRADE));
    cr_expect_eq(served.head.framing, HTTP_FRAMING_LENGTH);
    cr_expect_eq(served.head.content_length, 4);
    cache_release(&served.entry);
}

/* RFC 9110 section 6.6.1. */
Test(cache, an_answer_without_a_readable_date_gets_the_one_it_came_at)
{
    static const char *const dates[] = {"", "Date: now\r\n"};

    for (size_t i = 0; i < 2; i++) {
        struct served served;

        cr_assert(fixture_store(cache, "", dates[i], "x"));
        cr_assert(serve(&served, "GET", "", 100));
        cr_expect_slice(field(&served, "date"), "Sun, 06 Nov 1994 08:49:37 GMT");
        cr_expect_slice(field(&served, "age"), "100");
        cache_release(&served.entry);
    }
}

/* What is written for the client is a message that reads again. */
Test(cache, a_stored_head_can_be_sent)
{
    struct http_forward_response f = {.client_minor_version = 1};
    struct response_fixture again;
    struct served served;
    char out[4096] = {0};

    cr_assert(fixture_store(cache, "", "Cache-Control: max-age=60\r\n", "hello"));
    cr_assert(serve(&served, "GET", "", 5));
    f.head = &served.head;
    f.date = SLICE_LIT("Mon, 07 Nov 1994 08:49:37 GMT");
    cr_assert(http_forward_response_write(&f, out, sizeof(out)) > 0);
    cr_expect_eq(response_read(&again, out, HTTP_METHOD_GET), EG_OK, "%s", out);
    cr_expect_eq(again.head.content_length, 5);
    cr_expect(strstr(out, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n") != NULL);
    cr_expect(strstr(out, "07 Nov") == NULL);
    cache_release(&served.entry);
}

/* RFC 9110 section 15.3.5. */
Test(cache, a_204_is_stored_without_a_body_and_without_a_length)
{
    struct cache_recording *recording = fixture_record(cache, "", 204, "");
    struct served served;

    cr_assert_not_null(recording);
    cache_record_end(&recording);
    cr_assert(serve(&served, "GET", "", 0));
    cr_expect_eq(served.head.status, 204);
    cr_expect_eq(served.head.framing, HTTP_FRAMING_NONE);
    cr_expect_not(served.head.has_content_length);
    cr_expect_eq(cache_entry_body(served.entry).n, 0);
    cache_release(&served.entry);
}

/* RFC 9111 section 4: the method must allow it; a stored GET answers HEAD too. */
Test(cache, get_and_head_are_answered_and_nothing_else)
{
    static const char *const no[] = {"POST", "PUT", "DELETE", "OPTIONS", "get", "QUERY"};
    struct served served;

    fixture_store(cache, "", "", "x");
    cr_assert(serve(&served, "HEAD", "", 0));
    cache_release(&served.entry);
    cr_assert(serve(&served, "GET", "Content-Length: 0\r\n", 0));
    cache_release(&served.entry);
    for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
        cr_expect_not(serve(&served, no[i], "", 0), "%s", no[i]);
    cr_expect_not(serve(&served, "GET", "Range: bytes=0-1\r\n", 0));
    cr_expect_not(serve(&served, "GET", "Content-Length: 3\r\n", 0));
    cr_expect_not(serve(&served, "GET", "Transfer-Encoding: chunked\r\n", 0));
}

Test(cache, another_scheme_host_or_target_is_another_resource)
{
    static const struct cache_key others[] = {
        {.scheme = {"https", 5}, .authority = {"a.example", 9}, .target = {"/page?x=1", 9}},
        {.scheme = {"http", 4}, .authority = {"b.example", 9}, .target = {"/page?x=1", 9}},
        {.scheme = {"http", 4}, .authority = {"a.example", 9}, .target = {"/page?x=2", 9}},
        {.scheme = {"http", 4}, .authority = {"a.example", 9}, .target = {"/page", 5}},
    };

    fixture_store(cache, "", "", "x");
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        cr_expect_null(
            cache_find_stale(cache, &others[i], fixture_request("GET", ""), CAME_S, 0, 0));
}

Test(cache, two_routes_may_make_two_answers_of_one_target)
{
    struct cache_key canary = fixture_key;
    struct cache_entry *entry;

    canary.route = SLICE_LIT("canary");
    fixture_store(cache, "", "", "stable");
    cr_expect_null(cache_find_stale(cache, &canary, fixture_request("GET", ""), CAME_S, 0, 0));
    entry = cache_find_stale(cache, &fixture_key, fixture_request("GET", ""), CAME_S, 5, 1000);
    cache_release(&entry);
    cr_expect_not(cache_suppressed(cache, &canary, 6));
    /* A change is one to the resource, whoever passed it on. */
    cache_invalidate(cache, &canary, fixture_request("POST", ""), 200);
    cr_expect_eq(cache_stats(cache).entries, 0);
}

Test(cache, a_newer_answer_replaces_the_older)
{
    fixture_store(cache, "", "", "one");
    fixture_store_at(cache, "", "", "two", CAME_S + 1);
    cr_expect_str_eq(fixture_find(cache, "", 1), "two");
    cr_expect_eq(cache_stats(cache).entries, 1);
}

Test(cache, a_slow_answer_does_not_overtake_one_that_came_later)
{
    struct cache_recording *slow = fixture_record(cache, "", 200, "Content-Length: 4\r\n");

    fixture_store_at(cache, "", "", "fast", CAME_S + 1);
    cr_assert(cache_record_data(&slow, SLICE_LIT("slow")));
    cache_record_end(&slow);
    cr_expect_str_eq(fixture_find(cache, "", 1), "fast");
    cr_expect_eq(cache_stats(cache).entries, 1);
}

/* RFC 9111 section 4.1. */
Test(cache, each_variant_is_kept_beside_the_others)
{
    static const char vary[] = "Vary: Accept-Language\r\n";

    fixture_store(cache, "Accept-Language: de\r\n", vary, "hallo");
    fixture_store(cache, "Accept-Language: en\r\n", vary, "hello");
    fixture_store(cache, "", vary, "?");
    cr_expect_str_eq(fixture_find(cache, "Accept-Language: de\r\n", 0), "hallo");
    cr_expect_str_eq(fixture_find(cache, "Accept-Language: EN\r\n", 0), "hello");
    cr_expect_str_eq(fixture_find(cache, "", 0), "?");
    cr_expect_str_eq(fixture_find(cache, "Accept-Language: fr\r\n", 0), "");
    fixture_store_at(cache, "Accept-Language: de\r\n", vary, "servus", CAME_S + 1);
    cr_expect_str_eq(fixture_find(cache, "Accept-Language: de\r\n", 1), "servus");
    cr_expect_str_eq(fixture_find(cache, "Accept-Language: en\r\n", 1), "hello");
    cr_expect_eq(cache_stats(cache).entries, 3);
}

Test(cache, when_a_resource_begins_or_ends_to_vary_the_old_answers_go)
{
    fixture_store(cache, "", "", "for all");
    fixture_store(cache, "X-A: 1\r\n", "Vary: X-A\r\n", "one");
    cr_expect_str_eq(fixture_find(cache, "X-A: 2\r\n", 0), "");
    fixture_store(cache, "X-A: 2\r\n", "Vary: X-A\r\n", "two");
    fixture_store(cache, "X-A: 3\r\n", "", "for all again");
    cr_expect_str_eq(fixture_find(cache, "X-A: 1\r\n", 0), "for all again");
    cr_expect_eq(cache_stats(cache).entries, 1);
}

Test(cache, variants_of_one_key_are_bounded)
{
    for (unsigned i = 0; i < 1000; i++) {
        char asked[64];

        snprintf(asked, sizeof(asked), "X-A: %u\r\n", i);
        cr_assert(fixture_store(cache, asked, "Vary: X-A\r\n", "x"));
    }
    cr_expect_eq(cache_stats(cache).entries, 32);
    cr_expect_str_eq(fixture_find(cache, "X-A: 999\r\n", 0), "x");
    cr_expect_str_eq(fixture_find(cache, "X-A: 968\r\n", 0), "x");
    cr_expect_str_eq(fixture_find(cache, "X-A: 967\r\n", 0), "");
}

static bool suppressed(uint64_t now_us)
{
    return cache_suppressed(cache, &fixture_key, now_us);
}

static bool serve_and_suppress(uint64_t now_us)
{
    struct cache_entry *entry =
        cache_find_stale(cache, &fixture_key, fixture_request("GET", ""), CAME_S, now_us, 1000);
    bool found = entry != NULL;

    cache_release(&entry);
    return found;
}

Test(cache, after_a_stale_answer_the_backend_is_left_alone_for_a_while_only)
{
    static const struct cache_key other = {
        .scheme = {"http", 4}, .authority = {"b.example", 9}, .target = {"/", 1}};

    cr_expect_not(suppressed(5000));
    cr_expect_not(serve_and_suppress(5000));
    cr_expect_not(suppressed(5000));
    fixture_store(cache, "", "", "x");
    cr_expect(serve_and_suppress(5000));
    cr_expect(suppressed(5000));
    cr_expect(suppressed(5999));
    cr_expect_not(cache_suppressed(cache, &other, 5999));
    /* Traffic within the window does not move its end. */
    cr_expect(serve_and_suppress(5900));
    cr_expect_not(suppressed(6000));
    cr_expect(serve_and_suppress(6000));
    cr_expect(suppressed(6999));
}

Test(cache, a_new_answer_ends_the_suppression)
{
    fixture_store(cache, "", "", "x");
    serve_and_suppress(5000);
    fixture_store(cache, "", "", "y");
    cr_expect_not(suppressed(5001));
}

/* RFC 9111 section 4.4. */
Test(cache, a_change_that_did_not_fail_forgets_the_resource_in_every_variant)
{
    static const struct {
        const char *method;
        int status;
        bool forgets;
    } table[] = {
        {"POST", 200, true},  {"PUT", 204, true},      {"DELETE", 303, true}, {"PATCH", 200, true},
        {"MAKE", 200, true},  {"POST", 400, false},    {"POST", 500, false},  {"GET", 200, false},
        {"HEAD", 200, false}, {"OPTIONS", 200, false}, {"TRACE", 200, false},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        fixture_store(cache, "X-A: 1\r\n", "Vary: X-A\r\n", "1");
        fixture_store(cache, "X-A: 2\r\n", "Vary: X-A\r\n", "2");
        cache_invalidate(cache, &fixture_key, fixture_request(table[i].method, ""),
                         table[i].status);
        cr_expect_eq(cache_stats(cache).entries, table[i].forgets ? 0 : 2, "%s %d", table[i].method,
                     table[i].status);
    }
}

Test(cache, an_entry_outlives_its_place_in_the_index)
{
    struct served served;

    fixture_store(cache, "", "", "old");
    cr_assert(serve(&served, "GET", "", 0));
    fixture_store(cache, "", "", "new");
    cr_expect_slice(cache_entry_body(served.entry), "old");
    cr_expect_eq(cache_stats(cache).entries, 1);
    cache_release(&served.entry);
}

Test(cache, a_smaller_limit_throws_out_at_once_what_nobody_reads)
{
    static const char fresh[] =
        "Date: Sun, 06 Nov 1994 08:49:27 GMT\r\nCache-Control: max-age=60\r\n";
    const struct cache_params nothing = {.stale_ms = 1000};
    struct served served;

    cr_assert(fixture_store(cache, "", fresh, "hello"));
    cr_assert(serve(&served, "GET", "", 20));
    cache_change(cache, &nothing);
    cr_expect_slice(cache_entry_body(served.entry), "hello"); /* a reader keeps what it has */
    cache_release(&served.entry);
    cache_change(cache, &nothing);
    cr_expect_eq(cache_stats(cache).bytes, 0);
    cr_expect_not(fixture_store(cache, "", fresh, "hello"));
}
