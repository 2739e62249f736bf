/* Programs are found as a shell would find them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/program.h"

static void make_program(const char *path)
{
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fputs("#!/bin/sh\n", file);
    fclose(file);
    cr_assert_eq(chmod(path, 0755), 0);
}

Test(program, is_found_as_a_shell_would_and_links_are_not_followed)
{
    char directory[] = "/tmp/evergate-spawn-XXXXXX";
    char *path, *link, *search, *found;

    cr_assert_not_null(mkdtemp(directory));
    path = xasprintf("%s/gate-1", directory);
    link = xasprintf("%s/gate", directory);
    search = xasprintf("/nonexistent:%s:/bin", directory);
    make_program(path);
    cr_assert_eq(symlink("gate-1", link), 0);

    found = program_find("gate", search);
    cr_assert_str_eq(found, link, "a link that is pointed elsewhere later is followed then");
    free(found);
    found = program_find(path, "");
    cr_assert_str_eq(found, path);
    free(found);
    cr_assert_null(program_find("gate-2", search));
    cr_assert_null(program_find(directory, search), "a directory is no program");
    cr_assert_eq(chdir(directory), 0);
    found = program_find("./gate-1", "");
    cr_assert_eq(access(found, X_OK), 0);
    cr_assert_eq(found[0], '/');
    free(found);

    unlink(link);
    unlink(path);
    rmdir(directory);
    free(search);
    free(link);
    free(path);
}
