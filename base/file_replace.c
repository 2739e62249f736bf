/* See file_replace.h. */
#include "base/file_replace.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"

static bool file_write_all(int fd, struct slice content)
{
    while (content.n > 0) {
        ssize_t n = write(fd, content.p, content.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        content.p += n;
        content.n -= (size_t)n;
    }
    return true;
}

/* Without it, the rename itself may be lost with the power. */
static bool file_sync_directory(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *directory = slash == NULL   ? xstrdup(".")
                      : slash == path ? xstrdup("/")
                                      : xstrndup(path, (size_t)(slash - path));
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    free(directory);
    return good;
}

/* A link to the file stays one. Where it leads to nothing yet, one step is followed (heap). */
static char *file_target(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *real = realpath(path, NULL), link[PATH_MAX];
    ssize_t n;

    if (real != NULL)
        return real;
    n = readlink(path, link, sizeof(link) - 1);
    if (n <= 0)
        return xstrdup(path);
    link[n] = '\0';
    if (link[0] == '/' || slash == NULL)
        return xstrdup(link);
    return xasprintf("%.*s/%s", (int)(slash - path), path, link);
}

/* mkostemp gives 0600: what evergate keeps is nobody else's to read. */
static bool file_replace_target(const char *path, struct slice content)
{
    char *temporary = xasprintf("%s.XXXXXX", path);
    int fd = mkostemp(temporary, O_CLOEXEC), saved;
    bool good;

    if (fd < 0) {
        free(temporary);
        return false;
    }
    good = file_write_all(fd, content) && fsync(fd) == 0;
    saved = errno;
    if (close(fd) != 0 && good) {
        good = false;
        saved = errno;
    }
    if (good && rename(temporary, path) != 0) {
        good = false;
        saved = errno;
    }
    if (!good)
        unlink(temporary);
    free(temporary);
    errno = saved;
    return good && file_sync_directory(path);
}

bool file_replace(const char *path, struct slice content)
{
    char *target = file_target(path);
    bool good = file_replace_target(target, content);

    free(target);
    return good;
}
