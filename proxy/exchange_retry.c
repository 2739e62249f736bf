/*
 * Another attempt: after a failure (retry), beside an attempt whose endpoint has stalled (rescue),
 * or beside one that is slower than most (hedge).
 *
 * What may be repeated is retry_policy.h's verdict; here is what follows from it: the budget is
 * asked, an endpoint is chosen (another one first, the same where there is no other), and the timer
 * for the backoff runs. The endpoint is chosen before the wait, so that an answer that could not be
 * replaced by a better one still goes to the client.
 *
 * A rescue does not wait for the stalled endpoint's time limit, and costs the budget like a retry.
 * It is not counted as an attempt: what it replaces is likely dead. When the rescue stalls too, the
 * older attempt is given up for a third one.
 */
#include "base/clock.h"
#include "proxy/exchange_internal.h"

enum {
    BUDGET_BATCH = 64,
    BUDGET_BATCH_US = 10000,
    HEDGE_LOOK_AGAIN_MS = 100,
};

/* ---- The budget ---- */

/* It learns of requests in batches: one shared counter less per request. A batch is soon complete,
 * for what is told late would count for the wrong second. */
static void budget_deposit(struct pool_queue *own, uint64_t now_us)
{
    retry_budget_deposit(&own->runtime->budget, own->undeposited, now_us);
    own->undeposited = 0;
    own->deposited_us = now_us;
}

void exchange_budget_count(struct exchange *x)
{
    struct pool_queue *own = &x->runtime->seats[x->worker->index].queue;
    uint64_t now_us = x->worker->loop.now_us;

    if (++own->undeposited >= BUDGET_BATCH || now_us - own->deposited_us >= BUDGET_BATCH_US)
        budget_deposit(own, now_us);
}

static bool budget_allows(struct exchange *x)
{
    struct pool_queue *own = &x->runtime->seats[x->worker->index].queue;
    uint64_t now_us = x->worker->loop.now_us;

    /* Told before it is asked, so that a worker with little traffic has its say. */
    if (own->undeposited > 0)
        budget_deposit(own, now_us);
    if (retry_budget_withdraw(&x->runtime->budget, now_us))
        return true;
    stat_add(&x->worker->stats.retries_denied, 1);
    return false;
}

/* ---- After a failure ---- */

static int64_t retry_after_of(const struct http_response_head *answer)
{
    const struct http_field *field =
        answer != NULL ? http_fields_find(&answer->fields, SLICE_LIT("Retry-After")) : NULL;
    int64_t delay_s = -1;

    if (field != NULL &&
        !retry_after_parse(field->value, (int64_t)(clock_wall_us() / 1000000), &delay_s))
        delay_s = -1;
    return delay_s;
}

static struct retry_question question_of(struct exchange *x, const struct exchange_attempt *a,
                                         int error, const struct http_response_head *answer)
{
    return (struct retry_question){
        .policy = &x->pool_config->retry,
        .error = error,
        .status = answer != NULL ? answer->status : 0,
        .sent = a->upstream.sent,
        .idempotent = x->idempotent && !x->upstream_request.tunnel,
        .head_sent = x->head_sent,
        .replayable = !x->body.lost,
        .attempts_sent = x->attempts_sent,
        .attempts_unsent = x->attempts_unsent,
        .elapsed_ms = (x->worker->loop.now_us - x->start_us) / 1000,
        .deadline_ms = x->route->timeout_ms,
        .retry_after_s = retry_after_of(answer),
        .random = worker_random(x->worker),
    };
}

static void repeat_on(struct exchange *x, struct endpoint *endpoint, struct retry_answer verdict)
{
    if (verdict.what == RETRY_NOW) {
        exchange_attempt_start(x, endpoint, false);
        return;
    }
    x->chosen = endpoint;
    x->waiting = EXCHANGE_WAITS_FOR_BACKOFF;
    loop_timer_set(&x->worker->loop, &x->wait_timer, verdict.after_ms);
}

/* First the place, then the budget, since what finds nobody must not cost anything. *ret_error is
 * EG_OK where only the budget said no. */
static struct endpoint *pick_paid(struct exchange *x, bool costs_budget, int *ret_error)
{
    struct endpoint *endpoint = exchange_pick(x, ret_error);

    if (endpoint == NULL || !costs_budget || budget_allows(x))
        return endpoint;
    exchange_give_back(x, endpoint);
    *ret_error = EG_OK;
    return NULL;
}

static struct endpoint *pick_same(struct exchange *x, const struct retry_question *question,
                                  struct retry_answer *verdict)
{
    int error;

    *verdict = retry_same_endpoint(question);
    if (verdict->what == RETRY_NO)
        return NULL;
    exchange_forget_tried(x);
    return pick_paid(x, verdict->costs_budget, &error);
}

