#include "http_fixture.h"

static struct request_fixture r;
static struct http_forward_request f;

static void prepare(const char *text)
{
    cr_assert_eq(request_read(&r, text), EG_OK, "%s", text);
    f = (struct http_forward_request){
        .head = &r.head, .path = r.head.path, .client_host = SLICE_LIT("192.0.2.1")};
}

static struct slice written(void)
{
    static char out[8192];
    size_t bound = http_forward_request_bound(&f);
    size_t n = http_forward_request_write(&f, out, sizeof(out));

    cr_assert(n > 0 && n <= bound && bound <= sizeof(out));
    out[n] = '\0';
    return slice_from(out, n);
}

static bool holds(const char *line)
{
    return strstr(written().p, line) != NULL;
}

#define HEAD "GET /a HTTP/1.1\r\nHost: h\r\n"

Test(forward_request, a_plain_request_is_written_like_this)
{
    prepare("GET /a?b HTTP/1.1\r\nX-A: 1\r\nHost: h:8\r\nACCEPT:  */* \r\n\r\n");
    f.request_id = SLICE_LIT("id");
    f.traceparent = SLICE_LIT("tp");
    cr_expect_str_eq(written().p, "GET /a?b HTTP/1.1\r\n"
                                  "Host: h:8\r\n"
                                  "X-A: 1\r\n"
                                  "ACCEPT: */*\r\n"
                                  "X-Forwarded-For: 192.0.2.1\r\n"
                                  "X-Forwarded-Proto: http\r\n"
                                  "X-Forwarded-Host: h:8\r\n"
                                  "Forwarded: for=192.0.2.1;host=\"h:8\";proto=http\r\n"
                                  "Via: 1.1 evergate\r\n"
                                  "X-Request-Id: id\r\n"
                                  "traceparent: tp\r\n"
                                  "\r\n");
}

Test(forward_request, hop_by_hop_fields_are_removed)
{
    prepare(HEAD "Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 2\r\n"
                 "Proxy-Connection: 3\r\nTE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: 4\r\n"
                 "Proxy-Authorization: 5\r\nProxy-Authenticate: 6\r\nTrailer: X-T\r\n\r\n");
    cr_expect(holds("\r\nTrailer: X-T\r\n"));
    for (const char *const *name =
             (const char *const[]){"Connection", "X-Hop", "Keep-Alive", "Proxy-", "TE", "Upgrade",
                                   "HTTP2-Settings", NULL};
         *name; name++) {
        char line[64];

        snprintf(line, sizeof(line), "\r\n%s", *name);
        cr_expect_not(holds(line), "%s", *name);
    }
}

Test(forward_request, connection_cannot_remove_what_is_end_to_end)
{
    prepare(HEAD "Connection: Host, Cookie, authorization, X-Forwarded-For, Content-Type, "
                 "If-Match, X-Real-IP, X-Request-Id\r\nCookie: 1\r\nAuthorization: 2\r\n"
                 "Content-Type: 3\r\nIf-Match: 4\r\nX-Real-IP: 5\r\nX-Forwarded-For: 6\r\n\r\n");
    cr_expect(holds("\r\nHost: h\r\n") && holds("\r\nCookie: 1\r\n"));
    cr_expect(holds("\r\nAuthorization: 2\r\n") && holds("\r\nContent-Type: 3\r\n"));
    cr_expect(holds("\r\nIf-Match: 4\r\n") && holds("\r\nX-Real-IP: 5\r\n"));
    cr_expect(holds("\r\nX-Forwarded-For: 6, 192.0.2.1\r\n"));
}

Test(forward_request, framing_is_written_from_the_parsed_form)
{
    prepare("POST / HTTP/1.1\r\nHost: h\r\ncontent-length: 007\r\n\r\n");
    cr_expect(holds("\r\nContent-Length: 7\r\n") && !holds("content-length"));
    prepare("POST / HTTP/1.1\r\nHost: h\r\nTRANSFER-ENCODING: CHUNKED\r\n\r\n");
    cr_expect(holds("\r\nTransfer-Encoding: chunked\r\n") && !holds("TRANSFER"));
    prepare("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n");
    cr_expect(holds("\r\nContent-Length: 0\r\n"));
    prepare(HEAD "\r\n");
    cr_expect(!holds("Content-Length") && !holds("Transfer-Encoding"));
}

Test(forward_request, forwarding_fields_are_appended_to_or_replaced)
{
    prepare(HEAD "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2, 3.3.3.3\r\n"
                 "X-Forwarded-Proto: ftp\r\nX-Forwarded-Host: evil\r\nForwarded: for=_x\r\n"
                 "Via: 1.0 other\r\nX-Request-Id: old\r\ntraceparent: old\r\n\r\n");
    f.client_host = SLICE_LIT("2001:db8::1");
    f.client_tls = true;
    f.request_id = SLICE_LIT("new");
    cr_expect(holds("\r\nX-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 2001:db8::1\r\n"));
    cr_expect(holds("\r\nX-Forwarded-Proto: https\r\n") && holds("\r\nX-Forwarded-Host: h\r\n"));
    cr_expect(holds("\r\nForwarded: for=_x, for=\"[2001:db8::1]\";host=\"h\";proto=https\r\n"));
    cr_expect(holds("\r\nVia: 1.0 other, 1.1 evergate\r\n"));
    cr_expect(holds("\r\nX-Request-Id: new\r\n"));
    cr_expect(!holds("old") && !holds("evil") && !holds("ftp"));
}

