/*
 * The HTTP/1 frontend: client connections, guarded, with evhttp owning their requests.
 *
 * Each listener of each worker has an evhttp that accepts and owns connections and requests; the
 * socket and every byte on it are ours (proxy/shell.h tells how). A request that passed the guard
 * becomes an exchange; the exchange answers through the sink in this room.
 */
#ifndef EVERGATE_PROXY_FRONT_HTTP1_H
#define EVERGATE_PROXY_FRONT_HTTP1_H

#include "proxy/worker.h"
#include "proxy/worker_listener.h"

/* Serves `listener` from a bound, listening, non-blocking descriptor (owned from here). Sets
 * listener->nursery. 0 or EG_E_INTERNAL. The worker's thread, or before it starts. */
int front_http1_listen(struct worker_listener *listener, int listen_fd) WARN_UNUSED;

/* Accepts from one more socket of the same listener (likewise owned). */
int front_http1_listen_also(struct worker_listener *listener, int listen_fd) WARN_UNUSED;

/* Does a client wait to be accepted? */
bool front_http1_has_pending(const struct worker_listener *listener);

/* Closes the accept sockets; connections live on. */
void front_http1_stop_accepting(struct worker_listener *listener);

/* Frees listener->nursery. Every connection of it must be gone. */
void front_http1_unlisten(struct worker_listener *listener);

/* The listener is retired: idle connections that came by it end after a second of silence, busy
 * ones after their answer, which tells the client so (Connection: close). */
void front_http1_end_listener(struct worker_listener *listener);

/* The same for all: retires every listener. worker_note_gone is called when no connection is
 * left. */
void front_http1_drain(struct worker *worker);

/* Cuts every connection, whatever it does (the drain's limit passed, or a second signal). */
void front_http1_close_all(struct worker *worker);

#endif
