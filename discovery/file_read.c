/* See file_read.h. */
#include "discovery/file_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

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

/* Up to `size` bytes; fewer when it was cut meanwhile. -1: errno says why. */
static ssize_t file_read_all(int fd, char *buffer, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t n = read(fd, buffer + used, size - used);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    return (ssize_t)used;
}

static bool file_refuse_errno(struct file_content *content, char why[FILE_WHY_BYTES])
{
    content->error = errno;
    snprintf(why, FILE_WHY_BYTES, "%s", strerror(errno));
    return false;
}

static bool file_take(struct file_content *content, int fd, size_t max_bytes,
                      char why[FILE_WHY_BYTES])
{
    ssize_t n;

    if (fstat(fd, &content->st) != 0)
        return file_refuse_errno(content, why);
    if (!S_ISREG(content->st.st_mode)) {
        snprintf(why, FILE_WHY_BYTES, "it is %s, not a file", file_kind(content->st.st_mode));
        return false;
    }
    if ((size_t)content->st.st_size > max_bytes) {
        snprintf(why, FILE_WHY_BYTES, "it has %lld bytes, max_bytes is %zu",
                 (long long)content->st.st_size, max_bytes);
        return false;
    }
    content->text = xmalloc((size_t)content->st.st_size + 1);
    n = file_read_all(fd, content->text, (size_t)content->st.st_size);
    if (n < 0) {
        file_refuse_errno(content, why);
        free(content->text);
        content->text = NULL;
        return false;
    }
    content->size = (size_t)n;
    content->text[n] = '\0';
    return true;
}

bool file_read(struct file_content *ret_content, const char *path, size_t max_bytes,
               char why[FILE_WHY_BYTES])
{
    /* O_NONBLOCK: opening a FIFO would wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool good;

    *ret_content = (struct file_content){0};
    if (fd < 0)
        return file_refuse_errno(ret_content, why);
    good = file_take(ret_content, fd, max_bytes, why);
    close(fd);
    return good;
}
