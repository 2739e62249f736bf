#include "http/body.h"
#include "http_fixture.h"

static struct http_body body;

/* Reads `text` (all at once) and returns the first result that is not DATA. */
static int drain(const char *text, char *content, size_t *ret_used)
{
    size_t position = 0, consumed, n = strlen(text), size = 0;
    struct slice data;
    int result;

    while ((result = http_body_next(&body, text + position, n - position, &data, &consumed)) ==
           HTTP_BODY_DATA) {
        memcpy(content + size, data.p, data.n);
        size += data.n;
        position += consumed;
    }
    content[size] = '\0';
    if (result >= 0)
        position += consumed;
    *ret_used = position;
    return result;
}

static void check(const char *text, int result, const char *content, size_t used)
{
    char buffer[256];
    size_t actual_used;

    cr_expect_eq(drain(text, buffer, &actual_used), result, "%s", text);
    cr_expect_str_eq(buffer, content);
    if (result >= 0)
        cr_expect_eq(actual_used, used, "%s: %zu used", text, actual_used);
}

Test(body, without_body_ends_at_once)
{
    http_body_init(&body, HTTP_FRAMING_NONE, 0, 0, &fixture_limits);
    check("GET", HTTP_BODY_END, "", 0);
    cr_expect_eq(http_body_eof(&body), EG_OK);
    cr_expect_eq(http_body_trailers(&body)->count, 0);
    http_body_fini(&body);
}

Test(body, a_length_ends_with_its_last_byte)
{
    http_body_init(&body, HTTP_FRAMING_LENGTH, 5, 0, &fixture_limits);
    check("", HTTP_BODY_MORE, "", 0);
    check("hel", HTTP_BODY_MORE, "hel", 3);
    cr_expect_eq(http_body_eof(&body), EG_E_BODY_TRUNCATED);
    check("loGET", HTTP_BODY_END, "lo", 2);
    cr_expect_eq(body.size, 5);
    cr_expect_eq(http_body_eof(&body), EG_OK);
    check("x", HTTP_BODY_END, "", 0);
    http_body_fini(&body);
}

Test(body, a_length_of_zero_ends_without_bytes)
{
    http_body_init(&body, HTTP_FRAMING_LENGTH, 0, 1, &fixture_limits);
    check("", HTTP_BODY_END, "", 0);
    http_body_fini(&body);
}

Test(body, a_length_over_the_limit_fails_before_its_first_byte)
{
    http_body_init(&body, HTTP_FRAMING_LENGTH, 6, 5, &fixture_limits);
    check("", EG_E_BODY_TOO_LARGE, "", 0);
    http_body_fini(&body);
    http_body_init(&body, HTTP_FRAMING_LENGTH, 5, 5, &fixture_limits);
    check("hello", HTTP_BODY_END, "hello", 5);
    http_body_fini(&body);
}

Test(body, until_close_ends_with_the_connection)
{
    http_body_init(&body, HTTP_FRAMING_UNTIL_CLOSE, 0, 0, &fixture_limits);
    check("hello", HTTP_BODY_MORE, "hello", 5);
    cr_expect_eq(http_body_eof(&body), EG_OK);
    check("", HTTP_BODY_END, "", 0);
    http_body_fini(&body);
    http_body_init(&body, HTTP_FRAMING_UNTIL_CLOSE, 0, 3, &fixture_limits);
    check("hello", EG_E_BODY_TOO_LARGE, "", 0);
    http_body_fini(&body);
}

static void check_chunked(const char *text, int result, const char *content, size_t used)
{
    http_body_init(&body, HTTP_FRAMING_CHUNKED, 0, 0, &fixture_limits);
    check(text, result, content, used);
    http_body_fini(&body);
}

Test(body, chunks_give_their_content_and_leave_the_next_message)
{
    check_chunked("5\r\nhello\r\n0\r\n\r\nGET", HTTP_BODY_END, "hello", 15);
    check_chunked("0\r\n\r\nGET", HTTP_BODY_END, "", 5);
    check_chunked("5\r\nhello\r\n1;a=b\r\n!\r\n0\r\nX: y\r\n\r\n0", HTTP_BODY_END, "hello!", 31);
    check_chunked("5\r\nhel", HTTP_BODY_MORE, "hel", 6);
    check_chunked("", HTTP_BODY_MORE, "", 0);
    check_chunked("5\r\nhello!", EG_E_BODY_CHUNK, "hello", 0);
    check_chunked("ffffffffffffffff\r\nh", HTTP_BODY_MORE, "h", 19);
}

Test(body, one_call_gives_one_piece_within_the_given_bytes)
{
    static const char text[] = "5;a\r\nhello\r\n";
    struct slice data;
    size_t consumed;

    http_body_init(&body, HTTP_FRAMING_CHUNKED, 0, 0, &fixture_limits);
    cr_assert_eq(http_body_next(&body, text, 7, &data, &consumed), HTTP_BODY_DATA);
    cr_expect_eq(data.p, text + 5);
    cr_expect_eq(data.n, 2);
    cr_expect_eq(consumed, 7);
    cr_expect_eq(http_body_eof(&body), EG_E_BODY_TRUNCATED);
    http_body_fini(&body);
}

