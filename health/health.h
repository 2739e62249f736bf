/*
 * Health: the one room that decides an endpoint's condition and writes it where the balancer reads
 * it. What others learn of an endpoint comes here; what follows from it leaves as an event.
 *
 *   active checks ───► health_check_result ──┐                     ┌─► endpoint's atomics (pick)
 *   traffic ─────────► health_report ────────┼─► state machines ───┼─► events (ring, log)
 *   silence ─────────► health_stalled ───────┤   of one endpoint   └─► hooks (recovery)
 *   operators ───────► health_set_draining ──┘
 *                      health_trip, _reset
 *
 * The machines are pure code on a clock that is given to them, each in a room of its own with a
 * model-based test:
 *
 *   check.h    rise and fall of active checks; degraded
 *   breaker.h  closed, open, half_open; remembers why it opened
 *   outlier.h  ejection after failures in a row or a bad rate; growing times
 *   stall.h    holds requests, answers none; one probe finds out
 *
 * How they go together, for one endpoint:
 *   - A failure is shown to the breaker first. While it is not closed, outlier detection counts
 *     nothing: the breaker has the matter in hand.
 *   - A check's success does not close a breaker that traffic opened (health says fine while
 *     traffic fails). But when checks bring an endpoint back from unhealthy, an open breaker goes
 *     half open at once: what opened it is likely over.
 *   - An ejection never takes the last usable endpoint of a pool, nor more than
 *     max_ejected_percent.
 *   - An endpoint that returns (unhealthy, ejected, breaker open before) starts slowly.
 *
 *   - A breaker that was opened by hand keeps its endpoint out even of a pool that panics.
 *
 * Without a configured check an endpoint is healthy from its start: a pool that is never asked must
 * not be doubted. With one it is unknown. What whoever registered it reports (config_backend's
 * `reported`) counts beside the checks: the worse of the two is its status.
 *
 * Threads. A worker reports its outcomes from any thread: without a lock as long as all is well,
 * else under the pool's mutex, and the endpoint's atomics change before the call returns. Time that
 * passes, the line-up, slow start, tiers and hooks are the *health thread's*: it calls health_keep,
 * and `wake` (below) calls for it. Time is a parameter everywhere (monotonic).
 */
#ifndef EVERGATE_HEALTH_HEALTH_H
#define EVERGATE_HEALTH_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "balancer/balancer.h"
#include "config/config.h"
#include "health/events.h"

struct health;      /* of the process */
struct health_pool; /* one per balancer pool */

struct health_params {
    unsigned events; /* capacity of the ring */
    /* There is something to do: see to it that health_keep is called soon. Any thread, at most
     * once until health_keep begins. May be NULL (tests, which call it themselves). */
    void (*wake)(void *arg);
    /* An endpoint's status changed, as our own checks and drains have it (what is reported of it
     * is left out); on the health thread, from within health_keep, in order. For recovery actions.
     * May be NULL. */
    void (*on_status)(void *arg, struct health_pool *pool, struct endpoint *endpoint,
                      enum endpoint_status from, enum endpoint_status to);
    void *arg;
};
struct health *health_new(const struct health_params *params);
void health_free(struct health *health); /* its pools too; no other thread may be in here */
struct events *health_events(struct health *health); /* of the process: pools come and go */

/*
 * Pools and endpoints come and go, and settings change, while workers report. All of these are the
 * health thread's (or of whoever sets up before it starts); settings before the endpoints that join
 * or leave with them.
 */

/* `pool` must outlive it, `config` lives until health_pool_change has named another and every
 * worker has passed a turn since. It has no endpoints yet; its first refresh is health_keep's or
 * health_pool_settle's. */
struct health_pool *health_pool_add(struct health *health, struct balancer_pool *pool,
                                    const struct config_pool *config, uint64_t now_us);
/* No worker can call with it any more. Frees it, and what is known of endpoints that are left. */
void health_pool_remove(struct health *health, struct health_pool *pool);

/* After balancer_pool_add: from now on its outcomes are taken. Gives it its first status. With
 * `starting` it is one of the process's start: nothing is told. Else an event says so and `why`
 * (copied), and its slow start begins when it can be used for the first time. */
void health_pool_join(struct health_pool *pool, struct endpoint *endpoint, const char *why,
                      bool starting, uint64_t now_us);
