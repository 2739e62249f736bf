/* Reading a whole file that somebody else writes: never waits for what is no file, and never takes
 * more than was agreed. */
#ifndef EVERGATE_BASE_WHOLE_FILE_H
#define EVERGATE_BASE_WHOLE_FILE_H

#include <stddef.h>
#include <sys/stat.h>

struct whole_file {
    char *text; /* heap, NUL-terminated (NULs may stand in it too); the caller's */
    size_t size;
    struct stat st; /* from before it was read: a write that came later makes it another */
};

enum whole_file_result {
    WHOLE_FILE_READ,
    WHOLE_FILE_ERROR,     /* errno says which */
    WHOLE_FILE_NO_FILE,   /* a directory, a FIFO, ...: ret_file->st */
    WHOLE_FILE_TOO_LARGE, /* ret_file->st has its size */
};

/* Without WHOLE_FILE_READ there is no text. */
enum whole_file_result whole_file_read(struct whole_file *ret_file, const char *path,
                                       size_t max_bytes);

#endif
