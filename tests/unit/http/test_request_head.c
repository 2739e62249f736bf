/* What the parsed form says. What is refused: the corpus (test_corpus.c). */
#include "http_fixture.h"

static struct request_fixture r;

static struct http_request_head *read_ok(const char *text)
{
    int code = request_read(&r, text);

    cr_assert_eq(code, EG_OK, "%s: %s", text, error_name(code));
    return &r.head;
}

Test(request_head, origin_form_takes_the_authority_from_host)
{
    struct http_request_head *h = read_ok("GET /a?b=c HTTP/1.1\r\nHost: Ex:80\r\n\r\n");

    cr_expect_eq(h->method_id, HTTP_METHOD_GET);
    cr_expect_eq(h->target_form, HTTP_TARGET_ORIGIN);
    cr_expect_eq(h->minor_version, 1);
    cr_expect_slice(h->method, "GET");
    cr_expect_slice(h->path, "/a?b=c");
    cr_expect_slice(h->authority, "Ex:80");
    cr_expect_slice(h->scheme, "");
    cr_expect_eq(h->framing, HTTP_FRAMING_NONE);
    cr_expect(h->keep_alive && !h->expect_continue);
}

Test(request_head, absolute_form_wins_over_host)
{
    struct http_request_head *h = read_ok("GET HTTPS://b:1/c?d HTTP/1.1\r\nHost: a\r\n\r\n");

    cr_expect_eq(h->target_form, HTTP_TARGET_ABSOLUTE);
    cr_expect_slice(h->scheme, "HTTPS");
    cr_expect_slice(h->authority, "b:1");
    cr_expect_slice(h->path, "/c?d");
    cr_expect_slice(read_ok("GET http://b HTTP/1.1\r\nHost: a\r\n\r\n")->path, "/");
    cr_expect_slice(read_ok("GET http://[::1]:8/ HTTP/1.1\r\nHost: a\r\n\r\n")->authority,
                    "[::1]:8");
}

Test(request_head, options_of_a_whole_server_is_asterisk_form_in_both_spellings)
{
    struct http_request_head *h = read_ok("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");

    cr_expect_eq(h->target_form, HTTP_TARGET_ASTERISK);
    cr_expect_slice(h->path, "*");
    h = read_ok("OPTIONS http://b HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_expect_eq(h->target_form, HTTP_TARGET_ASTERISK);
    cr_expect_slice(h->path, "*");
    cr_expect_slice(h->authority, "b");
    h = read_ok("OPTIONS http://b/ HTTP/1.1\r\nHost: a\r\n\r\n");
    cr_expect_eq(h->target_form, HTTP_TARGET_ABSOLUTE);
}

Test(request_head, connect_names_host_and_port)
{
    struct http_request_head *h =
        read_ok("CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");

    cr_expect_eq(h->method_id, HTTP_METHOD_CONNECT);
    cr_expect_eq(h->target_form, HTTP_TARGET_AUTHORITY);
    cr_expect_slice(h->authority, "[2001:db8::1]:443");
    cr_expect_slice(h->path, "");
    cr_expect_eq(h->framing, HTTP_FRAMING_NONE);
}

Test(request_head, http10_may_lack_host)
{
    cr_expect_slice(read_ok("GET / HTTP/1.0\r\n\r\n")->authority, "");
    cr_expect_slice(read_ok("GET / HTTP/1.0\r\nHost:\r\n\r\n")->authority, "");
    cr_expect_slice(read_ok("GET / HTTP/1.0\r\nHost: a\r\n\r\n")->authority, "a");
}

Test(request_head, hosts_of_all_kinds)
{
    static const char *const hosts[] = {"a",
                                        "a:",
                                        "a:0",
                                        "a:65535",
                                        "127.0.0.1:80",
                                        "[::]",
                                        "[2001:db8::192.0.2.1]:443",
                                        "xn--bcher-kva.example",
                                        "a_b.c~d",
                                        "a%20b",
                                        "sub-delims!$&'()*+;="};

    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        char text[128];

        snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
        cr_expect_slice(read_ok(text)->authority, hosts[i]);
    }
}

