/*
 * Active checks and recovery actions: what evergate does on its own account to learn how an
 * endpoint is, and to help it up.
 *
 *   schedule ──► probe (http, tcp, exec, postgres, redis) ──► health_check_result
 *                                                                    │ unhealthy
 *   recovery ◄──────────────── health's on_status ◄──────────────────┘
 *      └─► command or webhook ──► the next check verifies
 *
 * All of it runs on the health thread's loop: no function here is called on another thread, and
 * none of it can delay a worker. Nothing blocks: sockets through net/, commands as children in
 * process groups of their own, killed at their timeout.
 *
 * Bounds: at most supervision.checks_per_second checks begin per second, over all pools (when that
 * is not enough, checks come later than their interval and a warning says so); one check at a time
 * per endpoint; an answer is read up to 64 KiB; at most supervision.recoveries_per_minute recovery
 * actions begin, over all pools.
 *
 * A new configuration is prepared beside what runs, then committed. What it says the same of goes
 * on as if nothing had happened: a check that is under way, the time of the next one, a recovery
 * action and the count of its attempts.
 *
 *   checks_new ─► ( checks_prepare ─► checks_commit │ checks_discard )* ─► checks_free
 *
 * To add a type of check: one file probe_NAME.c with a struct probe_type (probe.h), one line in
 * method.c's table, one value in config.h's enum.
 */
#ifndef EVERGATE_CHECKS_CHECKS_H
#define EVERGATE_CHECKS_CHECKS_H

#include "config/config.h"
#include "health/health.h"
#include "net/address.h"
#include "net/loop.h"

struct checks;
struct checks_change;

/* There is nothing to be checked before the first commit. 0, or an error with a sentence in
 * *ret_why (heap). */
int checks_new(struct checks **ret_checks, struct loop *loop, char **ret_why) WARN_UNUSED;

/* Ends what runs: closes sockets, kills children (their process groups), recovery actions among
 * them. NULL is fine. */
void checks_free(struct checks *checks);

/*
 * Opens what `config` (a reference is taken) needs beside what runs already: TLS contexts,
 * programs, passwords, webhooks. 0, or an error with a sentence in *ret_why (heap) and NULL in
 * *ret_change: then nothing has changed. One change at a time.
 */
int checks_prepare(struct checks *checks, struct config *config, struct checks_change **ret_change,
                   char **ret_why) WARN_UNUSED;

/*
 * From now on the configuration that was prepared holds. `pools[i]` belongs to config->pools[i];
 * who is in its balancer and does not leave is checked (unless its `health_check` is false), by its
 * endpoint->backend, which must be that of this configuration already. The one before may go when
 * this returns; pools and endpoints that are in this one no more are not touched after it.
 *
 * Of a pool that was there before:
 *   health and tls are equal      checks under way, and when the next ones are due, stay as they
 * are they are not                  every endpoint gets a first check soon, by the new ones; its
 * status is health's and stays until then recovery is equal             attempts go on being
 * counted, actions run on it is not                     attempts are counted anew; an action that
 * runs goes on and counts as the first an endpoint is new            a first check soon, not all at
 * once an endpoint has left          a check under way is given up without a verdict. A recovery
 * action under way is left alone, since a restart that is cut in two helps nobody: it runs to its
 * end or its timeout, and nobody hears of it
 */
void checks_commit(struct checks_change **change, struct health_pool *const *pools);
/* It shall not happen after all. Nulls the pointer; NULL is fine. */
void checks_discard(struct checks_change **change);

/* For the following three: who is not checked (any more) is ignored. */

/* New addresses of an endpoint that is known by name (copied). Without any, it is not checked. */
void checks_set_addresses(struct checks *checks, const struct health_pool *pool,
                          const struct endpoint *endpoint, const struct address *addresses,
                          size_t count);

/* Check now, whatever the schedule says (POST .../check). */
void checks_now(struct checks *checks, const struct health_pool *pool,
                const struct endpoint *endpoint);

/* For health_params.on_status: starts or ends recovery for the endpoint. */
void checks_on_status(struct checks *checks, struct health_pool *pool, struct endpoint *endpoint,
                      enum endpoint_status from, enum endpoint_status to);

struct checks_stats {
    uint64_t passed, degraded, failed; /* since the start */
    uint64_t late;                     /* begun later than their interval for the cap */
    uint64_t recoveries_started, recoveries_failed;
};
/* Any thread. */
struct checks_stats checks_stats(const struct checks *checks);

#endif
