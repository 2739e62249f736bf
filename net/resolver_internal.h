/* What resolver.c (watches) and resolver_channel.c (c-ares on the loop) share. */
#ifndef EVERGATE_NET_RESOLVER_INTERNAL_H
#define EVERGATE_NET_RESOLVER_INTERNAL_H

#include <ares.h>

#include "net/resolver.h"

struct resolver {
    struct loop *loop;
    ares_channel channel;
    struct list sockets;       /* resolver_socket: descriptors that c-ares wants watched */
    struct loop_timer timeout; /* of the queries in flight */
    struct list watches;       /* resolver_watch, without the stopped ones */
};

/* Makes resolver->channel. 0 or EG_E_INTERNAL. */
int resolver_channel_open(struct resolver *resolver) WARN_UNUSED;

/* Ends the queries in flight with ARES_EDESTRUCTION. */
void resolver_channel_close(struct resolver *resolver);

/* After any call that may have begun or ended a query. */
void resolver_channel_arm(struct resolver *resolver);

#endif