Test(forward_request, tracestate_passes_with_its_traceparent_only)
{
    prepare(HEAD "traceparent: tp\r\nTracestate: a=b\r\n\r\n");
    f.traceparent = SLICE_LIT("tp");
    cr_expect(holds("\r\nTracestate: a=b\r\n") && holds("\r\ntraceparent: tp\r\n"));
    f.traceparent = SLICE_LIT("started by us");
    cr_expect_not(holds("a=b"));
}

Test(forward_request, a_client_on_a_unix_socket_has_an_obfuscated_name)
{
    prepare(HEAD "\r\n");
    f.client_host = SLICE_LIT("unix");
    cr_expect(holds("\r\nForwarded: for=_unix;") && holds("\r\nX-Forwarded-For: unix\r\n"));
}

Test(forward_request, te_passes_as_trailers_only)
{
    prepare(HEAD "TE: gzip, trailers\r\nConnection: TE\r\n\r\n");
    cr_expect(holds("\r\nConnection: TE\r\nTE: trailers\r\n") && !holds("gzip"));
    prepare("GET / HTTP/1.0\r\nHost: h\r\nTE: trailers\r\n\r\n");
    cr_expect_not(holds("TE:"));
}

Test(forward_request, upgrade_and_expect_pass_when_asked_for)
{
    prepare(HEAD "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n");
    cr_expect_not(holds("pgrade"));
    f.upgrade = true;
    cr_expect(holds("\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"));
    prepare(HEAD "Connection: upgrade, TE\r\nUpgrade: websocket\r\nTE: trailers\r\n\r\n");
    f.upgrade = true;
    cr_expect(holds("\r\nConnection: upgrade, TE\r\nUpgrade: websocket\r\nTE: trailers\r\n"));
    prepare("POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    cr_expect_not(holds("Expect"));
    f.pass_expect = true;
    cr_expect(holds("\r\nExpect: 100-continue\r\n"));
}

Test(forward_request, targets_keep_their_form_or_become_origin_form)
{
    prepare("GET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_expect_eq(strncmp(written().p, "GET /c HTTP/1.1\r\nHost: b\r\n", 25), 0);
    f.path = SLICE_LIT("/rewritten");
    cr_expect_eq(strncmp(written().p, "GET /rewritten HTTP/1.1\r\n", 25), 0);
    prepare("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_expect_eq(strncmp(written().p, "OPTIONS * HTTP/1.1\r\n", 20), 0);
    prepare("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_expect_eq(strncmp(written().p, "OPTIONS * HTTP/1.1\r\nHost: b\r\n", 29), 0);
    prepare("CONNECT b:1 HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_expect_eq(strncmp(written().p, "CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n", 33), 0);
}

Test(forward_request, without_an_authority_host_is_the_fallback_or_empty)
{
    prepare("GET / HTTP/1.0\r\n\r\n");
    cr_expect(holds("\r\nHost: \r\n") && !holds("X-Forwarded-Host") && !holds("host="));
    cr_expect(holds("\r\nVia: 1.0 evergate\r\n"));
    f.fallback_host = SLICE_LIT("b:80");
    cr_expect(holds("\r\nHost: b:80\r\n"));
}

Test(forward_request, a_routes_edits_win_over_the_client_and_over_us)
{
    static const struct http_header_edit set[] = {
        {SLICE_LIT("X-A"), SLICE_LIT("new")},
        {SLICE_LIT("host"), SLICE_LIT("other")},
        {SLICE_LIT("X-Forwarded-Proto"), SLICE_LIT("wss")},
        {SLICE_LIT("Content-Length"), SLICE_LIT("99")}};
    static const struct http_header_edit add[] = {{SLICE_LIT("X-B"), SLICE_LIT("2")}};
    static const struct slice remove[] = {SLICE_LIT("x-c"), SLICE_LIT("via"),
                                          SLICE_LIT("Forwarded"), SLICE_LIT("Host")};
    static const struct http_header_edits edits = {set, 4, add, 1, remove, 4};

    prepare(HEAD "X-A: old\r\nx-a: older\r\nX-B: 1\r\nX-C: c\r\n\r\n");
    f.edits = &edits;
    cr_expect(holds("\r\nX-A: new\r\n") && !holds("old"));
    cr_expect(holds("\r\nX-B: 1\r\n") && holds("\r\nX-B: 2\r\n"));
    cr_expect(holds("\r\nHost: other\r\n") && !holds("host: other"));
    cr_expect(holds("\r\nX-Forwarded-Host: h\r\n"), "what the client asked for");
    cr_expect(holds("\r\nX-Forwarded-Proto: wss\r\n") && !holds("X-Forwarded-Proto: http"));
    cr_expect(!holds("X-C") && !holds("Via") && !holds("\r\nForwarded") && !holds("99"));
}

Test(forward_request, too_little_room_gives_zero)
{
    char out[1024];
    size_t n;

    prepare(HEAD "X: y\r\n\r\n");
    n = written().n;
    for (size_t capacity = 0; capacity < n; capacity++)
        if (http_forward_request_write(&f, out, capacity) != 0)
            cr_expect_fail("written into %zu of %zu bytes", capacity, n);
    cr_expect_eq(http_forward_request_write(&f, out, n), n);
}
