/*
 * Listening sockets that whoever started us has opened for us: systemd's socket activation, or
 * anything that speaks its protocol (sd_listen_fds(3)). $LISTEN_FDS descriptors from 3 on are ours
 * if $LISTEN_PID is us; $LISTEN_FDNAMES names them. A listener whose `bind` is the address of such
 * a socket takes a duplicate of it and binds nothing, which needs no right to a low port, and loses
 * no client between one process and the next: the socket is its owner's and stays open.
 *
 * What was passed is kept to the end, used or not: a reload may want it, and nobody but its owner
 * could bind that address again. Control thread.
 */
#ifndef EVERGATE_PROXY_LISTEN_ACTIVATION_H
#define EVERGATE_PROXY_LISTEN_ACTIVATION_H

#include "base/error.h"

/*
 * Takes what the environment announces, and the variables out of it: no program that we start is
 * meant. Once, before there are threads and before another descriptor is opened. Nothing announced
 * is fine. Else 0, or EG_E_INTERNAL with a sentence in *ret_why (heap).
 */
int listen_activation_begin(char **ret_why) WARN_UNUSED;

/* A warning for each socket that no listener uses: clients who connect there wait in vain. */
void listen_activation_tell_unused(void);

#endif
