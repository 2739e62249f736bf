/*
 * The backend's answer: judged as strictly as a client's request, told through the attempt's
 * callbacks.
 *
 *   bytes ─► HEAD ──1xx──► on_informational, HEAD again (at most UPSTREAM_MAX_INFORMATIONAL)
 *             │ ──101, 2xx to CONNECT──► on_head ─► TUNNEL ─► on_data ... FIN: on_end
 *             └─ final ─► on_head ─► BODY ─► on_data ... ─► on_end ─► OVER
 *
 * Whatever http/ refuses makes the answer EG_E_UPSTREAM_PROTOCOL, and the connection is closed:
 * where two parsers may disagree about an answer's end, the rest would answer somebody else's
 * request. Bytes behind a complete answer condemn the connection for the same reason.
 *
 * Every callback may release the attempt, which takes the connection away from it: after each one
 * `c->attempt` is looked at again, and after on_end nothing is touched, since a new attempt may be
 * on the connection already.
 */
#include "http/second_opinion.h"
#include "upstream/upstream_internal.h"

static const struct http_limits limits = {
    .head_bytes = UPSTREAM_HEAD_BYTES,
    .fields = UPSTREAM_HEAD_FIELDS,
};

static const struct http_fields no_trailers;

void upstream_response_reset(struct upstream_response *r)
{
    upstream_response_fini(r);
    *r = (struct upstream_response){.phase = UPSTREAM_PHASE_HEAD};
}

void upstream_response_fini(struct upstream_response *r)
{
    if (r->has_body)
        http_body_fini(&r->body);
    r->has_body = false;
}

static void refuse(struct upstream_connection *c, const char *detail)
{
    upstream_attempt_fail(c, EG_E_UPSTREAM_PROTOCOL, detail);
}

/* The answer is complete. The body outlives the callback, whose trailers it holds. */
static void finish(struct upstream_connection *c)
{
    struct upstream_attempt *a = c->attempt;
    struct http_body body = c->response.body;
    bool has_body = c->response.has_body;

    c->response.has_body = false; /* now ours: the connection may be closed in the callback */
    c->response.ended = true;
    if (c->response.phase != UPSTREAM_PHASE_TUNNEL) /* whose other direction may go on */
        c->response.phase = UPSTREAM_PHASE_OVER;
    upstream_attempt_account(c);
    a->ops->on_end(a, has_body ? http_body_trailers(&body) : &no_trailers);
    if (has_body)
        http_body_fini(&body);
}

/* RFC 9110 section 15.2. Only 100 (Continue) moves the response timeout: it is an answer to us,
 * asking for the body; the others would let a backend hold a client for ever. */
static void tell_informational(struct upstream_connection *c, const struct http_response_head *head)
{
    if (++c->response.informational > UPSTREAM_MAX_INFORMATIONAL) {
        refuse(c, "too many interim answers");
        return;
    }
    if (head->status == 100)
        upstream_deadline_touch(c);
    c->attempt->ops->on_informational(c->attempt, head);
}

static bool is_switch(const struct upstream_attempt *a, const struct http_response_head *head)
{
    if (a->request->method_id == HTTP_METHOD_CONNECT)
        return head->status >= 200 && head->status < 300;
    return head->status == 101;
}

/* RFC 9110 section 7.8: a server switches only to a protocol that the client offered. */
static bool switch_was_offered(const struct upstream_attempt *a,
                               const struct http_response_head *head)
{
    const struct http_field *chosen = http_fields_get(&head->fields, HTTP_FIELD_UPGRADE);

    return chosen && http_fields_list_has(&a->request->forward.head->fields, HTTP_FIELD_UPGRADE,
                                          chosen->value);
}

/* 101 may come only to a request that asked for it and was sent completely (RFC 9110 section 7.8);
 * there is none in HTTP/1.0. */
static bool switch_allowed(const struct upstream_attempt *a, const struct http_response_head *head)
{
    if (!a->request->tunnel || !a->request_done)
        return false;
    return head->status != 101 || (head->minor_version == 1 && switch_was_offered(a, head));
}

static void tell_head(struct upstream_connection *c, const struct http_response_head *head)
{
    struct upstream_attempt *a = c->attempt;
    struct upstream_response *r = &c->response;

    if (is_switch(a, head)) {
        r->phase = UPSTREAM_PHASE_TUNNEL;
    } else {
        r->phase = UPSTREAM_PHASE_BODY;
        r->has_body = true;
        r->persistent = head->keep_alive && head->minor_version == 1 &&
                        head->framing != HTTP_FRAMING_UNTIL_CLOSE;
        http_body_init(&r->body, head->framing, head->content_length, 0, &limits);
    }
    a->answered = true;
    upstream_stall_leave(a);
    upstream_deadline_touch(c);
    upstream_attempt_account(c);
    a->ops->on_head(a, head);
}

