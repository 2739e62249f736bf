/*
 * For the exchange's own files only.
 *
 *   exchange.c           beginning and end, routing, own answers
 *   exchange_body.c      the request's body: on to the backend, kept for another attempt
 *   exchange_pick.c      which endpoint: the hash key, the session, the pick
 *   exchange_queue.c     waiting for a connection when the pool is at its limit
 *   exchange_attempt.c   one request to one endpoint: start, relay the answer, end
 *   exchange_report.c    what health and the balancer are told of it
 *   exchange_retry.c     another attempt after a failure, and beside a slow one
 *   exchange_fallback.c  what to answer when nothing can
 *   exchange_log.c       what the access log and the counters are told
 *   own_answer.c         answers that evergate gives by itself
 *   router.c             which route; route_path.c its normalised path
 *
 * An exchange has one attempt, rarely two at a time (a hedge), whose answers race:
 *
 *   pick ─► attempt ─┬─► head ─► relay ─► end
 *     ▲              ├─► failed ─► backoff ─┐        queue: no connection is free
 *     └──────────────┴──────────────────────┘
 */
#ifndef EVERGATE_PROXY_EXCHANGE_INTERNAL_H
#define EVERGATE_PROXY_EXCHANGE_INTERNAL_H

#include "net/loop.h"
#include "proxy/exchange.h"
#include "proxy/pool_runtime.h"
#include "proxy/retry_policy.h"
#include "upstream/upstream.h"

/* A piece of the request's body that is kept, in the exchange's arena. */
struct exchange_piece {
    struct exchange_piece *next;
    struct slice data;
    size_t room; /* behind the data */
};

/* One request to one endpoint. Lives in the exchange; used again when it is not active. */
struct exchange_attempt {
    struct exchange *x;
    struct endpoint *endpoint; /* not after the release: it may have left since */
    struct slice endpoint_id;
    struct upstream_attempt upstream;
    struct exchange_piece *unsent; /* of what is kept: goes out before anything new */
    uint64_t picked_us; /* when the balancer chose it: before a backoff, if there was one */
    uint64_t head_us;   /* when the answer's head came; 0: not yet */
    bool active;        /* between start and release */
    bool reported;      /* health knows how it went */
    bool failed;        /* ... and that was a failure */
    bool hedge;         /* was started beside another one */
};

/* What the exchange waits for besides its attempts; its `wait_timer` runs. */
enum exchange_wait {
    EXCHANGE_WAITS_FOR_NOTHING,
    EXCHANGE_WAITS_FOR_BACKOFF, /* `chosen` is the endpoint that comes next */
    EXCHANGE_WAITS_IN_QUEUE,    /* stands in its worker's pool_queue */
    EXCHANGE_WAITS_TO_HEDGE,    /* an attempt runs; a second one when the timer fires */
};

enum { EXCHANGE_ATTEMPTS = 2, EXCHANGE_MAX_RESCUES = 3 };

struct exchange {
    struct arena arena; /* holds this struct too */
    struct worker *worker;
    struct worker_view *view; /* a reference */
    const struct exchange_sink *sink;
    void *front;

    struct http_request_head head;
    struct worker_listener *listener;
    unsigned listener_index; /* in the view's configuration; its count: gone from there */
    bool client_tls;
    const char *protocol;
    struct slice client_host;
    struct slice request_id, traceparent;
    struct slice path; /* normalised, for matching; in the arena or head.path itself */

    const struct config_route *route; /* NULL: none matched */
    const struct config_pool *pool_config;
    struct pool_runtime *runtime;
    struct upstream_cluster *cluster;
    struct balancer_tried tried;
    struct slice endpoint_id; /* of the current or last attempt, for the log; in the arena */
    struct exchange_attempt first_attempt;
    struct exchange_attempt
        *attempt[EXCHANGE_ATTEMPTS]; /* [0] is first_attempt; [1] in the arena */
    struct exchange_attempt *leader; /* gets the body, gives the answer; NULL: none is active */
    struct upstream_request upstream_request;
    unsigned attempts, attempts_sent, attempts_unsent; /* sent: a byte may have reached a backend */
    unsigned rescues; /* attempts that began beside a stalled one */

    enum exchange_wait waiting;
    struct endpoint *chosen; /* picked, not started */
    uint64_t picked_us;      /* the latest pick */
    struct list queue_node;  /* in pool_queue.waiting */
    uint64_t queue_ticket;   /* who came before whom, over all workers */
    struct loop_timer wait_timer;

    struct {
        struct exchange_piece *first, *last; /* what is kept of the body */
        uint64_t kept_bytes;
        bool lost; /* a byte of it is gone: no other attempt can have it */
    } body;

    struct {
        uint64_t number; /* 0: the pool is not sticky */
        uint64_t tag;    /* of the endpoint that the client's cookie names; 0: none */
        bool renew;      /* the cookie is half way to its end */
    } session;

