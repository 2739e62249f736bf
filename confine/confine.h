/*
 * Confinement: what a process gives up before it looks at anything that comes from outside.
 *
 *   root, one thread          spawner ── as the user, without the filter ──► checks' commands,
 *     confine_begin: ────────►                                               the next binary
 *       chroot, user, groups, capabilities, core limit, no_new_privs, filter
 *     ... reads the configuration, binds, starts threads: all of it confined
 *
 * It comes first, not after the sockets are bound: a port below 1024 needs CAP_NET_BIND_SERVICE
 * only, which is kept, so that a reload may bind one too; and what opens every file as the user at
 * the start finds out at the start, all at once, which of them a reload could not read.
 *
 * What it does is of the process and cannot be undone.
 */
#ifndef EVERGATE_CONFINE_CONFINE_H
#define EVERGATE_CONFINE_CONFINE_H

#include <stdbool.h>

#include "base/error.h"

struct confine_settings {
    const char *user;   /* name or number; "": who we are */
    const char *group;  /* ... of a group; "": the user's */
    const char *chroot; /* a directory; "": none */
    bool sandbox;       /* the filter of syscalls.h and no_new_privs */
    bool core_dumps;
};

/* While there is one thread; once. 0, or EG_E_INTERNAL with a sentence in *ret_why (heap): then the
 * process may be half confined and should end. */
int confine_begin(const struct confine_settings *settings, char **ret_why) WARN_UNUSED;

/*
 * Only becomes who a served process would be, in the root directory that it would have, for a
 * command that judges files as that process will see them. Without root it stays who it is, and
 * there is no way into a chroot. 0, or EG_E_INTERNAL with a sentence in *ret_why (heap).
 */
int confine_look(const struct confine_settings *settings, char **ret_why) WARN_UNUSED;

/* The process that starts commands ends. Nothing is given back. */
void confine_end(void);

/* Are we in a chroot of confine_begin's? */
bool confine_has_chroot(void);

/* Where `path` is once `root` is the root directory (heap), by the links that it is given with
 * where they lead to the same file then; NULL with a sentence in *ret_why (heap) when it lies
 * outside, or is not there. */
char *confine_path_inside(const char *root, const char *path, char **ret_why);

#endif