Test(request_head, methods_are_known_by_their_exact_spelling)
{
    static const struct {
        const char *name;
        enum http_method id;
        bool idempotent;
    } methods[] = {
        {"GET", HTTP_METHOD_GET, true},         {"HEAD", HTTP_METHOD_HEAD, true},
        {"POST", HTTP_METHOD_POST, false},      {"PUT", HTTP_METHOD_PUT, true},
        {"DELETE", HTTP_METHOD_DELETE, true},   {"OPTIONS", HTTP_METHOD_OPTIONS, true},
        {"TRACE", HTTP_METHOD_TRACE, true},     {"PATCH", HTTP_METHOD_PATCH, false},
        {"get", HTTP_METHOD_OTHER, false},      {"QUERY", HTTP_METHOD_OTHER, true},
        {"PROPFIND", HTTP_METHOD_OTHER, true},  {"SEARCH", HTTP_METHOD_OTHER, true},
        {"REPORT", HTTP_METHOD_OTHER, true},    {"PURGE", HTTP_METHOD_OTHER, false},
        {"PRI", HTTP_METHOD_OTHER, false},      {"SOURCE", HTTP_METHOD_OTHER, false},
        {"DESCRIBE", HTTP_METHOD_OTHER, false},
    };

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        char text[64];
        struct http_request_head *h;

        snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: a\r\n\r\n", methods[i].name);
        h = read_ok(text);
        cr_expect_eq(h->method_id, methods[i].id, "%s", methods[i].name);
        cr_expect_eq(http_request_is_idempotent(h), methods[i].idempotent, "%s", methods[i].name);
    }
}

#define HEAD "POST / HTTP/1.1\r\nHost: a\r\n"

Test(request_head, framing_follows_the_two_fields)
{
    struct http_request_head *h = read_ok(HEAD "Content-Length: 0042\r\n\r\n");

    cr_expect_eq(h->framing, HTTP_FRAMING_LENGTH);
    cr_expect_eq(h->content_length, 42);
    h = read_ok(HEAD "Content-Length: 9223372036854775807\r\n\r\n");
    cr_expect_eq(h->content_length, INT64_MAX);
    h = read_ok(HEAD "Content-Length: 0\r\n\r\n");
    cr_expect_eq(h->framing, HTTP_FRAMING_LENGTH);
    cr_expect_eq(read_ok(HEAD "Transfer-Encoding: Chunked\r\n\r\n")->framing, HTTP_FRAMING_CHUNKED);
}

Test(request_head, persistence_is_by_version_and_connection)
{
    cr_expect(read_ok(HEAD "Connection: x\r\nConnection: keep-alive\r\n\r\n")->keep_alive);
    cr_expect_not(read_ok(HEAD "Connection: x\r\nConnection: a, CLOSE\r\n\r\n")->keep_alive);
    cr_expect_not(read_ok("GET / HTTP/1.0\r\n\r\n")->keep_alive);
    cr_expect(read_ok("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")->keep_alive);
    cr_expect_not(read_ok("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n")->keep_alive);
}