    const struct config_fallback *fallback_file; /* of a pool that it left; NULL: none */
    struct cache_recording *recording;           /* of the answer, for the fallback; NULL: none */
    struct cache_entry *stale;                   /* that is being served */

    struct loop_timer timer; /* the route's time limit; in a tunnel, its idle limit */
    struct loop_task after_turn;

    int status;                        /* sent or about to be; 499 when the client left */
    int error;                         /* EG_E_* of the own answer or of the abort; 0: none */
    uint64_t wall_us;                  /* of the request's first byte */
    uint64_t start_us;                 /* the same, monotonic */
    int64_t connect_us, first_byte_us; /* -1: did not happen */
    uint64_t bytes_in, bytes_out;

    bool head_sent;    /* a final head went to the sink */
    bool idempotent;   /* RFC 9110 section 9.2.2 */
    bool body_done;    /* the whole request was given to us */
    bool body_paused;  /* the frontend was told to wait: it is owed a body_wanted */
    bool tunnel;       /* raw bytes both ways */
    bool backend_done; /* in a tunnel: the backend sent its FIN */
    bool finished;
};

/* exchange.c */
void exchange_to_pool(struct exchange *x, unsigned pool);
void exchange_fail(struct exchange *x, int code); /* own answer for `code`, or abort after a head */
void exchange_end(struct exchange *x, const struct http_fields *trailers); /* through the sink */
void exchange_abort(struct exchange *x, int code);
/* Logs, counts and frees after the turn. The sink was told before, or must not be told. */
void exchange_finish(struct exchange *x);

/* exchange_body.c */
/* Sends what is kept, as far as the attempt takes it, and the end behind it. */
void exchange_body_replay(struct exchange_attempt *a);

/* exchange_pick.c */
/* Reads the client's sticky cookie. */
void exchange_session_begin(struct exchange *x);
/* The answer's head edits: the route's, and the session's cookie where it is new or renewed. */
const struct http_header_edits *exchange_answer_edits(struct exchange *x,
                                                      const struct endpoint *endpoint);
/* NULL and *ret_error as balancer_pick; else it must be given to exchange_attempt_start or back. */
struct endpoint *exchange_pick(struct exchange *x, int *ret_error);
void exchange_give_back(struct exchange *x, struct endpoint *endpoint);
/* From now on every endpoint may be picked again. */
void exchange_forget_tried(struct exchange *x);

/* exchange_queue.c */
/* Others wait already: stand in line behind them. */
bool exchange_queue_is_busy(const struct exchange *x);
void exchange_queue_enter(struct exchange *x);
void exchange_queue_leave(struct exchange *x);
void exchange_queue_timed_out(struct exchange *x);

/* exchange_attempt.c */
/* Chooses and starts; or waits, or fails. */
void exchange_try(struct exchange *x);
void exchange_attempt_start(struct exchange *x, struct endpoint *endpoint, bool hedge);
void exchange_attempt_release(struct exchange_attempt *a, enum health_result result, int error);
void exchange_release_all(struct exchange *x, enum health_result result, int error);
void exchange_tunnel_touch(struct exchange *x);

/* exchange_report.c */
/* The answer's head is there. A server error has been reported with it, and so has the beginning of
 * a tunnel; of any other answer the end decides. */
void exchange_report_head(struct exchange_attempt *a, int status, bool opens_tunnel);
/* More of the answer came: if it lasts for a while it is good enough, for a stream may never end.
 */
void exchange_report_going_on(struct exchange_attempt *a);
/* The one balancer_done, and health_report where there was none or it failed after all. */
void exchange_report_end(struct exchange_attempt *a, enum health_result result, int error);

/* exchange_retry.c */
/* A request came to the pool: the budget for retries is a share of those. */
void exchange_budget_count(struct exchange *x);
/* May what `a` met be repeated? Then another attempt is on its way, and the caller ends `a`.
 * `error` EG_OK: it answered, with `status`. */
bool exchange_repeat(struct exchange *x, const struct exchange_attempt *a, int error,
                     const struct http_response_head *answer);
void exchange_on_stalled(struct exchange_attempt *a);
/* An attempt has begun: a second one later, if retry.hedge_percentile says so. */
void exchange_hedge_later(struct exchange *x);
void exchange_stop_waiting(struct exchange *x);
void exchange_on_wait_timer(struct loop_timer *timer);

/* exchange_fallback.c */
/* Answers `code` in the pool's other ways; false: there is none. */
bool exchange_fall_back(struct exchange *x, int code);
/* The backend answered with a server error: true when a stored answer was sent instead. */
bool exchange_serve_stale(struct exchange *x, const char *why);
/* A stale answer for the same was served a moment ago: again, without asking the backend. */
bool exchange_is_suppressed(struct exchange *x);
void exchange_record_head(struct exchange *x, const struct http_response_head *head);
void exchange_record_data(struct exchange *x, struct slice data);
void exchange_record_end(struct exchange *x);

/* exchange_log.c */
void exchange_log(const struct exchange *x);

#endif
