/*
 * The balancer: which endpoint gets a request. Knows nothing of sockets or HTTP.
 *
 *     pick(pool, request, tried)  ─►  endpoint   (its `active` count is raised)
 *     done(pool, endpoint, outcome)               (lowered again; latency learned)
 *
 * Every pick must be answered by exactly one done. The tried set belongs to the caller and grows
 * with each pick of the same request, so that an endpoint is not picked twice for it.
 *
 * Threads: pools and endpoints are shared by all workers. Unless it says otherwise, a function here
 * may be called from any worker at any time and takes no lock; what changes is atomic. The choice
 * with N workers is as good as with one because all of them read and write the same counters.
 *
 * Health, breaker, ejection, stall and drain are inputs (atomics of the endpoint), written by
 * health/ and management. Time and randomness are parameters, so that tests can run millions of
 * picks on a clock of their own.
 *
 * Endpoints come and go, and every setting may change, while workers pick:
 *
 *     add ─► (unresolved) ─► serves ─► leave ─► (finishes what it holds) ─► forget
 *
 * Each stands in a *slot*, whose number it keeps for life (endpoint->index); a slot may be free.
 * What a worker may be reading when it is taken out stays until balancer_pool_reclaim.
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

/* Holds requests and answers none of them: see health/stall.h. */
enum stall_state {
    STALL_CLEAR,
    STALL_STALLED, /* used after degraded ones only */
    STALL_PROBING, /* one request finds out: `probes` */
};

/* Runtime state of one backend: keyed by pool name and id, shared by all workers, alive across
 * snapshots. Cache lines are separate so that workers counting on different endpoints do not slow
 * each other down: what a pick only reads is the first one. */
struct endpoint {
    const char *id;      /* owned */
    const char *address; /* as configured; owned */
    uint64_t hash;       /* of the id: stable across restarts, for the hashing algorithms */
    unsigned index;      /* its slot: names it in tried sets and per-worker arrays */

    /* Inputs to pick, written by health/ and management. */
    _Atomic unsigned weight;          /* as configured, or changed by an operator */
    _Atomic unsigned max_connections; /* requests at once; 0: no limit */
    _Atomic enum endpoint_status status;
    _Atomic enum breaker_state breaker;
    _Atomic enum stall_state stall;
    /* Requests that a half_open breaker or a stall that is being probed still lets through; given
     * by health/, taken one by one by pick (one for both). */
    _Atomic unsigned probes;

    /* The balancer's own, kept by balancer_pool_refresh. */
    _Atomic unsigned share; /* weight in hundredths, scaled down while it starts slowly */

    _Atomic bool ejected; /* by outlier detection */
    _Atomic bool draining;
    _Atomic bool tripped;   /* its breaker was opened by hand: not even panic overrides that */
    _Atomic bool resolved;  /* false: no address is known for its name yet */
    _Atomic bool panicking; /* its pool ignores health: see config_failover.panic_percent */
    _Atomic bool leaving;   /* for good: no new requests; set by balancer_pool_leave */

    _Alignas(64) _Atomic int active; /* requests picked and not done, all workers */
    _Alignas(64) _Atomic uint64_t picks;
    _Atomic uint64_t turn;                      /* virtual time of its next turn: see stride.h */
    _Alignas(64) _Atomic uint64_t latency_ewma; /* fixed point: read endpoint_latency_us */
    _Atomic uint64_t latency_stamp_us;          /* of the last sample */
    _Atomic uint64_t latency_asked_us;          /* when its aged latency last won it a request */

    /* Of the current snapshot, replaced by balancer_endpoint_change. For workers within a turn, for
     * the health thread, and for those who keep snapshots from being freed. */
    _Alignas(64) _Atomic(const struct config_backend *) backend;
    void *health; /* what health/ knows of it; set before anybody sees it, never looked at here */
    _Atomic uint64_t tag; /* its name in the cookies of sticky sessions; proxy/ */
    uint64_t created_wall_us;
    _Atomic uint64_t updated_wall_us; /* when a key of its configuration last changed */
    uint64_t birth;                   /* counts up in its pool: who came first */
    uint64_t slow_since_us; /* its slow start; 0: none. The balancer's own, like `share` */
    bool proven;            /* there was a verdict about it, and an address. Likewise */
};

