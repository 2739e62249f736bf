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
 * To add a type of check: one file probe_NAME.c with a struct probe_type (probe.h), one line in
 * checks.c's table, one value in config.h's enum.
 */
#ifndef EVERGATE_CHECKS_CHECKS_H
#define EVERGATE_CHECKS_CHECKS_H

#include "config/config.h"
#include "health/health.h"
#include "net/address.h"
#include "net/loop.h"

struct checks;

/* `pools[i]` belongs to config->pools[i]. Starts every schedule, jittered, on `loop`. 0 or an error
 * with a sentence in *ret_why (heap): a TLS context that cannot be made, a program that is missing.
 */
int checks_new(struct checks **ret_checks, struct loop *loop, struct config *config,
               struct health_pool *const *pools, char **ret_why) WARN_UNUSED;

/* Ends what runs: closes sockets, kills children (their process groups). */
void checks_free(struct checks *checks);

/* New addresses of an endpoint that is known by name (copied). Without any, it is not checked. */
void checks_set_addresses(struct checks *checks, unsigned pool, unsigned endpoint,
                          const struct address *addresses, size_t count);

/* Check now, whatever the schedule says (POST .../check). */
void checks_now(struct checks *checks, unsigned pool, unsigned endpoint);

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
