/* Recovery's events in words: see recovery_internal.h. An attempt is "attempt 1 of 3" until it has
 * started, so that a line says which one it is about. */
#include <stdio.h>
#include <string.h>

#include "checks/recovery_internal.h"
#include "client/words.h"
#include "confine/spawner.h"

enum { ATTEMPT_BYTES = 40, NEXT_BYTES = 96 };

static void tell(struct recovery *r, enum event_severity severity, const char *from, const char *to,
                 const char *why, const char *next)
{
    health_tell(r->e->pool->health, r->e->endpoint, EVENT_RECOVERY, severity, from, to, why, next);
}

/* "attempt 2 of 3" into `out` (ATTEMPT_BYTES); returns it. */
static const char *attempt_text(const struct recovery *r, unsigned number, char *out)
{
    snprintf(out, ATTEMPT_BYTES, "attempt %u of %u", number, r->state.max_attempts);
    return out;
}

void recovery_tell_started(struct recovery *r, const char *reason)
{
    char attempt[ATTEMPT_BYTES], span[WORDS_SPAN_BYTES], next[NEXT_BYTES];

    snprintf(next, sizeof(next), "it has %s", words_span(span, r->timeout_ms));
    tell(r, EVENT_WARN, attempt_text(r, r->state.attempts, attempt), "started", reason, next);
}

void recovery_tell_ended(struct recovery *r)
{
    tell(r, r->failed ? EVENT_WARN : EVENT_INFO, "started", r->failed ? "failed" : "ended",
         r->outcome, "a check finds out whether it helped");
}

void recovery_tell_verified(struct recovery *r)
{
    tell(r, EVENT_INFO, "ended", "verified", "the check after it passed", "");
}

/* What follows on the attempt that was in vain. */
static void plan_text(const struct recovery *r, char *out)
{
    uint64_t now_us = r->room->loop->now_us;
    uint64_t due_us = recovery_state_due_us(&r->state);
    char span[WORDS_SPAN_BYTES], attempt[ATTEMPT_BYTES];

    words_span(span, due_us > now_us ? (due_us - now_us) / 1000 : 0);
    if (r->state.phase == RECOVERY_DUE)
        snprintf(out, NEXT_BYTES, "%s in %s", attempt_text(r, r->state.attempts + 1, attempt),
                 span);
    else if (r->state.phase == RECOVERY_RESTING)
        snprintf(out, NEXT_BYTES, "no attempt is left; given up in %s", span);
    else
        snprintf(out, NEXT_BYTES, "checks go on");
}

void recovery_tell_in_vain(struct recovery *r, const char *evidence)
{
    char why[HEALTH_WHY_BYTES + 24], next[NEXT_BYTES];

    plan_text(r, next);
    snprintf(why, sizeof(why), "the check after it: %.*s", HEALTH_WHY_BYTES, evidence);
    tell(r, EVENT_WARN, "ended", "not verified", why, next);
}

void recovery_tell_held(struct recovery *r, uint64_t wait_us)
{
    char attempt[ATTEMPT_BYTES], span[WORDS_SPAN_BYTES], why[128], next[NEXT_BYTES];

    snprintf(why, sizeof(why),
             "supervision.recoveries_per_minute = %u is used up: so many failures may have one "
             "reason",
             r->room->brake.limit);
    snprintf(next, sizeof(next), "begins in %s at the earliest", words_span(span, wait_us / 1000));
    tell(r, EVENT_WARN, attempt_text(r, r->state.attempts + 1, attempt), "held back", why, next);
}

void recovery_tell_given_up(struct recovery *r)
{
    char attempt[ATTEMPT_BYTES], why[64];

    snprintf(why, sizeof(why), "it is still unhealthy after %u attempts", r->state.attempts);
    tell(r, EVENT_ERROR, attempt_text(r, r->state.attempts, attempt), "given up", why,
         "checks go on; somebody has to look");
}

/* ---- outcomes ---- */

static void note(struct recovery *r, const char *text)
{
    size_t used = strlen(r->outcome);

    snprintf(r->outcome + used, sizeof(r->outcome) - used, "%s%s", used > 0 ? "; " : "", text);
}

static const char *end_text(const struct recovery *r, const struct process_result *result,
                            char out[64])
{
    char span[WORDS_SPAN_BYTES];

    switch (result->end) {
    case PROCESS_EXITED:
        snprintf(out, 64, "exit status %d after %s", result->code,
                 words_span(span, result->took_us / 1000));
        break;
    case PROCESS_SIGNALLED:
        snprintf(out, 64, "killed by signal %d after %s", result->code,
                 words_span(span, result->took_us / 1000));
        break;
    case PROCESS_TIMED_OUT:
        snprintf(out, 64, "killed, it had not ended within %s", words_span(span, r->timeout_ms));
        break;
    case PROCESS_NOT_STARTED:
        snprintf(out, 64, "cannot be run: %s", spawner_error_text(result->code));
        break;
    }
    return out;
}

void recovery_note_command(struct recovery *r, const struct process_result *result)
{
    char end[64], line[WORDS_QUOTE_BYTES], text[RECOVERY_OUTCOME_BYTES];

    snprintf(text, sizeof(text), "%s%s%s", end_text(r, result, end),
             result->last_line[0] ? ": " : "", words_quote(line, slice_str(result->last_line)));
    note(r, text);
}

void recovery_note_webhook(struct recovery *r, const char *text)
{
    char outcome[RECOVERY_OUTCOME_BYTES];

    snprintf(outcome, sizeof(outcome), "webhook: %.*s", RECOVERY_OUTCOME_BYTES - 16, text);
    note(r, outcome);
}
