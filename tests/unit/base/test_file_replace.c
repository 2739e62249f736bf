/* A file is the old one or the new one, whole, and a link to it stays one. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file_replace.h"

static char directory[64];

static void setup(void)
{
    snprintf(directory, sizeof(directory), "/tmp/evergate-replace-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
}

static char *path_of(const char *name)
{
    return xasprintf("%s/%s", directory, name);
}

static void remove_file(const char *name)
{
    char *path = path_of(name);

    unlink(path);
    free(path);
}

/* Nothing is left beside what a test knows of. */
static void teardown(void)
{
    remove_file("file");
    remove_file("link");
    cr_expect_eq(rmdir(directory), 0);
}

TestSuite(file_replace, .init = setup, .fini = teardown);

static void expect_content(const char *path, const char *wanted)
{
    char text[64] = "";
    FILE *f = fopen(path, "r");

    cr_assert_not_null(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    cr_expect_str_eq(text, wanted);
}

Test(file_replace, makes_a_file_for_its_owner_only_and_replaces_it)
{
    char *path = path_of("file");
    struct stat st;

    cr_assert(file_replace(path, SLICE_LIT("one")));
    expect_content(path, "one");
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600u);
    cr_assert(file_replace(path, SLICE_LIT("")));
    expect_content(path, "");
    free(path);
}

Test(file_replace, follows_a_link_that_leads_nowhere_yet_too)
{
    char *file = path_of("file"), *link = path_of("link");
    struct stat st;

    cr_assert_eq(symlink("file", link), 0);
    cr_assert(file_replace(link, SLICE_LIT("one")));
    cr_assert(file_replace(link, SLICE_LIT("two")));
    expect_content(file, "two");
    cr_assert_eq(lstat(link, &st), 0);
    cr_expect(S_ISLNK(st.st_mode));
    free(file);
    free(link);
}

Test(file_replace, leaves_nothing_behind_when_it_fails)
{
    char *missing = path_of("missing/file");

    cr_expect(!file_replace(missing, SLICE_LIT("one")));
    cr_expect_eq(errno, ENOENT);
    cr_expect(!file_replace(directory, SLICE_LIT("one")), "a directory is in its place");
    free(missing);
}
