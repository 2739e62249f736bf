/*
 * For the exchange's own files only.
 *
 *   exchange.c           beginning and end, routing, the request's body, own answers
 *   exchange_attempt.c   the backend's side: pick, attempt, retry, relaying the answer
 *   exchange_log.c       what the access log and the counters are told
 *   own_answer.c         answers that evergate gives by itself
 *   router.c             which route; route_path.c its normalised path
 */
#ifndef EVERGATE_PROXY_EXCHANGE_INTERNAL_H
#define EVERGATE_PROXY_EXCHANGE_INTERNAL_H

#include "balancer/balancer.h"
#include "net/loop.h"
#include "proxy/exchange.h"
#include "upstream/upstream.h"

struct exchange {
    struct arena arena; /* holds this struct too */
    struct worker *worker;
    struct worker_view *view; /* a reference */
    const struct exchange_sink *sink;
    void *front;

    struct http_request_head head;
    struct worker_listener *listener;
    bool client_tls;
    const char *protocol;
    struct slice client_host;
    struct slice request_id, traceparent;
    struct slice path; /* normalised, for matching; in the arena or head.path itself */

    const struct config_route *route; /* NULL: none matched */
    const struct config_pool *pool_config;
    struct balancer_pool *pool;
    struct upstream_cluster *cluster;
    struct balancer_tried tried;
    struct endpoint *endpoint; /* of the current or last attempt */
    struct upstream_attempt attempt;
    struct upstream_request upstream_request;
    unsigned attempts, attempts_sent; /* ... those of which a byte may have reached a backend */

    struct loop_timer timer; /* the route's time limit; in a tunnel, its idle limit */
    struct loop_task after_turn;

    int status;                        /* sent or about to be; 499 when the client left */
    int error;                         /* EG_E_* of the own answer or of the abort; 0: none */
    uint64_t wall_us;                  /* of the request's first byte */
    uint64_t start_us;                 /* the same, monotonic */
    int64_t connect_us, first_byte_us; /* -1: did not happen */
    uint64_t bytes_in, bytes_out;

    bool attempting;   /* `attempt` is between start and release */
    bool head_sent;    /* a final head went to the sink */
    bool body_done;    /* the whole request was given to us */
    bool body_passed;  /* at least one byte of it went to an attempt: no retry */
    bool tunnel;       /* raw bytes both ways */
    bool backend_done; /* in a tunnel: the backend sent its FIN */
    bool finished;
};

/* How many endpoints one request may try. A refused connection costs the backend nothing, so it
 * may go on through a pool; what may have reached a backend is repeated once (design: retries 1).
 */
enum { EXCHANGE_MAX_CONNECTS = 16, EXCHANGE_MAX_SENT = 2 };

/* exchange.c */
void exchange_fail(struct exchange *x, int code); /* own answer for `code`, or abort after a head */
void exchange_end(struct exchange *x, const struct http_fields *trailers); /* through the sink */
void exchange_abort(struct exchange *x, int code);
/* Logs, counts and frees after the turn. The sink was told before, or must not be told. */
void exchange_finish(struct exchange *x);

/* exchange_attempt.c */
void exchange_try(struct exchange *x);
void exchange_release_attempt(struct exchange *x, enum balancer_outcome outcome);
void exchange_tunnel_touch(struct exchange *x);

/* exchange_log.c */
void exchange_log(const struct exchange *x);

#endif
