/* Where webhooks go. */
#include <criterion/criterion.h>

#include "client/url.h"

static void expect(const char *text, bool tls, const char *host, unsigned port, const char *target)
{
    struct url url;

    cr_assert_eq(url_parse(&url, text), EG_OK, "%s", text);
    cr_expect_eq(url.tls, tls, "%s", text);
    cr_expect(slice_eq(url.host, slice_str(host)), "%s: %.*s", text, SLICE_FMT(url.host));
    cr_expect_eq(url.port, port, "%s: %u", text, url.port);
    cr_expect(slice_eq(url.target, slice_str(target)), "%s: %.*s", text, SLICE_FMT(url.target));
}

Test(url, is_taken_apart)
{
    expect("http://127.0.0.1:9000/repair", false, "127.0.0.1", 9000, "/repair");
    expect("https://ops.example.com/hook?team=a", true, "ops.example.com", 443, "/hook?team=a");
    expect("HTTP://ops", false, "ops", 80, "/");
    expect("http://[::1]:81/", false, "::1", 81, "/");
    expect("http://[::1]", false, "::1", 80, "/");
}

Test(url, what_is_none_is_refused)
{
    static const char *const wrong[] = {
        "",
        "ftp://a/",
        "127.0.0.1:80",
        "http://",
        "http:///x",
        "http://:80/",
        "http://a:0/",
        "http://a:65536/",
        "http://a:/",
        "http://a:8x/",
        "http://user@a/",
        "http://a/b c",
        "http://a/b\r\nX: y",
        "http://a/#f",
        "http://a?b",
        "http://[::1",
        "http://[::1]x/",
        "http://[]/",
    };
    struct url url;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_expect_eq(url_parse(&url, wrong[i]), EG_E_INTERNAL, "%s", wrong[i]);
}
