/*
 * The façade's rooms and what they share.
 *
 *   report.c    the traffic's outcomes: the lock-free path of success, and the careful one
 *   operate.c   checks, operators, the resolver
 *   member.c    endpoints and settings that come and go
 *   change.c    what follows from a machine's change of state: atomics, the event, flags
 *   tell.c      events on their way out; words.c, tell_tiers.c: their texts
 *   keep.c      the health thread's turn: time, ticks, line-up, hooks
 *   latency.c   percentiles
 *   view.c      what people see
 *
 * Locks. A pool's mutex guards the machines of its records and the queue of events. It is held for
 * computing only: events are handed on, the line-up rebuilt and hooks called without it. `telling`
 * is taken before the mutex and keeps events of one pool in order while they are handed on. The
 * array of records is changed by the health thread, under the mutex: so that thread reads it as it
 * is, and all others under the mutex.
 *
 * What may go while others look. Workers reach a record through its endpoint, never through the
 * array, and it is there until no worker can come with that endpoint (health_pool_forget). The
 * settings are reached through an atomic pointer; whoever holds the mutex sees one of them for as
 * long as it does.
 *
 * A record's atomics that are not under the mutex stand on their own and are written relaxed: each
 * is true by itself, and none of them promises anything about another.
 */
#ifndef EVERGATE_HEALTH_HEALTH_INTERNAL_H
#define EVERGATE_HEALTH_HEALTH_INTERNAL_H

#include <pthread.h>

#include "health/breaker.h"
#include "health/check.h"
#include "health/health.h"
#include "health/histogram.h"
#include "health/outlier.h"
#include "health/stall.h"

enum {
    HEALTH_LATENCY_US = 1000000, /* percentiles are read so often; windows are fed as well, */
    HEALTH_FEED_MIN_US = 100000, /* or a bucket at a time, if that is sooner */
    HEALTH_FEED_PAUSE_US = 1,    /* between two feeds, for each endpoint: one takes a tenth of it */
    HEALTH_SMALL_POOL = 64,      /* its line-up is made at once */
    HEALTH_LINEUP_US = 20,       /* an endpoint of a larger one takes so much of the pause, */
    HEALTH_LINEUP_MAX_US = 100000,
    HEALTH_PENDING_EVENTS = 1024, /* of a pool, between two turns of the health thread */
    HEALTH_TIERS = 64,            /* that failover events look at */
    HEALTH_RETRY_KNOWN_US = 250000,
    HEALTH_RETRY_DEFAULT_S = 5,
    RETRY_SECONDS_BITS = 16,
};

/* The percentiles of an endpoint that are kept to be shown. */
enum { LATENCY_P50, LATENCY_P90, LATENCY_P99, LATENCY_COUNT };

/* Health's own knowledge of an endpoint: endpoint->health. */
struct record {
    /* Every outcome of every worker comes by here. */
    _Alignas(64) struct endpoint *endpoint; /* for good */
    _Atomic uint64_t successes;
    _Atomic uint64_t answered_us; /* whole milliseconds */
    _Atomic uint64_t usual;       /* stall.h */
    /* A machine is not at rest: every outcome is to be shown to it, under the mutex. */
    _Atomic bool watched;
    _Atomic enum endpoint_status judged; /* its status but for what was reported; for on_status */
    _Atomic uint64_t stall_over_us;  /* when the latest stall ended, and the limit that it broke: */
    _Atomic uint64_t stall_limit_us; /* what was picked before is learned as no more */
    _Alignas(64) _Atomic uint32_t answers[HISTOGRAM_BUCKETS];

    /* The health thread's. */
    uint32_t answers_older[HISTOGRAM_BUCKETS], answers_newer[HISTOGRAM_BUCKETS];
    _Atomic uint32_t percentiles_us[LATENCY_COUNT];

