/*
 * What health and the balancer are told of an attempt: that its answer's head came, and once what
 * became of it (lifetime rule 8).
 */
#include "proxy/exchange_internal.h"

enum { GOOD_AFTER_US = 1000000 };

/* From the request's end to the answer's head: before that, the time is the client's. Of an answer
 * that did not wait for the end, from the beginning; 0: there is none yet. */
static uint64_t latency_us_of(const struct exchange_attempt *a)
{
    const struct upstream_attempt *u = &a->upstream;
    bool waited = u->asked_us != 0 && u->asked_us <= a->head_us;

    if (a->head_us == 0)
        return 0;
    return a->head_us - (waited ? u->asked_us : u->start_us);
}

static void report(struct exchange_attempt *a, enum health_result result, int error, int status)
{
    uint64_t now_us = a->x->worker->loop.now_us;
    const struct health_report told = {
        .result = result,
        .error = error,
        .status = status,
        .picked_us = a->picked_us,
        .latency_us = latency_us_of(a),
        .told = a->head_us != 0,
        .late = a->reported,
    };

    a->reported = true;
    a->failed = a->failed || result == HEALTH_FAILURE;
    health_report(a->x->runtime->health, a->endpoint, &told, now_us);
}

void exchange_report_head(struct exchange_attempt *a, int status, bool opens_tunnel)
{
    uint64_t now_us = a->x->worker->loop.now_us;

    a->head_us = now_us;
    upstream_cluster_answered(a->x->cluster, a->endpoint, latency_us_of(a));
    health_answered(a->x->runtime->health, a->endpoint, a->picked_us, latency_us_of(a), now_us);
    if (status >= 500)
        report(a, HEALTH_FAILURE, EG_OK, status);
    else if (opens_tunnel)
        report(a, HEALTH_SUCCESS, EG_OK, status);
}

void exchange_report_going_on(struct exchange_attempt *a)
{
    if (!a->reported && a->x->worker->loop.now_us - a->head_us > GOOD_AFTER_US)
        report(a, HEALTH_SUCCESS, EG_OK, a->x->status);
}

/* A server error is a failure here too: else who refuses fastest would look best. */
static enum balancer_outcome outcome_of(const struct exchange_attempt *a, enum health_result result)
{
    if (a->failed)
        return BALANCER_FAILURE;
    switch (result) {
    case HEALTH_SUCCESS:
        return BALANCER_SUCCESS;
    case HEALTH_FAILURE:
        return BALANCER_FAILURE;
    case HEALTH_CANCELLED:
        break;
    }
    return BALANCER_CANCELLED;
}

void exchange_report_end(struct exchange_attempt *a, enum health_result result, int error)
{
    struct exchange *x = a->x;

    /* A client that leaves in the middle of an answer says nothing against who gave it. */
    if (result == HEALTH_CANCELLED && a->head_us != 0)
        result = HEALTH_SUCCESS;
    if (!a->reported || (result == HEALTH_FAILURE && !a->failed))
        report(a, result, error, a->head_us != 0 ? x->status : 0);
    balancer_done(x->runtime->balancer, a->endpoint, outcome_of(a, result), latency_us_of(a),
                  x->worker->loop.now_us);
}
