/* A reading notes the files that it looked at: all of them where it is good, and as far as it came
 * where it is not. Whoever watches a configuration watches those. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/config.h"

static char directory[64];
static const char *const names[] = {"main.conf", "part.conf", "token", "late.conf"};

static char *path_of(const char *name)
{
    return xasprintf("%s/%s", directory, name);
}

static void write_text(const char *name, const char *text)
{
    char *path = path_of(name);
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

static void setup(void)
{
    snprintf(directory, sizeof(directory), "/tmp/evergate-files-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    write_text("part.conf", "listeners = ( { bind = \"127.0.0.1:0\"; } );\n"
                            "routes = ( { respond = { status = 200; }; } );\n");
    write_text("token", "0123456789abcdef\n");
}

static void teardown(void)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = path_of(names[i]);

        unlink(path);
        free(path);
    }
    cr_expect_eq(rmdir(directory), 0);
}

/* `name` is the index'th, and was as it is now. */
static void expect_file(const struct config_files *files, size_t index, const char *name)
{
    char *path = path_of(name);
    struct file_identity now = file_identity_of_path(path);

    cr_assert_lt(index, files->count);
    cr_expect_str_eq(files->v[index].path, path);
    cr_expect(file_identity_equal(&files->v[index].identity, &now));
    free(path);
}

static struct config *load(struct config_errors *ret_errors)
{
    struct config *config = NULL;
    char *path = path_of("main.conf");
    int rc = config_load(&config, path, ret_errors);

    cr_expect_eq(rc == 0, config != NULL);
    free(path);
    return config;
}

Test(files_read, a_good_reading_notes_what_it_includes_and_what_it_names, .init = setup,
     .fini = teardown)
{
    struct config_errors errors;
    struct config *config;

    write_text("main.conf", "@include \"part.conf\"\nadmin = { token_file = \"token\"; };\n");
    config = load(&errors);
    cr_assert_not_null(config);
    cr_expect_eq(config->files.count, 3);
    expect_file(&config->files, 0, "main.conf");
    expect_file(&config->files, 1, "part.conf");
    expect_file(&config->files, 2, "token");
    cr_expect_not(config->files.more);
    config_unref(&config);
    config_errors_free(&errors);
}

Test(files_read, a_reading_that_fails_notes_the_file_that_is_not_there, .init = setup,
     .fini = teardown)
{
    struct config_errors errors;

    write_text("main.conf", "@include \"part.conf\"\n@include \"late.conf\"\n");
    cr_expect_null(load(&errors));
    cr_expect_eq(errors.files.count, 3);
    expect_file(&errors.files, 2, "late.conf");
    config_errors_free(&errors);
}

Test(files_read, a_file_that_is_named_twice_is_noted_once, .init = setup, .fini = teardown)
{
    struct config_errors errors;
    struct config *config;

    write_text("late.conf", "# nothing\n");
    write_text("main.conf",
               "@include \"late.conf\"\n@include \"part.conf\"\n@include \"late.conf\"\n");
    config = load(&errors);
    cr_assert_not_null(config);
    cr_expect_eq(config->files.count, 3);
    config_unref(&config);
    config_errors_free(&errors);
}

Test(files_read, more_files_than_are_noted_are_told, .init = setup, .fini = teardown)
{
    char *text = xstrdup("@include \"part.conf\"\npools = ("), *more;
    struct config_errors errors;

    for (int i = 0; i < 70; i++) {
        more = xasprintf("%s%s { name = \"p%d\"; tls = { ca = \"missing%d\"; }; }", text,
                         i > 0 ? "," : "", i, i);
        free(text);
        text = more;
    }
    more = xasprintf("%s);\n", text);
    write_text("main.conf", more);
    free(text);
    free(more);
    cr_expect_null(load(&errors));
    cr_expect_eq(errors.files.count, 64);
    cr_expect(errors.files.more);
    config_errors_free(&errors);
}