struct balancer_pool;

/* The request facts that a choice may depend on. */
struct balancer_request {
    uint64_t hash;   /* of the pool's hash_key (see balancer_hash); 0 when there is none */
    uint64_t random; /* 64 fresh random bits */
    uint64_t now_us; /* monotonic */
    /* Sticky sessions. `session` 0: none. `session_endpoint` is preferred while it is usable and
     * not tried; else the session's number chooses among the candidates (rendezvous hashing), so
     * that requests of one session that come at the same moment move to the same endpoint. */
    uint64_t session;
    struct endpoint *session_endpoint; /* NULL: none yet */
};

/* Which endpoints this request has had already, by slot. The first 64 of a pool inline; init before
 * use, fini after. */
struct balancer_tried {
    uint64_t newest; /* birth of the youngest of them: who came later only has a slot of theirs */
    uint64_t inline_bits;
    uint64_t *bits; /* heap: indices from 64 on, once one of them was picked */
    unsigned words; /* of `bits` */
    unsigned count;
};
void balancer_tried_init(struct balancer_tried *tried);
void balancer_tried_fini(struct balancer_tried *tried);
bool balancer_tried_has(const struct balancer_tried *tried, unsigned index);
/* It was picked, and then not asked after all. */
void balancer_tried_remove(struct balancer_tried *tried, unsigned index);

enum balancer_outcome {
    BALANCER_SUCCESS,   /* an answer came; latency_us holds the time to its head */
    BALANCER_FAILURE,   /* connect error, reset, timeout, garbage */
    BALANCER_CANCELLED, /* the client left: says nothing about the endpoint */
};

/*
 * A pool with these settings and without endpoints: config->backends is not looked at, who is in it
 * is said by balancer_pool_add. `config` must live until another takes its place, see
 * balancer_pool_change. `place` is where this instance is (copied; NULL: not known): with locality
 * = "prefer", each priority has three levels, zone, region and elsewhere. Never fails.
 */
struct balancer_pool *balancer_pool_new(const struct config_pool *config,
                                        const struct config_place *place);
/* With its endpoints. Nobody uses it any more. */
void balancer_pool_free(struct balancer_pool *pool);

/*
 * ---- Membership and settings ----
 *
 * The health thread, or whoever sets the pool up before it starts. What changes here takes effect
 * for picks with the next balancer_pool_refresh; what a worker may be reading at this moment stays
 * until balancer_pool_reclaim. No pick fails because of a change while it looked on: it looks
 * again.
 *
 * One at a time: every refresh that follows calls of these is to be followed by a turn of every
 * worker and a reclaim before these are called again. (Called earlier, nothing breaks, but the
 * turns must then be counted from the last such refresh.) Refreshes in between for other reasons
 * take nothing out and do not count.
 */

/* In the lowest free slot. `resolved` is false, also with a numeric address: nobody picks it until
 * the caller says so. `backend` must live until another is given to balancer_endpoint_change. */
struct endpoint *balancer_pool_add(struct balancer_pool *pool,
                                   const struct config_backend *backend);

/* No new request from now on, without a refresh. It stays in its slot, finishes what it holds, and
 * is no more counted in tiers and panic from the next refresh on. Its id may be added again. */
void balancer_pool_leave(struct balancer_pool *pool, struct endpoint *endpoint);

/* It is leaving, the pool was refreshed since, nothing is in flight on it, and no worker can hold
 * it from an earlier turn. Its slot is free from now on; the struct itself stays for those who
 * found it in this turn: after the next refresh, and a turn, the reclaim frees it. */
void balancer_pool_forget(struct balancer_pool *pool, struct endpoint *endpoint);

/* Weight, priority, place, backup and limit are those of `backend`, which replaces the one it had:
 * that must live until the reclaim. Same id, same address. */
void balancer_endpoint_change(struct balancer_pool *pool, struct endpoint *endpoint,
                              const struct config_backend *backend);

/* Every setting, the algorithm too. Requests in flight stay counted, turns and latencies go on.
 * The old `config` must live until the reclaim. */
