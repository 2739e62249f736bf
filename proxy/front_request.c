/*
 * The request side of a client connection: bytes in, judged, turned into exchanges.
 *
 *   transport ─ front_on_data ─┬─► PROXY header
 *                              ├─► head: scan, parse, second opinion ─► evhttp ─► exchange
 *                              └─► body: pieces to the exchange, as long as it wants them
 *
 * Every taker returns how many bytes it is done with; 0 leaves the rest in the transport.
 */
#include <string.h>

#include "base/check.h"
#include "http/proxy_protocol.h"
#include "http/second_opinion.h"
#include "proxy/front_internal.h"

static struct front *front_of(struct transport *t)
{
    return container_of(t, struct front, transport);
}

/* ---- Before the first request ---- */

static void front_on_connected(struct transport *t)
{
    struct front *f = front_of(t);

    stat_add(&f->worker->stats.tls_handshakes, 1);
    if (tls_session_resumed(t->tls))
        stat_add(&f->worker->stats.tls_resumed, 1);
    front_set_state(f, FRONT_IDLE);
}

static size_t front_take_proxy_header(struct front *f, const char *p, size_t n)
{
    struct proxy_protocol header;
    size_t size;
    int rc = proxy_protocol_parse(&header, p, n, &size);

    if (rc == EG_E_AGAIN)
        return 0;
    if (rc != EG_OK) {
        /* Who it is that speaks is unknown, so there is nobody to answer to. */
        front_close(f);
        return n;
    }
    if (header.has_addresses) {
        struct address client = {.storage = header.source, .length = header.source_length};

        front_set_client(f, &client);
    }
    if (f->listener->tls == NULL) {
        front_set_state(f, FRONT_IDLE);
        return size;
    }
    front_set_state(f, FRONT_HANDSHAKE);
    transport_start_tls(&f->transport, tls_session_new_server(f->listener->tls));
    return size;
}

/* ---- The head ---- */

static void front_make_exchange(struct front *f, struct exchange_request *request)
{
    request->listener = f->listener;
    request->client_host = slice_str(f->client_host);
    request->client_tls = f->transport.tls != NULL;
    if (request->head.method.n == 0) /* refused before it was understood */
        request->protocol = "";
    else
        request->protocol = request->head.minor_version == 0 ? "HTTP/1.0" : "HTTP/1.1";
    request->start_us = f->head_started_us;
    f->exchange = exchange_new(f->worker, request, &front_sink, f);
}

/* Forgets the last request's answer. */
static void front_reset_answer(struct front *f)
{
    f->head_method = f->no_content = f->chunked_out = f->answer_started = 0;
    f->waits_continue = f->connect_method = 0;
    f->served = 1;
    f->probe_interval_ms = FRONT_PROBE_MS;
}

static void front_refuse_request(struct front *f, struct exchange_request *request, int code)
{
    if (f->head_started_us == 0)
        f->head_started_us = f->worker->loop.now_us;
    front_reset_answer(f);
    f->minor_version = 1;
    f->close_after = 1;
    f->request_done = 0; /* where it ends is unknown */
    front_make_exchange(f, request);
    front_set_state(f, FRONT_EXCHANGE);
    exchange_refuse(f->exchange, code);
}

void front_refuse(struct front *f, int code)
{
    struct exchange_request request = {0};

    arena_init(&request.arena);
    front_refuse_request(f, &request, code);
}

static void front_begin_exchange(struct front *f, struct exchange_request *request)
{
    const struct http_request_head *head = &request->head;
    const struct config_listener *config = f->listener->config;

    front_reset_answer(f);
    f->minor_version = head->minor_version & 1;
    f->head_method = head->method_id == HTTP_METHOD_HEAD;
    f->connect_method = head->method_id == HTTP_METHOD_CONNECT;
    f->close_after = !head->keep_alive || front_is_ending(f);
    f->waits_continue = head->expect_continue;
    f->request_done = head->framing == HTTP_FRAMING_NONE ||
                      (head->framing == HTTP_FRAMING_LENGTH && head->content_length == 0);
    http_body_init(&f->body, head->framing, head->content_length, config->limits.body_bytes,
                   &config->limits.head);
    front_set_state(f, FRONT_EXCHANGE);
    front_make_exchange(f, request);
    exchange_start(f->exchange);
}

/* Scratch memory begins at any byte. */
static struct http_field *front_scratch_fields(struct loop *loop, unsigned count)
{
    const uintptr_t mask = _Alignof(struct http_field) - 1;
    char *scratch = loop_scratch(loop, count * sizeof(struct http_field) + mask);