bool exchange_repeat(struct exchange *x, const struct exchange_attempt *a, int error,
                     const struct http_response_head *answer)
{
    const struct retry_question question = question_of(x, a, error, answer);
    struct retry_answer verdict = retry_elsewhere(&question);
    int pick_error = EG_E_NO_ENDPOINT;
    struct endpoint *endpoint;

    exchange_stop_waiting(x);
    if (verdict.what == RETRY_NO)
        return false;
    endpoint = pick_paid(x, verdict.costs_budget, &pick_error);
    if (endpoint == NULL && pick_error == EG_E_OVERLOAD && answer == NULL) {
        if (verdict.costs_budget && !budget_allows(x))
            return false;
        exchange_queue_enter(x);
        return true;
    }
    if (endpoint == NULL && pick_error != EG_OK)
        endpoint = pick_same(x, &question, &verdict);
    if (endpoint == NULL)
        return false;
    repeat_on(x, endpoint, verdict);
    return true;
}

/* ---- Beside an attempt ---- */

/* The whole request is here, and an endpoint may see it though another one works on it. */
static bool may_run_twice(const struct exchange *x)
{
    return x->idempotent && x->body_done && !x->body.lost && !x->head_sent &&
           !x->upstream_request.tunnel && !x->finished;
}

static unsigned active_attempts(const struct exchange *x)
{
    unsigned count = 0;

    for (unsigned i = 0; i < EXCHANGE_ATTEMPTS; i++)
        count += x->attempt[i] != NULL && x->attempt[i]->active;
    return count;
}

/* Of two, the older one waits on an endpoint that is given up for a third. */
static void release_older(struct exchange *x)
{
    for (unsigned i = 0; i < EXCHANGE_ATTEMPTS; i++) {
        if (x->attempt[i] != x->leader)
            exchange_attempt_release(x->attempt[i], HEALTH_CANCELLED, EG_OK);
    }
}

static bool start_beside(struct exchange *x)
{
    int error;
    struct endpoint *endpoint = pick_paid(x, true, &error);

    if (endpoint == NULL)
        return false;
    if (active_attempts(x) == EXCHANGE_ATTEMPTS)
        release_older(x);
    stat_add(&x->worker->stats.hedges, 1);
    exchange_attempt_start(x, endpoint, true);
    return true;
}

void exchange_on_stalled(struct exchange_attempt *a)
{
    struct exchange *x = a->x;

    /* Who repeats after a time limit wants it no later than the stall is known. */
    if (a != x->leader ||
        (x->pool_config->retry.on & (CONFIG_RETRY_STALL | CONFIG_RETRY_TIMEOUT)) == 0 ||
        x->pool_config->retry.attempts < 2 || !may_run_twice(x) ||
        x->rescues == EXCHANGE_MAX_RESCUES)
        return;
    if (start_beside(x))
        x->rescues++;
}

/* The latency may not be known yet, or have changed while we waited: looked at again then. */
void exchange_hedge_later(struct exchange *x)
{
    unsigned percentile = x->pool_config->retry.hedge_percentile;
    uint64_t late_us, waited_us;

    if (percentile == 0 || !may_run_twice(x) || active_attempts(x) != 1)
        return;
    late_us = health_pool_latency_us(x->runtime->health, percentile);
    waited_us = x->worker->loop.now_us - x->leader->upstream.start_us;
    if (late_us != 0 && waited_us >= late_us) {
        start_beside(x);
        return;
    }
    x->waiting = EXCHANGE_WAITS_TO_HEDGE;
    loop_timer_set(&x->worker->loop, &x->wait_timer,
                   late_us != 0 ? (late_us - waited_us + 999) / 1000 : HEDGE_LOOK_AGAIN_MS);
}

/* ---- The timer ---- */

void exchange_stop_waiting(struct exchange *x)
{
    switch (x->waiting) {
    case EXCHANGE_WAITS_FOR_NOTHING:
        return;
    case EXCHANGE_WAITS_IN_QUEUE:
        exchange_queue_leave(x);
        return;
    case EXCHANGE_WAITS_FOR_BACKOFF:
        exchange_give_back(x, x->chosen);
        x->chosen = NULL;
        break;
    case EXCHANGE_WAITS_TO_HEDGE:
        break;
    }
    x->waiting = EXCHANGE_WAITS_FOR_NOTHING;
    loop_timer_cancel(&x->wait_timer);
}

void exchange_on_wait_timer(struct loop_timer *timer)
{
    struct exchange *x = container_of(timer, struct exchange, wait_timer);
    enum exchange_wait waited = x->waiting;
    struct endpoint *endpoint = x->chosen;

    switch (waited) {
    case EXCHANGE_WAITS_FOR_NOTHING:
        return;
    case EXCHANGE_WAITS_IN_QUEUE:
        exchange_queue_timed_out(x);
        return;
    case EXCHANGE_WAITS_FOR_BACKOFF:
        x->waiting = EXCHANGE_WAITS_FOR_NOTHING;
        x->chosen = NULL;
        exchange_attempt_start(x, endpoint, false);
        return;
    case EXCHANGE_WAITS_TO_HEDGE:
        x->waiting = EXCHANGE_WAITS_FOR_NOTHING;
        exchange_hedge_later(x);
        return;
    }
}
