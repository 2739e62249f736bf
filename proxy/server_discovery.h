/*
 * Discovery as the server sees it: whether there is any, whose sources are asked, and what they
 * said, which becomes an order as every other change does (server_orders.h).
 *
 *   discovery thread ── found something ─► control thread ─► ORDER_DISCOVERY, ten a second at most
 *                    └─ lost a source ───► events
 *
 * Discovery's thread is there from the first configuration on that has a discovery block; who has
 * none pays nothing. Control thread, but for what admin reads.
 */
#ifndef EVERGATE_PROXY_SERVER_DISCOVERY_H
#define EVERGATE_PROXY_SERVER_DISCOVERY_H

#include "config/found.h"
#include "proxy/server.h"

enum {
    DISCOVERY_START_MS = 5000,  /* how long a start waits for the first answers, at most, */
    DISCOVERY_RELOAD_MS = 2000, /* ... and a reload for those of new sources */
    DISCOVERY_PACE_MS = 100,    /* between two orders */
    DISCOVERY_RETRY_MS = 10000, /* after one that was refused */
};

void server_discovery_init(struct server *server);
/* While the loop and health are there still. No callback comes after it. */
void server_discovery_free(struct server *server);

/* At start: asks the sources of server->base and waits for them. 0, EG_E_INTERNAL with a sentence
 * in *ret_why (heap), or EG_E_DRAINING: a signal said to stop meanwhile. */
int server_discovery_start(struct server *server, char **ret_why) WARN_UNUSED;

/*
 * What is to be laid over `base`, a file's word; `served` says what its pools have until their
 * sources have answered (NULL: nothing). The caller's reference; NULL: no pool has a discovery
 * block. 0 or an error as above.
 */
int server_discovery_collect(struct server *server, const struct config *base,
                             const struct config *served, struct config_discovered **ret_discovered,
                             char **ret_why) WARN_UNUSED;

/* A candidate's sources are asked beside those of server->base; `then(arg)` on this thread when the
 * new ones have answered or DISCOVERY_RELOAD_MS have passed, maybe from within. 0 or an error as
 * above, then `then` is not called. */
int server_discovery_try(struct server *server, struct config *candidate, void (*then)(void *arg),
                         void *arg, char **ret_why) WARN_UNUSED;
/* The candidate is served, or it is not: only the sources of server->base are asked from now on. */
void server_discovery_settle(struct server *server);
/* The server stops: whoever waits for a source goes on without. */
void server_discovery_hurry(struct server *server);

/* What was found could not be served: tried again in DISCOVERY_RETRY_MS. */
void server_discovery_retry(struct server *server);

#endif
