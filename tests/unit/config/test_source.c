/* Files that include files, comments, and the environment in strings. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "support.h"

static struct config *load_file(const char *path, struct config_errors *ret_errors)
{
    struct config *config = NULL;
    int code = config_load(&config, path, ret_errors);

    cr_assert_eq(code == 0, config != NULL);
    return config;
}

Test(source, includes_are_relative_to_the_file_that_has_them)
{
    char *directory = support_directory_make();
    char *top = support_write(directory, "edge.conf", LISTENER "  @include \"parts/pools.conf\"\n");
    char *pools = support_write(directory, "parts/pools.conf", "@include \"app.conf\"\n");
    char *app = support_write(directory, "parts/app.conf", POOL);
    struct config_errors errors;
    struct config *config = load_file(top, &errors);

    cr_assert_not_null(config);
    cr_expect_eq(config->pool_count, 1);
    cr_expect_str_eq(config->file, top);
    config_unref(&config);
    config_errors_free(&errors);
    free(top);
    free(pools);
    free(app);
    support_directory_remove(&directory);
}

Test(source, mistakes_name_the_included_file_and_its_line)
{
    char *directory = support_directory_make();
    char *top =
        support_write(directory, "edge.conf", LISTENER "@include \"pools.conf\"\nworkers = -1;\n");
    char *pools = support_write(directory, "pools.conf",
                                "# one\n\npools = ( { backends = ( { address = \"x:0\"; } ); } );");
    struct config_errors errors;
    struct config *config = load_file(top, &errors);

    cr_assert_null(config);
    cr_assert_eq(errors.count, 2);
    cr_expect_str_eq(errors.v[0].file, pools);
    cr_expect_eq(errors.v[0].line, 3);
    cr_expect_str_eq(errors.v[1].file, top);
    cr_expect_eq(errors.v[1].line, 3);
    config_errors_free(&errors);
    free(top);
    free(pools);
    support_directory_remove(&directory);
}

static void check_include_mistake(const char *top_text, const char *other_text, unsigned line,
                                  const char *in, const char *says)
{
    char *directory = support_directory_make();
    char *top = support_write(directory, "edge.conf", top_text);
    char *other = support_write(directory, "other.conf", other_text);
    struct config_errors errors;
    struct config *config = load_file(top, &errors);
    char *printed = support_print(&errors);

    cr_assert_null(config);
    cr_expect_eq(errors.count, 1, "%s", printed);
    cr_expect_eq(errors.v[0].line, line, "%s", printed);
    cr_expect_not_null(strstr(errors.v[0].file, in), "%s", printed);
    cr_expect_not_null(strstr(errors.v[0].message, says), "%s", printed);
    config_errors_free(&errors);
    free(printed);
    free(top);
    free(other);
    support_directory_remove(&directory);
}

Test(source, includes_that_cannot_be_are_mistakes)
{
    check_include_mistake("\n@include \"edge.conf\"\n", "", 2, "edge.conf", "includes itself");
    check_include_mistake("@include \"other.conf\"\n", "\n\n@include \"edge.conf\"\n", 3,
                          "other.conf", "includes itself; remove this @include");
    check_include_mistake("@include \"nowhere.conf\"\n", "", 1, "edge.conf", "No such file");
    check_include_mistake("@include \"/\"\n", "", 1, "edge.conf", "it is not a file");
    check_include_mistake("@include other.conf\n", "", 1, "edge.conf",
                          "@include needs a file; write @include \"FILE\"");
    check_include_mistake("@include \"other.conf\"\n", "workers 1\n", 1, "other.conf",
                          "syntax error");
    check_include_mistake("@include \"other.conf\"\n", "/* open\n", 1, "other.conf",
                          "comment is not closed");
    check_include_mistake("@include \"other.conf\"\n", "listeners = (\n", 1, "other.conf",
                          "\"(\" is not closed");
}

Test(source, includes_in_comments_and_strings_are_text)
{
    struct config *config = support_load("/*\n@include \"nowhere\"\n*/\n// @include \"nowhere\"\n"
                                         "# @include \"nowhere\"\n" LISTENER POOL
                                         "routes = ( { respond = { body = \"// @include #\"\n"
                                         "\"/* more\"; }; } ); /* a */ workers /* b */ = 3;\n");

    cr_expect_str_eq(config->routes[0].respond.body, "// @include #/* more");
    cr_expect_eq(config->workers, 3);
    config_unref(&config);
}

