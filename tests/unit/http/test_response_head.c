/* What the parsed form says. What is refused: the corpus (test_corpus.c). */
#include "http_fixture.h"

static struct response_fixture r;

static struct http_response_head *read_ok(const char *text, enum http_method method)
{
    int code = response_read(&r, text, method);

    cr_assert_eq(code, EG_OK, "%s: %s", text, error_name(code));
    return &r.head;
}

Test(response_head, the_status_line_is_taken_apart)
{
    struct http_response_head *h =
        read_ok("HTTP/1.0 404 Not  Found\r\nContent-Length: 3\r\n\r\n", HTTP_METHOD_GET);

    cr_expect_eq(h->minor_version, 0);
    cr_expect_eq(h->status, 404);
    cr_expect_slice(h->reason, "Not  Found");
    cr_expect_slice(read_ok("HTTP/1.1 200\r\n\r\n", HTTP_METHOD_GET)->reason, "");
    cr_expect_slice(read_ok("HTTP/1.1 200 \r\n\r\n", HTTP_METHOD_GET)->reason, "");
}

#define LENGTH  "Content-Length: 5\r\n"
#define CHUNKED "Transfer-Encoding: chunked\r\n"

Test(response_head, framing_depends_on_method_status_and_fields)
{
    static const struct {
        const char *text;
        enum http_method method;
        enum http_framing framing;
        uint64_t length;
        bool has_length, keep_alive;
    } cases[] = {
        {"HTTP/1.1 200 OK\r\n" LENGTH "\r\n", HTTP_METHOD_GET, HTTP_FRAMING_LENGTH, 5, true, true},
        {"HTTP/1.1 200 OK\r\n" CHUNKED "\r\n", HTTP_METHOD_GET, HTTP_FRAMING_CHUNKED, 0, false,
         true},
        {"HTTP/1.1 200 OK\r\n\r\n", HTTP_METHOD_GET, HTTP_FRAMING_UNTIL_CLOSE, 0, false, false},
        {"HTTP/1.1 200 OK\r\n" LENGTH "\r\n", HTTP_METHOD_HEAD, HTTP_FRAMING_NONE, 5, true, true},
        {"HTTP/1.1 200 OK\r\n" CHUNKED "\r\n", HTTP_METHOD_HEAD, HTTP_FRAMING_NONE, 0, false, true},
        {"HTTP/1.1 200 OK\r\n\r\n", HTTP_METHOD_HEAD, HTTP_FRAMING_NONE, 0, false, true},
        {"HTTP/1.1 304 x\r\n" LENGTH "\r\n", HTTP_METHOD_GET, HTTP_FRAMING_NONE, 5, true, true},
        {"HTTP/1.1 204 x\r\n\r\n", HTTP_METHOD_GET, HTTP_FRAMING_NONE, 0, false, true},
        {"HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n", HTTP_METHOD_GET, HTTP_FRAMING_NONE, 0,
         false, true},
        {"HTTP/1.1 204 x\r\n" LENGTH "\r\n", HTTP_METHOD_GET, HTTP_FRAMING_NONE, 0, false, false},
        {"HTTP/1.1 204 x\r\n" CHUNKED "\r\n", HTTP_METHOD_GET, HTTP_FRAMING_NONE, 0, false, false},
        {"HTTP/1.1 103 x\r\n\r\n", HTTP_METHOD_GET, HTTP_FRAMING_NONE, 0, false, true},
        {"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n", HTTP_METHOD_GET,
         HTTP_FRAMING_NONE, 0, false, false},
        {"HTTP/1.1 200 x\r\n" LENGTH "\r\n", HTTP_METHOD_CONNECT, HTTP_FRAMING_NONE, 0, false,
         false},
        {"HTTP/1.1 200 x\r\n" CHUNKED "\r\n", HTTP_METHOD_CONNECT, HTTP_FRAMING_NONE, 0, false,
         false},
        {"HTTP/1.1 403 x\r\n" LENGTH "\r\n", HTTP_METHOD_CONNECT, HTTP_FRAMING_LENGTH, 5, true,
         true},
        {"HTTP/1.0 200 OK\r\n" LENGTH "\r\n", HTTP_METHOD_GET, HTTP_FRAMING_LENGTH, 5, true, false},
        {"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" LENGTH "\r\n", HTTP_METHOD_GET,
         HTTP_FRAMING_LENGTH, 5, true, true},
        {"HTTP/1.1 200 OK\r\nConnection: close\r\n" LENGTH "\r\n", HTTP_METHOD_GET,
         HTTP_FRAMING_LENGTH, 5, true, false},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_response_head *h = read_ok(cases[i].text, cases[i].method);

        cr_expect_eq(h->framing, cases[i].framing, "%s", cases[i].text);
        cr_expect_eq(h->content_length, cases[i].length, "%s", cases[i].text);
        cr_expect_eq(h->has_content_length, cases[i].has_length, "%s", cases[i].text);
        cr_expect_eq(h->keep_alive, cases[i].keep_alive, "%s", cases[i].text);
    }
}

Test(response_head, each_error_has_its_code)
{
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"HTTP/1.1 2000 x\r\n\r\n", EG_E_HEAD_STATUS_LINE},
        {"HTTP/2.0 200 x\r\n\r\n", EG_E_HEAD_VERSION_UNSUPPORTED},
        {"http/1.1 200 x\r\n\r\n", EG_E_HEAD_VERSION},
        {"HTTP/1.1 103 x\r\n" LENGTH "\r\n", EG_E_HEAD_FRAMING},
        {"HTTP/1.0 200 x\r\n" CHUNKED "\r\n", EG_E_HEAD_FRAMING},
        {"HTTP/1.1 200 x\r\nContent-Length:\t5\t\r\n\r\n", EG_E_HEAD_SECOND_OPINION},
        {"\r\nHTTP/1.1 200 x\r\n\r\n", EG_E_HEAD_STATUS_LINE},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_code(response_read(&r, cases[i].text, HTTP_METHOD_GET), cases[i].code);
}

Test(response_head, reasons_are_known_for_registered_codes_only)
{
    cr_expect_str_eq(http_reason(200), "OK");
    cr_expect_str_eq(http_reason(431), "Request Header Fields Too Large");
    cr_expect_str_eq(http_reason(299), "Unknown");
    cr_expect_str_eq(http_reason(-1), "Unknown");
    cr_expect_str_eq(http_reason(600), "Unknown");
}
