/*
 * Who a process is and what it may: user, groups, root directory, capabilities, core dumps.
 *
 * Of root's capabilities CAP_NET_BIND_SERVICE alone is kept over the change of user
 * (capabilities(7)): the proxy has it in effect, for a reload that binds a port below 1024. The
 * spawner cannot use it itself, but may lend it to the next binary as an ambient capability;
 * commands get none.
 */
#ifndef EVERGATE_CONFINE_PRIVILEGES_H
#define EVERGATE_CONFINE_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct privileges {
    const char *chroot; /* borrowed; "": none */
    bool other_user;    /* what follows is of use */
    char *name;         /* as it was written */
    uid_t uid;
    gid_t gid;
    gid_t *groups; /* supplementary */
    int group_count;
};

/* Looks user and group up, by name or by number; "" is nobody else. 0, or EG_E_INTERNAL with a
 * sentence in *ret_why (heap). */
int privileges_find(struct privileges *ret_privileges, const char *user, const char *group,
                    char **ret_why) WARN_UNUSED;
void privileges_fini(struct privileges *privileges);

enum privileges_holder {
    PRIVILEGES_OF_PROXY,   /* may bind low ports */
    PRIVILEGES_OF_SPAWNER, /* may lend that right */
};

/* Becomes that. Who is it already (the next binary, or started by a service manager as that user)
 * or asks for nobody else only gives up what is too much of capabilities; root that stays root
 * keeps all. While there is one thread: the kernel counts capabilities by thread. 0, or
 * EG_E_INTERNAL with a sentence (heap). */
int privileges_take(const struct privileges *privileges, enum privileges_holder holder,
                    char **ret_why) WARN_UNUSED;

/* What the spawner starts from here on has CAP_NET_BIND_SERVICE, if we have it to lend, or has it
 * not. */
void privileges_lend(bool lend);

/* Off: no core file, nor may others of the same user look into our memory (proc(5), ptrace(2));
 * keys are in it. On: cores as large as the hard limit allows. */
int privileges_set_core_dumps(bool on, char **ret_why) WARN_UNUSED;

#endif
