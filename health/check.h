/*
 * What the verdicts of active checks make of an endpoint's status.
 *
 *   unknown ──one pass──► healthy ──`fall` not passed──► degraded ──`fall` failed──► unhealthy
 *      │                     ▲  └───────────`fall` failed──────────────────────────►    │
 *      │                     └────`rise` passed───── degraded ◄──`rise` not failed──────┤
 *      └─`fall` failed─► unhealthy                  healthy ◄────`rise` passed──────────┘
 *
 * "So many" means in a row. A degraded verdict is an answer: it ends a row of failures, but not a
 * row of checks that were not passed. From unknown a single answer suffices, because until then
 * the endpoint serves nobody, and a wrong guess costs one attempt that is repeated elsewhere; a
 * single failure does not, because it may be just starting.
 *
 * Pure; the clock plays no part.
 */
#ifndef EVERGATE_HEALTH_CHECK_H
#define EVERGATE_HEALTH_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "health/health.h"

struct check_count {
    enum endpoint_status status;      /* never DRAINING: that is not for checks to say */
    enum check_verdict last;          /* while there was one */
    unsigned passed, alive;           /* in a row: CHECK_PASS; CHECK_PASS or CHECK_DEGRADED */
    unsigned failed, doubted;         /* in a row: CHECK_FAIL; CHECK_FAIL or CHECK_DEGRADED */
    uint64_t verdicts, verdicts_fail; /* since the start */
};

void check_count_init(struct check_count *count);

/* Nothing is known any more (a drain ended); the totals stay. */
void check_count_forget(struct check_count *count);

/* Checks begin for an endpoint that serves already: healthy until they say otherwise. */
void check_count_trust(struct check_count *count);

/* True when the status changed. */
bool check_count_add(struct check_count *count, const struct config_health *config,
                     enum check_verdict verdict);

/* Does the last verdict contradict the status, or is there none to be relied on? Then the next
 * check should come soon. */
bool check_count_hurries(const struct check_count *count);

#endif
