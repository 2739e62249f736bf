#include "http/head_internal.h"
#include "http_fixture.h"

static struct request_fixture request;

static const struct http_fields *fields_of(const char *lines)
{
    static char text[2048];

    snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);
    cr_assert_eq(request_read(&request, text), EG_OK);
    return &request.head.fields;
}

Test(fields, every_name_of_the_table_is_found_in_any_case)
{
    static const struct {
        const char *name;
        enum http_field_id id;
    } table[] = {
#define X(id, name) {name, HTTP_FIELD_##id},
        HTTP_FIELD_TABLE(X)
#undef X
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char upper[32] = {0};

        for (size_t c = 0; table[i].name[c]; c++)
            upper[c] =
                (char)(table[i].name[c] >= 'a' && table[i].name[c] <= 'z' ? table[i].name[c] - 32
                                                                          : table[i].name[c]);
        cr_expect_eq(http_field_id_of(slice_str(table[i].name)), table[i].id, "%s", table[i].name);
        cr_expect_eq(http_field_id_of(slice_str(upper)), table[i].id, "%s", upper);
        upper[0] ^= 1;
        cr_expect_eq(http_field_id_of(slice_str(upper)), HTTP_FIELD_OTHER, "%s", upper);
    }
}

Test(fields, other_names_are_other)
{
    static const char *const names[] = {"",
                                        "x",
                                        "hos",
                                        "hosts",
                                        "Content_Length",
                                        "content-lengt\r",
                                        "transfer-encodinG2",
                                        "a-name-longer-than-any-of-the-table"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        cr_expect_eq(http_field_id_of(slice_str(names[i])), HTTP_FIELD_OTHER, "%s", names[i]);
}

Test(fields, get_and_find_return_the_first_of_a_name)
{
    const struct http_fields *f = fields_of("Accept: 1\r\nACCEPT: 2\r\nX-A: 3\r\nx-a: 4\r\n");

    cr_expect_slice(http_fields_get(f, HTTP_FIELD_ACCEPT)->value, "1");
    cr_expect_slice(http_fields_find(f, SLICE_LIT("accept"))->value, "1");
    cr_expect_slice(http_fields_find(f, SLICE_LIT("x-A"))->value, "3");
    cr_expect_null(http_fields_find(f, SLICE_LIT("x-b")));
    cr_expect_null(http_fields_find(f, SLICE_LIT("cookie")));
    cr_expect_null(http_fields_get(f, HTTP_FIELD_COOKIE));
    cr_expect(http_fields_has(f, HTTP_FIELD_ACCEPT) && !http_fields_has(f, HTTP_FIELD_COOKIE));
}

Test(fields, values_lose_the_white_space_around_them)
{
    const struct http_fields *f = fields_of("A:x\r\nB: \t x y \t \r\nC:\r\nD:  \t\r\n");

    cr_expect_slice(f->v[1].value, "x");
    cr_expect_slice(f->v[2].value, "x y");
    cr_expect_slice(f->v[3].value, "");
    cr_expect_slice(f->v[4].value, "");
}

Test(fields, lists_are_searched_over_all_fields_of_a_name)
{
    const struct http_fields *f = fields_of("TE: gzip;q=0.5,trailers\r\nTE: ,, Deflate ,\r\n");

    cr_expect(http_fields_list_has(f, HTTP_FIELD_TE, SLICE_LIT("trailers")));
    cr_expect(http_fields_list_has(f, HTTP_FIELD_TE, SLICE_LIT("deflate")));
    cr_expect_not(http_fields_list_has(f, HTTP_FIELD_TE, SLICE_LIT("gzip")));
    cr_expect_not(http_fields_list_has(f, HTTP_FIELD_TE, SLICE_LIT("")));
    cr_expect_not(http_fields_list_has(f, HTTP_FIELD_CONNECTION, SLICE_LIT("close")));
}

Test(fields, a_list_gives_its_members_trimmed_and_skips_empty_ones)
{
    struct slice rest = SLICE_LIT(" a ,,b\t, c d ,"), item;

    cr_assert(http_list_next(&rest, &item));
    cr_expect_slice(item, "a");
    cr_assert(http_list_next(&rest, &item));
    cr_expect_slice(item, "b");
    cr_assert(http_list_next(&rest, &item));
    cr_expect_slice(item, "c d");
    cr_expect_not(http_list_next(&rest, &item));
    cr_expect_not(http_list_next(&rest, &item));
}

Test(fields, framing_and_hop_by_hop_names_are_reserved)
{
    static const char *const reserved[] = {"Content-Length", "transfer-encoding", "CONNECTION",
                                           "Keep-Alive",     "Proxy-Connection",  "TE",
                                           "Trailer",        "Upgrade",           "HTTP2-Settings",
                                           "Expect"};
    static const char *const allowed[] = {"Host", "X-Forwarded-For", "Via", "Cookie", "x", ""};

    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
        cr_expect(http_field_is_reserved(slice_str(reserved[i])), "%s", reserved[i]);
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
        cr_expect_not(http_field_is_reserved(slice_str(allowed[i])), "%s", allowed[i]);
}

Test(fields, a_token_is_tchars_and_not_empty)
{
    for (int c = 0; c < 256; c++) {
        char byte = (char)c;
        bool tchar = c && ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                           (c >= 'a' && c <= 'z') || strchr("!#$%&'*+-.^_`|~", c));

        cr_expect_eq(http_is_token(slice_from(&byte, 1)), tchar, "byte %d", c);
    }
    cr_expect_not(http_is_token(SLICE_LIT("")));
    cr_expect_not(http_is_token(SLICE_LIT("a b")));
}

Test(fields, a_field_value_has_no_controls_and_no_white_space_around_it)
{
    cr_expect(http_is_field_value(SLICE_LIT("")));
    cr_expect(http_is_field_value(SLICE_LIT("a \t \xff b")));
    cr_expect_not(http_is_field_value(SLICE_LIT(" a")));
    cr_expect_not(http_is_field_value(SLICE_LIT("a\t")));
    cr_expect_not(http_is_field_value(SLICE_LIT("a\r\nb")));
    cr_expect_not(http_is_field_value(SLICE_LIT("a\0b")));
    cr_expect_not(http_is_field_value(SLICE_LIT("a\x7f")));
}

Test(fields, a_list_of_names_knows_prefixes)
{
    static const char list[] = "cookie if-* x-*";

    cr_expect(http_name_listed(SLICE_LIT("Cookie"), list));
    cr_expect(http_name_listed(SLICE_LIT("If-Match"), list));
    cr_expect(http_name_listed(SLICE_LIT("x-"), list));
    cr_expect_not(http_name_listed(SLICE_LIT("cookies"), list));
    cr_expect_not(http_name_listed(SLICE_LIT("cook"), list));
    cr_expect_not(http_name_listed(SLICE_LIT("if"), list));
    cr_expect_not(http_name_listed(SLICE_LIT(""), list));
}
