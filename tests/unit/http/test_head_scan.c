#include "http_fixture.h"

static int scan_all(const char *p, size_t n, size_t *ret_size)
{
    struct http_head_scan scan = {0};

    return http_head_scan(&scan, p, n, &fixture_limits, ret_size);
}

Test(head_scan, finds_the_end_and_ignores_what_follows)
{
    static const char text[] = "GET / HTTP/1.1\r\nA: b\r\n\r\nGET";
    size_t size = 0;

    cr_expect_code(scan_all(text, sizeof(text) - 1, &size), EG_OK);
    cr_expect_eq(size, sizeof(text) - 1 - 3);
}

Test(head_scan, goes_on_where_it_stopped)
{
    static const char text[] = "\r\nGET / HTTP/1.1\r\nA: b\tc\r\n\r\n";
    struct http_head_scan scan = {0};
    size_t size = 0, n = sizeof(text) - 1;

    for (size_t i = 0; i < n; i++)
        cr_expect_code(http_head_scan(&scan, text, i, &fixture_limits, &size), EG_E_AGAIN);
    cr_expect_geq(scan.position, n - 4);
    cr_expect_code(http_head_scan(&scan, text, n, &fixture_limits, &size), EG_OK);
    cr_expect_eq(size, n);
}

Test(head_scan, an_error_is_reported_with_the_byte_that_settles_it)
{
    static const struct {
        const char *text;
        size_t settled; /* bytes needed */
        int code;
    } cases[] = {
        {"\nGET", 1, EG_E_HEAD_BARE_LF},
        {" GET", 1, EG_E_HEAD_REQUEST_LINE},
        {"\x16\x03\x01", 1, EG_E_HEAD_REQUEST_LINE},
        {"\r\n\r\nGET", 3, EG_E_HEAD_REQUEST_LINE},
        {"\r\n\nGET", 3, EG_E_HEAD_BARE_LF},
        {"\rGET", 2, EG_E_HEAD_BARE_CR},
        {"GET /\nx", 6, EG_E_HEAD_BARE_LF},
        {"GET /\rx", 7, EG_E_HEAD_BARE_CR},
        {"GET / HTTP/1.1\r\nA\x01", 18, EG_E_HEAD_CONTROL},
        {"GET / HTTP/1.1\r\nA\x7f", 18, EG_E_HEAD_CONTROL},
        {"GET / HTTP/1.1\r\n\rX", 18, EG_E_HEAD_BARE_CR},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t size = 0;

        cr_expect_code(scan_all(cases[i].text, cases[i].settled - 1, &size), EG_E_AGAIN);
        cr_expect_code(scan_all(cases[i].text, cases[i].settled, &size), cases[i].code);
        cr_expect_code(scan_all(cases[i].text, strlen(cases[i].text), &size), cases[i].code);
    }
}

/* The scan looks at eight bytes at a time: a control character in any of their places counts, and
 * none of the other characters does. */
Test(head_scan, every_byte_is_judged_in_every_place)
{
    for (int c = 0; c < 256; c++) {
        bool control = (c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f;
        unsigned wrong = 0;

        if (c == '\r' || c == '\n')
            continue;
        for (size_t place = 1; place < 24; place++) {
            char text[32];
            size_t size = 0;

            memset(text, '\xff', sizeof(text));
            text[0] = 'G';
            text[place] = (char)c;
            wrong +=
                scan_all(text, sizeof(text), &size) != (control ? EG_E_HEAD_CONTROL : EG_E_AGAIN);
        }
        cr_expect_eq(wrong, 0, "byte %d", c);
    }
}

Test(head_scan, the_limit_counts_the_empty_line)
{
    static const char text[] = "GET / HTTP/1.1\r\nA: b\r\n\r\n";
    struct http_limits exact = {sizeof(text) - 1, 10}, less = {sizeof(text) - 2, 10};
    struct http_head_scan scan = {0};
    size_t size = 0;

    cr_expect_code(http_head_scan(&scan, text, sizeof(text) - 1, &exact, &size), EG_OK);
    scan.position = 0;
    cr_expect_code(http_head_scan(&scan, text, sizeof(text) - 1, &less, &size),
                   EG_E_HEAD_TOO_LARGE);
    scan.position = 0;
    cr_expect_code(http_head_scan(&scan, text, sizeof(text) - 3, &less, &size), EG_E_AGAIN);
}

Test(head_scan, a_request_line_over_the_limit_is_a_target_too_long)
{
    struct http_limits limits = {16, 10};
    struct http_head_scan scan = {0};
    size_t size = 0;

    cr_expect_code(http_head_scan(&scan, "GET /aaaaaaaaaaaaaaaa", 16, &limits, &size),
                   EG_E_TARGET_TOO_LONG);
}
