/*
 * The request's body on its way to the backend, and what is kept of it for another attempt.
 *
 *   frontend ─► exchange_body ─┬─► leader's upstream attempt
 *                              └─► kept pieces (up to retry.body_buffer)
 *                                       │ another attempt
 *                                       └─► exchange_body_replay ─► its upstream attempt
 *
 * It is kept only where another attempt could need it: a POST that is on a connected backend will
 * not be sent again, so nothing of it is copied.
 */
#include <string.h>

#include "proxy/exchange_internal.h"

static bool body_may_be_needed(const struct exchange *x)
{
    const struct config_retry *policy = &x->pool_config->retry;

    if (x->body.lost || x->head_sent || x->tunnel || policy->attempts < 2)
        return false;
    return policy->non_idempotent || x->idempotent || x->leader->upstream.connected_us == 0;
}

static void body_keep(struct exchange *x, struct slice data)
{
    struct exchange_piece *piece;

    if (!body_may_be_needed(x) ||
        x->body.kept_bytes + data.n > x->pool_config->retry.body_buffer_bytes) {
        x->body.lost = true;
        return;
    }
    piece = arena_alloc(&x->arena, sizeof(*piece));
    *piece = (struct exchange_piece){.data = arena_dup(&x->arena, data)};
    x->body.kept_bytes += data.n;
    if (x->body.last != NULL)
        x->body.last->next = piece;
    else
        x->body.first = piece;
    x->body.last = piece;
}

bool exchange_wants_body(struct exchange *x)
{
    struct exchange_attempt *a = x->leader;
    bool wants = a != NULL && a->unsent == NULL && !upstream_attempt_congested(&a->upstream);

    x->body_paused = !wants;
    return wants;
}

void exchange_body(struct exchange *x, struct slice data)
{
    if (x->leader == NULL)
        return;
    if (x->tunnel)
        exchange_tunnel_touch(x);
    else
        body_keep(x, data);
    upstream_attempt_send_body(&x->leader->upstream, data);
}

void exchange_body_end(struct exchange *x, const struct http_fields *trailers)
{
    if (x->body_done && !x->tunnel)
        return;
    x->body_done = true;
    if (x->tunnel && x->backend_done) {
        exchange_end(x, NULL);
        return;
    }
    if (trailers != NULL && trailers->count > 0)
        x->body.lost = true; /* they are not kept */
    /* While kept pieces are still on their way, the end goes behind them. */
    if (x->leader != NULL && x->leader->unsent == NULL)
        upstream_attempt_send_end(&x->leader->upstream, trailers);
}

void exchange_body_replay(struct exchange_attempt *a)
{
    struct exchange *x = a->x;

    while (a->unsent != NULL && !upstream_attempt_congested(&a->upstream)) {
        struct slice data = a->unsent->data;

        a->unsent = a->unsent->next;
        upstream_attempt_send_body(&a->upstream, data);
    }
    if (a->unsent != NULL)
        return;
    if (x->body_done) {
        if (!a->upstream.request_done)
            upstream_attempt_send_end(&a->upstream, NULL);
    } else if (x->body_paused) {
        x->body_paused = false;
        x->sink->body_wanted(x->front);
    }
}
