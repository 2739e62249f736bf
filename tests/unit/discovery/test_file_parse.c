/* Both languages, told apart by how they begin; what is neither is refused as a whole. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/file_parse.h"

static void expect(const char *text, const char *wanted)
{
    char why[FILE_PARSE_WHY_BYTES] = "";
    json_t *endpoints = file_parse(slice_str(text), why);
    char *got = endpoints != NULL ? json_dumps(endpoints, JSON_COMPACT | JSON_SORT_KEYS) : NULL;

    cr_assert_not_null(got, "%s: %s", text, why);
    cr_expect_str_eq(got, wanted, "%s: %s", text, got);
    free(got);
    json_decref(endpoints);
}

static void refuse(const char *text, size_t size, const char *says)
{
    char why[FILE_PARSE_WHY_BYTES] = "";
    json_t *endpoints = file_parse(slice_from(text, size), why);

    cr_expect_null(endpoints, "%s", text);
    cr_expect_not_null(strstr(why, says), "%s: \"%s\", not \"%s\"", text, why, says);
    json_decref(endpoints);
}

Test(file_parse, takes_an_object_or_a_bare_array)
{
    expect("{\"endpoints\": [{\"address\": \"h:1\"}]}", "[{\"address\":\"h:1\"}]");
    expect("{\"made_by\": \"a tool\", \"endpoints\": []}", "[]");
    expect(" \n\t[{\"id\": \"a\", \"weight\": 2}]\n", "[{\"id\":\"a\",\"weight\":2}]");
    expect("\xef\xbb\xbf[]", "[]");
}

Test(file_parse, takes_libconfig)
{
    expect("endpoints = ( { id = \"a\"; address = \"h:1\"; weight = 3; tags = [\"x\", \"y\"]; },\n"
           "              { id = \"b\"; backup = true; metadata = { k = \"v\"; }; } );",
           "[{\"address\":\"h:1\",\"id\":\"a\",\"tags\":[\"x\",\"y\"],\"weight\":3},"
           "{\"backup\":true,\"id\":\"b\",\"metadata\":{\"k\":\"v\"}}]");
    expect("# a comment\nendpoints : ();", "[]");
    expect("// [another]\n/* {one} */ endpoints = ();\n", "[]");
}

Test(file_parse, leaves_what_the_entries_hold_to_others)
{
    expect("[1, null, {\"address\": 5}]", "[1,null,{\"address\":5}]");
}

Test(file_parse, refuses_what_is_half_written)
{
    static const char whole[] = "{\"endpoints\": [{\"address\": \"h:1\"}, {\"address\": \"h:2\"}]}";
    static const char other[] = "endpoints = ( { address = \"h:1\"; } );";

    for (size_t n = 0; n < strlen(whole); n++) {
        char *part = strndup(whole, n);

        refuse(part, n, n == 0 ? "empty" : "line 1");
        free(part);
    }
    for (size_t n = 1; n < strlen(other) - 1; n++) { /* the last semicolon may be left out */
        char *part = strndup(other, n);

        refuse(part, n, "");
        free(part);
    }
}

Test(file_parse, says_what_is_wrong)
{
    refuse("{}", 2, "no \"endpoints\"");
    refuse("{\"endpoints\": {}}", 17, "is no array");
    refuse(" \n", 2, "it is empty");
    refuse("[]\n[]", 5, "line 2");
    refuse("{\"endpoints\": [], \"endpoints\": []}", 34, "duplicate");
    refuse("backends = ();", 14, "endpoints");
    refuse("endpoints = 5;", 14, "endpoints");
    refuse("endpoints = ();\0[", 17, "NUL");
}
