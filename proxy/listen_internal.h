/* For listen.c, which opens sockets, and listen_inherit.c, which hands them on. */
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

#endif
