/*
 * Starting the new binary: by the path that this process was started by, with its words.
 *
 * The path is looked up once, at the start. It names the file by its directory, not what a symbolic
 * link led to then: a link that was pointed at another version since is followed again.
 */
#ifndef EVERGATE_PROXY_UPGRADE_SPAWN_H
#define EVERGATE_PROXY_UPGRADE_SPAWN_H

#include <sys/types.h>

#include "base/error.h"

struct upgrade_program {
    char *path;  /* absolute */
    char **argv; /* ends with a NULL */
};

/* What this process was started as, from /proc. 0, or EG_E_INTERNAL where that cannot be read. */
int upgrade_program_of_self(struct upgrade_program *ret_program) WARN_UNUSED;
void upgrade_program_fini(struct upgrade_program *program);

/*
 * A child with standard input, output and error of ours and `socket` as descriptor
 * UPGRADE_CHILD_FD, which the environment names; every other one is closed. It stays in our process
 * group and session: what a terminal or a service manager sends reaches it too. 0, or an errno.
 */
enum { UPGRADE_CHILD_FD = 3 };
int upgrade_spawn(const struct upgrade_program *program, int socket, pid_t *ret_pid,
                  int *ret_pidfd) WARN_UNUSED;

#endif