    CHECK(scratch != NULL); /* limits.headers is bounded accordingly */
    return (struct http_field *)(((uintptr_t)scratch + mask) & ~mask);
}

/* Copies the head into the exchange's memory and parses it there. The field array is tried out in
 * scratch memory, since its size is only known afterwards. */
static int front_parse_head(struct front *f, struct exchange_request *request, const char *p,
                            size_t size)
{
    const struct http_limits *limits = &f->listener->config->limits.head;
    struct loop *loop = &f->worker->loop;
    struct http_field *tried = front_scratch_fields(loop, limits->fields), *kept;
    struct http_request_head *head = &request->head;
    char *copy = arena_alloc(&request->arena, size);
    int rc;

    memcpy(copy, p, size);
    head->fields.v = tried;
    head->fields.capacity = limits->fields;
    rc = http_request_head_parse(head, copy, size, limits);
    if (rc == EG_OK)
        rc = http_request_second_opinion(head, copy, size);
    if (rc == EG_OK) {
        kept = arena_alloc(&request->arena, head->fields.count * sizeof(*kept));
        memcpy(kept, tried, head->fields.count * sizeof(*kept));
        head->fields.v = kept;
    } else {
        *head = (struct http_request_head){0};
    }
    loop_scratch_shrink(loop, (const char *)tried);
    return rc;
}

static size_t front_accept_head(struct front *f, const char *p, size_t size)
{
    uint64_t body_limit = f->listener->config->limits.body_bytes;
    struct exchange_request request = {.head_bytes = size};
    int rc;

    arena_init(&request.arena);
    rc = front_parse_head(f, &request, p, size);
    if (rc == EG_OK && body_limit > 0 && request.head.framing == HTTP_FRAMING_LENGTH &&
        request.head.content_length > body_limit)
        rc = EG_E_BODY_TOO_LARGE;
    if (rc == EG_OK)
        rc = shell_present(&f->shell, &request.head);
    if (rc == EG_OK)
        front_begin_exchange(f, &request);
    else
        front_refuse_request(f, &request, rc);
    return size;
}

static size_t front_take_head(struct front *f, const char *p, size_t n)
{
    size_t size;
    int rc;

    /* Answers of pipelined requests pile up when nobody reads them. */
    if (transport_congested(&f->transport))
        return 0;
    if (f->state == FRONT_IDLE) {
        f->scan = (struct http_head_scan){0};
        f->head_started_us = f->worker->loop.now_us;
    }
    rc = http_head_scan(&f->scan, p, n, &f->listener->config->limits.head, &size);
    if (rc == EG_OK)
        return front_accept_head(f, p, size);
    if (rc == EG_E_AGAIN) {
        if (f->client_eof)
            front_close_when_flushed(f); /* the rest will never come */
        else if (f->state == FRONT_IDLE)
            front_set_state(f, FRONT_HEAD);
        return 0;
    }
    front_refuse(f, rc);
    return n;
}

/* ---- The body ---- */

static void front_body_end(struct front *f)
{
    f->request_done = 1;
    front_set_state(f, FRONT_EXCHANGE); /* no body timer any more */
    exchange_body_end(f->exchange, http_body_trailers(&f->body));
}

void front_body_failed(struct front *f, int code)
{
    f->close_after = 1; /* where the next request would begin is unknown */
    exchange_body_failed(f->exchange, code);
}

static bool front_body_exhausted(const struct front *f)
{
    return f->body.framing == HTTP_FRAMING_LENGTH && f->body.remaining == 0;
}

static size_t front_take_body(struct front *f, const char *p, size_t n)
{
    size_t total = 0;

    loop_timer_set(&f->worker->loop, &f->timer, f->listener->config->timeouts.body_ms);
    while (f->state == FRONT_EXCHANGE && !f->request_done) {
        struct slice piece;
        size_t used = 0;
        int rc;

        if (!front_body_exhausted(f) && !exchange_wants_body(f->exchange)) {
            transport_pause(&f->transport);
            break;
        }
        rc = http_body_next(&f->body, p + total, n - total, &piece, &used);
        total += used;
        exchange_count(f->exchange, used, 0);
        if (rc == HTTP_BODY_DATA) {
            exchange_body(f->exchange, piece);
        } else if (rc == HTTP_BODY_END) {
            front_body_end(f);
        } else if (rc == HTTP_BODY_MORE) {
            break;
        } else {
            front_body_failed(f, rc);
            return n;
        }
    }
    return total;
}

