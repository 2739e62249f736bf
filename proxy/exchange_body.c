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

enum { PIECE_BYTES = 1024 };

static bool body_may_be_needed(const struct exchange *x)
{
    const struct config_retry *policy = &x->pool_config->retry;

    if (x->body.lost || x->head_sent || x->tunnel || policy->attempts < 2)
        return false;
    return policy->non_idempotent || x->idempotent || x->leader->upstream.connected_us == 0;
}

/* Small pieces share one: a body that comes byte by byte must not cost many times its size. */
static struct exchange_piece *body_add_piece(struct exchange *x, size_t wanted)
{
    struct exchange_piece *piece = arena_alloc(&x->arena, sizeof(*piece));
    size_t room = wanted < PIECE_BYTES ? PIECE_BYTES : wanted;

    if (x->head.framing == HTTP_FRAMING_LENGTH && room > x->head.content_length)
        room = x->head.content_length;
    *piece = (struct exchange_piece){
        .data = slice_from(arena_alloc(&x->arena, room), 0),
        .room = room,
    };
    if (x->body.last != NULL)
        x->body.last->next = piece;
    else
        x->body.first = piece;
    x->body.last = piece;
    return piece;
}

static void body_keep(struct exchange *x, struct slice data)
{
    if (!body_may_be_needed(x) ||
        x->body.kept_bytes + data.n > x->pool_config->retry.body_buffer_bytes) {
        x->body.lost = true;
        return;
    }
    x->body.kept_bytes += data.n;
    while (data.n > 0) {
        struct exchange_piece *piece = x->body.last;
        size_t n;

        if (piece == NULL || piece->room == 0)
            piece = body_add_piece(x, data.n);
        n = data.n < piece->room ? data.n : piece->room;
        /* Behind what was sent by reference: that does not change. */
        memcpy((char *)piece->data.p + piece->data.n, data.p, n);
        piece->data.n += n;
        piece->room -= n;
        data = slice_from(data.p + n, data.n - n);
    }
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
