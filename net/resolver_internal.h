/* What resolver.c (watches), resolver_query.c (questions), resolver_channel.c (c-ares on the loop)
 * and resolver_servers.c (whom it asks first) share. */
#ifndef EVERGATE_NET_RESOLVER_INTERNAL_H
#define EVERGATE_NET_RESOLVER_INTERNAL_H

#include <ares.h>

#include "net/resolver.h"

struct resolver_servers {
    unsigned silences; /* questions in a row that the first one did not answer, but another did */
    unsigned turned;   /* so many were put to the end */
    uint64_t turned_ms;
};

struct resolver {
    struct loop *loop;
    ares_channel channel;
    struct list sockets;       /* resolver_socket: descriptors that c-ares wants watched */
    struct loop_timer timeout; /* of the queries in flight */
    struct list watches;       /* resolver_watch, without the stopped ones */
    struct resolver_servers servers;
};

/* Makes resolver->channel. 0 or EG_E_INTERNAL. */
int resolver_channel_open(struct resolver *resolver) WARN_UNUSED;

/* Ends the queries in flight with ARES_EDESTRUCTION. */
void resolver_channel_close(struct resolver *resolver);

/* An answer came, or none, as c-ares told of it. */
void resolver_servers_heard(struct resolver *resolver, int status, int timeouts);
/* Before a question: whom to ask first may have changed. */
void resolver_servers_order(struct resolver *resolver);

/* After any call that may have begun or ended a query. */
void resolver_channel_arm(struct resolver *resolver);

#endif
