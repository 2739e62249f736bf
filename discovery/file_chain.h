/* The way of a path: each directory that it passes, over links too, with the name that is looked
 * for in it. What the kernel does when it opens a path (path_resolution(7)), seen from outside. */
#ifndef EVERGATE_DISCOVERY_FILE_CHAIN_H
#define EVERGATE_DISCOVERY_FILE_CHAIN_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    FILE_CHAIN_STEPS = 128,
    FILE_CHAIN_LINKS = 40, /* as many as the kernel follows */
};

struct file_step {
    char *directory; /* heap; without links, "/" at the least */
    char *name;      /* heap; of an entry in it */
    bool last;       /* the path ends with it, unless it is a link */
};

struct file_chain {
    struct file_step steps[FILE_CHAIN_STEPS];
    size_t count;
};

/*
 * Follows `path` until it ends, or until something on its way is not there. `enter` is called with
 * each step before it is looked at, so that what changes after the look is noticed by who watches.
 */
void file_chain_init(struct file_chain *chain, const char *path,
                     void (*enter)(void *arg, const struct file_step *step), void *arg);
void file_chain_fini(struct file_chain *chain);

#endif