Test(source, a_file_that_cannot_be_read_is_one_mistake_without_a_line)
{
    struct config_errors errors;

    cr_assert_null(load_file("/nowhere/edge.conf", &errors));
    cr_assert_eq(errors.count, 1);
    cr_expect_str_eq(errors.v[0].file, "/nowhere/edge.conf");
    cr_expect_eq(errors.v[0].line, 0);
    cr_expect_not_null(strstr(errors.v[0].message, "No such file or directory"));
    config_errors_free(&errors);
    cr_assert_null(load_file("/dev/zero", &errors));
    cr_expect_not_null(strstr(errors.v[0].message, "it is not a file"));
    config_errors_free(&errors);
}

Test(source, line_ends_of_windows_are_accepted)
{
    struct config *config = support_load("listeners = (\r\n{ bind = \":80\"; } );\r\n" POOL);

    cr_expect_str_eq(config->listeners[0].bind, ":80");
    config_unref(&config);
}

Test(source, an_empty_file_lacks_listeners_and_pools)
{
    struct config_errors errors = support_refuse("");

    cr_expect_eq(errors.count, 2);
    cr_expect_eq(errors.v[0].line, 1);
    config_errors_free(&errors);
}

/* ---- the environment ---- */

static void check_expansion(const char *written, const char *expected)
{
    char *text =
        xasprintf(LISTENER POOL "routes = ( { respond = { body = \"%s\"; }; } );\n", written);
    struct config *config = support_load(text);

    cr_expect_str_eq(config->routes[0].respond.body, expected, "%s", written);
    config_unref(&config);
    free(text);
}

Test(environment, references_are_expanded_in_strings)
{
    setenv("EG_TEST_SET", "value", 1);
    setenv("EG_TEST_EMPTY", "", 1);
    unsetenv("EG_TEST_UNSET");
    check_expansion("a ${EG_TEST_SET} b", "a value b");
    check_expansion("${EG_TEST_SET}${EG_TEST_SET}", "valuevalue");
    check_expansion("${EG_TEST_UNSET:-other}", "other");
    check_expansion("${EG_TEST_UNSET:-}", "");
    check_expansion("${EG_TEST_EMPTY:-other}", "other");
    check_expansion("${EG_TEST_EMPTY}", "");
    check_expansion("${EG_TEST_SET:-other}", "value");
    check_expansion("${EG_TEST_UNSET:-http://a:-b}", "http://a:-b");
    check_expansion("$$ $${EG_TEST_SET} 5$ $x $", "$ ${EG_TEST_SET} 5$ $x $");
}

Test(environment, expanded_text_may_stand_for_numbers_and_bools)
{
    struct config *config;

    setenv("EG_TEST_WORKERS", "3", 1);
    setenv("EG_TEST_BOOL", "true", 1);
    config = support_load("workers = \"${EG_TEST_WORKERS}\";\n" POOL
                          "listeners = ( { bind = \":${EG_TEST_PORT:-8081}\"; proxy_protocol = "
                          "\"${EG_TEST_BOOL}\"; } );\n");
    cr_expect_eq(config->workers, 3);
    cr_expect(config->listeners[0].proxy_protocol);
    cr_expect_str_eq(config->listeners[0].bind, ":8081");
    config_unref(&config);
}

Test(environment, mistakes_in_references_are_explained)
{
    static const struct {
        const char *written, *says;
    } table[] = {
        {"${EG_TEST_UNSET}", "environment variable EG_TEST_UNSET is not set; set it, or write "
                             "${EG_TEST_UNSET:-default}"},
        {"${}", "\"${}\" is no reference"},
        {"${a b}", "\"${a b}\" is no reference"},
        {"${1A}", "is no reference"},
        {"${EG_TEST", "\"${\" is not closed"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char *text = xasprintf(LISTENER POOL "\nroutes = ( { respond = { body = \"%s\"; }; } );\n",
                               table[i].written);
        struct config_errors errors = support_refuse(text);

        cr_expect_eq(errors.count, 1);
        cr_expect_eq(errors.v[0].line, 4);
        cr_expect_not_null(strstr(errors.v[0].message, table[i].says), "%s", errors.v[0].message);
        config_errors_free(&errors);
        free(text);
    }
}
