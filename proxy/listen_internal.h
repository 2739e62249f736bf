/* For listen.c, which opens sockets, listen_inherit.c, which hands them on, and
 * listen_activation.c, which got them. */
#ifndef EVERGATE_PROXY_LISTEN_INTERNAL_H
#define EVERGATE_PROXY_LISTEN_INTERNAL_H

#include "proxy/listen.h"

struct listen_group {
    struct list node; /* of the open ones, or of those inherited and not yet taken over */
    char *bind;       /* as it was configured: what the next configuration is compared with */
    int *fds;
    unsigned count;
    unsigned silent_from; /* sockets from this index on are bound, and do not listen */
    dev_t unix_device;    /* of the file; 0 for TCP */
    ino_t unix_inode;
    bool owns_file; /* to be removed at the end */
};

struct listen_group *listen_group_new(const char *bind); /* among the open ones */
/* Closes and frees; removes the file that it owns. */
void listen_group_free(struct listen_group *group);
void listen_group_add(struct listen_group *group, int fd);
void listen_group_close(struct listen_group *group); /* the descriptors */
void listen_group_remove_file(const struct listen_group *group);

/* The group inherited for `bind`, now among the open ones; NULL: none. */
struct listen_group *listen_claim(const char *bind);
/* Has an open group a socket that is the same as `fd`, under whatever number? */
bool listen_group_has(int fd);

/* ---- listen_activation.c ---- */

/* An open group of what we were started with for `address`; a Unix socket's file stays its owner's.
 * NULL: none. */
struct listen_group *listen_activation_claim(const char *bind, const struct address *address,
                                             unsigned count);
/* What we were started with goes on to the next binary, used or not. */
void listen_activation_bequeath(void (*each)(void *arg, const struct listen_estate *estate),
                                void *arg);
/* True when it is such a socket, which is owned from here. */
bool listen_activation_inherit(const struct listen_estate *estate);

#endif
