/*
 * Outlier detection: an endpoint that fails while its neighbours do not is left out for a time.
 *
 *   serving ──5 failures in a row, or a bad rate──► ejected ──its time is over──► serving
 *
 * It differs from the breaker in that it judges by comparison and acts for the pool: the rate must
 * be at least twice that of the rest (when everybody fails, leaving some out only makes the others
 * fail sooner), and the pool has the last word (outlier_pool_allows). So the machine only says that
 * an endpoint ought to be ejected; whoever owns the pool decides and calls outlier_eject.
 *
 * The rate is bad in two ways. Over the whole window: `error_percent` of `min_requests` or more.
 * After good times under load that takes seconds, in which hundreds of clients get the failures. So
 * also over a stretch of the window that ends now (spell.h), if in that alone so many failed that
 * it is no chance: `min_requests` over and above error_percent, at least OUTLIER_MARGIN; and if it
 * would be twice the rate of the rest without them, and had the rest half as many failures more.
 * Where no more than half of error_percent usually fails, chance alone does that less than once in
 * e^(1.256 * 20) = 8 * 10^10 requests, and with the rest as bad even more rarely. That is for
 * traffic that would hide such a stretch: not for a window in which as many failures, alone, are
 * error_percent (fewer than 67 requests, by default).
 *
 * The n-th ejection in a row lasts base * 2^(n-1), at most max_ejection. Every base_ejection that
 * was served without another one takes one from n.
 *
 * Requests that were picked before the endpoint returned say nothing.
 *
 * Pure: no locks, time is a parameter and must not go backwards, picked_us may.
 */
#ifndef EVERGATE_HEALTH_OUTLIER_H
#define EVERGATE_HEALTH_OUTLIER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "health/spell.h"
#include "health/window.h"

enum outlier_cause { OUTLIER_CAUSE_NONE, OUTLIER_CAUSE_ROW, OUTLIER_CAUSE_RATE };

enum { OUTLIER_MARGIN = 20 }; /* failures; its default for min_requests, and never fewer */

/* What a bad rate was found by: in how long, its own requests and those of the rest. */
struct outlier_evidence {
    uint64_t span_us;
    struct window_totals own, rest;
};

struct outlier {
    const struct config_outlier *config; /* referenced, until outlier_change */
    bool ejected;
    uint64_t since_us; /* ejected, or serving again */
    uint64_t until_us; /* while ejected */
    unsigned in_row;   /* ejections in a row, the latest included */
    unsigned ejections;
    unsigned row; /* failures since the last success */
    struct window window;
    struct spell spell;
    bool suspect;                     /* the spell is bad enough to be compared with others: */
    struct window_totals others_then; /* so many they had had when it became so */
    struct outlier_evidence evidence; /* of the latest OUTLIER_CAUSE_RATE */
};

void outlier_init(struct outlier *outlier, const struct config_outlier *config, uint64_t now_us);

/* Other settings from now on; an ejection lasts as it was said to, a window of another length
 * starts anew. */
void outlier_change(struct outlier *outlier, const struct config_outlier *config);

/* `count` requests succeeded lately: the volume of the window; as breaker_count. */
void outlier_count(struct outlier *outlier, uint64_t count, uint64_t now_us);
void outlier_success(struct outlier *outlier, uint64_t picked_us);

/* A failure. Returns why it ought to be ejected, if so. Said again with every failure until it
 * is. */
struct outlier_outcome {
    uint64_t picked_us;
    bool late;                   /* it had been counted as a success */
    struct window_totals rest;   /* what the pool's other endpoints had in the same window, */
    struct window_totals others; /* and what they ever had: exact if outlier_compares */
};
/* Is the next failure one for which the others' outcomes ought to be counted to the last? That is
 * rare while all is well: they need not be looked at for each. */
bool outlier_compares(const struct outlier *outlier);
enum outlier_cause outlier_failure(struct outlier *outlier, const struct outlier_outcome *outcome,
                                   uint64_t now_us);

void outlier_eject(struct outlier *outlier, uint64_t now_us);
/* Time went on: true when the ejection is over (until_us). */
bool outlier_keep(struct outlier *outlier, uint64_t now_us);
/* Forgets everything but the number of ejections; true when it was ejected. */
bool outlier_reset(struct outlier *outlier, uint64_t now_us);

struct outlier_pool {
    unsigned endpoints;     /* that are meant to serve: not draining or leaving, weight over 0 */
    unsigned ejected;       /* of them, now */
    unsigned others_usable; /* besides the one in question */
};
/* May one more be ejected? Never over max_ejected_percent, never the last that can be used. */
bool outlier_pool_allows(const struct outlier_pool *pool, unsigned max_ejected_percent);

#endif
