/* See whole_file.h. */
#include "base/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

/* Up to `size` bytes; fewer when it was cut meanwhile. -1: errno says why. */
static ssize_t read_up_to(int fd, char *buffer, size_t size)
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

static enum whole_file_result read_open_file(struct whole_file *file, int fd, size_t max_bytes)
{
    ssize_t n;

    if (fstat(fd, &file->st) != 0)
        return WHOLE_FILE_ERROR;
    if (!S_ISREG(file->st.st_mode))
        return WHOLE_FILE_NO_FILE;
    if ((size_t)file->st.st_size > max_bytes)
        return WHOLE_FILE_TOO_LARGE;
    file->text = xmalloc((size_t)file->st.st_size + 1);
    n = read_up_to(fd, file->text, (size_t)file->st.st_size);
    if (n < 0) {
        free(file->text);
        file->text = NULL;
        return WHOLE_FILE_ERROR;
    }
    file->size = (size_t)n;
    file->text[n] = '\0';
    return WHOLE_FILE_READ;
}

enum whole_file_result whole_file_read(struct whole_file *ret_file, const char *path,
                                       size_t max_bytes)
{
    /* O_NONBLOCK: opening a FIFO would wait for its writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), error;
    enum whole_file_result result;

    *ret_file = (struct whole_file){0};
    if (fd < 0)
        return WHOLE_FILE_ERROR;
    result = read_open_file(ret_file, fd, max_bytes);
    error = errno;
    close(fd);
    errno = error;
    return result;
}