Test(request_head, expect_counts_where_a_body_follows)
{
    cr_expect(read_ok(HEAD "Expect: 100-Continue\r\nContent-Length: 5\r\n\r\n")->expect_continue);
    cr_expect(read_ok(HEAD "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
                  ->expect_continue);
    cr_expect_not(
        read_ok(HEAD "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n")->expect_continue);
    cr_expect_not(read_ok(HEAD "Expect: 100-continue\r\n\r\n")->expect_continue);
    cr_expect_not(read_ok("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
                      ->expect_continue);
}

Test(request_head, upgrade_counts_where_connection_names_it)
{
    cr_expect_slice(
        read_ok(HEAD "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n")->upgrade,
        "websocket");
    cr_expect_slice(read_ok(HEAD "Connection: upgrade\r\nUpgrade: a/1, b\r\n\r\n")->upgrade,
                    "a/1, b");
}

Test(request_head, upgrade_is_ignored_where_it_is_unsafe_or_unasked)
{
    static const char *const heads[] = {
        HEAD "Upgrade: websocket\r\n\r\n",
        HEAD "Connection: upgrade\r\n\r\n",
        HEAD "Connection: upgrade\r\nUpgrade:\r\n\r\n",
        HEAD "Connection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        HEAD "Connection: upgrade\r\nUpgrade: websocket, H2C\r\n\r\n",
        HEAD "Connection: upgrade\r\nUpgrade: h2c-14\r\n\r\n",
        HEAD "Connection: upgrade\r\nUpgrade: HTTP/2.0\r\n\r\n",
        HEAD "Connection: upgrade\r\nUpgrade: a b\r\n\r\n",
        HEAD "Connection: upgrade\r\nUpgrade: a/\r\n\r\n",
        HEAD "Connection: upgrade\r\nUpgrade: a\r\nUpgrade: b\r\n\r\n",
        HEAD "Connection: upgrade\r\nUpgrade: a\r\nContent-Length: 5\r\n\r\n",
        HEAD "Connection: upgrade\r\nUpgrade: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        cr_expect_slice(read_ok(heads[i])->upgrade, "");
}

Test(request_head, the_smaller_of_limit_and_capacity_bounds_the_fields)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\nC: d\r\n\r\n";
    struct http_limits two = {1024, 2}, three = {1024, 3};
    struct http_field fields[3];
    struct http_request_head h = {.fields = {.v = fields, .capacity = 3}};

    cr_expect_code(http_request_head_parse(&h, text, sizeof(text) - 1, &two), EG_E_HEAD_TOO_MANY);
    cr_expect_code(http_request_head_parse(&h, text, sizeof(text) - 1, &three), EG_OK);
    h.fields.capacity = 2;
    cr_expect_code(http_request_head_parse(&h, text, sizeof(text) - 1, &three), EG_E_HEAD_TOO_MANY);
}

Test(request_head, a_head_that_was_never_scanned_is_an_error_and_no_overrun)
{
    static const char *const texts[] = {
        "", "GET / HTTP/1.1", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nA: b", "\r\n\r\n", "\r\n"};
    struct http_field fields[3];
    struct http_request_head h = {.fields = {.v = fields, .capacity = 3}};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        cr_expect_lt(http_request_head_parse(&h, texts[i], strlen(texts[i]), &fixture_limits), 0,
                     "%s", texts[i]);
}

/* The error table's codes, one case each; their variety is the corpus's. */
Test(request_head, each_error_has_its_code)
{
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        {"GET\r\n\r\n", EG_E_HEAD_METHOD},
        {"GET /\r\n\r\n", EG_E_HEAD_REQUEST_LINE},
        {"GET a HTTP/1.1\r\n\r\n", EG_E_HEAD_TARGET},
        {"GET / HTTP/1.x\r\n\r\n", EG_E_HEAD_VERSION},
        {"GET / HTTP/2.0\r\n\r\n", EG_E_HEAD_VERSION_UNSUPPORTED},
        {HEAD " x\r\n\r\n", EG_E_HEAD_FOLDING},
        {HEAD "x y: z\r\n\r\n", EG_E_HEAD_FIELD_NAME},
        {"GET / HTTP/1.1\r\n\r\n", EG_E_HEAD_HOST},
        {HEAD "Host: a\r\n\r\n", EG_E_HEAD_HOST},
        {HEAD "Content-Length: x\r\n\r\n", EG_E_HEAD_CONTENT_LENGTH},
        {HEAD "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", EG_E_HEAD_CONTENT_LENGTH},
        {HEAD "Transfer-Encoding: x\r\n\r\n", EG_E_HEAD_TRANSFER_ENCODING},
        {HEAD "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", EG_E_HEAD_FRAMING},
        {HEAD "Content-Length:\t1\t\r\n\r\n", EG_E_HEAD_SECOND_OPINION},
        {HEAD "Expect: x\r\n\r\n", EG_E_HEAD_EXPECT},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_code(request_read(&r, cases[i].text), cases[i].code);
}
