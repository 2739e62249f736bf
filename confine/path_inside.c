/*
 * Where a file is found once its directory tree is all there is.
 *
 * Links on the way are kept where they can be: a reload follows them anew, and so finds what
 * Kubernetes, or whoever deploys by swapping a link, has put there since. They cannot where they
 * mean something else inside: /srv/evergate/current -> /srv/evergate/v7.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "confine/confine.h"

/* What of `path` comes after `root`, from its slash on; NULL: it is not below it. */
static const char *rest_below(const char *path, const char *root)
{
    size_t n = strlen(root);

    while (n > 0 && root[n - 1] == '/')
        n--;
    return strncmp(path, root, n) == 0 && path[n] == '/' ? path + n : NULL;
}

/* openat2(2), Linux 5.6; without it no link is kept. */
static bool leads_to(const char *root, const char *inside, const struct stat *file)
{
    const struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
    int top = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), found;
    struct stat is;
    bool same;

    if (top < 0)
        return false;
    found = (int)syscall(SYS_openat2, top, inside, &how, sizeof(how));
    close(top);
    if (found < 0)
        return false;
    same = fstat(found, &is) == 0 && is.st_dev == file->st_dev && is.st_ino == file->st_ino;
    close(found);
    return same;
}

/* Heap; NULL: links would lead elsewhere. */
static char *as_written(const char *root, const char *real_root, const char *path)
{
    char here[PATH_MAX];
    char *whole = path[0] == '/'               ? xstrdup(path)
                  : getcwd(here, sizeof(here)) ? xasprintf("%s/%s", here, path)
                                               : xstrdup("");
    const char *rest = rest_below(whole, real_root);
    struct stat file;
    char *inside = NULL;

    if (rest == NULL)
        rest = rest_below(whole, root);
    if (rest != NULL && stat(path, &file) == 0 && leads_to(real_root, rest, &file))
        inside = xstrdup(rest);
    free(whole);
    return inside;
}

char *confine_path_inside(const char *root, const char *path, char **ret_why)
{
    char *real_root = realpath(root, NULL);
    char *real = real_root != NULL ? realpath(path, NULL) : NULL, *inside = NULL;

    if (real == NULL) {
        *ret_why = xasprintf("\"%s\": %s", real_root != NULL ? path : root, strerror(errno));
    } else if (rest_below(real, real_root) == NULL) {
        *ret_why = xasprintf("\"%s\" is not in the chroot \"%s\", where a reload could not read "
                             "it; move it there",
                             path, root);
    } else {
        inside = as_written(root, real_root, path);
        if (inside == NULL)
            inside = xstrdup(rest_below(real, real_root));
    }
    free(real_root);
    free(real);
    return inside;
}