/* The answer is out and the client still sends its body: reading a little more of it saves the
 * connection for the next request. */
static size_t front_discard_body(struct front *f, const char *p, size_t n)
{
    size_t total = 0;
    int rc;

    /* To the end in one go: that of a body with a length needs no byte of its own, so that nobody
     * would ask for it again. */
    do {
        struct slice piece;
        size_t used = 0;

        rc = http_body_next(&f->body, p + total, n - total, &piece, &used);
        total += used;
    } while (rc == HTTP_BODY_DATA);
    f->discarded_bytes += total;
    if (rc == HTTP_BODY_END) {
        f->request_done = 1;
        front_next_request(f);
    } else if (rc < 0 || f->discarded_bytes > FRONT_DISCARD_BYTES) {
        front_close_gracefully(f);
    }
    return total;
}

static size_t front_take_tunnel(struct front *f, const char *p, size_t n)
{
    if (!exchange_wants_body(f->exchange)) {
        transport_pause(&f->transport);
        return 0;
    }
    exchange_count(f->exchange, n, 0);
    exchange_body(f->exchange, slice_from(p, n));
    return n;
}

/* ---- What the transport tells ---- */

static size_t front_take(struct front *f, const char *p, size_t n)
{
    switch (f->state) {
    case FRONT_PROXY_HEADER:
        return front_take_proxy_header(f, p, n);
    case FRONT_HANDSHAKE:
        return 0;
    case FRONT_IDLE:
    case FRONT_HEAD:
        return front_take_head(f, p, n);
    case FRONT_EXCHANGE:
        return f->request_done ? 0 : front_take_body(f, p, n);
    case FRONT_DISCARD:
        return front_discard_body(f, p, n);
    case FRONT_TUNNEL:
        return front_take_tunnel(f, p, n);
    case FRONT_LINGER: /* dropped; the linger timer bounds it */
    case FRONT_CLOSED:
        break;
    }
    return n;
}

/* Nothing is left to take: a tunnel learns of a FIN that was told while its answer was awaited, and
 * a connection whose client will send no other request ends. */
static void front_on_all_taken(struct front *f)
{
    if (f->state == FRONT_TUNNEL && f->client_eof)
        exchange_body_end(f->exchange, NULL);
    else if (f->state == FRONT_IDLE && f->client_eof)
        front_close_gracefully(f);
}

static size_t front_on_data(struct transport *t, const char *data, size_t size)
{
    struct front *f = front_of(t);
    size_t used = 0;

    f->taking = 1;
    while (used < size) {
        size_t step = front_take(f, data + used, size - used);

        if (step == 0)
            break;
        used += step;
    }
    f->taking = 0;
    if (used == size)
        front_on_all_taken(f);
    return used;
}

/* The client will send no more. Whether that ends the connection depends on what it still waits
 * for. */
static void front_on_eof(struct transport *t)
{
    struct front *f = front_of(t);

    f->client_eof = 1;
    switch (f->state) {
    case FRONT_EXCHANGE:
        if (!f->request_done)
            front_close(f);
        else
            loop_timer_set(&f->worker->loop, &f->timer, f->probe_interval_ms);
        break;
    case FRONT_TUNNEL:
        exchange_body_end(f->exchange, NULL);
        break;
    case FRONT_IDLE:
        if (t->in.size == 0) /* else whole requests that were held back may be in there */
            front_close_when_flushed(f);
        break;
    case FRONT_HEAD:
    case FRONT_DISCARD:
    case FRONT_LINGER:
        front_close_when_flushed(f);
        break;
    case FRONT_PROXY_HEADER:
    case FRONT_HANDSHAKE:
    case FRONT_CLOSED:
        front_close(f);
        break;
    }
}

static void front_on_error(struct transport *t, int code)
{
    struct front *f = front_of(t);

    if (code == EG_E_TLS_HANDSHAKE)
        stat_add(&f->worker->stats.tls_failures, 1);
    front_close(f);
}

static void front_on_drained(struct transport *t)
{
    struct front *f = front_of(t);

    if (f->exchange != NULL)
        exchange_drained(f->exchange);
    else if (f->state == FRONT_IDLE || f->state == FRONT_HEAD)
        transport_resume(t);
}

const struct transport_ops front_transport_ops = {
    .on_connected = front_on_connected,
    .on_data = front_on_data,
    .on_eof = front_on_eof,
    .on_error = front_on_error,
    .on_drained = front_on_drained,
};
