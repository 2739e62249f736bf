/* Only files, only as large as agreed, and never waiting. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "discovery/file_read.h"
#include "room.h"

static struct room room;

static void setup(void)
{
    room_init(&room);
}

static void teardown(void)
{
    room_fini(&room);
}

TestSuite(file_read, .init = setup, .fini = teardown);

static void refuse(const char *path, size_t max_bytes, const char *says)
{
    struct file_content content;
    char why[FILE_WHY_BYTES] = "";

    cr_assert(!file_read(&content, path, max_bytes, why));
    cr_expect_not_null(strstr(why, says), "%s", why);
    cr_expect_null(content.text);
}

Test(file_read, gives_the_whole_file)
{
    struct file_content content;
    char why[FILE_WHY_BYTES];

    room_write(&room, "f", "hello");
    cr_assert(file_read(&content, room_path(&room, "f"), 5, why), "%s", why);
    cr_expect_eq(content.size, 5u);
    cr_expect_str_eq(content.text, "hello");
    free(content.text);
}

Test(file_read, refuses_what_is_no_file_without_waiting_for_it)
{
    cr_assert_eq(mkfifo(room_path(&room, "fifo"), 0600), 0);
    refuse(room_path(&room, "fifo"), 100, "it is a FIFO, not a file");
    refuse(room.directory, 100, "it is a directory, not a file");
    refuse("/dev/null", 100, "it is a device, not a file");
}

Test(file_read, refuses_what_is_too_large)
{
    room_write(&room, "f", "hello");
    refuse(room_path(&room, "f"), 4, "it has 5 bytes, max_bytes is 4");
}

Test(file_read, says_when_there_is_none)
{
    struct file_content content;
    char why[FILE_WHY_BYTES];

    cr_assert(!file_read(&content, room_path(&room, "f"), 10, why));
    cr_expect_eq(content.error, ENOENT);
    cr_expect_str_eq(why, "No such file or directory");
}
