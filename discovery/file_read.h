/* A source's file, whole (base/whole_file.h), and what is to be said where there is none. */
#ifndef EVERGATE_DISCOVERY_FILE_READ_H
#define EVERGATE_DISCOVERY_FILE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

struct file_content {
    char *text; /* heap, NUL-terminated; the caller's */
    size_t size;
    struct stat st; /* of what was read */
    int error;      /* of a failure: errno; 0: it is a file that is not wanted */
};

enum { FILE_WHY_BYTES = 120 };

/* False, and what follows the path in a sentence in `why`: "it is a directory, not a file". Then
 * only ret_content->error is set. */
bool file_read(struct file_content *ret_content, const char *path, size_t max_bytes,
               char why[FILE_WHY_BYTES]);

#endif