void balancer_pool_change(struct balancer_pool *pool, const struct config_pool *config,
                          const struct config_place *place);

/* The settings and every endpoint's backend stay as they are, but `config` is where the settings
 * stand from now on; where they stood before may go after the workers' next turn. No refresh. */
void balancer_pool_move(struct balancer_pool *pool, const struct config_pool *config);

/* Every worker has passed a turn since the last refresh that followed a call of the functions
 * above: frees what that took out. Threads that look at the pool and are no workers (management)
 * must be kept out meanwhile. */
void balancer_pool_reclaim(struct balancer_pool *pool);

/* Not a leaving one; NULL: none. O(n). */
struct endpoint *balancer_pool_find(const struct balancer_pool *pool, const char *id);

/*
 * Chooses an endpoint, adds it to `tried`, raises its active count. Of those that are usable and
 * have room: a healthy one, at the level that the load's shares draw, else at another; else a
 * degraded one; then backups, stalled ones, unknown ones. NULL when there is none left; then
 * *ret_error is
 *
 *   EG_E_OVERLOAD       the pool, or an endpoint that would do, is at its limit of connections:
 *                       wait for a balancer_done. (Rather than taking a backup, a stalled or an
 *                       unknown endpoint, if the full one is healthy or degraded.)
 *   EG_E_BREAKER_OPEN   every endpoint that could serve is kept out by its breaker
 *   EG_E_RESOLVE        each of them waits for its name
 *   EG_E_NO_ENDPOINT    unhealthy, ejected, mixed reasons, or all usable ones were tried
 *
 * Endpoints that are draining or have weight 0 do not count: somebody took them out on purpose.
 *
 * Limits (max_connections of an endpoint and of the pool) are exact over all workers. A pool's
 * place is taken before the choice and given back if that fails: a failed pick, too, is a moment at
 * which another request may find room.
 */
struct endpoint *balancer_pick(struct balancer_pool *pool, const struct balancer_request *request,
                               struct balancer_tried *tried, int *ret_error);

/*
 * Who waits for room cannot miss it: the counts go down by sequentially consistent operations
 * before this returns, and a pick that fails for lack of room has read them by such. So:
 *
 *   who waits    counts itself among the waiting (seq_cst), then picks once more, and waits if
 *                that fails
 *   who is done  balancer_done, then reads (seq_cst) whether anybody waits, and wakes one
 *
 * One of the two sees the other.
 */
void balancer_done(struct balancer_pool *pool, struct endpoint *endpoint,
                   enum balancer_outcome outcome, uint64_t latency_us, uint64_t now_us);

/*
 * Brings shares and preferences up to date after an input of an endpoint was changed (weight,
 * status, breaker, stall, ejected, drain, resolved) and as time passes (slow start, failback).
 * An endpoint that may not be used is left out from the moment of the store; this call does the
 * rest. Rebuilding costs up to 30 ms in hashing pools (hash_slots.h).
 *
 * After a change of membership or settings this is where it takes effect, at once as a whole.
 *
 * Tiers: the levels of a pool, by priority, then distance; backups last. A level that has
 * lost capacity (the share of its weight that is usable and healthy) below min_healthy_percent
 * keeps capacity / min_healthy_percent of the load, the next one gets the rest on the same terms.
 * Load comes back as the pool's failback says. A backup level serves only when no level before it
 * can.
 *
 * One thread only: the health thread, or whoever sets a pool up before it starts. Time must not go
 * backwards. */
struct balancer_refresh {
    uint64_t next_us;   /* call again then, even if nothing changes; 0: no need */
    bool tiers_changed; /* the load moved between levels: balancer_pool_tiers */
    bool panic_changed; /* balancer_pool_panicking */
};
struct balancer_refresh balancer_pool_refresh(struct balancer_pool *pool, uint64_t now_us);

/* The endpoint was away (or is new in a running pool) and serves again: its slow start begins at
 * the next refresh. The health thread. */
void balancer_endpoint_returned(struct balancer_pool *pool, struct endpoint *endpoint,
                                uint64_t now_us);

/* failback = manual (or impatience with the other modes): the load may return to where it belongs,
 * at the next refresh. Any thread. */