    /* Under the mutex. */
    struct check_count check;
    struct breaker breaker;
    struct outlier outlier;
    struct stall stall;
    uint64_t fed;                 /* of `successes`: what the windows have had */
    struct window_totals counted; /* its part of the pool's */
    uint64_t failures;
    uint64_t status_since_us, checked_us, check_latency_us;
    uint64_t check_failed_us; /* the last check that did not pass */
    char why[HEALTH_WHY_BYTES], breaker_why[HEALTH_WHY_BYTES];
    char ejected_why[HEALTH_WHY_BYTES], check_why[HEALTH_WHY_BYTES];
    unsigned places;    /* of half_open and probing together: how many may be out at once */
    unsigned overdrawn; /* taken before `places` became fewer */
    enum config_reported reported;
    bool checked; /* the pool has checks, and they are meant for it too */
    bool draining;
    bool leaving;   /* no member any more: nothing is told of it, nothing compared with it */
    bool left_busy; /* ... with requests in flight */
    bool away;      /* unhealthy, drained, ejected or not closed since it last served; or new */
    bool returning; /* serves again: its slow start is to begin when it can be reached */

    unsigned position;             /* the health thread's: in the pool's array */
    enum endpoint_status heard_of; /* the health thread's: what on_status was last told */
};

struct health_pool {
    struct health *health;
    struct balancer_pool *balancer;
    char *name;                                 /* for good */
    _Atomic(const struct config_pool *) config; /* pool_config */
    struct record **records;                    /* in no order; leaving ones too */
    unsigned count, room;

    pthread_mutex_t telling, mutex;
    uint64_t now_us; /* under the mutex, time does not go backwards */
    uint64_t random;
    uint64_t feed_every_us;
    uint64_t fed_us;              /* when the windows last had all successes, of all endpoints */
    struct window window;         /* of all endpoints, for outliers to be compared with, */
    struct window_totals counted; /* and all that ever went into it */
    struct health_event *pending;
    unsigned pending_count, pending_room, pending_lost;
    unsigned members, ejected; /* records that are not leaving; of them, and not draining */
    bool status_changed;       /* of some record, that on_status has not heard of */

    _Atomic bool someone_returns;
    _Atomic bool changed;    /* inputs of the balancer */
    _Atomic uint64_t due_us; /* when a machine's time comes at the earliest; 0: never */
    _Atomic uint64_t retry;  /* what health_retry_after_s said last, with the time above it */
    _Atomic uint32_t percentiles_us[100];

    /* The health thread's. */
    uint64_t refresh_us, feed_us, latency_us, rotate_us; /* when the next one is due */
    uint64_t lineup_us; /* not before: the line-up of a large pool is not made for each change */
    struct balancer_tier tiers[HEALTH_TIERS]; /* as they were last told */
    unsigned tier_count;
    bool tiers_served; /* some of them had load since the pool was last empty */
    uint64_t tiers_since_us, panic_since_us;
    bool panicking;
};

struct health {
    struct health_params params;
    struct events *events;
    struct health_pool **pools;
    size_t count;
    _Atomic bool woken;
};

/* ---- health.c ---- */

struct record *health_record(const struct endpoint *endpoint);
/* The settings of the moment. Without the mutex they may be the previous ones, which live until
 * every worker has passed a turn after the change. */
static inline const struct config_pool *pool_config(const struct health_pool *pool)
{
    return atomic_load_explicit(&pool->config, memory_order_acquire);
}
/* For others to be compared with often enough: see keep.c. */
uint64_t health_feed_every_us(const struct config_pool *config);
/* Locks, and returns `now_us` or the latest time the pool has seen. */
uint64_t health_lock(struct health_pool *pool, uint64_t now_us);
void health_unlock(struct health_pool *pool);
uint64_t health_random_locked(struct health_pool *pool);
/* Something is to be done by the health thread. With or without the mutex. */
void health_wake(struct health_pool *pool);
/* ... and an input of the balancer has changed. */
void health_wake_changed(struct health_pool *pool);

/* ---- report.c ---- */

/* The windows get the successes that were only counted. */
void record_feed_locked(struct health_pool *pool, struct record *r, uint64_t now_us);
void pool_feed_locked(struct health_pool *pool, uint64_t now_us); /* of all endpoints */

/* ---- change.c: each after the machine has changed its state; `since_us` is when it had entered
 * the one that it left ---- */

