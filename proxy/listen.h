/*
 * Listening sockets. They are bound before anything is served by them, so that a port in use is an
 * error and not half a server. Insiders of proxy/ and admin/. Control thread, where nothing else is
 * said.
 *
 * TCP: one socket per worker, spread by the kernel with SO_REUSEPORT. Unix: one socket for all.
 *
 * A set keeps its sockets for as long as it is open and lends duplicates to those who accept: what
 * is kept can be handed on to the next binary (upgrade.h). The kernel queues connections as long as
 * anybody holds a socket, so whoever stops accepting for good must have the set stopped too.
 */
#ifndef EVERGATE_PROXY_LISTEN_H
#define EVERGATE_PROXY_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/list.h"
#include "net/address.h"

enum { LISTEN_BACKLOG = 4096, LISTEN_UNIX_MODE = 0660 };

struct listen_group; /* the sockets of one set: listen_internal.h */

struct listen_set {
    struct address address; /* as bound: with the port that the kernel chose for port 0 */
    unsigned count;         /* as asked for; more where more were inherited: all must be served */
    struct listen_group *group;
};

/*
 * `bind` is numeric or "unix:...". ":80" is every address of both families, "[::]:80" every one of
 * IPv6 (so that it can stand beside "0.0.0.0:80"). Sockets inherited under the same `bind` are
 * taken over, all of them; so are those passed for that address (listen_activation.h). 0, or
 * EG_E_INTERNAL with a sentence in *ret_why (heap).
 */
int listen_open(struct listen_set *ret_set, const char *bind, unsigned count,
                char **ret_why) WARN_UNUSED;

/* Could listen_open have `bind` now? A TCP address that we were not started with is bound for a
 * moment, and never listened on; a Unix socket is not tried, since that would take the path from
 * whoever left it there. 0, or EG_E_INTERNAL with a sentence. */
int listen_try(const char *bind, char **ret_why) WARN_UNUSED;

/* A duplicate of socket `index` < count, the caller's from here; -1 without a free descriptor. */
int listen_take(const struct listen_set *set, unsigned index);

/* Closes the set's own sockets: when those who accept have closed theirs, clients are refused. The
 * address stays known, and the Unix socket's file where it is. Once is enough. */
void listen_stop(struct listen_set *set);

/* The same, and removes the Unix socket's file if it is still ours. A zeroed set is fine. */
void listen_close(struct listen_set *set);

/* Does a connection wait to be accepted? Closing a socket resets those. Any thread. */
bool listen_pending(int fd);

/* ---- From one binary to the next: see upgrade.h ---- */

/* What is handed on of one set; all of it is the set's. */
struct listen_estate {
    const char *bind;
    const int *fds;
    unsigned count;
    dev_t unix_device; /* of the socket's file; 0 for TCP */
    ino_t unix_inode;
};

/* Every open set, in the order in which they were opened. */
void listen_bequeath(void (*each)(void *arg, const struct listen_estate *estate), void *arg);
/* The successor serves: the files of Unix sockets are no longer ours to remove. */
void listen_disown(void);

/* Descriptors (owned from here) that a later listen_open of the same `bind` takes over. */
void listen_inherit(const struct listen_estate *estate);
/* Sockets that were bound beside inherited ones do not listen before this: the kernel would let
 * clients wait in queues that nobody serves yet. 0, or EG_E_INTERNAL with a sentence. */
int listen_begin(char **ret_why) WARN_UNUSED;
/* Closes what nobody took over. The one who left it still serves what is queued there. */
void listen_inherit_close(void);
/* From now on the files of inherited Unix sockets are ours; those that nobody took over go. */
void listen_inherit_own(void);

#endif
