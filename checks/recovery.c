/*
 * Recovery: for an endpoint that became unhealthy a command is run or a webhook called, or both at
 * once. When is recovery_state.h's to say; this file does it and tells what came of it.
 *
 *   status ─► recovery_state ─► brake ─► command, webhook ─► ended ─► a check, at once ─► verified
 *
 * Each attempt is told in events: started, then ended or failed (what the action itself said), then
 * verified or not verified (what the check after it said). Beside those: held back by the brake,
 * given up.
 *
 * Nothing of a request ever reaches a command. What an unhealthy backend said may stand in
 * EG_REASON and in the webhook's document, as data.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/timestamp.h"
#include "checks/checks_internal.h"
#include "checks/process.h"
#include "checks/recovery_state.h"
#include "checks/variables.h"
#include "checks/webhook.h"
#include "checks/words.h"

enum { RECOVERY_CHILDREN_MAX = 16, OUTCOME_BYTES = 160, NUMBER_BYTES = 16 };

struct recovery_room {
    struct checks *checks;
    struct loop *loop;
    struct brake brake;
    struct process_room *processes; /* not those of checks, which may all hang */
    struct webhook_means means;
    struct webhook **webhooks; /* by pool; NULL where there is none */
    struct loop_task reap;
};

struct recovery {
    struct recovery_room *room;
    struct checks_endpoint *e;
    struct recovery_state state;
    struct loop_timer timer; /* when to look again */
    struct loop_task look;   /* outside of health's own call */

    struct process *command;
    struct webhook_call *webhook;
    bool failed; /* the attempt that runs or has just ended */
    char outcome[OUTCOME_BYTES];
    uint64_t began_us;
};

static const struct config_recovery *config_of(const struct recovery *r)
{
    return r->e->pool->shared.config->recovery;
}

/* ---- events ---- */

static void tell(struct recovery *r, enum event_severity severity, const char *from, const char *to,
                 const char *why, const char *next)
{
    health_tell(r->e->pool->health, r->e->endpoint, EVENT_RECOVERY, severity, from, to, why, next);
}

/* "attempt 2 of 3" into `out`; returns it. */
enum { ATTEMPT_BYTES = 40 };
static const char *attempt_text(const struct recovery *r, unsigned number, char *out)
{
    snprintf(out, ATTEMPT_BYTES, "attempt %u of %u", number, r->state.max_attempts);
    return out;
}

/* What follows on the attempt that has just ended. */
static void plan_text(const struct recovery *r, char *out, size_t capacity)
{
    uint64_t now_us = r->room->loop->now_us;
    uint64_t due_us = recovery_state_due_us(&r->state);
    char span[WORDS_SPAN_BYTES], attempt[ATTEMPT_BYTES];

    words_span(span, due_us > now_us ? (due_us - now_us) / 1000 : 0);
    if (r->state.phase == RECOVERY_DUE)
        snprintf(out, capacity, "%s in %s", attempt_text(r, r->state.attempts + 1, attempt), span);
    else if (r->state.phase == RECOVERY_RESTING)
        snprintf(out, capacity, "no attempt is left; given up in %s", span);
    else
        snprintf(out, capacity, "checks go on");
}

static void tell_held(struct recovery *r, uint64_t wait_us)
{
    char attempt[ATTEMPT_BYTES], span[WORDS_SPAN_BYTES], why[128], next[96];

    snprintf(why, sizeof(why),
             "supervision.recoveries_per_minute = %u is used up: so many failures may have one "
             "reason",
             r->room->brake.limit);
    snprintf(next, sizeof(next), "begins in %s at the earliest", words_span(span, wait_us / 1000));
    tell(r, EVENT_WARN, attempt_text(r, r->state.attempts + 1, attempt), "held back", why, next);
}

static void tell_given_up(struct recovery *r)
{
    char attempt[ATTEMPT_BYTES], why[96];

    snprintf(why, sizeof(why), "it is still unhealthy after %u attempts", r->state.attempts);
    tell(r, EVENT_ERROR, attempt_text(r, r->state.attempts, attempt), "given up", why,
         "checks go on; somebody has to look");
}

static void count_failure(struct recovery *r)
{
    if (!r->failed)
        checks_count(&r->room->checks->stats.recoveries_failed);
    r->failed = true;
}

/* ---- the end of an attempt ---- */

static void attempt_end(struct recovery *r)
{
    char attempt[ATTEMPT_BYTES];

    if (r->command || r->webhook)
        return;
    attempt_text(r, r->state.attempts, attempt);
    recovery_state_ended(&r->state, r->room->loop->now_us);
    tell(r, r->failed ? EVENT_WARN : EVENT_INFO, "started", r->failed ? "failed" : "ended",
         r->outcome, "a check finds out whether it helped");
    schedule_endpoint_now(r->e);
    loop_soon(r->room->loop, &r->look);
}

static void add_outcome(struct recovery *r, const char *text)
{
    size_t used = strlen(r->outcome);

    snprintf(r->outcome + used, sizeof(r->outcome) - used, "%s%s", used > 0 ? "; " : "", text);
}

