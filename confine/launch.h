/*
 * Starting a program as a child, without a shell: default signal actions, none blocked, and no
 * descriptor but those that are named.
 */
#ifndef EVERGATE_CONFINE_LAUNCH_H
#define EVERGATE_CONFINE_LAUNCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

enum {
    LAUNCH_FDS_MAX = 4,
    LAUNCH_NULL = -1, /* /dev/null */
    LAUNCH_SAME = -2, /* what stands there already */
};

struct launch {
    const char *path; /* NULL: argv[0], found by our PATH */
    char *const *argv, *const *environment;
    int fds[LAUNCH_FDS_MAX]; /* become 0, 1, 2, ...; every other one is closed */
    int fd_count;
    bool own_group;   /* leads a process group; else it is in ours */
    bool next_binary; /* may be lent what the spawner keeps (privileges.h) */
};

/* 0 with the process, which the caller waits for, and its pidfd; or an errno. */
int launch_program(const struct launch *launch, pid_t *ret_pid, int *ret_pidfd) WARN_UNUSED;

#endif
