/* See file_identity.h. */
#include "base/file_identity.h"

#include <errno.h>

struct file_identity file_identity_of_stat(const struct stat *st)
{
    return (struct file_identity){
        .device = st->st_dev,
        .inode = st->st_ino,
        .size_bytes = st->st_size,
        .modified = st->st_mtim,
        .changed = st->st_ctim,
    };
}

struct file_identity file_identity_of_path(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return (struct file_identity){.error = errno};
    return file_identity_of_stat(&st);
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool file_identity_equal(const struct file_identity *a, const struct file_identity *b)
{
    return a->error == b->error && a->device == b->device && a->inode == b->inode &&
           a->size_bytes == b->size_bytes && same_time(a->modified, b->modified) &&
           same_time(a->changed, b->changed);
}
