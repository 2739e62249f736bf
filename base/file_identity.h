/*
 * What tells one state of a file from another without reading it: which file it is, and when it was
 * written to. Two writes within a tick of the kernel's clock that leave the size alone look alike.
 */
#ifndef EVERGATE_BASE_FILE_IDENTITY_H
#define EVERGATE_BASE_FILE_IDENTITY_H

#include <stdbool.h>
#include <sys/stat.h>

struct file_identity {
    int error; /* of stat; 0: it is there */
    dev_t device;
    ino_t inode;
    off_t size_bytes;
    struct timespec modified, changed;
};

/* Of what `path` leads to, over links too; it is not opened. */
struct file_identity file_identity_of_path(const char *path);
struct file_identity file_identity_of_stat(const struct stat *st);

bool file_identity_equal(const struct file_identity *a, const struct file_identity *b);

#endif
