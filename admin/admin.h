/*
 * Management: a thread of its own with evhttp as libevent means it to be used, on admin.bind and
 * admin.socket. It reads the server's atomics and asks the workers by loop_post; a stuck or slow
 * client of management costs traffic nothing.
 */
#ifndef EVERGATE_ADMIN_ADMIN_H
#define EVERGATE_ADMIN_ADMIN_H

#include "base/error.h"
#include "proxy/server.h"

struct admin;

/* After server_new, before server_run. Binds, then starts the thread. *ret_admin is NULL when
 * neither bind nor socket is configured. 0 or an error with a sentence in *ret_why (heap) that
 * names the address. */
int admin_start(struct admin **ret_admin, struct server *server, char **ret_why) WARN_UNUSED;

/* Where its TCP listener is ("127.0.0.1:9900") into `out` (ADDRESS_TEXT_BYTES); NULL when it has
 * none. NULL for a NULL admin. */
const char *admin_address(const struct admin *admin, char *out);

/* After server_run returned (no worker runs any more), before server_free. NULL inside is fine. */
void admin_stop(struct admin **admin);

#endif