/* It drains for good, and does not count among the pool's any more: an event says so. Late outcomes
 * are still taken, but nothing more is told of it (on_status neither) than that it is gone, where
 * it left with requests in flight. */
void health_pool_leave(struct health_pool *pool, struct endpoint *endpoint, const char *why,
                       uint64_t now_us);
/* Its endpoint->backend was swapped: whether it is to be checked, and what was reported of it, may
 * be another. */
void health_endpoint_changed(struct health_pool *pool, struct endpoint *endpoint, uint64_t now_us);
/* It has left, nothing is in flight and no worker can call with it. Before balancer_pool_forget. */
void health_pool_forget(struct health_pool *pool, struct endpoint *endpoint);

/* Other settings (maybe equal ones, elsewhere). The machines keep their states and timers; a window
 * whose length is another starts anew. Where checks end, whoever was not healthy for them is;
 * where they begin, those that serve stay healthy until checks say otherwise. */
void health_pool_change(struct health_pool *pool, const struct config_pool *config,
                        uint64_t now_us);
/* Equal settings, elsewhere, of a pool whose endpoints are the same too: nothing begins or ends. */
void health_pool_move(struct health_pool *pool, const struct config_pool *config);

/* Refreshes the balancer now, and tells what moved; health_keep does it when it is due. */
void health_pool_settle(struct health_pool *pool, uint64_t now_us);

struct balancer_pool *health_pool_balancer(const struct health_pool *pool);

/* The health thread: what time and changes ask for. Returns when to be called again at the latest
 * (monotonic); 0: not before the next wake. */
uint64_t health_keep(struct health *health, uint64_t now_us);

/* ---- From the traffic (any thread) ---- */

enum health_result {
    HEALTH_SUCCESS,   /* an answer came that is no server error */
    HEALTH_FAILURE,   /* no connection, reset, timeout, no HTTP, cut short, 5xx */
    HEALTH_CANCELLED, /* the client left, or another attempt won: says nothing */
};

struct health_report {
    enum health_result result;
    int error;           /* EG_E_* of a failure without an answer; EG_OK */
    int status;          /* of the answer; 0: none */
    uint64_t picked_us;  /* when the balancer chose the endpoint: what was asked before a breaker
                            opened or a stall began says nothing about it */
    uint64_t latency_us; /* from the request's end to the answer's head; where there is one */
    bool told;           /* health_answered had that head already */
    bool late;           /* a failure after a report of success: an answer that ended early */
};

/* The head of an answer is there, be it good or bad: the endpoint is alive, and so fast. What
 * became of the answer is health_report's, later. Lock-free unless the endpoint had stalled. */
void health_answered(struct health_pool *pool, struct endpoint *endpoint, uint64_t picked_us,
                     uint64_t latency_us, uint64_t now_us);

/* What became of one attempt: once, when the answer is complete (or has lasted for a while, since
 * a stream may never end), or the attempt failed or was given up; and a second time with a `late`
 * failure when the answer ended early after all. Every pick must be answered by a report: a
 * half_open breaker counts on it. */
void health_report(struct health_pool *pool, struct endpoint *endpoint,
                   const struct health_report *report, uint64_t now_us);

/* How long an endpoint that holds requests may be silent before it counts as stalled; 0: not
 * judged (switched off). While its usual latency is not known yet, a tenth of timeouts.response.
 * Lock-free. */
uint64_t health_stall_limit_us(const struct health_pool *pool, const struct endpoint *endpoint);
/* When it last answered anybody; 0: never. Lock-free, exact to a millisecond. */
uint64_t health_answered_us(const struct health_pool *pool, const struct endpoint *endpoint);
/* It was silent for longer than that, with a request waiting since `waiting_since_us`. Calling
 * again while it is stalled is harmless; a stalled probe makes the next one come later. */
void health_stalled(struct health_pool *pool, struct endpoint *endpoint, uint64_t waiting_since_us,
                    uint64_t now_us);

/* ---- From active checks (the health thread) ---- */

enum check_verdict { CHECK_PASS, CHECK_DEGRADED, CHECK_FAIL };
struct check_result {
    enum check_verdict verdict;
    const char *why;     /* "status 503, expected 200-299"; copied; for CHECK_PASS may be "" */
    uint64_t latency_us; /* of the whole check */
};
void health_check_result(struct health_pool *pool, struct endpoint *endpoint,
                         const struct check_result *result, uint64_t now_us);

