/*
 * Health: the one room that writes what the balancer reads of an endpoint's condition: its status,
 * its breaker, its draining flag. The balancer knows these only as inputs and never includes this
 * header; whoever learns something of an endpoint (a check, an operator, the breaker's bookkeeping)
 * comes here with it.
 *
 *     unknown ──► healthy ◄──► degraded ◄──► unhealthy        by checks and by people
 *        └───────────┴── drain ──► draining ── undrain ──► healthy
 *
 * An endpoint without a configured check is healthy from its start: a pool that is never asked must
 * not be doubted. Active checks, the breaker's transitions and outlier ejection call the functions
 * below and nothing else; so each change has one place that records its time and its reason and
 * that tells the balancer.
 *
 * Threads: the control thread only (pick reads concurrently). Time is a parameter (monotonic).
 */
#ifndef EVERGATE_HEALTH_HEALTH_H
#define EVERGATE_HEALTH_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "balancer/balancer.h"
#include "config/config.h"

/* Gives a new endpoint its first status: draining when its configuration says so, else healthy. */
void health_endpoint_start(struct balancer_pool *pool, struct endpoint *endpoint,
                           const struct config_backend *backend, uint64_t now_us);

/* What a check or a person found. `why` is static text ("3 checks failed"). True when the status
 * changed; the same status again keeps its time and reason. Refused (false) while the endpoint
 * drains: a check that succeeds must not bring back what an operator took out. Not for
 * ENDPOINT_DRAINING. */
bool health_set_status(struct balancer_pool *pool, struct endpoint *endpoint,
                       enum endpoint_status status, const char *why, uint64_t now_us);

/* Starts a drain (no new requests; those in flight go on) or ends it: healthy again. */
bool health_set_draining(struct balancer_pool *pool, struct endpoint *endpoint, bool draining,
                         const char *why, uint64_t now_us);

/* `probes`: how many requests BREAKER_HALF_OPEN lets through; ignored in the other states. True
 * when the state changed. */
bool health_set_breaker(struct balancer_pool *pool, struct endpoint *endpoint,
                        enum breaker_state state, unsigned probes);

/* A name got its first address, or lost all of them for good. */
void health_set_resolved(struct balancer_pool *pool, struct endpoint *endpoint, bool resolved);

struct health_view {
    enum endpoint_status status;
    enum breaker_state breaker;
    const char *why;
    uint64_t since_us;
};
/* For management and logs; any thread. The parts are read one by one: after a change in between,
 * `why` may belong to the status before. */
struct health_view health_view(const struct endpoint *endpoint);

#endif
