/*
 * The circuit breaker of one endpoint, by what its traffic shows.
 *
 *                 `failure_threshold` failures in a row, or
 *                 `error_percent` of at least `min_requests` in the window
 *        ┌──────┐ ───────────────────────────────────────────────► ┌──────┐ ◄── by hand: stays
 *   ───► │closed│                                                  │ open │     until reset
 *        └──────┘                                   one failure ┌─►└──────┘
 *            ▲                                                  │      │ recovery timeout,
 *            │  `success_threshold` successes   ┌───────────┐ ──┘      │ or checks say so
 *            └───────────────────────────────── │ half_open │ ◄────────┘
 *                                               └───────────┘ `half_open_max` requests at once
 *
 * The recovery timeout doubles with every opening in a row, up to max_recovery_timeout, and varies
 * by a tenth to either side, so that many breakers that opened together do not probe together. A
 * breaker that stayed closed for max_recovery_timeout has forgotten how often it opened.
 *
 * What was asked for before its time says nothing: in `closed`, a request that was picked before
 * the breaker closed; in `half_open`, one from before the latest opening. The latter is not
 * compared with the beginning of half_open itself: a worker's clock may be a turn of its loop
 * behind, and a probe's outcome must not be lost for that. Nothing is picked while it is open (but
 * in a pool that panics, and what such a request shows is as good as a probe's).
 *
 * The places of half_open are the caller's to count, because they are taken without a lock
 * (endpoint->probes); the machine says when one comes back. Should one be lost after all, it is
 * given back after max_recovery_timeout of silence.
 *
 * Pure: no locks, time and random bits are parameters; time must not go backwards, picked_us may.
 */
#ifndef EVERGATE_HEALTH_BREAKER_H
#define EVERGATE_HEALTH_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "balancer/balancer.h"
#include "config/config.h"
#include "health/health.h"
#include "health/window.h"

enum { BREAKER_FAILURES_KEPT = 8 };

/* Why it is in its state. */
enum breaker_cause {
    BREAKER_CAUSE_START,
    BREAKER_CAUSE_ROW,    /* open: failures in a row */
    BREAKER_CAUSE_RATE,   /* open: the share of errors */
    BREAKER_CAUSE_PROBE,  /* open: a probe failed; closed: enough of them succeeded */
    BREAKER_CAUSE_TIME,   /* half_open: the recovery timeout is over */
    BREAKER_CAUSE_CHECKS, /* half_open: checks brought the endpoint back */
    BREAKER_CAUSE_HAND,   /* open, closed */
};

enum breaker_effect {
    BREAKER_NOTHING,
    BREAKER_PLACE_BACK, /* one more request may be let through */
    BREAKER_CHANGED,    /* of state */
};

struct breaker_failure {
    uint64_t at_us;
    int error, status;
};

struct breaker {
    const struct config_breaker *config; /* referenced, until breaker_change */
    enum breaker_state state;
    enum breaker_cause cause;
    uint64_t since_us;                       /* in this state */
    uint64_t opened_us;                      /* the latest opening */
    uint64_t half_open_us;                   /* open: when it goes half open */
    uint64_t heard_us;                       /* half_open: of its probes, or its beginning */
    unsigned growth;                         /* openings in a row before the latest */
    unsigned entered[HEALTH_BREAKER_STATES]; /* how often each state was, ever */
    unsigned row;                            /* failures since the last success, while closed */
    unsigned probed;                         /* successes while half_open */
    struct window window;
    struct window_totals evidence; /* the window's when it opened */
    unsigned evidence_row;
    struct breaker_failure failures[BREAKER_FAILURES_KEPT]; /* the latest at (kept - 1) % */
    unsigned failures_kept;                                 /* ever */
};

void breaker_init(struct breaker *breaker, const struct config_breaker *config, uint64_t now_us);

/* Other settings from now on; state and timers stay, a window of another length starts anew. */
void breaker_change(struct breaker *breaker, const struct config_breaker *config);

/* `count` requests succeeded lately. Only the volume of the window: breaker_success says what one
 * of them means. Successes need to be shown one by one only while `row` is not 0 or the breaker not
 * closed. */
void breaker_count(struct breaker *breaker, uint64_t count, uint64_t now_us);

enum breaker_effect breaker_success(struct breaker *breaker, uint64_t picked_us, uint64_t now_us);
struct breaker_outcome {
    int error, status;
    uint64_t picked_us;
    bool late; /* it had been counted as a success: the answer began, and ended early */
};
enum breaker_effect breaker_failure(struct breaker *breaker, const struct breaker_outcome *outcome,
                                    uint64_t now_us, uint64_t random);
enum breaker_effect breaker_cancelled(struct breaker *breaker, uint64_t picked_us, uint64_t now_us);

/* Time went on. `places_left`: none of half_open's is left to take. */
enum breaker_effect breaker_keep(struct breaker *breaker, bool places_left, uint64_t now_us);
/* When breaker_keep has something to do; 0: never. */
uint64_t breaker_due_us(const struct breaker *breaker);

/* Checks brought the endpoint back: what opened it is likely over. */
enum breaker_effect breaker_returned(struct breaker *breaker, uint64_t now_us);

enum breaker_effect breaker_trip(struct breaker *breaker, uint64_t now_us);
enum breaker_effect breaker_reset(struct breaker *breaker, uint64_t now_us);

/* Open by hand: until breaker_reset. */
static inline bool breaker_is_tripped(const struct breaker *breaker)
{
    return breaker->state == BREAKER_OPEN && breaker->cause == BREAKER_CAUSE_HAND;
}
static inline unsigned breaker_places(const struct breaker *breaker)
{
    return breaker->config->half_open_max > 0 ? breaker->config->half_open_max : 1;
}

/* The `back`-th of the last failures, 0 the newest; NULL when there were not so many. */
const struct breaker_failure *breaker_failure_at(const struct breaker *breaker, unsigned back);

#endif
