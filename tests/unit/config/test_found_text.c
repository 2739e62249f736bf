/* Endpoints in libconfig's notation as JSON. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "config/found.h"

Test(found_text, groups_are_objects_and_lists_are_arrays)
{
    char *why = NULL, *text;
    json_t *json = config_json_from_libconfig(
        "endpoints.conf",
        "# two of them\nendpoints = ( { address = \"10.0.0.1:80\"; weight = 3; drain = true;\n"
        "  tags = [ \"a\", \"b\" ]; metadata = { version = \"${HOME} $$ $x\"; }; },\n"
        "  { address = \"b:80\"; weight = 1.5; } );\n",
        &why);

    cr_assert_not_null(json, "%s", why);
    text = json_dumps(json, JSON_COMPACT);
    cr_expect_str_eq(text,
                     "{\"endpoints\":[{\"address\":\"10.0.0.1:80\",\"weight\":3,\"drain\":true,"
                     "\"tags\":[\"a\",\"b\"],\"metadata\":{\"version\":\"${HOME} $$ $x\"}},"
                     "{\"address\":\"b:80\",\"weight\":0.5}]}");
    free(text);
    json_decref(json);
}

Test(found_text, nothing_is_an_empty_object)
{
    char *why = NULL;
    json_t *json = config_json_from_libconfig("endpoints.conf", "", &why);

    cr_assert_not_null(json, "%s", why);
    cr_expect(json_is_object(json));
    cr_expect_eq(json_object_size(json), 0);
    json_decref(json);
}

Test(found_text, mistakes_are_one_sentence_with_a_line)
{
    static const struct {
        const char *text, *says;
    } table[] = {
        {"a = (\n { b = 1; }\n", "line 1: "},
        {"a = 1;\na = 2;\n", "line 2: this key stands twice"},
        {"\n@include \"/etc/passwd\"\n", "line 2: @include works in files only"},
        {"a = 99999999999;\n", "line 1: 99999999999 is out of range"},
        {"a = \"caf\xe9\";\n", "line 1: a string is not UTF-8"},
        {"a = \"x\n", "line 1: a string is not closed"},
        {"{\"endpoints\": []}", "line 1: "},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char *why = NULL;
        json_t *json = config_json_from_libconfig("endpoints.conf", table[i].text, &why);

        cr_assert_null(json, "%s", table[i].text);
        cr_expect_not_null(strstr(why, table[i].says), "%s not in %s", table[i].says, why);
        free(why);
    }
}