static void on_command_done(void *arg, const struct process_result *result)
{
    struct recovery *r = arg;
    char line[WORDS_QUOTE_BYTES], took[WORDS_SPAN_BYTES], text[OUTCOME_BYTES];
    const char *colon = result->last_line[0] ? ": " : "";

    r->command = NULL;
    words_quote(line, slice_str(result->last_line));
    words_span(took, result->took_us / 1000);
    switch (result->end) {
    case PROCESS_EXITED:
        snprintf(text, sizeof(text), "exit status %d after %s%s%s", result->code, took, colon,
                 line);
        break;
    case PROCESS_SIGNALLED:
        snprintf(text, sizeof(text), "killed by signal %d after %s%s%s", result->code, took, colon,
                 line);
        break;
    case PROCESS_TIMED_OUT:
        words_span(took, config_of(r)->timeout_ms);
        snprintf(text, sizeof(text), "killed, it had not ended within %s%s%s", took, colon, line);
        break;
    case PROCESS_NOT_STARTED:
        snprintf(text, sizeof(text), "cannot be run: %s", strerrordesc_np(result->code));
        break;
    }
    if (result->end != PROCESS_EXITED || result->code != 0)
        count_failure(r);
    add_outcome(r, text);
    attempt_end(r);
}

static void on_webhook_done(void *arg, bool succeeded, const char *text)
{
    struct recovery *r = arg;
    char outcome[OUTCOME_BYTES];

    r->webhook = NULL;
    if (!succeeded)
        count_failure(r);
    snprintf(outcome, sizeof(outcome), "webhook: %.*s", OUTCOME_BYTES - 16, text);
    add_outcome(r, outcome);
    attempt_end(r);
}

/* ---- an attempt ---- */

struct facts {
    struct health_view view;
    char since[TIMESTAMP_LOG_BYTES + 1];
    char attempt[NUMBER_BYTES];
};

static void gather_facts(struct recovery *r, struct facts *facts)
{
    health_view(r->e->pool->health, r->e->endpoint, r->room->loop->now_us, &facts->view);
    timestamp_log(facts->since, clock_wall_us() - facts->view.status_for_us);
    facts->since[TIMESTAMP_LOG_BYTES] = '\0';
    snprintf(facts->attempt, sizeof(facts->attempt), "%u", r->state.attempts);
}

static void start_command(struct recovery *r, const struct facts *facts)
{
    const struct checks_endpoint *e = r->e;
    struct variables variables;

    variables_set_endpoint(&variables, e->pool->shared.config, e->backend, e->backend->address);
    variables_add(&variables, "EG_ATTEMPT", facts->attempt);
    variables_add(&variables, "EG_STATUS", endpoint_status_name(facts->view.status));
    variables_add(&variables, "EG_REASON", facts->view.why);
    variables_add(&variables, "EG_SINCE", facts->since);
    const struct process_command command = {
        .argv = config_of(r)->command.argv,
        .variables = variables.v,
        .variable_count = variables.count,
        .timeout_ms = config_of(r)->timeout_ms,
    };
    r->command = process_start(r->room->processes, &command, on_command_done, r);
}

static void start_webhook(struct recovery *r, struct webhook *webhook, const struct facts *facts)
{
    char *body = webhook_compose(&(struct webhook_facts){
        .pool = r->e->pool->shared.config->name,
        .endpoint = r->e->backend->id,
        .address = r->e->backend->address,
        .status = endpoint_status_name(facts->view.status),
        .reason = facts->view.why,
        .since = facts->since,
        .attempt = r->state.attempts,
    });

    r->webhook = webhook_post(webhook, body, config_of(r)->timeout_ms, on_webhook_done, r);
    free(body);
}

static void attempt_start(struct recovery *r)
{
    struct webhook *webhook = r->room->webhooks[r->e->pool - r->room->checks->pools];
    char attempt[ATTEMPT_BYTES], span[WORDS_SPAN_BYTES], next[64];
    struct facts facts;

    gather_facts(r, &facts);
    r->failed = false;
    r->outcome[0] = '\0';
    checks_count(&r->room->checks->stats.recoveries_started);
    snprintf(next, sizeof(next), "it has %s", words_span(span, config_of(r)->timeout_ms));
    tell(r, EVENT_WARN, attempt_text(r, r->state.attempts, attempt), "started", facts.view.why,
         next);
    if (config_of(r)->command.argv)
        start_command(r, &facts);
    if (webhook)
        start_webhook(r, webhook, &facts);
}

static bool ask_brake(void *arg, uint64_t now_us)
{
    return brake_take(arg, now_us);
}

