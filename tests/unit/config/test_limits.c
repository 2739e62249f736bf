/* Everything has a limit: what is over it is a mistake that says so. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "support.h"

/* `piece` repeated, with %zu in it replaced by its number (heap). */
static char *repeat(const char *before, const char *piece, size_t count, const char *after)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    cr_assert_not_null(f);
    fputs(before, f);
    for (size_t i = 0; i < count; i++) {
        const char *mark = strchr(piece, '@');

        if (mark == NULL)
            fputs(piece, f);
        else
            fprintf(f, "%.*s%zu%s", (int)(mark - piece), piece, i + 1, mark + 1);
    }
    fputs(after, f);
    cr_assert_eq(fclose(f), 0);
    return text;
}

static void check_limit(char *text, unsigned line, const char *says)
{
    struct config_errors errors = support_refuse(text);
    char *printed = support_print(&errors);

    cr_expect_eq(errors.count, 1, "%s", printed);
    cr_expect_eq(errors.v[0].line, line, "%s", printed);
    cr_expect_not_null(strstr(errors.v[0].message, says), "%s not in\n%s", says, printed);
    free(printed);
    config_errors_free(&errors);
    free(text);
}

Test(limits, of_counts_are_enforced)
{
    check_limit(repeat(POOL "listeners = ( { bind = \":1\"; }", ",\n{ bind = \"127.0.0.1:2@\"; }",
                       256, ");"),
                2, "listeners has 257 elements; write at most 256");
    check_limit(repeat(LISTENER POOL "routes = ( { pool = \"app\"; headers = ( ",
                       "{ name = \"a\"; }, ", 32, "{ name = \"b\"; } ); } );"),
                3, "headers has 33 elements; write at most 32");
    check_limit(repeat(LISTENER "pools = ( { backends = ( { address = \"a:1\"; metadata = { ",
                       "k@ = \"v\"; ", 65, "}; } ); } );"),
                2, "metadata has 65 keys; write at most 64");
}

Test(limits, of_lengths_are_enforced)
{
    check_limit(repeat(LISTENER "routes = ( { respond = { body = \"", "0123456789abcdef", 4097,
                       "\"; }; } );"),
                2, "a string is longer than 64k");
    check_limit(repeat(LISTENER POOL
                       "routes = ( { pool = \"app\"; path_match = \"regex\"; path = \"",
                       "abcdefgh", 129, "\"; } );"),
                3, "is longer than 1024 characters");
    check_limit(repeat(LISTENER "pools = ( { backends = ( { id = \"x\"; address = \"unix:",
                       "/abcdefg", 14, "\"; } ); } );"),
                2, "at most 107 characters");
    check_limit(repeat(LISTENER "pools = ( { name = \"", "abcdefghi", 15,
                       "\"; backends = ( { address = \"a:1\"; } ); } );"),
                2, "cannot be a name; write 1 to 128 letters");
}

Test(limits, of_files_are_enforced)
{
    char *directory = support_directory_make();
    char *paths[12];
    struct config_errors errors;
    struct config *config = NULL;

    for (int i = 0; i < 12; i++) {
        char name[16], text[32];

        snprintf(name, sizeof(name), "%d.conf", i);
        snprintf(text, sizeof(text), "@include \"%d.conf\"\n", i + 1);
        paths[i] = support_write(directory, name, i < 11 ? text : "");
    }
    cr_assert_neq(config_load(&config, paths[0], &errors), 0);
    cr_expect_eq(errors.count, 1);
    cr_expect_str_eq(errors.v[0].file, paths[10]);
    cr_expect_not_null(strstr(errors.v[0].message, "more than 10 files include each other"));
    config_errors_free(&errors);
    for (int i = 0; i < 12; i++)
        free(paths[i]);
    support_directory_remove(&directory);
}

Test(limits, do_not_hinder_large_configurations)
{
    char *text =
        repeat(LISTENER "pools = ( { backends = (\n", "{ id = \"b@\"; address = \"a:1\"; },\n",
               5000, "{ address = \"b:1\"; } ); } );\n");
    struct config *config = support_load(text);

    cr_expect_eq(config->pools[0].backend_count, 5001);
    cr_expect_str_eq(config->pools[0].backends[4999].id, "b5000");
    config_unref(&config);
    free(text);
}

Test(limits, a_file_with_a_nul_is_no_text)
{
    char *directory = support_directory_make(), *path = xasprintf("%s/nul.conf", directory);
    struct config_errors errors;
    struct config *config = NULL;
    FILE *f = fopen(path, "w");

    cr_assert_not_null(f);
    fwrite(LISTENER "\0" POOL, 1, sizeof(LISTENER "\0" POOL) - 1, f);
    fclose(f);
    cr_assert_neq(config_load(&config, path, &errors), 0);
    cr_expect_not_null(strstr(errors.v[0].message, "it holds a NUL byte"));
    config_errors_free(&errors);
    free(path);
    support_directory_remove(&directory);
}
