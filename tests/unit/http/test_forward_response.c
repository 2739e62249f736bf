#include "http_fixture.h"

static struct response_fixture r;
static struct http_forward_response f;

static void prepare(const char *text, enum http_method method)
{
    cr_assert_eq(response_read(&r, text, method), EG_OK, "%s", text);
    f = (struct http_forward_response){.head = &r.head, .client_minor_version = 1};
}

static const char *written(void)
{
    static char out[8192];
    size_t n = http_forward_response_write(&f, out, sizeof(out) - 1);

    cr_assert(n > 0 && n <= http_forward_response_bound(&f));
    out[n] = '\0';
    return out;
}

static bool holds(const char *line)
{
    return strstr(written(), line) != NULL;
}

#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"

Test(forward_response, a_plain_answer_is_written_like_this)
{
    prepare("HTTP/1.0 404 Nope\r\ncontent-LENGTH: 05\r\nserver: x\r\n\r\n", HTTP_METHOD_GET);
    f.date = SLICE_LIT("D");
    cr_expect_str_eq(written(), "HTTP/1.1 404 Nope\r\n"
                                "server: x\r\n"
                                "Content-Length: 5\r\n"
                                "Via: 1.0 evergate\r\n"
                                "Date: D\r\n"
                                "\r\n");
}

Test(forward_response, hop_by_hop_fields_are_removed)
{
    prepare(HEAD "Connection: close, X-Hop, Set-Cookie\r\nX-Hop: 1\r\nKeep-Alive: 2\r\n"
                 "Upgrade: h2c\r\nProxy-Authenticate: 3\r\nSet-Cookie: 4\r\nTrailer: T\r\n\r\n",
            HTTP_METHOD_GET);
    cr_expect(!holds("Connection") && !holds("X-Hop") && !holds("Keep-Alive"));
    cr_expect(!holds("Upgrade") && !holds("Proxy-") && holds("\r\nTrailer: T\r\n"));
    cr_expect(holds("\r\nSet-Cookie: 4\r\n"), "a backend's mistake must not lose a cookie");
}

Test(forward_response, framing_is_what_the_client_gets)
{
    prepare("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_METHOD_GET);
    cr_expect_not(holds("Transfer-Encoding"));
    f.chunked = true;
    cr_expect(holds("\r\nTransfer-Encoding: chunked\r\n"));
    prepare(HEAD "\r\n", HTTP_METHOD_HEAD);
    cr_expect(holds("\r\nContent-Length: 5\r\n"));
    prepare("HTTP/1.1 304 x\r\nContent-Length: 5\r\n\r\n", HTTP_METHOD_GET);
    cr_expect(holds("\r\nContent-Length: 5\r\n"));
    prepare("HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n", HTTP_METHOD_GET);
    cr_expect_not(holds("Content-Length"));
    prepare(HEAD "\r\n", HTTP_METHOD_CONNECT);
    cr_expect_not(holds("Content-Length"));
    prepare("HTTP/1.1 200 x\r\n\r\n", HTTP_METHOD_GET);
    cr_expect(!holds("Content-Length") && !holds("Transfer-Encoding"));
}

Test(forward_response, connection_is_the_callers_to_say)
{
    prepare(HEAD "\r\n", HTTP_METHOD_GET);
    cr_expect_not(holds("Connection"));
    f.keep_alive = true;
    cr_expect(holds("\r\nConnection: keep-alive\r\n"));
    f.close = true;
    cr_expect(holds("\r\nConnection: close\r\n") && !holds("keep-alive"));
}

Test(forward_response, upgrade_passes_with_101_and_426)
{
    prepare("HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", HTTP_METHOD_GET);
    f.upgrade = true;
    f.date = SLICE_LIT("D");
    cr_expect(holds("\r\nConnection: upgrade\r\nUpgrade: websocket\r\n") && !holds("Date"));
    prepare("HTTP/1.1 426 x\r\nUpgrade: a\r\nUpgrade: b\r\nContent-Length: 0\r\n\r\n",
            HTTP_METHOD_GET);
    f.close = true;
    cr_expect(holds("\r\nConnection: upgrade, close\r\nUpgrade: a\r\nUpgrade: b\r\n"));
}

Test(forward_response, date_and_via_are_completed)
{
    prepare(HEAD "Date: theirs\r\nVia: 1.1 other\r\n\r\n", HTTP_METHOD_GET);
    f.date = SLICE_LIT("ours");
    cr_expect(holds("\r\nDate: theirs\r\n") && !holds("ours"));
    cr_expect(holds("\r\nVia: 1.1 other, 1.1 evergate\r\n"));
    prepare("HTTP/1.1 103 x\r\n\r\n", HTTP_METHOD_GET);
    f.date = SLICE_LIT("ours");
    cr_expect_not(holds("Date"));
}

Test(forward_response, a_routes_edits_win)
{
    static const struct http_header_edit set[] = {{SLICE_LIT("server"), SLICE_LIT("s")},
                                                  {SLICE_LIT("Date"), SLICE_LIT("d")}};
    static const struct slice remove[] = {SLICE_LIT("x-powered-by"), SLICE_LIT("Via")};
    static const struct http_header_edits edits = {set, 2, NULL, 0, remove, 2};

    prepare(HEAD "Server: x\r\nX-Powered-By: y\r\n\r\n", HTTP_METHOD_GET);
    f.edits = &edits;
    f.date = SLICE_LIT("ours");
    cr_expect(holds("\r\nserver: s\r\n") && !holds("Server: x") && !holds("Powered"));
    cr_expect(holds("\r\nDate: d\r\n") && !holds("ours") && !holds("Via"));
}

Test(forward_response, too_little_room_gives_zero)
{
    char out[512];
    size_t n;

    prepare(HEAD "X: y\r\n\r\n", HTTP_METHOD_GET);
    n = strlen(written());
    for (size_t capacity = 0; capacity < n; capacity++)
        if (http_forward_response_write(&f, out, capacity) != 0)
            cr_expect_fail("written into %zu of %zu bytes", capacity, n);
}

Test(forward_response, trailers_end_a_chunked_body)
{
    struct http_field fields[2] = {{SLICE_LIT("A"), SLICE_LIT("b"), HTTP_FIELD_OTHER},
                                   {SLICE_LIT("C"), SLICE_LIT(""), HTTP_FIELD_OTHER}};
    struct http_fields trailers = {fields, 2, 2, 0};
    char out[64];
    size_t n = http_forward_trailers_write(&trailers, out, sizeof(out));

    cr_expect_slice(slice_from(out, n), "0\r\nA: b\r\nC: \r\n\r\n");
    cr_expect_leq(n, http_forward_trailers_bound(&trailers));
    cr_expect_eq(http_forward_trailers_write(&trailers, out, n - 1), 0);
    n = http_forward_trailers_write(NULL, out, http_forward_trailers_bound(NULL));
    cr_expect_slice(slice_from(out, n), "0\r\n\r\n");
}