void balancer_pool_fail_back(struct balancer_pool *pool);

/* One level as it stands; for people. */
struct balancer_tier {
    unsigned priority; /* of the configuration; 0: the backups */
    const char *where; /* "zone", "region", "elsewhere"; "" with locality = "off" */
    unsigned endpoints, healthy;
    unsigned capacity_percent; /* of its weight, healthy */
    unsigned load_percent;     /* of the pool's requests that it gets now */
    bool held_back;            /* could take more, but the failback policy waits */
};
/* Fills at most `max`; returns how many it filled. Any thread. */
enum { BALANCER_TIERS_MAX = 101 * 3 }; /* priorities and backups, at three distances each */
unsigned balancer_pool_tiers(const struct balancer_pool *pool, struct balancer_tier *out,
                             unsigned max);
bool balancer_pool_panicking(const struct balancer_pool *pool); /* any thread */

int balancer_pool_in_flight(const struct balancer_pool *pool); /* requests, in the whole pool */

/* Slots: every index is below this, and it never goes down. Any thread. */
unsigned balancer_pool_size(const struct balancer_pool *pool);
/* NULL: the slot is free. Leaving ones are there. */
struct endpoint *balancer_pool_endpoint(const struct balancer_pool *pool, unsigned index);
/* A position of balancer_pool_tiers; BALANCER_TIERS_MAX: it is leaving, or not refreshed since. */
unsigned balancer_pool_level(const struct balancer_pool *pool, const struct endpoint *endpoint);

/* ---- Why: for people ---- */

enum balancer_verdict {
    BALANCER_ELIGIBLE, /* a pick may choose it now */
    BALANCER_IS_LEAVING,
    BALANCER_IS_DRAINING,
    BALANCER_IS_WEIGHTLESS, /* weight 0 */
    BALANCER_IS_UNRESOLVED,
    BALANCER_IS_UNHEALTHY,
    BALANCER_IS_EJECTED,
    BALANCER_BREAKER_OPEN,
    BALANCER_BREAKER_HALF_OPEN, /* and has no probes left */
    BALANCER_IS_FULL,           /* at its limit of connections */
    BALANCER_IS_STALLED,        /* others are better; so with the next two */
    BALANCER_IS_UNKNOWN,        /* waits for its first verdict */
    BALANCER_IS_DEGRADED,
    BALANCER_OTHER_LEVEL, /* it would do, but the load is at another level */
    BALANCER_VERDICT_COUNT,
};
const char *balancer_verdict_name(enum balancer_verdict verdict); /* "other level has the load" */

struct balancer_candidate {
    const struct endpoint *endpoint;
    unsigned priority;       /* of its level: see struct balancer_tier */
    const char *level_where; /* likewise */
    enum balancer_verdict verdict;
    bool eligible;          /* verdict == BALANCER_ELIGIBLE */
    unsigned share_percent; /* of the pool's requests that it gets as things stand, by weights */
};

/*
 * Why each endpoint is eligible or not for this request now, and whom a pick would choose
 * (*ret_chosen; NULL: nobody). Made on a copy of the pool: nothing is taken, counted or moved.
 * Fills at most `max`, by slot; returns how many. Panic counts as everybody being healthy. A
 * worker, the health thread, or one that keeps balancer_pool_reclaim from running.
 */
unsigned balancer_pool_explain(const struct balancer_pool *pool,
                               const struct balancer_request *request,
                               struct balancer_candidate *out, unsigned max,
                               struct endpoint **ret_chosen);

/* A well-mixed 64-bit hash of a key: what the hashing algorithms expect. */
uint64_t balancer_hash(struct slice key);

const char *endpoint_status_name(enum endpoint_status status);
const char *breaker_state_name(enum breaker_state state);

/* Can it be given a new request at all (drain, weight 0, unhealthy, breaker, ejected, unresolved)?
 * Limits of connections do not count: they pass by themselves. */
bool endpoint_usable(const struct endpoint *endpoint);

/* What least_latency has learned, aged to now; 0: no sample yet. */
uint64_t endpoint_latency_us(const struct endpoint *endpoint, uint64_t now_us);

#endif