static void judge_head(struct upstream_connection *c, const char *p, size_t size)
{
    const struct upstream_attempt *a = c->attempt;
    enum http_method method = a->request->method_id;
    struct http_response_head head = {
        .fields = {.v = c->cluster->fields, .capacity = UPSTREAM_HEAD_FIELDS}};
    int code = http_response_head_parse(&head, p, size, method, &limits);

    if (code == EG_OK)
        code = http_response_second_opinion(&head, p, size, method);
    if (code != EG_OK) {
        refuse(c, error_text(code));
        return;
    }
    if (head.status == 101 && (method == HTTP_METHOD_CONNECT || !switch_allowed(a, &head))) {
        refuse(c, "switched protocols without being asked");
        return;
    }
    if (head.status < 200 && head.status != 101) {
        tell_informational(c, &head);
        return;
    }
    if (is_switch(a, &head) && !switch_allowed(a, &head)) {
        refuse(c, "opened a tunnel without being asked");
        return;
    }
    tell_head(c, &head);
}

/* What speaks another protocol (an SSH banner, say) is known by its first bytes: no need to wait
 * for a head that will never end. */
static bool may_be_status_line(const char *p, size_t n)
{
    struct slice version = SLICE_LIT("HTTP/1.");

    return n >= version.n ? slice_starts_with(slice_from(p, n), version)
                          : slice_starts_with(version, slice_from(p, n));
}

/* One head, interim or final. Returns its size, or 0 when it is incomplete or the attempt ended. */
static size_t take_head(struct upstream_connection *c, const char *p, size_t n)
{
    size_t size;
    int code = http_head_scan(&c->response.scan, p, n, &limits, &size);

    if (code == EG_E_AGAIN && !may_be_status_line(p, n))
        code = EG_E_HEAD_STATUS_LINE;
    if (code == EG_E_AGAIN)
        return 0;
    if (code != EG_OK) {
        refuse(c, error_text(code));
        return 0;
    }
    c->response.scan.position = 0;
    judge_head(c, p, size);
    return c->attempt ? size : 0;
}

/* A paused attempt gets no more content, but an end that needs no further byte is told: the
 * transport would have nothing to offer after the resume. */
static size_t take_body(struct upstream_connection *c, const char *p, size_t n)
{
    struct upstream_attempt *a = c->attempt;
    size_t used = 0;

    while (!c->paused || used == n) {
        struct slice piece;
        size_t step = 0;
        int result = http_body_next(&c->response.body, p + used, n - used, &piece, &step);

        if (result < 0) {
            refuse(c, error_text(result));
            return n;
        }
        used += step;
        if (result == HTTP_BODY_MORE)
            break;
        if (result == HTTP_BODY_END) {
            c->response.excess = used < n;
            finish(c);
            return n;
        }
        a->ops->on_data(a, piece);
        if (!c->attempt)
            return n;
    }
    return used;
}

static size_t take_raw(struct upstream_connection *c, const char *p, size_t n)
{
    if (n == 0 || c->paused)
        return 0;
    c->attempt->ops->on_data(c->attempt, slice_from(p, n));
    return n;
}

static void note_start(struct upstream_connection *c)
{
    struct upstream_attempt *a = c->attempt;

    c->response.started = true;
    if (a->first_byte_us == 0)
        a->first_byte_us = c->cluster->loop->now_us;
}

size_t upstream_response_feed(struct upstream_connection *c, const char *data, size_t size)
{
    size_t used = 0;

    if (!c->response.started)
        note_start(c);
    while (c->response.phase == UPSTREAM_PHASE_HEAD && used < size && !c->paused) {
        size_t head = take_head(c, data + used, size - used);
        if (head == 0)
            return used;
        used += head;
    }
    switch (c->response.phase) {
    case UPSTREAM_PHASE_HEAD:
        return used;
    case UPSTREAM_PHASE_BODY:
        upstream_deadline_touch(c);
        return used + take_body(c, data + used, size - used);
    case UPSTREAM_PHASE_TUNNEL:
        return used + take_raw(c, data + used, size - used);
    case UPSTREAM_PHASE_OVER:
        c->response.excess = true;
        return size;
    }
    return size;
}

void upstream_response_eof(struct upstream_connection *c)
{
    switch (c->response.phase) {
    case UPSTREAM_PHASE_HEAD:
        upstream_attempt_lost(c, EG_E_UPSTREAM_RESET,
                              c->response.started ? "closed in the middle of the answer's head"
                                                  : "closed without an answer");
        break;
    case UPSTREAM_PHASE_BODY:
        /* Without close_notify an attacker could have cut the stream (RFC 9112 section 9.8). */
        if (http_body_eof(&c->response.body) == EG_OK && transport_eof_is_clean(&c->transport))
            finish(c);
        else
            upstream_attempt_fail(c, EG_E_UPSTREAM_TRUNCATED, "closed in the middle of the body");
        break;
    case UPSTREAM_PHASE_TUNNEL:
        if (!c->response.ended)
            finish(c);
        break;
    case UPSTREAM_PHASE_OVER:
        break;
    }
}
