/*
 * Upstream: pooled connections to the endpoints of a pool, and one request at a time on each.
 *
 * A *cluster* is one worker's view of one pool: for each endpoint its resolved addresses, its idle
 * connections (last in, first out) and, with TLS, the ticket to resume with. Endpoints come and go
 * and settings change while it serves; connections that this does not concern notice nothing of
 * it. Nothing here is shared between threads.
 *
 * An *attempt* is one request sent to one endpoint: it leases a connection, sends the head and the
 * body, and reports the answer through callbacks. It knows nothing of retries; the exchange above
 * decides what a failure means.
 *
 *   attempt_start ─► idle connection? ─► head, body ─► on_head, on_data, on_end
 *               └─► connect (+ TLS)  ─┘           └─► on_failed(code)
 *
 * Happy path: start; send_body*; send_end; on_informational*; on_head; on_data*; on_end. The
 * connection goes back to the idle list when both directions ended cleanly and both sides want
 * persistence; else it is closed.
 *
 * A connection that the backend closed while it was idle: its read event sees that and drops it.
 * For the moment between, a request that can be repeated (`repeatable`) and fails on a reused
 * connection before any byte of an answer is silently sent again on a new one; for any other
 * request the idle connection is first checked with transport_alive.
 *
 * Lifetime: the attempt is owned by the caller (embedded in the exchange) between start and
 * release. Exactly one of on_end, on_failed ends it; afterwards, or at any time to cancel, the
 * caller calls upstream_attempt_release. No callback comes after release. Callbacks may call
 * release.
 */
#ifndef EVERGATE_UPSTREAM_UPSTREAM_H
#define EVERGATE_UPSTREAM_UPSTREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "balancer/balancer.h"
#include "base/durations.h"
#include "base/list.h"
#include "config/config.h"
#include "http/body.h"
#include "http/forward.h"
#include "http/head.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/tls.h"

struct health_pool;
struct upstream_cluster;
struct upstream_connection;
struct upstream_attempt;

/* A cluster without endpoints. Builds the TLS context of a pool with TLS; `config` is kept until
 * upstream_cluster_change. `health` is told of stalls; NULL: nobody looks for them. May be called
 * on any thread, before the worker has it. 0 or EG_E_INTERNAL with a sentence in *ret_why (heap).
 */
int upstream_cluster_new(struct upstream_cluster **ret_cluster, struct loop *loop,
                         const struct config_pool *config, struct health_pool *health,
                         char **ret_why) WARN_UNUSED;

/* Closes idle connections. Every attempt must have been released. Endpoints need not be removed
 * before, nor be there any more. */
void upstream_cluster_free(struct upstream_cluster *cluster);

/* ---- Endpoints: on the worker's thread, within a turn ---- */

/* The endpoint may be asked from now on. Where it is is known at once, unless its backend is a name
 * (then by upstream_cluster_set_addresses). `backend`, whose address the configuration has checked,
 * is read during the call only. */
void upstream_cluster_add(struct upstream_cluster *cluster, struct endpoint *endpoint,
                          const struct config_backend *backend);

/* Closes its idle connections and forgets it; `endpoint` is not touched after the call. No attempt
 * may be on it. */
void upstream_cluster_remove(struct upstream_cluster *cluster, struct endpoint *endpoint);

/* Was it added and not removed? Also to be asked for another endpoint in the same slot. */
bool upstream_cluster_has(const struct upstream_cluster *cluster, const struct endpoint *endpoint);

/* New addresses of an endpoint whose backend is a name (copied). Idle connections to addresses that
 * are gone are closed. Ignored when the cluster does not have the endpoint: an answer of DNS may
 * be late. */
void upstream_cluster_set_addresses(struct upstream_cluster *cluster,
                                    const struct endpoint *endpoint,
                                    const struct address *addresses, size_t count);

/* ---- Settings ---- */

/* The TLS context for `config`, to be made ahead of a change of it (any thread); *ret_tls is NULL
 * for a pool without TLS. 0 or EG_E_INTERNAL with a sentence in *ret_why (heap). */
int upstream_cluster_tls_new(struct tls_context **ret_tls, const struct config_pool *config,
                             char **ret_why) WARN_UNUSED;

/*
 * Other settings from now on; the ones before may go when this returns. Attempts in flight go on;
 * their deadlines follow the new timeouts from their next sign of life. Idle connections that the
 * new keepalive would not have kept are closed.
 *
 * `tls` is owned from here. With `tls_changed` it takes the place of the present context (NULL:
 * plain from now on), and every backend must prove itself anew: idle connections are closed,
 * tickets forgotten, connections in flight not used again. Without `tls_changed` all that stays as
 * it is, and `tls` is freed.
 */
void upstream_cluster_change(struct upstream_cluster *cluster, const struct config_pool *config,
                             struct tls_context *tls, bool tls_changed);

/* Closes all idle connections (drain). */
void upstream_cluster_close_idle(struct upstream_cluster *cluster);

struct upstream_cluster_stats {
    uint64_t connects, connect_failures, reuses, silent_repeats;
    unsigned open, idle;
};
struct upstream_cluster_stats upstream_cluster_stats(const struct upstream_cluster *cluster);

