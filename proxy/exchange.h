/*
 * The exchange: one request and its answer, independent of the protocol it came in by.
 *
 * A frontend (front_http1 today, HTTP/2 later, generated probes third) makes an exchange for every
 * accepted request and is its *sink*: the exchange tells it what to answer through exchange_sink.
 * Routing, balancing, retries, own answers, logging and metrics live here, not in frontends.
 *
 *   frontend ─ exchange_start ─► route ─► own answer ──────────────────────────► sink
 *            ─ exchange_body ──►    └──► pool ─► balancer_pick ─► attempt ─► ... ─► sink
 *
 * Flow control. Upload: exchange_body while exchange_wants_body; when it turns false the frontend
 * pauses until sink->body_wanted. Download: sink->congested is asked after each piece; when true
 * the exchange pauses the backend until exchange_drained.
 *
 * Lifetime: made by exchange_new, freed by itself after sink->end or sink->abort, which is the last
 * call the sink gets, or by exchange_cancel, after which the sink gets no call at all. It is never
 * freed within a call of the frontend's (reaped after the turn). An exchange holds a reference to
 * its worker's view.
 */
#ifndef EVERGATE_PROXY_EXCHANGE_H
#define EVERGATE_PROXY_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "http/body.h"
#include "http/head.h"
#include "net/address.h"
#include "proxy/worker.h"

struct exchange;

/* How a frontend puts an answer on the wire. Slices are valid until the turn's flush. */
struct exchange_sink {
    /* An interim answer (1xx). */
    void (*informational)(void *front, const struct http_response_head *head);
    /* The final head. `framing` tells what follows: NONE, LENGTH (head->content_length bytes of
     * data) or, for an unknown length, UNTIL_CLOSE or CHUNKED: the frontend chooses its own framing
     * then. */
    void (*head)(void *front, const struct http_response_head *head,
                 const struct http_header_edits *edits);
    void (*data)(void *front, struct slice data);
    /* Complete. The exchange is gone afterwards. */
    void (*end)(void *front, const struct http_fields *trailers);
    /* The answer cannot be completed: the client must see that (close without the last chunk). Gone
     * afterwards. */
    void (*abort)(void *front);
    /* The backend agreed to a tunnel; its head went out through `head` before. From now on data and
     * exchange_body are raw bytes and `half_close` tells that the backend will send no more. */
    void (*tunnel)(void *front);
    void (*half_close)(void *front);
    /* The request's body may flow again. */
    void (*body_wanted)(void *front);
    bool (*congested)(void *front);
};

/* What the frontend knows of the request; all memory belongs to `arena`, which the exchange takes
 * over. */
struct exchange_request {
    struct arena arena;
    struct http_request_head head;
    struct worker_listener *listener;
    struct slice client_host; /* "203.0.113.9", "2001:db8::1", "unix"; the front's memory */
    bool client_tls;
    const char *protocol; /* "HTTP/1.1"; static */
    uint64_t start_us;    /* first byte of the request */
    uint64_t head_bytes;
};

/* Takes the request's arena. */
struct exchange *exchange_new(struct worker *worker, struct exchange_request *request,
                              const struct exchange_sink *sink, void *front);

/* Routes and acts. May call every function of the sink before it returns, `end` included. */
void exchange_start(struct exchange *x);

/* Instead of exchange_start: the guard refused the request (its head may be empty). Answers with
 * `code` and logs. */
void exchange_refuse(struct exchange *x, int code);

/* A piece of the request's body or of the tunnel, valid until the turn's flush. */
void exchange_body(struct exchange *x, struct slice data);
void exchange_body_end(struct exchange *x, const struct http_fields *trailers);

/* False: pause the client until sink->body_wanted. */
bool exchange_wants_body(struct exchange *x);

/* The request's body turned out malformed, too large, too slow: answer with `code` if no head went
 * out yet, else abort. EG_E_BODY_*. */
void exchange_body_failed(struct exchange *x, int code);

/* The sink is no longer congested. */
void exchange_drained(struct exchange *x);

/* The connection ends before the answer does: `code` is EG_E_CLIENT_GONE, EG_E_WRITE_TIMEOUT, or
 * EG_E_DRAINING when it is us who leave. Cancels the backend's work and logs the code's status. */
void exchange_cancel(struct exchange *x, int code);

/* Bytes on the wire, for the access log and the metrics. */
void exchange_count(struct exchange *x, uint64_t bytes_in, uint64_t bytes_out);

#endif
