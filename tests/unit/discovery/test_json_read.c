/* JSON from strangers. */
#include <criterion/criterion.h>
#include <string.h>

#include "discovery/json_read.h"

static void expect(const char *text, const char *wanted)
{
    json_t *json = json_read(text, strlen(text));

    cr_assert_not_null(json, "%s", text);
    cr_expect_str_eq(json_string_value(json), wanted, "%s", text);
    json_decref(json);
}

Test(json_read, a_nul_is_a_replacement_character)
{
    expect("\"a\\u0000b\"", "a\xef\xbf\xbd"
                            "b");
    expect("\"\\u0000\\u0000\"", "\xef\xbf\xbd\xef\xbf\xbd");
    expect("\"\\\\\\u0000\"", "\\\xef\xbf\xbd");
}

Test(json_read, what_only_looks_like_one_stays)
{
    expect("\"\\\\u0000\"", "\\u0000");
    expect("\"\\u0000\\\\u0000\\n\"", "\xef\xbf\xbd\\u0000\n");
    expect("\"u0000\"", "u0000");
}

Test(json_read, keys_may_have_them_too)
{
    static const char text[] = "{\"a\\u0000\": 1}";
    json_t *json = json_read(text, strlen(text));

    cr_assert_not_null(json);
    cr_expect_eq(json_integer_value(json_object_get(json, "a\xef\xbf\xbd")), 1);
    json_decref(json);
}

Test(json_read, what_is_no_json_is_none)
{
    static const char *const texts[] = {
        "", "\\u0000", "{\"a\\u0000\": ", "\"\\u0000", "\"\\u0000\\", "\"\\u000"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        cr_expect_null(json_read(texts[i], strlen(texts[i])), "%s", texts[i]);
}
