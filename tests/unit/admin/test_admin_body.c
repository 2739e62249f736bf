#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "admin/admin_body.h"

/* What is wrong with it; "" when nothing is. */
static const char *wrong(const char *text)
{
    static char told[256];
    char *why = NULL;
    json_t *value = admin_body_parse(text, strlen(text), &why);

    cr_assert_eq(value == NULL, why != NULL, "%s", text);
    snprintf(told, sizeof(told), "%s", why ? why : "");
    json_decref(value);
    free(why);
    return told;
}

Test(admin_body, takes_any_one_value)
{
    static const char *const good[] = {"{}", "[]", "1", "\"x\"", "null", " {\"a\": [1, 2.5]} \n"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        cr_assert_str_empty(wrong(good[i]), "%s", good[i]);
}

Test(admin_body, refuses_what_two_readers_could_understand_differently)
{
    static const char *const bad[] = {
        "",           "{",          "{}{}",          "{\"a\":1,\"a\":2}", "{'a':1}",
        "{\"a\":1,}", "{\"a\":01}", "\"\\u0000\"",   "\"\xff\"",          "{\"a\":NaN}",
        "\"a\nb\"",   "// c\n{}",   "{\"a\":1e999}", "\"\\ud800\"",
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_not(strcmp(wrong(bad[i]), "") == 0, "%s", bad[i]);
}

static void nest(char *out, unsigned depth)
{
    memset(out, '[', depth);
    memset(out + depth, ']', depth);
    out[2 * depth] = '\0';
}

Test(admin_body, is_refused_before_it_is_parsed_when_it_is_nested_too_deep)
{
    char text[8192];

    nest(text, ADMIN_BODY_DEPTH);
    cr_assert_str_empty(wrong(text));
    nest(text, ADMIN_BODY_DEPTH + 1);
    cr_assert(strstr(wrong(text), "nested deeper"));
    nest(text, 4000);
    cr_assert(strstr(wrong(text), "nested deeper"));
}

Test(admin_body, brackets_in_texts_are_no_nesting)
{
    cr_assert_str_empty(wrong("\"[[[[[[[[[[[[[[[[[[[[[[[[[\""));
    cr_assert_str_empty(wrong("[\"\\\"[[[[[[[[[[[[[[[[[[[[\", \"{{{{{{{{{{{{{{{{{{{\"]"));
    cr_assert_str_empty(wrong("[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]"));
}

Test(admin_body, names_a_key_that_is_not_known)
{
    static const char *const known[] = {"a", "b", NULL};
    json_t *object = json_pack("{s:i,s:i}", "b", 1, "c", 2);

    cr_assert_str_eq(admin_body_unknown(object, known), "c");
    json_object_del(object, "c");
    cr_assert_null(admin_body_unknown(object, known));
    cr_assert_null(admin_body_unknown(NULL, known));
    json_decref(object);
}