Test(body, a_chunk_over_the_limit_fails_with_its_size_line)
{
    http_body_init(&body, HTTP_FRAMING_CHUNKED, 0, 8, &fixture_limits);
    check("5\r\nhello\r\n3\r\nabc\r\n", HTTP_BODY_MORE, "helloabc", 18);
    check("1\r\n", EG_E_BODY_TOO_LARGE, "", 0);
    http_body_fini(&body);
    http_body_init(&body, HTTP_FRAMING_CHUNKED, 0, 8, &fixture_limits);
    check("ffffffffffffffff\r\n", EG_E_BODY_TOO_LARGE, "", 0);
    http_body_fini(&body);
}

Test(body, extensions_are_judged_and_dropped)
{
    static const char *const good[] = {
        "5;a", "5;a=b", "5;a=\"b c\\\"\"", "5;a;b", "5; a = b ; c", "5;a=1;b=\"\"", "5;\ta"};
    static const char *const wrong[] = {
        "5;",      "5;;a",      "5;a=", "5;=a",    "5;a=\"b",      "5;a ",           "5;a b",
        "5;a=b c", "5;a=\"\"x", "5 ;a", "5;a\x01", "5;a=\"\x01\"", "5;a=\"\\\x7f\"", "5;a;"};
    char text[64];

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        snprintf(text, sizeof(text), "%s\r\nhello\r\n0\r\n\r\n", good[i]);
        check_chunked(text, HTTP_BODY_END, "hello", strlen(text));
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(text, sizeof(text), "%s\r\nhello\r\n0\r\n\r\n", wrong[i]);
        check_chunked(text, EG_E_BODY_CHUNK, "", 0);
    }
}

/* A chunk of `size` content bytes behind `extension` bytes of extension; the result of the last. */
static int feed_chunks(unsigned count, size_t size, size_t extension)
{
    static char text[16 * 1024];
    int result = HTTP_BODY_MORE;

    http_body_init(&body, HTTP_FRAMING_CHUNKED, 0, 0, &fixture_limits);
    for (unsigned i = 0; i < count && result == HTTP_BODY_MORE; i++) {
        size_t n = (size_t)snprintf(text, sizeof(text), "%zx;", size), position = 0, consumed;
        struct slice data;

        memset(text + n, 'a', extension - 1 + 2 + size + 2);
        memcpy(text + n + extension - 1, "\r\n", 2);
        memcpy(text + n + extension - 1 + 2 + size, "\r\n", 2);
        n += extension - 1 + 2 + size + 2;
        while ((result = http_body_next(&body, text + position, n - position, &data, &consumed)) ==
               HTTP_BODY_DATA)
            position += consumed;
    }
    http_body_fini(&body);
    return result;
}

Test(body, extensions_are_bounded_by_line_and_by_what_they_accompany)
{
    cr_expect_eq(feed_chunks(1, 5, 4096), HTTP_BODY_MORE);
    cr_expect_eq(feed_chunks(1, 5, 4097), EG_E_BODY_CHUNK);
    cr_expect_eq(feed_chunks(8, 1, 4000), EG_E_BODY_CHUNK, "more than the credit");
    cr_expect_eq(feed_chunks(100, 4000, 4000), HTTP_BODY_MORE, "outweighed by the content");
}

Test(body, trailers_come_without_what_they_must_not_hold)
{
    static const char text[] =
        "0\r\nX-Sum: 1\r\nAuthorization: a\r\ncontent-type: b\r\nIf-Match: c\r\n"
        "HOST: d\r\nSet-Cookie: e\r\nX-Sum: 2\r\n\r\nGET";
    const struct http_fields *trailers;

    http_body_init(&body, HTTP_FRAMING_CHUNKED, 0, 0, &fixture_limits);
    cr_expect_eq(http_body_trailers(&body)->count, 0);
    check(text, HTTP_BODY_END, "", sizeof(text) - 1 - 3);
    trailers = http_body_trailers(&body);
    cr_assert_eq(trailers->count, 2);
    cr_expect_slice(trailers->v[0].name, "X-Sum");
    cr_expect_slice(trailers->v[1].value, "2");
    cr_expect_not(http_fields_has(trailers, HTTP_FIELD_HOST));
    http_body_fini(&body);
}

Test(body, trailers_are_as_strict_as_heads)
{
    static const char *const wrong[] = {"0\r\nX\r\n\r\n",
                                        "0\r\nX : y\r\n\r\n",
                                        "0\r\nX: y\n\r\n",
                                        "0\r\nX: y\r\n z\r\n\r\n",
                                        "0\r\nContent-Length: 5\r\n\r\n",
                                        "0\r\nTransfer-Encoding: chunked\r\n\r\n"};
    struct http_limits small = {16, 100};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        check_chunked(wrong[i], EG_E_BODY_TRAILER, "", 0);
    http_body_init(&body, HTTP_FRAMING_CHUNKED, 0, 0, &small);
    check("0\r\nX: aaaaaaaaaaaaaaaa", EG_E_BODY_TRAILER, "", 0);
    http_body_fini(&body);
}

Test(body, a_chunk_header_is_hexadecimal_and_crlf)
{
    static const struct {
        uint64_t size;
        const char *text;
    } cases[] = {{0, "0\r\n"},         {9, "9\r\n"},       {10, "a\r\n"},
                 {0x1a2b, "1a2b\r\n"}, {0x100, "100\r\n"}, {UINT64_MAX, "ffffffffffffffff\r\n"}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[18];
        size_t n = http_chunk_header(out, cases[i].size);

        cr_expect_slice(slice_from(out, n), cases[i].text);
    }
}
