/* What resolver.c (watches), resolver_query.c (questions), resolver_channel.c (c-ares on the loop),
 * resolver_conf.c (whom it asks) and resolver_servers.c (whom first) share. */
#ifndef EVERGATE_NET_RESOLVER_INTERNAL_H
#define EVERGATE_NET_RESOLVER_INTERNAL_H

#include <ares.h>

#include "base/file_identity.h"
#include "net/resolver.h"

struct resolver_servers {
    unsigned silences; /* questions in a row that the first one did not answer, but another did */
    unsigned turned;   /* so many were put to the end */
    uint64_t turned_ms;
};

struct resolver_conf {
    const char *path;              /* NULL: the servers were given, no file is followed */
    uint16_t port;                 /* of the servers that it names; 0: 53. For tests */
    struct file_identity identity; /* of what the channel was made from */
    uint64_t check_ms;             /* not looked at before */
};

struct resolver {
    struct loop *loop;
    ares_channel channel;
    struct list sockets;       /* resolver_socket: descriptors that c-ares wants watched */
    struct loop_timer timeout; /* of the queries in flight */
    struct list watches;       /* resolver_watch, without the stopped ones */
    struct resolver_servers servers;
    struct resolver_conf conf;
};

/* resolver_new, with another file than /etc/resolv.conf. `path` outlives it. */
int resolver_new_of(struct resolver **ret_resolver, struct loop *loop, const char *path,
                    uint16_t port) WARN_UNUSED;

/* Makes resolver->channel. 0 or EG_E_INTERNAL. */
int resolver_channel_open(struct resolver *resolver) WARN_UNUSED;

/* Ends the queries in flight with ARES_EDESTRUCTION. */
void resolver_channel_close(struct resolver *resolver);

/* Another channel, by what its file says now; the queries of the one before end likewise: whoever
 * was not stopped asks again. Not from within a callback of c-ares. 0, or EG_E_INTERNAL, and all is
 * as it was. */
int resolver_channel_renew(struct resolver *resolver) WARN_UNUSED;

/* Before a question: has resolv.conf changed? */
void resolver_conf_follow(struct resolver *resolver);

/* An answer came, or none, as c-ares told of it. */
void resolver_servers_heard(struct resolver *resolver, int status, int timeouts);
/* Before a question: whom to ask first may have changed. */
void resolver_servers_order(struct resolver *resolver);

/* After any call that may have begun or ended a query. */
void resolver_channel_arm(struct resolver *resolver);

#endif
