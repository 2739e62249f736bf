/*
 * For the frontend's own files only: one client connection of HTTP/1.
 *
 * Vocabulary. A *front* is one client connection. Its *request side* reads heads and bodies, its
 * *answer side* writes what the exchange says; both are done before the next request begins, so
 * that pipelined requests are answered in order. Bytes of the next request wait in the transport.
 *
 *   front_accept.c    accept sockets, and how a front begins
 *   front_http1.c     life and death of a front, timers, drain
 *   front_request.c   bytes in: PROXY header, head, guard, evhttp, body
 *   front_answer.c    the exchange's sink: heads, chunks, end, tunnel
 *
 * Happy path: accepted ─► (PROXY_HEADER) ─► (HANDSHAKE) ─► IDLE ─► HEAD ─► EXCHANGE ─► IDLE ...
 *
 * Failure modes and who closes:
 *   malformed request     front_refuse: own answer, then LINGER (front_request.c)
 *   client's reset        front_on_error: cancels the exchange, closes
 *   client's FIN          no request: closes. In an upload: cancels, closes. Waiting for its
 *                         answer: it gets it (half-closed); since a client that left looks just the
 *                         same, see front_probe_client
 *   answer cannot finish  sink abort: closes without a proper end, so the client can tell
 *   too slow              timers here: 408 for a head or body, silence for an idle connection
 *
 * Lifetime: front_close ends all callbacks at once and frees after the turn (lifetime rule 1). A
 * front holds a reference to its listener, whose settings may be swapped between two of its
 * requests; which configuration serves a request is decided when that begins.
 */
#ifndef EVERGATE_PROXY_FRONT_INTERNAL_H
#define EVERGATE_PROXY_FRONT_INTERNAL_H

#include "http/body.h"
#include "http/head.h"
#include "net/transport.h"
#include "proxy/exchange.h"
#include "proxy/shell.h"
#include "proxy/worker.h"
#include "proxy/worker_listener.h"

enum front_state {
    FRONT_PROXY_HEADER, /* a PROXY header must come first */
    FRONT_HANDSHAKE,    /* TLS */
    FRONT_IDLE,         /* between requests, nothing of the next one has come */
    FRONT_HEAD,         /* part of a head has come */
    FRONT_EXCHANGE,     /* a request is being served */
    FRONT_DISCARD,      /* answered early: the rest of the body is read and dropped */
    FRONT_TUNNEL,       /* raw bytes both ways */
    FRONT_LINGER,       /* FIN sent, reading and dropping until the client's */
    FRONT_CLOSED,       /* on the loop's dead list */
};

struct front {
    struct transport transport;
    struct worker *worker;
    struct worker_listener *listener;
    struct list node; /* worker->connections, until FRONT_CLOSED */
    struct shell shell;
    enum front_state state;
    struct loop_timer timer;       /* the state's: header, body, idle, linger */
    struct loop_timer write_timer; /* armed while the client does not take what we send */
    struct loop_task after_turn;   /* close once flushed; in FRONT_CLOSED: reap */
    uint64_t write_progress;       /* transport.bytes_out when write_timer was armed */

    struct exchange *exchange; /* FRONT_EXCHANGE and FRONT_TUNNEL */
    struct http_head_scan scan;
    struct http_body body;
    uint64_t discarded_bytes;
    uint64_t head_started_us;
    unsigned probe_interval_ms; /* front_probe_client */

    char client_host[INET6_ADDRSTRLEN]; /* text, for logs and X-Forwarded-For */
    unsigned minor_version : 4;         /* of the current request */
    unsigned counted : 1;               /* in the listener's connection count */
    unsigned served : 1;                /* at least one request came */
    unsigned head_method : 1;           /* the current request is HEAD */
    unsigned close_after : 1;           /* the connection ends with this answer */
    unsigned request_done : 1;          /* the current request was read to its end */
    unsigned waits_continue : 1;        /* Expect: 100-continue, and no 100 went out yet */
    unsigned answer_started : 1;        /* a final head went out */
    unsigned chunked_out : 1;
    unsigned no_content : 1; /* the answer has no body (HEAD, 204, 304) */
    unsigned client_eof : 1;
    unsigned connect_method : 1; /* the current request is CONNECT */
    unsigned reset : 1;          /* to be closed by a reset */
    unsigned taking : 1;         /* front_on_data is on the stack */
};

enum {
    FRONT_LINGER_MS = 5000, /* in all: enough for most uploads to see that they were refused */
    FRONT_DRAIN_SILENCE_MS = 1000,
    FRONT_DISCARD_BYTES = 64 * 1024, /* of an unread body, before closing is cheaper */
    FRONT_PROBE_MS = 1000,
    FRONT_PROBE_MAX_MS = 8000,
};

/* front_http1.c */
void front_init(struct front *f); /* its timers and tasks */
void front_set_state(struct front *f, enum front_state state);
void front_close(struct front *f);
/* FIN after what was written; closes once it left, or lingers when the client may still be sending.
 */
void front_close_gracefully(struct front *f);
/* The same where the client can owe nothing: at once, unless it has not taken its last answer. */
void front_close_when_flushed(struct front *f);
void front_watch_output(struct front *f);
/* No further request is to come by this connection: the worker drains, its listener goes, or became
 * a TLS or a plain one. Once it is known whether the connection has TLS. */
bool front_is_ending(const struct front *f);

/* front_accept.c */
void front_set_client(struct front *f, const struct address *client);

/* front_request.c */
extern const struct transport_ops front_transport_ops;
/* The guard's no: answers by itself and ends the connection. */
void front_refuse(struct front *f, int code);

/* The body broke off, broke a rule or took too long. */
void front_body_failed(struct front *f, int code);

/* front_answer.c */
void front_next_request(struct front *f);
void front_answer_complete(struct front *f);
extern const struct exchange_sink front_sink;

#endif