void change_breaker_locked(struct health_pool *pool, struct record *r, enum breaker_state from,
                           uint64_t since_us, const char *why, uint64_t now_us);
void change_outlier_locked(struct health_pool *pool, struct record *r, uint64_t since_us,
                           const char *why, uint64_t now_us);
void change_stall_locked(struct health_pool *pool, struct record *r, enum stall_state from,
                         uint64_t since_us, const char *why, uint64_t now_us);
/* The status as checks, reports and drain say together; tells when it is another. `why` NULL: it is
 * the report that is another. */
void change_status_locked(struct health_pool *pool, struct record *r, const char *why,
                          uint64_t now_us);
/* The first status, and the event unless it was there from the process's start. */
void change_join_locked(struct health_pool *pool, struct record *r, const char *why, bool starting,
                        uint64_t now_us);
/* Draining for good; the last event but that of its end. */
void change_leave_locked(struct health_pool *pool, struct record *r, const char *why,
                         uint64_t now_us);
/* What was reported of it is another thing now. */
void change_report_locked(struct health_pool *pool, struct record *r, enum config_reported reported,
                          uint64_t now_us);
/* It was unhealthy and is no longer: what opened its breaker is likely over, too. */
void change_returned_locked(struct health_pool *pool, struct record *r, const char *why,
                            uint64_t now_us);
/* half_open may let others through at once than before. */
void change_settings_locked(struct record *r);
/* A place of a probe comes back. */
void change_place_back_locked(struct record *r);
bool record_place_left(const struct record *r);
/* Ejected, and it counts for max_ejected_percent. */
bool record_counts_as_ejected(const struct record *r);
/* Whether each outcome must be looked at, and when time will be due: after anything. */
void change_settle_locked(struct health_pool *pool, struct record *r);
uint64_t record_due_us(const struct record *r);
/* Its status is what was reported of it; checks and drain alone would have it better. */
bool record_is_held_by_report(const struct record *r);
bool pool_has_usable(const struct health_pool *pool, const struct record *besides);

/* ---- tell.c ---- */

/* Queues an event; its pool, endpoint and address are filled here. Of an endpoint that is leaving,
 * nothing is told. */
void tell_locked(struct health_pool *pool, const struct record *r, struct health_event *event);
/* ... but that it is gone. */
void tell_gone_locked(struct health_pool *pool, const struct record *r);
/* Hands the queue to the ring and the log. Without the mutex. */
void tell_pending(struct health_pool *pool, uint64_t now_us);

/* ---- words.c ---- */

/* The evidence of a change, as text. */
struct why {
    char text[HEALTH_WHY_BYTES];
};
struct why why_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
struct why why_breaker(const struct record *r);
struct why why_outlier(const struct record *r, enum outlier_cause cause,
                       const struct health_report *report);
struct why why_stall_outcome(const struct record *r, const struct health_report *report,
                             uint64_t now_us);
struct why why_stall_silent(const struct record *r, enum stall_state from, uint64_t silent_us);
struct why why_stall_time(const struct record *r);
struct why why_check(const struct record *r, enum endpoint_status from, const char *verdict);
/* Of a status, with the report's part in it; `why` NULL: the report is what changed. */
struct why why_status(const struct record *r, enum endpoint_status status, const char *why);
/* Of the first one. */
struct why why_first(const struct record *r);

/* What comes next, into the event. */
void next_breaker(const struct health_pool *pool, const struct record *r, uint64_t now_us,
                  struct health_event *event);
void next_outlier(const struct health_pool *pool, const struct record *r, uint64_t now_us,
                  struct health_event *event);
void next_stall(const struct health_pool *pool, const struct record *r, uint64_t now_us,
                struct health_event *event);
void next_status(const struct health_pool *pool, const struct record *r,
                 enum endpoint_status status, uint64_t now_us, struct health_event *event);

/* ---- tell_tiers.c ---- */

/* After a refresh; after one that changed the panic. The health thread. */
void tell_tiers(struct health_pool *pool, uint64_t now_us);
void tell_panic(struct health_pool *pool, uint64_t now_us);

/* ---- latency.c: the health thread ---- */

void latency_tick(struct health_pool *pool, uint64_t now_us);

#endif
