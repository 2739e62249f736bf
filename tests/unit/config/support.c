/* See support.h. */
#include "support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

char *support_print(const struct config_errors *errors)
{
    char *all = xstrdup("");

    for (size_t i = 0; i < errors->count; i++) {
        char *longer = xasprintf("%s%s:%u: %s\n", all, errors->v[i].file, errors->v[i].line,
                                 errors->v[i].message);

        free(all);
        all = longer;
    }
    return all;
}

struct config *support_load(const char *text)
{
    struct config *config = NULL;
    struct config_errors errors;
    int code = config_load_text(&config, "edge.conf", text, &errors);
    char *printed = support_print(&errors);

    cr_assert_eq(code, 0, "refused:\n%s\n%s", printed, text);
    cr_assert_eq(errors.count, 0);
    free(printed);
    config_errors_free(&errors);
    return config;
}

struct config_errors support_refuse(const char *text)
{
    struct config *config = NULL;
    struct config_errors errors;
    int code = config_load_text(&config, "edge.conf", text, &errors);

    cr_assert_eq(code, EG_E_INTERNAL, "accepted:\n%s", text);
    cr_assert_null(config);
    cr_assert_gt(errors.count, 0);
    return errors;
}

void support_check_mistakes(const struct support_mistake *mistakes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct config_errors errors = support_refuse(mistakes[i].text);
        char *printed = support_print(&errors);

        cr_expect_eq(errors.count, 1, "%zu mistakes instead of one:\n%s\n%s", errors.count, printed,
                     mistakes[i].text);
        cr_expect_eq(errors.v[0].line, mistakes[i].line, "line %u expected:\n%s\n%s",
                     mistakes[i].line, printed, mistakes[i].text);
        cr_expect_not_null(strstr(errors.v[0].message, mistakes[i].says),
                           "expected \"%s\":\n%s\n%s", mistakes[i].says, printed, mistakes[i].text);
        cr_expect_str_eq(errors.v[0].file, "edge.conf");
        free(printed);
        config_errors_free(&errors);
    }
}

char *support_directory_make(void)
{
    char *path = xstrdup("/tmp/evergate-config-XXXXXX");

    cr_assert_not_null(mkdtemp(path));
    return path;
}

static void remove_tree(const char *directory)
{
    DIR *d = opendir(directory);

    cr_assert_not_null(d);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        char *path;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        path = xasprintf("%s/%s", directory, e->d_name);
        if (unlink(path) != 0)
            remove_tree(path);
        free(path);
    }
    closedir(d);
    rmdir(directory);
}

void support_directory_remove(char **directory)
{
    remove_tree(*directory);
    free(*directory);
    *directory = NULL;
}

char *support_write(const char *directory, const char *name, const char *text)
{
    char *path = xasprintf("%s/%s", directory, name), *slash = strrchr(path, '/');
    FILE *f;

    *slash = '\0';
    mkdir(path, 0700);
    *slash = '/';
    f = fopen(path, "w");
    cr_assert_not_null(f);
    cr_assert_geq(fputs(text, f), 0);
    cr_assert_eq(fclose(f), 0);
    return path;
}
