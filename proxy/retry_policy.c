/* The retry rules: see retry_policy.h. */
#include "proxy/retry_policy.h"

#include "base/error.h"
#include "config/config.h"
#include "http/date.h"

/* The word of `retry.on` that names this failure; 0: none does, so it is never repeated. */
static unsigned word_of(int error)
{
    switch (error) {
    case EG_E_CONNECT:
    case EG_E_CONNECT_TIMEOUT:
    case EG_E_RESOLVE:
    case EG_E_UPSTREAM_TLS:
        return CONFIG_RETRY_CONNECT;
    case EG_E_UPSTREAM_RESET:
    case EG_E_UPSTREAM_PROTOCOL:
    case EG_E_UPSTREAM_TRUNCATED:
        return CONFIG_RETRY_RESET;
    case EG_E_RESPONSE_TIMEOUT:
    case EG_E_IDLE_TIMEOUT:
        return CONFIG_RETRY_TIMEOUT;
    default:
        return 0;
    }
}

static bool was_sent(const struct retry_question *q)
{
    return q->sent || q->error == EG_OK;
}

/* A connection that broke before a byte left is no different from one that never came. */
static bool is_wanted(const struct retry_question *q)
{
    unsigned word = word_of(q->error);

    if (q->error == EG_OK)
        return config_statuses_have(&q->policy->on_status, q->status);
    if (word != 0 && !was_sent(q))
        word = CONFIG_RETRY_CONNECT;
    return (q->policy->on & word) != 0;
}

static struct retry_answer no(const char *why)
{
    return (struct retry_answer){.what = RETRY_NO, .why_not = why};
}

/* What forbids a repetition wherever it would go; NULL: nothing. */
static const char *objection(const struct retry_question *q)
{
    if (q->head_sent)
        return "a part of the answer was sent";
    if (q->policy->attempts <= 1)
        return "retry.attempts allows one attempt";
    if (!is_wanted(q))
        return "not named by retry.on";
    if (!q->replayable)
        return "the body was not kept";
    if (q->attempts_sent >= q->policy->attempts)
        return "attempts used up";
    if (was_sent(q) && !q->idempotent && !q->policy->non_idempotent)
        return "not idempotent and may have been seen";
    return NULL;
}

/* Exponential, capped; the whole of it is jitter, so that those who failed together come back
 * apart. `repetition` counts from 1. */
static uint64_t backoff_ms(const struct retry_question *q, unsigned repetition)
{
    uint64_t limit = q->policy->backoff_ms, cap = q->policy->max_backoff_ms;

    for (unsigned i = 1; i < repetition && limit < cap; i++)
        limit = limit > cap / 2 ? cap : limit * 2;
    if (limit > cap)
        limit = cap;
    return limit == UINT64_MAX ? q->random : q->random % (limit + 1);
}

/* A repetition that would begin at the deadline or behind it could only be cut off. */
static struct retry_answer yes(const struct retry_question *q, uint64_t after_ms, bool costs_budget)
{
    if (q->deadline_ms != 0 &&
        (q->elapsed_ms >= q->deadline_ms || after_ms >= q->deadline_ms - q->elapsed_ms))
        return no("the route's time limit comes first");
    return (struct retry_answer){
        .what = after_ms > 0 ? RETRY_AFTER : RETRY_NOW,
        .after_ms = after_ms,
        .costs_budget = costs_budget,
    };
}

struct retry_answer retry_elsewhere(const struct retry_question *q)
{
    const char *why_not = objection(q);

    if (why_not)
        return no(why_not);
    if (was_sent(q))
        return yes(q, backoff_ms(q, q->attempts_sent), true);
    if (q->attempts_unsent >= RETRY_UNSENT_MAX)
        return no("too many endpoints cannot be reached");
    return yes(q, 0, false);
}

/* It would say the same again: what it speaks is not HTTP, its name is unknown, its certificate is
 * wrong; or it would cost the client the same time once more. */
static bool is_hopeless_here(int error)
{
    switch (error) {
    case EG_E_UPSTREAM_PROTOCOL:
    case EG_E_UPSTREAM_TLS:
    case EG_E_RESOLVE:
    case EG_E_CONNECT_TIMEOUT:
    case EG_E_RESPONSE_TIMEOUT:
    case EG_E_IDLE_TIMEOUT:
        return true;
    default:
        return false;
    }
}

struct retry_answer retry_same_endpoint(const struct retry_question *q)
{
    const char *why_not = objection(q);
    unsigned attempts = q->attempts_sent + q->attempts_unsent;
    uint64_t wait_ms;

    if (why_not)
        return no(why_not);
    if (attempts >= q->policy->attempts)
        return no("attempts used up");
    if (is_hopeless_here(q->error))
        return no("the same endpoint would fail in the same way");
    wait_ms = backoff_ms(q, attempts);
    if (q->error == EG_OK && q->retry_after_s > 0) {
        if ((uint64_t)q->retry_after_s > q->policy->max_backoff_ms / 1000)
            return no("Retry-After is longer than retry.max_backoff");
        if (wait_ms < (uint64_t)q->retry_after_s * 1000)
            wait_ms = (uint64_t)q->retry_after_s * 1000;
    }
    return yes(q, wait_ms, true);
}

bool retry_after_parse(struct slice value, int64_t wall_s, int64_t *ret_delay_s)
{
    unsigned long long seconds;
    int64_t date_s;

    if (value.n > 0 && value.p[0] >= '0' && value.p[0] <= '9') {
        for (size_t i = 0; i < value.n; i++)
            if (value.p[i] < '0' || value.p[i] > '9')
                return false;
        /* More digits than fit are still a number of seconds, a very large one. */
        if (!slice_to_u64(value, &seconds) || seconds > INT32_MAX)
            seconds = INT32_MAX;
        *ret_delay_s = (int64_t)seconds;
        return true;
    }
    if (!http_date_parse(value, wall_s, &date_s))
        return false;
    *ret_delay_s = date_s <= wall_s ? 0 : date_s - wall_s > INT32_MAX ? INT32_MAX : date_s - wall_s;
    return true;
}
