/*
 * Changes while serving: a reload of the file, an edit over the API, what discovery found. All end
 * in one way: a new snapshot is made aside, what it needs is opened (sockets, certificates,
 * programs), and only then it takes the place of the old one, in the pools and in every worker.
 * When anything fails before that, nothing has changed.
 *
 *   file, found, overlay ─► snapshot ─► prepare (may fail) ─► commit (cannot)
 *                                                               └─► every worker has it ─► done
 *
 * What has not changed is kept: connections of clients and tunnels, idle connections to backends,
 * health, breakers, latencies, queues, counters, sticky keys; matched by the pool's name and the
 * endpoint's id and address. Endpoints that go finish what they hold. The old snapshot is freed
 * when its last request has ended.
 *
 * One change at a time, in the order in which they come; the control thread does them.
 */
#ifndef EVERGATE_PROXY_SERVER_CHANGE_H
#define EVERGATE_PROXY_SERVER_CHANGE_H

#include "config/config.h"
#include "config/overlay.h"
#include "config/plan.h"
#include "proxy/server.h"

enum server_verdict {
    SERVER_CHANGE_DONE, /* served by every worker (with an empty plan: there was nothing to do) */
    SERVER_CHANGE_REFUSED,  /* nothing changed: `errors`, or `why` where there are none */
    SERVER_CHANGE_STOPPING, /* nothing changed: the server drains or hands over */
};

struct server_outcome {
    enum server_verdict verdict;
    char *why;                   /* heap; NULL unless refused by something else than `errors` */
    struct config_errors errors; /* mistakes of the file or of the edit */
    struct config_plan *plan;    /* NULL when refused */
    uint64_t generation;         /* that is served from now on */
    unsigned closing;            /* client connections on listeners that go */
    unsigned draining;           /* requests in flight on endpoints that go */
    char *not_saved; /* heap; the change is served, but state_file could not be written: why */
};
void server_outcome_free(struct server_outcome *outcome); /* what is inside */

/*
 * All of these may be called from any thread but the server's own (control, workers, health), and
 * without the read lock; they return when every worker serves from the new snapshot. The outcome is
 * always to be freed.
 */

/* The file again, with the overlay over it. It may take seconds (new sources, names), so this one
 * does not wait: `then(arg)` on any thread when it is over, maybe from within. *outcome is filled
 * by then. */
void server_reload(struct server *server, struct server_outcome *outcome, void (*then)(void *arg),
                   void *arg);

/* What a reload of `path` (NULL: the file that is served) would come to; nothing changes. */
void server_plan(struct server *server, const char *path, struct server_outcome *ret_outcome);

/* An edit of the overlay, on the control thread: `overlay` is a copy, `now` what is served. Returns
 * 0, or an error with a sentence in *ret_why (heap), which becomes outcome->why. */
typedef int (*server_edit_cb)(void *arg, struct config_overlay *overlay, const struct config *now,
                              char **ret_why);
void server_edit(struct server *server, server_edit_cb edit, void *arg,
                 struct server_outcome *ret_outcome);

/*
 * The read lock: between the two, server->config, the runtimes and their endpoints are all there
 * and belong together (runtimes[i] to config->pools[i]; endpoint->backend to the config). For
 * threads that look at all of it, such as management; held for the making of one answer, never
 * across a call of the functions above. Workers and the health thread need it not.
 */
void server_read_lock(const struct server *server);
void server_read_unlock(const struct server *server);

#endif
