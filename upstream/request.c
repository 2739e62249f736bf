/*
 * The request's bytes on their way to the backend.
 *
 *   caller ─► upstream_request_body ─► connecting: copied into `held` (bounded)
 *                                  └─► connected:  by reference to the transport, one sendmsg
 *                                                  with the head at the end of the turn
 *
 * The head is written from the parsed form when the connection stands, straight into the loop's
 * scratch memory. A body with a length passes as it is, and is counted, since a body longer or
 * shorter than its Content-Length would be read as another request; an unknown length is framed as
 * chunks, one chunk per piece.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "upstream/upstream_internal.h"

enum { CHUNK_HEADER_BYTES = 18 };

static const struct slice crlf = SLICE_LIT("\r\n");

static char *scratch_of(struct upstream_connection *c, size_t size_bytes)
{
    return loop_scratch(c->cluster->loop, size_bytes);
}

/* Limits configured far above the defaults can make a head that the scratch does not hold: it gets
 * memory of its own and leaves at once. */
static void write_large_head(struct upstream_connection *c, const struct http_forward_request *f,
                             size_t bound)
{
    char *head = xmalloc(bound);
    size_t size = http_forward_request_write(f, head, bound);

    CHECK(size > 0);
    transport_write(&c->transport, head, size);
    loop_flush(c->cluster->loop);
    free(head);
}

static void write_head(struct upstream_connection *c, const struct http_forward_request *f)
{
    size_t bound = http_forward_request_bound(f);
    char *head = scratch_of(c, bound);

    if (!head) {
        write_large_head(c, f, bound);
        return;
    }
    size_t size = http_forward_request_write(f, head, bound);
    CHECK(size > 0);
    loop_scratch_shrink(c->cluster->loop, head + size);
    transport_write(&c->transport, head, size);
}

void upstream_request_begin(struct upstream_connection *c)
{
    struct upstream_attempt *a = c->attempt;

    a->sent = true;
    c->requests++;
    write_head(c, &a->request->forward);
}

void upstream_request_send_held(struct upstream_connection *c)
{
    if (c->held.size == 0)
        return;
    transport_write(&c->transport, bytes_data(&c->held), c->held.size);
    loop_soon(c->cluster->loop, &c->soon); /* lets `held` go once it was flushed */
}

/* Bytes of the request in their order; before the connection stands they are copied. */
static bool put(struct upstream_connection *c, const char *p, size_t n)
{
    if (c->state != UPSTREAM_CONNECTING) {
        transport_write(&c->transport, p, n);
        return true;
    }
    if (bytes_append(&c->held, p, n) == EG_OK)
        return true;
    upstream_connection_fail_soon(c, EG_E_OVERLOAD, "request body was not held back");
    return false;
}

static void put_chunk(struct upstream_connection *c, struct slice data)
{
    char *header = scratch_of(c, CHUNK_HEADER_BYTES);
    size_t size = http_chunk_header(header, data.n);

    loop_scratch_shrink(c->cluster->loop, header + size);
    if (put(c, header, size) && put(c, data.p, data.n))
        put(c, crlf.p, crlf.n);
}

void upstream_request_body(struct upstream_connection *c, struct slice data)
{
    struct upstream_attempt *a = c->attempt;

    /* Nothing is the last chunk's mark: an empty piece must not become one. */
    if (data.n == 0 || c->early_code)
        return;
    if (c->response.phase == UPSTREAM_PHASE_TUNNEL) {
        transport_write(&c->transport, data.p, data.n);
        return;
    }
    CHECK(!a->request_done);
    c->body_begun = true;
    if (a->request->framing == HTTP_FRAMING_CHUNKED) {
        put_chunk(c, data);
        return;
    }
    CHECK(data.n <= c->body_left);
    c->body_left -= data.n;
    put(c, data.p, data.n);
}

void upstream_request_end(struct upstream_connection *c, const struct http_fields *trailers)
{
    struct upstream_attempt *a = c->attempt;

    if (c->response.phase == UPSTREAM_PHASE_TUNNEL) {
        transport_shutdown_write(&c->transport);
        return;
    }
    if (a->request_done)
        return;
    CHECK(c->body_left == 0);
    a->request_done = true;
    upstream_stall_enter(a);
    if (a->request->framing != HTTP_FRAMING_CHUNKED || c->early_code)
        return;
    size_t bound = http_forward_trailers_bound(trailers);
    char *end = scratch_of(c, bound);
    CHECK(end); /* trailers are bounded by the limit of a head */
    size_t size = http_forward_trailers_write(trailers, end, bound);
    loop_scratch_shrink(c->cluster->loop, end + size);
    put(c, end, size);
}
