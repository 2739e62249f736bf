/* What tells two states of a file apart, and what does not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file_identity.h"

static char path[64], other[80];

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");

    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

static void setup(void)
{
    int fd;

    snprintf(path, sizeof(path), "/tmp/evergate-identity-XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    snprintf(other, sizeof(other), "%s.other", path);
    write_text(path, "one");
}

static void teardown(void)
{
    unlink(path);
    unlink(other);
}

static bool is(struct file_identity before)
{
    struct file_identity now = file_identity_of_path(path);

    return file_identity_equal(&before, &now);
}

Test(file_identity, a_file_that_nobody_touches_is_the_same, .init = setup, .fini = teardown)
{
    cr_expect(is(file_identity_of_path(path)));
}

Test(file_identity, another_size_is_another, .init = setup, .fini = teardown)
{
    struct file_identity before = file_identity_of_path(path);

    write_text(path, "three");
    cr_expect_not(is(before));
}

Test(file_identity, another_time_is_another, .init = setup, .fini = teardown)
{
    const struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 1000000000}};
    struct file_identity before = file_identity_of_path(path);

    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    cr_expect_not(is(before));
}

Test(file_identity, a_file_in_its_place_is_another, .init = setup, .fini = teardown)
{
    struct file_identity before = file_identity_of_path(path);

    write_text(other, "one");
    cr_assert_eq(rename(other, path), 0);
    cr_expect_not(is(before));
}

Test(file_identity, none_is_like_none_and_like_nothing_else, .init = setup, .fini = teardown)
{
    struct file_identity before = file_identity_of_path(path), none;

    cr_assert_eq(unlink(path), 0);
    none = file_identity_of_path(path);
    cr_expect_eq(none.error, ENOENT);
    cr_expect_not(is(before));
    cr_expect(is(none));
}

Test(file_identity, links_are_followed, .init = setup, .fini = teardown)
{
    struct file_identity through, direct = file_identity_of_path(path);

    cr_assert_eq(symlink(path, other), 0);
    through = file_identity_of_path(other);
    cr_expect(file_identity_equal(&through, &direct));
}