/* How soon to ask again: the interval, or the fast one while it fails or is not known. Before the
 * jitter. */
uint64_t health_check_interval_ms(struct health_pool *pool, const struct endpoint *endpoint);

/* ---- From operators and the resolver (any thread) ---- */

/* Starts a drain (no new requests; those in flight go on) or ends it: unknown where there are
 * checks, else healthy. True when that changed something. `why` is copied. */
bool health_set_draining(struct health_pool *pool, struct endpoint *endpoint, bool draining,
                         const char *why, uint64_t now_us);
/* Opens the breaker by hand until health_reset (it does not go half open by itself); closes it and
 * forgets failures, ejection and stall. */
void health_trip(struct health_pool *pool, struct endpoint *endpoint, const char *why,
                 uint64_t now_us);
void health_reset(struct health_pool *pool, struct endpoint *endpoint, const char *why,
                  uint64_t now_us);
void health_set_weight(struct health_pool *pool, struct endpoint *endpoint, unsigned weight);
/* A name got its first address, or lost all of them for good. */
void health_set_resolved(struct health_pool *pool, struct endpoint *endpoint, bool resolved);

/* The balancer's own settings of the pool were changed: refresh it soon. */
void health_changed(struct health_pool *pool);

/* ---- To be shown (any thread) ---- */

enum {
    HEALTH_OUTCOMES = 8,
    HEALTH_WHY_BYTES = 160,
    HEALTH_VERDICT_BYTES = 90, /* of a check's evidence, in the `why` of a status */
    HEALTH_BREAKER_STATES = BREAKER_HALF_OPEN + 1,
};

struct health_outcome { /* one of the last failures that opened the breaker */
    uint64_t ago_us;
    int error, status;
};
struct health_view {
    enum endpoint_status status;
    enum breaker_state breaker;
    enum stall_state stall;
    bool ejected;
    char why[HEALTH_WHY_BYTES]; /* of the status */
    bool by_report;             /* discovery reports it so; checks alone have it better */
    uint64_t status_for_us;     /* how long already */
    char breaker_why[HEALTH_WHY_BYTES];
    uint64_t breaker_for_us;
    char ejected_why[HEALTH_WHY_BYTES]; /* "": it is not */
    uint64_t ejected_for_us;
    uint64_t retry_in_us; /* when an open breaker goes half open or an ejection ends; 0: neither */
    unsigned breaker_entered[HEALTH_BREAKER_STATES]; /* how often each of its states was, */
    unsigned ejections, stalls;                      /* since the start */
    unsigned consecutive_failures;
    uint64_t successes, failures, checks, failed_checks;
    uint64_t check_latency_us;                       /* of the last check */
    uint64_t checked_ago_us;                         /* 0: never */
    char check_why[HEALTH_WHY_BYTES];                /* of the last check that did not pass */
    uint64_t check_failed_ago_us;                    /* ... and when; 0: never */
    struct health_outcome outcomes[HEALTH_OUTCOMES]; /* newest first */
    unsigned outcome_count;
    bool tripped;                    /* the breaker was opened by hand */
    uint64_t p50_us, p90_us, p99_us; /* of its answers of the last 10 to 20 s; 0: too few */
    uint64_t usual_us;               /* the latency that stalls are judged by; 0: none yet */
};
void health_view(struct health_pool *pool, const struct endpoint *endpoint, uint64_t now_us,
                 struct health_view *ret_view);

/* In how many seconds (at least 1) something may be better: the first breaker that goes half open,
 * ejection that ends or check that is due. For Retry-After. */
unsigned health_retry_after_s(struct health_pool *pool, uint64_t now_us);

/* The latency that `percent` of 100 answers of the pool stay under, lately; 0: too few answers
 * to say. Lock-free. For hedging and for people. */
uint64_t health_pool_latency_us(const struct health_pool *pool, unsigned percent);

/* An event about the pool as a whole (fallback, overload) or one of its endpoints (recovery). */
void health_tell(struct health_pool *pool, const struct endpoint *endpoint, enum event_type type,
                 enum event_severity severity, const char *from, const char *to, const char *why,
                 const char *next);
/* ... about the process: its configuration, an upgrade. */
void health_tell_process(struct health *health, enum event_type type, enum event_severity severity,
                         const char *from, const char *to, const char *why, const char *next);

#endif
