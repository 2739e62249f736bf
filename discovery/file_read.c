/* See file_read.h. */
#include "discovery/file_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/whole_file.h"

static const char *file_kind(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return "a directory";
    case S_IFIFO:
        return "a FIFO";
    case S_IFSOCK:
        return "a socket";
    case S_IFCHR:
    case S_IFBLK:
        return "a device";
    default:
        return "something else";
    }
}

bool file_read(struct file_content *ret_content, const char *path, size_t max_bytes,
               char why[FILE_WHY_BYTES])
{
    struct whole_file file;
    enum whole_file_result result = whole_file_read(&file, path, max_bytes);
    int error = result == WHOLE_FILE_ERROR ? errno : 0;

    *ret_content = (struct file_content){.error = error};
    switch (result) {
    case WHOLE_FILE_READ:
        ret_content->text = file.text;
        ret_content->size = file.size;
        ret_content->st = file.st;
        return true;
    case WHOLE_FILE_ERROR:
        snprintf(why, FILE_WHY_BYTES, "%s", strerror(error));
        break;
    case WHOLE_FILE_NO_FILE:
        snprintf(why, FILE_WHY_BYTES, "it is %s, not a file", file_kind(file.st.st_mode));
        break;
    case WHOLE_FILE_TOO_LARGE:
        snprintf(why, FILE_WHY_BYTES, "it has %lld bytes, max_bytes is %zu",
                 (long long)file.st.st_size, max_bytes);
        break;
    }
    return false;
}
