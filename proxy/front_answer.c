/*
 * The answer side of a client connection: the exchange's sink for HTTP/1.
 *
 * Framing towards the client is decided here: a known length stays one, an unknown one is chunked
 * for HTTP/1.1 and ends with the connection for HTTP/1.0 (RFC 9112 section 6.3).
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "proxy/front_internal.h"

static void front_write(struct front *f, const char *p, size_t n)
{
    transport_write(&f->transport, p, n);
    exchange_count(f->exchange, 0, n);
}

/* A route may add more than the scratch memory holds: such a head gets memory of its own and leaves
 * at once. */
static void front_write_large_head(struct front *f, const struct http_forward_response *response,
                                   size_t bound)
{
    char *out = xmalloc(bound);
    size_t size = http_forward_response_write(response, out, bound);

    CHECK(size > 0);
    front_write(f, out, size);
    loop_flush(&f->worker->loop);
    free(out);
}

static void front_write_head(struct front *f, const struct http_forward_response *response)
{
    struct loop *loop = &f->worker->loop;
    size_t bound = http_forward_response_bound(response), size;
    char *out = loop_scratch(loop, bound);

    if (out == NULL) {
        front_write_large_head(f, response, bound);
        return;
    }
    size = http_forward_response_write(response, out, bound);
    CHECK(size > 0);
    loop_scratch_shrink(loop, out + size);
    front_write(f, out, size);
}

static void front_sink_informational(void *front, const struct http_response_head *head)
{
    struct front *f = front;
    struct http_forward_response response = {.head = head, .client_minor_version = 1};

    if (f->minor_version == 0) /* RFC 9110 section 15.2: never to HTTP/1.0 */
        return;
    if (head->status == 100)
        f->waits_continue = 0;
    front_write_head(f, &response);
}

/* Reading the rest of a body is worth it when it is short and surely comes: a client that waits for
 * 100 (Continue) may leave it out, and then the next request could not be told from it. */
static bool front_rest_is_short(const struct front *f)
{
    if (f->waits_continue)
        return false;
    return f->body.framing != HTTP_FRAMING_LENGTH || f->body.remaining <= FRONT_DISCARD_BYTES;
}

static bool front_is_tunnel(const struct front *f, int status)
{
    return status == 101 || (f->connect_method && status >= 200 && status < 300);
}

static void front_choose_framing(struct front *f, const struct http_response_head *head)
{
    bool unknown_length =
        head->framing == HTTP_FRAMING_CHUNKED || head->framing == HTTP_FRAMING_UNTIL_CLOSE;

    f->no_content = f->head_method || head->framing == HTTP_FRAMING_NONE;
    f->chunked_out = unknown_length && !f->head_method && f->minor_version >= 1;
    if (unknown_length && !f->head_method && f->minor_version == 0)
        f->close_after = 1;
}

static void front_sink_head(void *front, const struct http_response_head *head,
                            const struct http_header_edits *edits)
{
    struct front *f = front;
    bool tunnel = front_is_tunnel(f, head->status);
    struct http_forward_response response = {
        .head = head,
        .edits = edits,
        .client_minor_version = f->minor_version,
        .upgrade = head->status == 101,
        .date = worker_date(f->worker),
    };

    f->answer_started = 1;
    front_choose_framing(f, head);
    if (front_is_ending(f) || (!f->request_done && !front_rest_is_short(f)))
        f->close_after = 1;
    response.chunked = f->chunked_out;
    response.close = f->close_after && !tunnel;
    response.keep_alive = !f->close_after && !tunnel && f->minor_version == 0;
    front_write_head(f, &response);
}

static void front_sink_data(void *front, struct slice data)
{
    struct front *f = front;

    if (f->no_content && f->state != FRONT_TUNNEL)
        return;
    if (f->chunked_out) {
        char *header = loop_scratch(&f->worker->loop, 20);
        size_t size = http_chunk_header(header, data.n);

        loop_scratch_shrink(&f->worker->loop, header + size);
        front_write(f, header, size);
        front_write(f, data.p, data.n);
        front_write(f, "\r\n", 2);
    } else {
        front_write(f, data.p, data.n);
    }
    if (transport_congested(&f->transport) && f->write_timer.deadline_ms == 0)
        front_watch_output(f);
}

static void front_write_trailers(struct front *f, const struct http_fields *trailers)
{
    struct loop *loop = &f->worker->loop;
    size_t bound = http_forward_trailers_bound(trailers);
    char *out = loop_scratch(loop, bound);
    size_t size = http_forward_trailers_write(trailers, out, bound);

    loop_scratch_shrink(loop, out + size);
    front_write(f, out, size);
}

static void front_sink_end(void *front, const struct http_fields *trailers)
{
    struct front *f = front;

    if (f->chunked_out)
        front_write_trailers(f, trailers);
    f->exchange = NULL;
    front_answer_complete(f);
}

/* What went out stays out, and the missing end tells the client. Where the end of the connection
 * would look like the end of the answer, only a reset does. */
static void front_sink_abort(void *front)
{
    struct front *f = front;
    bool looks_complete = f->answer_started && !f->chunked_out && f->minor_version == 0;

    f->exchange = NULL;
    f->reset = looks_complete;
    f->request_done = 1;
    front_close_gracefully(f);
}

static void front_sink_tunnel(void *front)
{
    struct front *f = front;

    f->chunked_out = 0;
    front_set_state(f, FRONT_TUNNEL);
    stat_add(&f->worker->stats.tunnels, 1);
    if (f->client_eof && f->transport.in.size == 0)
        exchange_body_end(f->exchange, NULL);
    transport_resume(&f->transport);
}

static void front_sink_half_close(void *front)
{
    struct front *f = front;

    transport_shutdown_write(&f->transport);
}

static void front_sink_body_wanted(void *front)
{
    struct front *f = front;

    transport_resume(&f->transport);
}

static bool front_sink_congested(void *front)
{
    struct front *f = front;

    return transport_congested(&f->transport);
}

const struct exchange_sink front_sink = {
    .informational = front_sink_informational,
    .head = front_sink_head,
    .data = front_sink_data,
    .end = front_sink_end,
    .abort = front_sink_abort,
    .tunnel = front_sink_tunnel,
    .half_close = front_sink_half_close,
    .body_wanted = front_sink_body_wanted,
    .congested = front_sink_congested,
};

void front_next_request(struct front *f)
{
    http_body_fini(&f->body);
    if (f->shell.request != NULL)
        shell_request_done(&f->shell);
    front_set_state(f, FRONT_IDLE);
    if (f->taking)
        return; /* front_on_data goes on with the next request by itself */
    if (f->transport.paused || f->transport.in.size > 0)
        transport_resume(&f->transport);
    else if (f->client_eof)
        front_close_gracefully(f);
}

/* An answer whose head went out before a drain began could not tell the client that the connection
 * ends: it may send one request more, and that one's answer will (front_http1_drain). */
void front_answer_complete(struct front *f)
{
    if (f->state == FRONT_CLOSED || f->state == FRONT_LINGER)
        return;
    if (f->close_after || f->state == FRONT_TUNNEL) {
        front_close_gracefully(f);
    } else if (f->request_done) {
        front_next_request(f);
    } else {
        f->discarded_bytes = 0;
        front_set_state(f, FRONT_DISCARD);
        if (!f->taking)
            transport_resume(&f->transport);
    }
}
