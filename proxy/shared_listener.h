/*
 * One bound address as all workers share it: its sockets and its count of connections. It belongs
 * to the address as the configuration writes it: a reload that keeps the address keeps the sockets,
 * whatever else changes of the listener.
 *
 * Counted: the server holds one reference while a configuration has the address, each worker one
 * while it accepts there or has connections that came by it.
 */
#ifndef EVERGATE_PROXY_SHARED_LISTENER_H
#define EVERGATE_PROXY_SHARED_LISTENER_H

#include <stdatomic.h>

#include "base/error.h"
#include "proxy/listen.h"

struct shared_listener {
    _Atomic unsigned refs;
    const char *bind;             /* owned */
    struct listen_set set;        /* the control thread's */
    bool served;                  /* likewise: the workers have their sockets */
    _Atomic unsigned connections; /* of clients, over all workers */
};

/* Binds: one socket per worker. 0, or EG_E_INTERNAL with a sentence in *ret_why (heap). Control
 * thread. */
int shared_listener_open(struct shared_listener **ret_listener, const char *bind, unsigned workers,
                         char **ret_why) WARN_UNUSED;

struct shared_listener *shared_listener_ref(struct shared_listener *listener);
/* Any thread; the last one frees. */
void shared_listener_unref(struct shared_listener *listener);

/* The address is given up: its sockets close, and a Unix socket's path goes. Control thread. */
void shared_listener_close(struct shared_listener *listener);

#endif
