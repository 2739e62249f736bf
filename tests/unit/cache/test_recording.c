/* Recording an answer while it passes: complete or not at all, and within its limits. */
#include "cache_fixture.h"

static struct cache *cache;

static void setup(void)
{
    cache = fixture_cache();
}

static void teardown(void)
{
    cr_expect_eq(cache_stats(cache).bytes > 0, cache_stats(cache).entries > 0);
    cache_free(cache);
}

TestSuite(recording, .init = setup, .fini = teardown);

Test(recording, a_body_may_come_one_byte_at_a_time)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
    struct cache_recording *known = fixture_record(cache, "", 200, "Content-Length: 26\r\n");
    struct cache_recording *unknown;

    for (const char *c = letters; *c != '\0'; c++)
        cr_assert(cache_record_data(&known, slice_from(c, 1)));
    cache_record_end(&known);
    cr_expect_null(known);
    cr_expect_str_eq(fixture_find(cache, "", 0), letters);

    unknown = fixture_record(cache, "", 200, "Transfer-Encoding: chunked\r\n");
    for (const char *c = letters; *c != '\0'; c++)
        cr_assert(cache_record_data(&unknown, slice_from(c, 1)));
    cache_record_end(&unknown);
    cr_expect_str_eq(fixture_find(cache, "", 0), letters);
}

Test(recording, what_was_begun_and_dropped_leaves_nothing)
{
    struct cache_recording *recording = fixture_record(cache, "", 200, "Content-Length: 5\r\n");

    cr_expect(cache_stats(cache).bytes > 0);
    cr_assert(cache_record_data(&recording, SLICE_LIT("ab")));
    cache_record_drop(&recording);
    cr_expect_null(recording);
    cr_expect_eq(cache_stats(cache).bytes, 0);
    cr_expect_str_eq(fixture_find(cache, "", 0), "");
}

Test(recording, nothing_may_be_recorded_into_nothing)
{
    struct cache_recording *recording = NULL;

    cr_expect_not(cache_record_data(&recording, SLICE_LIT("x")));
    cache_record_end(&recording);
    cache_record_drop(&recording);
}

/* RFC 9111 section 3.3: an incomplete answer is not the answer. */
Test(recording, less_or_more_than_announced_is_not_stored)
{
    struct cache_recording *recording = fixture_record(cache, "", 200, "Content-Length: 5\r\n");

    cr_assert(cache_record_data(&recording, SLICE_LIT("abcd")));
    cache_record_end(&recording);
    cr_expect_null(recording);
    cr_expect_eq(cache_stats(cache).entries, 0);

    recording = fixture_record(cache, "", 200, "Content-Length: 5\r\n");
    cr_assert(cache_record_data(&recording, SLICE_LIT("abcdef")));
    cache_record_end(&recording);
    cr_expect_eq(cache_stats(cache).entries, 0);
}

static bool record_pieces(const char *framing, size_t size, size_t piece)
{
    static const char zeros[1 << 17];
    struct cache_recording *recording = fixture_record(cache, "", 200, framing);

    for (size_t done = 0; recording && done < size; done += piece)
        cache_record_data(&recording, slice_from(zeros, size - done < piece ? size - done : piece));
    if (recording == NULL)
        return false;
    cache_record_end(&recording);
    return cache_stats(cache).entries == 1;
}

Test(recording, an_answer_over_the_entry_limit_is_given_up)
{
    uint64_t refused;

    cr_expect(record_pieces("Content-Length: 65536\r\n", 65536, 1000));
    cr_expect(record_pieces("Transfer-Encoding: chunked\r\n", 65536, 1000));
    refused = cache_stats(cache).refused;
    cr_expect_eq(refused, 0);
    cr_expect_not(record_pieces("Content-Length: 65537\r\n", 65537, 1000));
    cr_expect_not(record_pieces("Transfer-Encoding: chunked\r\n", 65537, 1000));
    cr_expect_not(record_pieces("Transfer-Encoding: chunked\r\n", 65537, 65537));
    cr_expect_not(record_pieces("Content-Length: 999999999999999999\r\n", 1, 1));
    cr_expect_eq(cache_stats(cache).refused - refused, 4);
}

Test(recording, what_was_taken_for_growth_is_given_back)
{
    uint64_t exact;

    cr_assert(record_pieces("Content-Length: 33000\r\n", 33000, 33000));
    exact = cache_stats(cache).bytes;
    cr_assert(record_pieces("Transfer-Encoding: chunked\r\n", 33000, 1));
    cr_expect_eq(cache_stats(cache).bytes, exact);
    cr_assert(record_pieces("Transfer-Encoding: chunked\r\n", 0, 1));
    cr_expect_eq(cache_stats(cache).bytes, exact - 33000);
}

Test(recording, a_body_whose_length_is_not_known_grows_in_few_steps)
{
    for (size_t piece = 1; piece < 65536; piece = piece * 3 + 1)
        cr_expect(record_pieces("Transfer-Encoding: chunked\r\n", 60000, piece), "%zu", piece);
}

Test(recording, what_is_no_get_is_not_even_counted)
{
    struct http_request_head *post = fixture_request("POST", "");

    cr_expect_null(cache_record(cache, &fixture_key, post, fixture_response(200, ""), CAME_S));
    cr_expect_eq(cache_stats(cache).refused, 0);
    cr_expect_null(fixture_record(cache, "", 500, ""));
    cr_expect_eq(cache_stats(cache).refused, 1);
}
