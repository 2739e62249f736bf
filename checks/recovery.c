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
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/timestamp.h"
#include "checks/recovery_internal.h"
#include "checks/variables.h"

enum { NUMBER_BYTES = 16 };

static void count_failure(struct recovery *r)
{
    if (!r->failed)
        checks_count(&r->room->checks->stats.recoveries_failed);
    r->failed = true;
}

/* ---- the end of an attempt ---- */

/* Once all its parts have. */
static void attempt_end(struct recovery *r)
{
    if (r->command || r->webhook)
        return;
    recovery_state_ended(&r->state, r->room->loop->now_us);
    recovery_tell_ended(r);
    schedule_endpoint_now(r->e);
    loop_soon(r->room->loop, &r->look);
}

static void on_command_done(void *arg, const struct process_result *result)
{
    struct recovery *r = arg;

    r->command = NULL;
    if (result->end != PROCESS_EXITED || result->code != 0)
        count_failure(r);
    recovery_note_command(r, result);
    attempt_end(r);
}

static void on_webhook_done(void *arg, bool succeeded, const char *text)
{
    struct recovery *r = arg;

    r->webhook = NULL;
    if (!succeeded)
        count_failure(r);
    recovery_note_webhook(r, text);
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

    variables_set_endpoint(&variables, e->pool->config, e->backend, e->backend->address);
    variables_add(&variables, CONFIG_VARIABLE_ATTEMPT, facts->attempt);
    variables_add(&variables, CONFIG_VARIABLE_STATUS, endpoint_status_name(facts->view.status));
    variables_add(&variables, CONFIG_VARIABLE_REASON, facts->view.why);
    variables_add(&variables, CONFIG_VARIABLE_SINCE, facts->since);
    const struct process_command command = {
        .argv = recovery_config(r)->command.argv,
        .variables = variables.v,
        .variable_count = variables.count,
        .timeout_ms = r->timeout_ms,
    };
    r->command = process_start(r->room->processes, &command, on_command_done, r);
}

static void start_webhook(struct recovery *r, const struct facts *facts)
{
    char *body = webhook_compose(&(struct webhook_facts){
        .pool = r->e->pool->config->name,
        .endpoint = r->e->backend->id,
        .address = r->e->backend->address,
        .status = endpoint_status_name(facts->view.status),
        .reason = facts->view.why,
        .since = facts->since,
        .attempt = r->state.attempts,
    });

    r->webhook = webhook_post(r->e->pool->webhook, body, r->timeout_ms, on_webhook_done, r);
    free(body);
}

static void attempt_start(struct recovery *r)
{
    struct facts facts;

    gather_facts(r, &facts);
    r->failed = false;
    r->timeout_ms = recovery_config(r)->timeout_ms;
    r->outcome[0] = '\0';
    checks_count(&r->room->checks->stats.recoveries_started);
    recovery_tell_started(r, facts.view.why);
    if (recovery_config(r)->command.argv)
        start_command(r, &facts);
    if (r->e->pool->webhook)
        start_webhook(r, &facts);
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
        recovery_tell_given_up(r);
        break;
    case RECOVERY_HOLD:
        brake_us = brake_wait_us(&room->brake, now_us);
        if (!was_held)
            recovery_tell_held(r, brake_us);
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
    switch (recovery_state_checked(&r->state, began_us, result->verdict != CHECK_FAIL)) {
    case RECOVERY_UNJUDGED:
        return;
    case RECOVERY_VERIFIED:
        recovery_tell_verified(r);
        return;
    case RECOVERY_IN_VAIN:
        count_failure(r);
        recovery_tell_in_vain(r, result->why);
        return;
    }
}

/* ---- life ---- */

struct recovery *recovery_new(struct recovery_room *room, struct checks_endpoint *e)
{
    const struct config_recovery *config = e->pool->config->recovery;
    struct recovery *r = xcalloc(1, sizeof(*r));

    r->room = room;
    r->e = e;
    recovery_state_init(&r->state, config->max_attempts, config->interval_ms * 1000);
    loop_timer_init(&r->timer, recovery_on_timer);
    loop_task_init(&r->look, recovery_on_look);
    recovery_on_status(r, atomic_load_explicit(&e->endpoint->status, memory_order_relaxed));
    return r;
}

void recovery_reconsider(struct recovery *r)
{
    if (r->state.held)
        loop_soon(r->room->loop, &r->look);
}

void recovery_change(struct recovery *r)
{
    const struct config_recovery *config = recovery_config(r);

    recovery_state_change(&r->state, config->max_attempts, config->interval_ms * 1000,
                          r->room->loop->now_us);
    loop_soon(r->room->loop, &r->look);
}

void recovery_free(struct recovery *r)
{
    if (!r)
        return;
    process_abandon(&r->command);
    webhook_abandon(&r->webhook);
    loop_timer_cancel(&r->timer);
    loop_task_cancel(&r->look);
    free(r);
}