/* The endpoint's answer began so long after it had the whole request. */
void upstream_cluster_answered(struct upstream_cluster *cluster, const struct endpoint *endpoint,
                               uint64_t latency_us);
/* What was counted so of the endpoint in a slot, which *ret_endpoint names; NULL: none is there, or
 * it has not answered yet. */
unsigned upstream_cluster_slots(const struct upstream_cluster *cluster);
const struct durations *upstream_cluster_durations(const struct upstream_cluster *cluster,
                                                   unsigned slot,
                                                   const struct endpoint **ret_endpoint);

struct upstream_attempt_ops {
    /* An interim answer other than 101 (slices valid during the call). */
    void (*on_informational)(struct upstream_attempt *a, const struct http_response_head *head);
    /* The final answer's head, or 101; slices valid during the call. The framing is head->framing.
     * After 101, or 2xx to CONNECT, the attempt is a tunnel: on_data and upstream_attempt_send_body
     * carry raw bytes, on_end is the backend's FIN. */
    void (*on_head)(struct upstream_attempt *a, const struct http_response_head *head);
    /* Content (chunk framing removed), valid until the turn's flush. */
    void (*on_data)(struct upstream_attempt *a, struct slice data);
    /* The answer is complete. `trailers` may be empty; valid during the call. Also told to a paused
     * attempt when no further byte is needed. In a tunnel the other direction may go on until the
     * release; should the backend die meanwhile, what is sent is dropped. */
    void (*on_end)(struct upstream_attempt *a, const struct http_fields *trailers);
    /* EG_E_CONNECT, _CONNECT_TIMEOUT, _RESOLVE, _UPSTREAM_*, _RESPONSE_TIMEOUT, _IDLE_TIMEOUT;
     * _OVERLOAD when the caller did not obey upstream_attempt_congested. a->answered tells whether
     * on_head was called before. The connection is closed already; the attempt may be started
     * again from within. `detail` is valid during the call. */
    void (*on_failed)(struct upstream_attempt *a, int code, const char *detail);
    /* The endpoint has stalled (health/health.h), and this attempt, whose request was handed over
     * completely, waits for its head longer than its usual latency explains. Told again every
     * LOOP_TICK_MS while that lasts. The attempt goes on. Other attempts may be started and
     * released from within, not this one. May be NULL. */
    void (*on_stalled)(struct upstream_attempt *a);
    /* The request's body may flow again after upstream_attempt_congested was true. */
    void (*on_drained)(struct upstream_attempt *a);
};

/* What is sent. The pointed-to memory stays valid until release (the exchange's arena). */
struct upstream_request {
    struct http_forward_request forward;
    enum http_method method_id;
    enum http_framing framing; /* of the body: NONE, LENGTH or CHUNKED */
    bool tunnel;               /* Upgrade or CONNECT was asked for */
    bool repeatable; /* idempotent and without body: may be sent twice (RFC 9110 section 9.2.2) */
};

struct upstream_attempt {
    const struct upstream_attempt_ops *ops; /* set by the caller before start */
    struct upstream_cluster *cluster;
    struct endpoint *endpoint;
    /* NULL before start, after release and after a failure. */
    struct upstream_connection *connection;
    const struct upstream_request *request;
    bool reused;       /* went onto a connection that had served before */
    bool sent;         /* at least one byte may have reached the backend */
    bool answered;     /* on_head was called */
    bool request_done; /* the whole request was handed over */
    bool waiting;      /* for the head: `waiting_node` is in the endpoint's list (stall.c) */
    struct list waiting_node;
    uint64_t start_us, connected_us, first_byte_us; /* monotonic; 0: not yet */
    uint64_t asked_us; /* likewise: the whole request was handed over, an answer is owed */
    uint64_t bytes_out, bytes_in; /* on the wire, this attempt */
};

/* Leases a connection and sends the head as soon as there is one. Failures are reported through
 * on_failed, never from within this call. Body bytes given before the connection stands are kept
 * (bounded: obey _congested). */
void upstream_attempt_start(struct upstream_attempt *a, struct upstream_cluster *cluster,
                            struct endpoint *endpoint, const struct upstream_request *request,
                            struct loop *loop);

/*
 * A piece of the request's body (content; chunk framing is added here) or of the tunnel. `data`
 * valid until the turn's flush. Obey upstream_attempt_congested: pause the source until on_drained.
 * Ignored once the answer is complete or the attempt failed. There is no tunnel before on_head has
 * said so, and a body is never longer or shorter than its Content-Length: both are invariants.
 */
void upstream_attempt_send_body(struct upstream_attempt *a, struct slice data);
/* The request's end (`trailers` may be NULL), or, in a tunnel, the client's FIN. Without body it
 * need not be called. */
void upstream_attempt_send_end(struct upstream_attempt *a, const struct http_fields *trailers);
bool upstream_attempt_congested(const struct upstream_attempt *a);

/* Stops and continues on_data (the client is slow). */
void upstream_attempt_pause(struct upstream_attempt *a);
void upstream_attempt_resume(struct upstream_attempt *a);

/* Ends it: returns the connection to the idle list when it is clean, else closes it, which cancels
 * the backend's work. */
void upstream_attempt_release(struct upstream_attempt *a);

#endif
