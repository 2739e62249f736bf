/* The circuit breaker: see breaker.h. */
#include "health/breaker.h"

enum { BREAKER_MAX_DOUBLINGS = 30 };

void breaker_init(struct breaker *breaker, const struct config_breaker *config, uint64_t now_us)
{
    *breaker = (struct breaker){.config = config, .state = BREAKER_CLOSED, .since_us = now_us};
    window_init(&breaker->window, config->window_ms);
}

void breaker_change(struct breaker *breaker, const struct config_breaker *config)
{
    breaker->config = config;
    window_change(&breaker->window, config->window_ms);
}

/* The one place where the state changes. */
static enum breaker_effect breaker_set(struct breaker *breaker, enum breaker_state state,
                                       enum breaker_cause cause, uint64_t now_us)
{
    breaker->state = state;
    breaker->entered[state]++;
    breaker->cause = cause;
    breaker->since_us = now_us;
    breaker->heard_us = now_us;
    breaker->row = 0;
    breaker->probed = 0;
    window_clear(&breaker->window);
    return BREAKER_CHANGED;
}

static uint64_t breaker_max_us(const struct breaker *breaker)
{
    const struct config_breaker *config = breaker->config;
    uint64_t ms = config->max_recovery_timeout_ms;

    return (ms > config->recovery_timeout_ms ? ms : config->recovery_timeout_ms) * 1000;
}

/* Doubled for every opening in a row, a tenth more or less, never over the maximum. */
static uint64_t breaker_recovery_us(const struct breaker *breaker, uint64_t random)
{
    uint64_t max_us = breaker_max_us(breaker), us = breaker->config->recovery_timeout_ms * 1000;

    for (unsigned i = 0; i < breaker->growth && us < max_us; i++)
        us *= 2;
    if (us > max_us)
        us = max_us;
    us = us - us / 10 + random % (us / 5 + 1);
    return us < max_us ? us : max_us;
}

static enum breaker_effect breaker_open(struct breaker *breaker, enum breaker_cause cause,
                                        uint64_t now_us, uint64_t random)
{
    bool in_row = breaker->entered[BREAKER_OPEN] > 0 &&
                  (breaker->state == BREAKER_HALF_OPEN ||
                   now_us - breaker->since_us < breaker_max_us(breaker));

    breaker->evidence = window_sum(&breaker->window, now_us);
    breaker->evidence_row = breaker->row;
    if (!in_row || breaker->cause == BREAKER_CAUSE_HAND)
        breaker->growth = 0;
    else if (breaker->growth < BREAKER_MAX_DOUBLINGS)
        breaker->growth++;
    breaker->opened_us = now_us;
    breaker->half_open_us = now_us + breaker_recovery_us(breaker, random);
    return breaker_set(breaker, BREAKER_OPEN, cause, now_us);
}

void breaker_count(struct breaker *breaker, uint64_t count, uint64_t now_us)
{
    if (breaker->state == BREAKER_CLOSED)
        window_add(&breaker->window, now_us, count, 0);
}

enum breaker_effect breaker_success(struct breaker *breaker, uint64_t picked_us, uint64_t now_us)
{
    if (breaker->state == BREAKER_CLOSED && picked_us >= breaker->since_us)
        breaker->row = 0;
    if (breaker->state != BREAKER_HALF_OPEN || picked_us < breaker->opened_us)
        return BREAKER_NOTHING;
    breaker->heard_us = now_us;
    if (++breaker->probed >= breaker->config->success_threshold)
        return breaker_set(breaker, BREAKER_CLOSED, BREAKER_CAUSE_PROBE, now_us);
    return BREAKER_PLACE_BACK;
}

static void breaker_remember(struct breaker *breaker, const struct breaker_outcome *outcome,
                             uint64_t now_us)
{
    breaker->failures[breaker->failures_kept++ % BREAKER_FAILURES_KEPT] = (struct breaker_failure){
        .at_us = now_us, .error = outcome->error, .status = outcome->status};
}

