/*
 * For the files of the server only, all on the control thread:
 *
 *   server.c            making and ending it, reading it
 *   server_run.c        phases
 *   server_signals.c    signals
 *   server_orders.c     changes that are asked for: one after the other
 *   server_change.c     what one wants to be served
 *   server_foresee.c    ... what that would end
 *   server_prepare.c    ... what is opened for it
 *   server_apply.c      ... how it is carried out
 *   server_tell.c       ... and what others hear of it
 *   server_leavers.c    endpoints and pools that go, once nobody uses them
 *   server_names.c      backends given by name
 *   server_discovery.c  what discovery finds
 *   server_spawner.c    the process that starts commands
 *   server_watch.c      files of the configuration that change
 */
#ifndef EVERGATE_PROXY_SERVER_INTERNAL_H
#define EVERGATE_PROXY_SERVER_INTERNAL_H

#include "proxy/server.h"

enum {
    SERVER_RESOLVE_WAIT_MS = 2000,
    SERVER_TICKETS_MS = 12 * 3600 * 1000,
};

/* server_run.c */
void server_set_phase(struct server *server, enum server_phase phase);
void server_timers_init(struct server *server);
/* drain_delay, then the drain. Once. */
void server_leave(struct server *server, const char *why);
void server_drain(struct server *server, const char *why);
void server_open_doors(struct server *server, bool open);
void server_exit_now(struct server *server, const char *why);

/* server_signals.c: from now on SIGTERM and its like are events of the loop. */
int server_signals_start(struct server *server) WARN_UNUSED;
void server_signals_stop(struct server *server);

/*
 * server_prepare.c, server_apply.c: `config` takes the place of server->config. Prepare opens what
 * it needs, and may fail; nothing has changed then. Commit cannot fail; `on_done(arg)` is called
 * when every worker serves by it and nobody looks at what was before. One at a time.
 */
struct server_apply;
int server_apply_prepare(struct server_apply **ret_apply, struct server *server,
                         struct config *config, char **ret_why) WARN_UNUSED;
void server_apply_commit(struct server_apply *apply, void (*on_done)(void *arg), void *arg);

/* server_foresee.c: client connections on listeners, and requests on endpoints, that `to` does not
 * have any more. */
void server_foresee(const struct server *server, const struct config *to, unsigned *ret_closing,
                    unsigned *ret_draining);
/* Can the addresses be had that `to` listens on, and the served configuration does not? What a plan
 * says must be what a reload would come to. 0, or EG_E_INTERNAL with a sentence (heap). */
int server_foresee_listeners(const struct server *server, const struct config *to,
                             char **ret_why) WARN_UNUSED;

/*
 * server_round.c: `act(worker, arg)` on every worker's thread, and when all of them have, `on_all`
 * on this one. Every worker has then ended the turn that it was in when the round began: what it
 * might have been looking at may go. Rounds come back in the order in which they were sent.
 */
void server_round(struct server *server, void (*act)(struct worker *worker, void *arg), void *arg,
                  void (*on_all)(void *arg), void *on_all_arg);

/* server_orders.c */
void server_orders_init(struct server *server);
void server_orders_free(struct server *server);
/* Nothing is changed from now on: who waits is told so. Any thread. */
void server_orders_close(struct server *server);
/* As SIGHUP asks for it: the log tells how it went. */
void server_reload_soon(struct server *server, const char *who);
/* Discovery found something: an order, unless one waits already. */
void server_discovery_soon(struct server *server);
/* SIGUSR2: upgrade_start, once no change is under way. */
void server_upgrade_soon(struct server *server, const char *who);
/* A change or a sweep may begin, if none is under way. */
void server_idle(struct server *server);
/* ... and this one is over. */
void server_turn_ends(struct server *server);
/* Ends the control thread's loop, when the change that is under way is over. */
void server_stop_loop(struct server *server);
bool server_is_told_to_stop(const struct server *server); /* by that */

/* server_change.c, at start: the overlay that state_file holds (or the elder left, see upgrade.h),
 * and what is to be served: the file, what was found, and the overlay over it. 0 or an error with a
 * sentence in *ret_why (heap). */
int server_overlay_load(struct server *server, struct config **ret_config,
                        char **ret_why) WARN_UNUSED;

/* server_spawner.c: notices the end of the process that starts commands, once health is there. */
void server_spawner_watch(struct server *server);
void server_spawner_forget(struct server *server);

/* server_leavers.c: what goes once it is not used any more. They take turns with the changes. */
void server_leavers_init(struct server *server);
void server_leavers_free(struct server *server);
void server_leavers_add(struct server *server, struct pool_runtime *pool,
                        struct endpoint *endpoint);
/* Some were added: looks at them soon. */
void server_leavers_look(struct server *server);
/* Begins with those that may go, and ends in server_turn_ends; false: there are none, or not yet.
 */
bool server_leavers_sweep(struct server *server);

/* server_names.c: a watch per backend whose address is a name. Follows server->config. */
void server_names_new(struct server *server);
/* Starts watches for new backends, ends those of others. */
void server_names_follow(struct server *server);
/* Calls `then(arg)` when every name that is new has had its first answer, good or bad, and those
 * that resolved are open; or when SERVER_RESOLVE_WAIT_MS have passed; from within if there is
 * nothing to wait for. */
void server_names_await(struct server *server, void (*then)(void *arg), void *arg);
/* The server stops: whoever awaits them goes on without. */
void server_names_hurry(struct server *server);
void server_names_free(struct server *server);

#endif
