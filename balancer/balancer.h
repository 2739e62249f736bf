/*
 * The balancer: which endpoint gets a request. Knows nothing of sockets or HTTP.
 *
 *     pick(pool, request, tried)  ─►  endpoint   (its `active` count is raised)
 *     done(pool, endpoint, outcome)               (lowered again; latency learned)
 *
 * Every pick must be answered by exactly one done. The tried set belongs to the caller and grows
 * with each pick of the same request, so that an endpoint is not picked twice for it.
 *
 * Threads: pools and endpoints are shared by all workers. Every function here may be called from
 * any worker at any time and takes no lock; what changes is atomic. The choice with N workers is as
 * good as with one because all of them read and write the same counters.
 *
 * Health, breaker and drain are inputs (atomics of the endpoint), written by health/ and
 * management. Time and randomness are parameters, so that tests can run millions of picks on a
 * clock of their own.
 *
 * To add an algorithm: one file algorithm_NAME.c with a struct balancer_algorithm, one line in the
 * table of balancer.c, one value in config.h's enum.
 */
#ifndef EVERGATE_BALANCER_BALANCER_H
#define EVERGATE_BALANCER_BALANCER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "config/config.h"

/* The contract's statuses of an endpoint; its text by endpoint_status_name. */
enum endpoint_status {
    ENDPOINT_UNKNOWN, /* not checked yet; used only while nothing is healthy */
    ENDPOINT_HEALTHY,
    ENDPOINT_DEGRADED,
    ENDPOINT_UNHEALTHY,
    ENDPOINT_DRAINING,
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* Runtime state of one backend: keyed by pool name and id, shared by all workers, alive across
 * snapshots. Cache lines are separate so that workers counting on different endpoints do not slow
 * each other down. */
struct endpoint {
    const char *id;      /* owned */
    const char *address; /* as configured; owned */
    unsigned index;      /* position in its pool: names it in tried sets and per-worker arrays */
    uint64_t hash;       /* of the id: stable across restarts, for the hashing algorithms */

    /* Inputs to pick. */
    _Atomic unsigned weight;
    _Atomic enum endpoint_status status;
    _Atomic enum breaker_state breaker;
    _Atomic bool draining;
    _Atomic bool resolved; /* false: no address is known for its name yet */
    /* Requests that a half_open breaker still lets through; given by who opens it half, taken one
     * by one by pick. */
    _Atomic unsigned probes;

    /* For people, not for pick: since when (monotonic) and why it has its status (static text). */
    _Atomic uint64_t status_since_us;
    _Atomic(const char *) status_why;

    _Alignas(64) _Atomic int active; /* requests picked and not done, all workers */
    _Alignas(64) _Atomic uint64_t picks;
    _Atomic uint64_t turn;                      /* virtual time of its next turn: see stride.h */
    _Alignas(64) _Atomic uint64_t latency_ewma; /* fixed point: read endpoint_latency_us */
    _Atomic uint64_t latency_stamp_us;          /* of the last sample */
    _Atomic uint64_t latency_asked_us;          /* when its aged latency last won it a request */
};

struct balancer_pool;

/* The request facts that a choice may depend on. */
struct balancer_request {
    uint64_t hash;   /* of the pool's hash_key (see balancer_hash); 0 when there is none */
    uint64_t random; /* 64 fresh random bits */
    uint64_t now_us; /* monotonic */
};

/* Which endpoints this request has had already. The first 64 of a pool inline; init before use,
 * fini after. */
struct balancer_tried {
    uint64_t inline_bits;
    uint64_t *bits; /* heap: indices from 64 on, once one of them was picked */
    unsigned words; /* of `bits` */
    unsigned count;
};
void balancer_tried_init(struct balancer_tried *tried);
void balancer_tried_fini(struct balancer_tried *tried);
bool balancer_tried_has(const struct balancer_tried *tried, unsigned index);

enum balancer_outcome {
    BALANCER_SUCCESS,   /* an answer came; latency_us holds the time to its head */
    BALANCER_FAILURE,   /* connect error, reset, timeout, garbage */
    BALANCER_CANCELLED, /* the client left: says nothing about the endpoint */
};

/* `config` stays referenced by the caller for the pool's lifetime. Never fails. */
struct balancer_pool *balancer_pool_new(const struct config_pool *config);
void balancer_pool_free(struct balancer_pool *pool);

/*
 * Chooses an endpoint (usable, of the best status there is: healthy, else degraded, else unknown),
 * adds it to `tried`, raises its active count. NULL when there is none left;
 * then *ret_error is EG_E_BREAKER_OPEN when every endpoint that could serve is kept out by its
 * breaker, EG_E_RESOLVE when each of them waits for its name, else EG_E_NO_ENDPOINT: unhealthy,
 * mixed reasons, or all usable ones were tried. Endpoints that are draining or have weight 0 do not
 * count: somebody took them out on purpose.
 */
struct endpoint *balancer_pick(struct balancer_pool *pool, const struct balancer_request *request,
                               struct balancer_tried *tried, int *ret_error);

void balancer_done(struct balancer_pool *pool, struct endpoint *endpoint,
                   enum balancer_outcome outcome, uint64_t latency_us, uint64_t now_us);

/* Must be called after an input of an endpoint was changed (any thread, after the stores): weight,
 * status, breaker, drain or resolved. An endpoint that may not be used is left out from the moment
 * of the store; this call brings shares and preferences up to date. When several threads call at
 * once, one of them works for all and the others return at once: it is kept as long as changes
 * come, so they come from the control thread and never from a worker. */
void balancer_pool_changed(struct balancer_pool *pool);

unsigned balancer_pool_size(const struct balancer_pool *pool);
struct endpoint *balancer_pool_endpoint(struct balancer_pool *pool, unsigned index);

/* A well-mixed 64-bit hash of a key: what the hashing algorithms expect. */
uint64_t balancer_hash(struct slice key);

const char *endpoint_status_name(enum endpoint_status status);
const char *breaker_state_name(enum breaker_state state);

/* Can it be given a new request at all (drain, weight 0, unhealthy, breaker, unresolved)? */
bool endpoint_usable(const struct endpoint *endpoint);

/* What least_latency has learned, aged to now; 0: no sample yet. */
uint64_t endpoint_latency_us(const struct endpoint *endpoint, uint64_t now_us);

#endif