enum breaker_effect breaker_failure(struct breaker *breaker, const struct breaker_outcome *outcome,
                                    uint64_t now_us, uint64_t random)
{
    const struct config_breaker *config = breaker->config;

    if (breaker->state == BREAKER_HALF_OPEN && outcome->picked_us >= breaker->opened_us) {
        breaker_remember(breaker, outcome, now_us);
        return breaker_open(breaker, BREAKER_CAUSE_PROBE, now_us, random);
    }
    if (breaker->state != BREAKER_CLOSED || outcome->picked_us < breaker->since_us)
        return BREAKER_NOTHING;
    breaker_remember(breaker, outcome, now_us);
    breaker->row++;
    if (outcome->late)
        window_turn_bad(&breaker->window, now_us);
    else
        window_add(&breaker->window, now_us, 0, 1);
    if (config->failure_threshold > 0 && breaker->row >= config->failure_threshold)
        return breaker_open(breaker, BREAKER_CAUSE_ROW, now_us, random);
    if (window_is_bad(window_sum(&breaker->window, now_us), config->error_percent,
                      config->min_requests))
        return breaker_open(breaker, BREAKER_CAUSE_RATE, now_us, random);
    return BREAKER_NOTHING;
}

enum breaker_effect breaker_cancelled(struct breaker *breaker, uint64_t picked_us, uint64_t now_us)
{
    if (breaker->state != BREAKER_HALF_OPEN || picked_us < breaker->opened_us)
        return BREAKER_NOTHING;
    breaker->heard_us = now_us;
    return BREAKER_PLACE_BACK;
}

enum breaker_effect breaker_keep(struct breaker *breaker, bool places_left, uint64_t now_us)
{
    uint64_t due_us = breaker_due_us(breaker);

    if (due_us == 0 || now_us < due_us)
        return BREAKER_NOTHING;
    if (breaker->state == BREAKER_OPEN)
        return breaker_set(breaker, BREAKER_HALF_OPEN, BREAKER_CAUSE_TIME, now_us);
    breaker->heard_us = now_us;
    return places_left ? BREAKER_NOTHING : BREAKER_PLACE_BACK;
}

uint64_t breaker_due_us(const struct breaker *breaker)
{
    if (breaker->state == BREAKER_HALF_OPEN)
        return breaker->heard_us + breaker_max_us(breaker);
    if (breaker->state == BREAKER_OPEN && !breaker_is_tripped(breaker))
        return breaker->half_open_us;
    return 0;
}

enum breaker_effect breaker_returned(struct breaker *breaker, uint64_t now_us)
{
    if (breaker->state != BREAKER_OPEN || breaker_is_tripped(breaker))
        return BREAKER_NOTHING;
    return breaker_set(breaker, BREAKER_HALF_OPEN, BREAKER_CAUSE_CHECKS, now_us);
}

enum breaker_effect breaker_trip(struct breaker *breaker, uint64_t now_us)
{
    if (breaker_is_tripped(breaker))
        return BREAKER_NOTHING;
    if (breaker->state == BREAKER_OPEN) {
        breaker->cause = BREAKER_CAUSE_HAND;
        return BREAKER_CHANGED;
    }
    return breaker_open(breaker, BREAKER_CAUSE_HAND, now_us, 0);
}

enum breaker_effect breaker_reset(struct breaker *breaker, uint64_t now_us)
{
    bool was_closed = breaker->state == BREAKER_CLOSED;

    breaker->growth = 0;
    breaker->failures_kept = 0;
    if (was_closed) {
        breaker->cause = BREAKER_CAUSE_HAND; /* the openings before are not in a row any more */
        breaker->row = 0;
        window_clear(&breaker->window);
        return BREAKER_NOTHING;
    }
    return breaker_set(breaker, BREAKER_CLOSED, BREAKER_CAUSE_HAND, now_us);
}

const struct breaker_failure *breaker_failure_at(const struct breaker *breaker, unsigned back)
{
    if (back >= breaker->failures_kept || back >= BREAKER_FAILURES_KEPT)
        return NULL;
    return &breaker->failures[(breaker->failures_kept - 1 - back) % BREAKER_FAILURES_KEPT];
}
