/*
 * The system call filter (seccomp(2), by libseccomp): a list of what a proxy needs.
 *
 *   on the list          allowed; a few only with certain arguments
 *   a tool of attackers  the process is killed (SIGSYS): starting programs, looking into other
 *                        processes, loading modules, mounting. evergate has no code that does these
 *   anything else        fails with ENOSYS, as on a kernel that does not have it: that is what a
 *                        newer libc is prepared for, so that it cannot break us
 *
 * docs/security.md tells it to operators; a test compares that page with the table below.
 */
#ifndef EVERGATE_CONFINE_SYSCALLS_H
#define EVERGATE_CONFINE_SYSCALLS_H

#include "base/error.h"

struct syscalls_group {
    const char *name;
    const char *const *calls; /* NULL-terminated; what this machine does not have is passed over */
};

/* Ends with a group without a name. */
extern const struct syscalls_group syscalls_allowed[];
extern const char *const syscalls_conditional[]; /* allowed with certain arguments only */
extern const char *const syscalls_deadly[];
extern const char *const syscalls_of_sanitizers[]; /* allowed too where they are built in */

/* From now on, for this thread and those it starts; sets no_new_privs, without which an
 * unprivileged process may not filter. Cannot be undone. 0, or EG_E_INTERNAL with a sentence in
 * *ret_why (heap). */
int syscalls_restrict(char **ret_why) WARN_UNUSED;
/* ... with the calls of `besides` allowed too, whatever the tables say of them; for tests. */
int syscalls_restrict_but(const char *const *besides, char **ret_why) WARN_UNUSED;

#endif
