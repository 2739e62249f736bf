#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/whole_file.h"

static char directory[] = "/tmp/whole_fileXXXXXX";
static char path[64];

static void setup(void)
{
    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/f", directory);
}

static void teardown(void)
{
    remove(path);
    remove(directory);
}

TestSuite(whole_file, .init = setup, .fini = teardown);

static void write_file(const char *bytes, size_t n)
{
    FILE *out = fopen(path, "we");

    cr_assert_not_null(out);
    cr_assert_eq(fwrite(bytes, 1, n, out), n);
    cr_assert_eq(fclose(out), 0);
}

Test(whole_file, is_read_with_its_nuls_up_to_the_last_byte_of_the_limit)
{
    struct whole_file file;

    write_file("a\0b\n", 4);
    cr_assert_eq(whole_file_read(&file, path, 4), WHOLE_FILE_READ);
    cr_expect_eq(file.size, 4u);
    cr_expect_arr_eq(file.text, "a\0b\n", 5);
    cr_expect_eq(file.st.st_size, 4);
    free(file.text);
    cr_expect_eq(whole_file_read(&file, path, 3), WHOLE_FILE_TOO_LARGE);
    cr_expect_null(file.text);
}

Test(whole_file, an_empty_one_is_an_empty_text)
{
    struct whole_file file;

    write_file("", 0);
    cr_assert_eq(whole_file_read(&file, path, 0), WHOLE_FILE_READ);
    cr_expect_str_empty(file.text);
    free(file.text);
}

Test(whole_file, a_fifo_is_not_waited_for)
{
    struct whole_file file;

    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_expect_eq(whole_file_read(&file, path, 100), WHOLE_FILE_NO_FILE);
    cr_expect(S_ISFIFO(file.st.st_mode));
    cr_expect_null(file.text);
}

Test(whole_file, what_cannot_be_read_leaves_errno)
{
    struct whole_file file;

    cr_expect_eq(whole_file_read(&file, path, 100), WHOLE_FILE_ERROR);
    cr_expect_eq(errno, ENOENT);
    cr_expect_null(file.text);
}
