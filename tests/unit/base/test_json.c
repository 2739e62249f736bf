#include <criterion/criterion.h>

#include "base/json.h"

static void expect(struct slice in, const char *want)
{
    char out[256];
    char *end = json_escape(out, out + sizeof(out), in);

    cr_assert(end != NULL);
    cr_assert_eq((size_t)(end - out), strlen(want), "%.*s", (int)(end - out), out);
    cr_assert_arr_eq(out, want, strlen(want), "%.*s", (int)(end - out), out);
}

Test(json, plain_text_stays_as_it_is)
{
    expect(SLICE_LIT("GET /v1/items?x=1&y=~"), "GET /v1/items?x=1&y=~");
    expect(SLICE_LIT(""), "");
}

Test(json, quotes_and_controls_are_escaped)
{
    expect(SLICE_LIT("a\"b\\c"), "a\\\"b\\\\c");
    expect(SLICE_LIT("\b\f\n\r\t"), "\\b\\f\\n\\r\\t");
    expect(slice_from("\0\x1f\x7f", 3), "\\u0000\\u001f\\u007f");
}

Test(json, utf8_passes)
{
    expect(SLICE_LIT("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\xa6"),
           "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9a\xa6");
    expect(SLICE_LIT("\xf4\x8f\xbf\xbf"), "\xf4\x8f\xbf\xbf");
}

Test(json, what_is_not_utf8_is_replaced_byte_by_byte)
{
    static const struct {
        const char *in;
        size_t n;
        const char *want;
    } cases[] = {
        {"\x80", 1, "\\ufffd"},                                  /* a continuation alone */
        {"\xc0\xaf", 2, "\\ufffd\\ufffd"},                       /* overlong '/' */
        {"\xe0\x80\xaf", 3, "\\ufffd\\ufffd\\ufffd"},            /* overlong, three bytes */
        {"\xed\xa0\x80", 3, "\\ufffd\\ufffd\\ufffd"},            /* a surrogate */
        {"\xf4\x90\x80\x80", 4, "\\ufffd\\ufffd\\ufffd\\ufffd"}, /* beyond U+10FFFF */
        {"\xf8", 1, "\\ufffd"},
        {"\xe2\x82", 2, "\\ufffd\\ufffd"}, /* cut short by the end */
        {"\xe2\x82x", 3, "\\ufffd\\ufffdx"},
        {"\xc3\"", 2, "\\ufffd\\\""}, /* a quote may not hide behind a lead byte */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect(slice_from(cases[i].in, cases[i].n), cases[i].want);
}

Test(json, every_capacity_that_is_too_small_is_refused)
{
    struct slice in = SLICE_LIT("ab\n\xe2\x82\xac\x01\xff");
    char out[64];
    size_t need = (size_t)(json_escape(out, out + sizeof(out), in) - out);

    cr_assert_eq(need, 2 + 2 + 3 + 6 + 6);
    for (size_t capacity = 0; capacity < need; capacity++)
        cr_assert_null(json_escape(out, out + capacity, in), "%zu", capacity);
    cr_assert_not_null(json_escape(out, out + need, in));
}

Test(json, a_plain_prefix_ends_at_the_first_special_byte_wherever_it_stands)
{
    char text[20];

    for (unsigned c = 0; c < 256; c++) {
        bool plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';

        for (size_t at = 0; at < sizeof(text); at++) {
            memset(text, 'x', sizeof(text));
            text[at] = (char)c;
            cr_assert_eq(json_plain_prefix(slice_from(text, sizeof(text))),
                         plain ? sizeof(text) : at, "byte %u at %zu", c, at);
        }
    }
    cr_assert_eq(json_plain_prefix(slice_from(NULL, 0)), 0u);
}
