/*
 * How long a backend that has a request may keep silent, and whose fault the silence is.
 *
 *   until the head    timeouts.response, from the request's end or the latest progress of its body
 *   between reads     timeouts.idle, while the answer's body flows
 *   a tunnel          none here: the exchange knows both of its directions
 *
 * One timer per connection serves all of these, the connect and the keep-alive timeout too. Moving
 * the deadline is a store, so it is moved at every sign of life and judged only when it has passed.
 */
#include "upstream/upstream_internal.h"

void upstream_deadline_touch(struct upstream_connection *c)
{
    const struct config_pool *config = c->cluster->config;
    uint64_t after_ms = 0;

    if (c->response.phase == UPSTREAM_PHASE_HEAD)
        after_ms = config->timeouts.response_ms;
    else if (c->response.phase == UPSTREAM_PHASE_BODY)
        after_ms = config->timeouts.idle_ms;
    if (after_ms > 0)
        loop_timer_set(c->cluster->loop, &c->timer, after_ms);
    else
        loop_timer_cancel(&c->timer);
}

/* The client sends its body only when the backend has said 100 (Continue). */
static bool awaits_continue(const struct upstream_connection *c)
{
    return c->attempt->request->forward.pass_expect && !c->body_begun &&
           c->response.phase == UPSTREAM_PHASE_HEAD && c->response.informational == 0;
}

/* Whose fault is it that nothing came? Not the backend's while the client is slow, be it in reading
 * (paused) or in sending (nothing of its body waits here), and not while the backend still takes
 * what waits for it. */
static bool backend_is_excused(struct upstream_connection *c)
{
    uint64_t out = c->transport.bytes_out;
    bool flushed = transport_flushed(&c->transport);

    if (c->paused)
        return true;
    if (flushed && !c->attempt->request_done)
        return !awaits_continue(c);
    if (flushed && c->out_mark == 0)
        return false;
    bool progress = out != c->out_mark;
    c->out_mark = out;
    return progress;
}

void upstream_deadline_passed(struct upstream_connection *c)
{
    /* Told completely: nothing is waited for. The deadline is left as it is at an answer's end,
     * since the idle list's store moves it and a cancel would cost two list operations more. */
    if (c->response.ended)
        return;
    if (backend_is_excused(c)) {
        upstream_deadline_touch(c);
        return;
    }
    if (c->response.phase == UPSTREAM_PHASE_HEAD)
        upstream_attempt_fail(c, EG_E_RESPONSE_TIMEOUT, "no answer within timeouts.response");
    else
        upstream_attempt_fail(c, EG_E_IDLE_TIMEOUT, "no more of the body within timeouts.idle");
}
