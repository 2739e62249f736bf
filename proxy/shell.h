/*
 * The shell: how evhttp owns connections and requests while the socket is ours.
 *
 * evhttp insists on a bufferevent per connection. We give it one that is a shell: made without a
 * descriptor, it is told its descriptor by evhttp's accept and loses it again in the same turn, so
 * evhttp never reads or writes a byte of the network. What it parses is a small head that we wrote
 * from a request the guard had accepted; what it owns from then on is the request: its place in the
 * connection's queue, its life, its end.
 *
 *   evhttp accepts ─► bevcb: a bufferevent without descriptor ─► adoption (same turn): ours
 *   guard accepts a head ─► shell_present ─► evhttp parses ours ─► request callback ─► on_request
 *   answer is complete ─► shell_request_done ─► evhttp frees the request and waits for the next
 *   connection ends ─► shell_free ─► evhttp_connection_free ─► evhttp closes the descriptor
 *
 * Facts of libevent 2.1.12 this relies on (asserted in tests/unit/proxy/test_shell.c): the
 * argument of the bufferevent's callbacks is the evhttp_connection; bufferevent_setfd(bev, -1)
 * leaves the connection's own copy of the descriptor, which evhttp_connection_free closes; a
 * request callback fires before bufferevent_trigger returns; evhttp_send_reply_end with an empty
 * output goes on to the next request at once.
 *
 * Pitfall: an absolute-form target makes evhttp treat the request as a proxy request and close, and
 * bytes left in the shell's input are parsed on the next turn. So exactly one origin-form head is
 * ever presented at a time.
 */
#ifndef EVERGATE_PROXY_SHELL_H
#define EVERGATE_PROXY_SHELL_H

#include <event2/http.h>
#include <stdbool.h>

#include "base/error.h"
#include "http/head.h"

struct bufferevent;
struct worker_listener;

struct shell {
    struct bufferevent *bufferevent; /* one reference of ours */
    struct evhttp_connection *connection;
    struct evhttp_request *request; /* being served; NULL between requests */
    struct shell_nursery *nursery;
};

/* Called once for each accepted connection, in the turn of its accept, before any I/O. */
typedef void (*shell_accepted_cb)(struct worker_listener *listener, struct shell *shell, int fd);

/* accept(2) failed with `code` (an errno): out of descriptors, mostly. */
typedef void (*shell_accept_failed_cb)(struct worker_listener *listener, int listen_fd, int code);

struct shell_nursery; /* of one listener: its evhttp, and the connections about to be adopted */

/* Serves `listen_fd` (owned from here, also on failure) through shells. 0 or EG_E_INTERNAL. */
int shell_listen(struct shell_nursery **ret_nursery, struct worker_listener *listener,
                 int listen_fd, shell_accepted_cb on_accepted,
                 shell_accept_failed_cb on_accept_failed) WARN_UNUSED;

/* Accepts from one more socket (likewise owned): a binary that was upgraded has them all, however
 * many workers it has. */
int shell_listen_also(struct shell_nursery *nursery, int listen_fd) WARN_UNUSED;

/* Does a client wait to be accepted? */
bool shell_has_pending(const struct shell_nursery *nursery);

/* Closes the accept sockets; connections live on, those that were just accepted too. Within a turn.
 */
void shell_stop_accepting(struct shell_nursery *nursery);

/* Frees evhttp. Every shell must have been freed. */
void shell_unlisten(struct shell_nursery **nursery);

/* Shows evhttp an accepted head. Afterwards shell->request is the request; EG_E_INTERNAL when
 * evhttp would not have it, which a vetted head never causes. */
int shell_present(struct shell *shell, const struct http_request_head *head) WARN_UNUSED;

/* The answer is complete: evhttp frees the request and expects the next one. */
void shell_request_done(struct shell *shell);

/* Ends the connection: evhttp frees its side and closes the descriptor. Not from within a callback
 * of evhttp. */
void shell_free(struct shell *shell);

#endif
