/*
 * Listening sockets. All of them are bound by the control thread before any worker starts, so that
 * a port in use is an error at start and not half a server. Insiders of proxy/ and admin/.
 *
 * TCP: one socket per worker, spread by the kernel with SO_REUSEPORT. Unix: one socket, of which
 * every worker has a duplicate.
 */
#ifndef EVERGATE_PROXY_LISTEN_H
#define EVERGATE_PROXY_LISTEN_H

#include <sys/types.h>

#include "net/address.h"

enum { LISTEN_BACKLOG = 4096, LISTEN_UNIX_MODE = 0660 };

struct listen_set {
    struct address address; /* as bound: with the port that the kernel chose for port 0 */
    int *fds;               /* `count` of them, listening, non-blocking; -1 once taken */
    unsigned count;
    dev_t unix_device; /* of the socket file that we made: only that one is removed again */
    ino_t unix_inode;
};

/* `bind` is numeric or "unix:...". ":80" is every address of both families, "[::]:80" every one of
 * IPv6 (so that it can stand beside "0.0.0.0:80"). 0, or EG_E_INTERNAL with a sentence in *ret_why
 * (heap). */
int listen_open(struct listen_set *ret_set, const char *bind, unsigned count,
                char **ret_why) WARN_UNUSED;

/* Hands a descriptor out: the caller owns it from here. */
int listen_take(struct listen_set *set, unsigned index);

/* Closes what was not taken and removes the Unix socket's file if it is still ours. A zeroed set is
 * fine. */
void listen_close(struct listen_set *set);

#endif