static void look(struct recovery *r)
{
    struct recovery_room *room = r->room;
    uint64_t now_us = room->loop->now_us;
    uint64_t due_us, brake_us = 0;
    bool was_held = r->state.held;

    switch (recovery_state_step(&r->state, now_us, ask_brake, &room->brake)) {
    case RECOVERY_NOTHING:
        break;
    case RECOVERY_START:
        attempt_start(r);
        break;
    case RECOVERY_GIVE_UP:
        tell_given_up(r);
        break;
    case RECOVERY_HOLD:
        brake_us = brake_wait_us(&room->brake, now_us);
        if (!was_held)
            tell_held(r, brake_us);
        break;
    }
    loop_timer_cancel(&r->timer);
    due_us = recovery_state_due_us(&r->state);
    if (due_us == 0)
        return;
    uint64_t wait_us = due_us > now_us ? due_us - now_us : 0;
    loop_timer_set(room->loop, &r->timer, (wait_us > brake_us ? wait_us : brake_us) / 1000 + 1);
}

static void recovery_on_look(struct loop_task *task)
{
    look(container_of(task, struct recovery, look));
}

static void recovery_on_timer(struct loop_timer *timer)
{
    look(container_of(timer, struct recovery, timer));
}

/* ---- what others tell ---- */

static enum recovery_condition condition_of(enum endpoint_status status)
{
    switch (status) {
    case ENDPOINT_UNHEALTHY:
        return RECOVERY_ILL;
    case ENDPOINT_HEALTHY:
    case ENDPOINT_DEGRADED:
        return RECOVERY_WELL;
    case ENDPOINT_UNKNOWN:
    case ENDPOINT_DRAINING:
        break;
    }
    return RECOVERY_ASIDE;
}

void recovery_on_status(struct recovery *r, enum endpoint_status status)
{
    recovery_state_set_condition(&r->state, condition_of(status), r->room->loop->now_us);
    loop_soon(r->room->loop, &r->look);
}

void recovery_on_check(struct recovery *r, uint64_t began_us, const struct check_result *result)
{
    bool passed = result->verdict != CHECK_FAIL;
    char why[192], next[96];

    switch (recovery_state_checked(&r->state, began_us, passed)) {
    case RECOVERY_UNJUDGED:
        return;
    case RECOVERY_VERIFIED:
        tell(r, EVENT_INFO, "ended", "verified", "the check after it passed", "");
        return;
    case RECOVERY_IN_VAIN:
        count_failure(r);
        plan_text(r, next, sizeof(next));
        snprintf(why, sizeof(why), "the check after it: %.*s", HEALTH_WHY_BYTES, result->why);
        tell(r, EVENT_WARN, "ended", "not verified", why, next);
        return;
    }
}

/* ---- life ---- */

struct recovery *recovery_new(struct recovery_room *room, struct checks_endpoint *e)
{
    const struct config_recovery *config = e->pool->shared.config->recovery;
    struct recovery *r = xcalloc(1, sizeof(*r));

    r->room = room;
    r->e = e;
    recovery_state_init(&r->state, config->max_attempts, config->interval_ms * 1000);
    loop_timer_init(&r->timer, recovery_on_timer);
    loop_task_init(&r->look, recovery_on_look);
    return r;
}

void recovery_free(struct recovery *r)
{
    if (!r)
        return;
    process_cancel(&r->command);
    webhook_cancel(&r->webhook);
    loop_timer_cancel(&r->timer);
    loop_task_cancel(&r->look);
    free(r);
}

static int open_pool(struct recovery_room *room, unsigned index, char **ret_why)
{
    const struct config_pool *pool = &room->checks->config->pools[index];
    char *why = NULL;
    int code = EG_OK;

    if (!pool->recovery)
        return EG_OK;
    if (pool->recovery->command.argv)
        code = process_check(pool->recovery->command.argv, &why);
    if (code == EG_OK && pool->recovery->webhook)
        code = webhook_new(&room->webhooks[index], &room->means, pool->recovery->webhook, &why);
    if (code != EG_OK)
        *ret_why = xasprintf("pool \"%s\": recovery: %s", pool->name, why);
    free(why);
    return code;
}

int recovery_room_new(struct recovery_room **ret_room, struct checks *checks, char **ret_why)
{
    struct recovery_room *room = xcalloc(1, sizeof(*room));
    int code = EG_OK;

    room->checks = checks;
    room->loop = room->means.loop = checks->loop;
    brake_init(&room->brake, checks->config->supervision.recoveries_per_minute);
    room->processes = process_room_new(checks->loop, RECOVERY_CHILDREN_MAX);
    room->webhooks = xcalloc(checks->pool_count, sizeof(*room->webhooks));
    *ret_room = room; /* also when it fails: checks_free frees it with the rest */
    for (unsigned i = 0; i < checks->pool_count && code == EG_OK; i++)
        code = open_pool(room, i, ret_why);
    return code;
}

/* After the webhooks' calls were reaped. */
static void room_on_reap(struct loop_task *task)
{
    struct recovery_room *room = container_of(task, struct recovery_room, reap);

    webhook_means_fini(&room->means);
    brake_fini(&room->brake);
    free(room->webhooks);
    free(room);
}

void recovery_room_free(struct recovery_room *room)
{
    if (!room)
        return;
    for (unsigned i = 0; i < room->checks->pool_count; i++)
        webhook_free(room->webhooks[i]);
    process_room_free(room->processes);
    loop_task_init(&room->reap, room_on_reap);
    loop_reap(room->loop, &room->reap);
}
