/*
 * What the rooms of upstream/ share; nobody else includes this.
 *
 *   attempt.c     the public API: lease, send, pause, release; failures and the silent repeat
 *   connection.c  one socket to one address: its states, its timer, who closes it
 *   deadline.c    response and idle timeouts
 *   idle.c        the idle lists
 *   stall.c       endpoints that hold requests and answer none
 *   backend.c     who a backend must prove to be; for checks/ as well (backend.h)
 *   identity.c    the same, as one endpoint's connections hold it
 *   cluster.c     one worker's view of a pool: endpoints that come and go, addresses, settings
 *   request.c     the request's bytes: head, chunk framing, what is held while connecting
 *   response.c    the answer's bytes: heads, body, tunnel, end of stream
 */
#ifndef EVERGATE_UPSTREAM_UPSTREAM_INTERNAL_H
#define EVERGATE_UPSTREAM_UPSTREAM_INTERNAL_H

#include "base/list.h"
#include "net/bytes.h"
#include "net/transport.h"
#include "upstream/upstream.h"

enum {
    /* Limits of an answer's head: as for requests (design: 32 KB and 100 fields both ways). */
    UPSTREAM_HEAD_BYTES = 32 * 1024,
    UPSTREAM_HEAD_FIELDS = 100,
    /* More interim answers than this are a loop or an attack, not progress reports. */
    UPSTREAM_MAX_INFORMATIONAL = 16,
    /* What may wait unparsed on a connection: one read buffer that a paused attempt left. */
    UPSTREAM_IN_BYTES = LOOP_READ_BYTES,
    /* Body bytes kept while connecting: the piece during which the caller learnt of the congestion,
     * its chunk framing and, for a small body, the trailers. */
    UPSTREAM_HELD_BYTES = 2 * LOOP_READ_BYTES + UPSTREAM_HEAD_BYTES,
    UPSTREAM_DETAIL_BYTES = 192,
};

/* Who an endpoint must prove to be, under one TLS context: see identity.c. */
struct upstream_identity {
    unsigned refs;     /* the endpoint's, and one per connection */
    char *server_name; /* sent as SNI (a name) and verified; heap, NULL: neither */
    struct tls_resume_slot resume_slot;
};

/* One backend as this worker sees it. Does not move: lists begin in it. */
struct upstream_endpoint {
    struct endpoint *shared;   /* whose it is */
    char *host, *address;      /* of its backend, copied: it may outlive its configuration */
    struct address *addresses; /* heap; none until a name was resolved */
    size_t address_count;
    size_t next_address; /* where the next connection starts: rotates */
    unsigned generation; /* raised when the addresses change */
    struct list idle;    /* connections in UPSTREAM_IDLE, the latest used first */
    unsigned idle_count;
    unsigned busy_count;                /* connections of it in cluster->busy */
    struct list waiting;                /* attempts whose head is owed, the oldest first */
    unsigned waiting_count;             /* with those that stall.c is just telling */
    struct list holding_node;           /* in cluster->holding while waiting_count > 0 */
    struct upstream_identity *identity; /* for new connections; those from before have theirs */
    struct durations *durations;        /* to its answers' heads; NULL: it has given none */
};

struct upstream_cluster {
    struct loop *loop;
    const struct config_pool *config; /* another one after each upstream_cluster_change */
    struct tls_context *tls;          /* NULL: plain; likewise */
    struct health_pool *health;       /* NULL: stalls are not looked for */
    struct list busy;                 /* connections in UPSTREAM_CONNECTING or UPSTREAM_ACTIVE */
    struct list holding;              /* endpoints that attempts wait for */
    struct loop_timer stall_timer;
    bool stall_armed;
    struct upstream_cluster_stats stats;
    struct upstream_endpoint **endpoints; /* by endpoint->index; NULL: not here */
    unsigned endpoint_slots;
    /* Where the fields of the head that is being judged right now are noted. One for all
     * connections, since a head does not outlive the callback that it is shown to. */
    struct http_field fields[UPSTREAM_HEAD_FIELDS];
};

/* Where a connection is in its life. upstream_connection_set_state is the only writer. */
enum upstream_state {
    UPSTREAM_NEW,        /* being made: in no list */
    UPSTREAM_CONNECTING, /* in cluster->busy; has an attempt; its timer is the connect timeout */
    UPSTREAM_ACTIVE,     /* in cluster->busy; has an attempt; response or idle timeout */
    UPSTREAM_IDLE,       /* in endpoint->idle; no attempt; keep-alive timeout */
    UPSTREAM_CLOSED,     /* in the loop's dead list only: socket closed, freed after this turn */
};

/* How far the answer is. */
enum upstream_phase {
    UPSTREAM_PHASE_HEAD,   /* waiting for a head, interim ones included */
    UPSTREAM_PHASE_BODY,   /* the final head was told */
    UPSTREAM_PHASE_TUNNEL, /* 101, or 2xx to CONNECT: raw bytes both ways */
    UPSTREAM_PHASE_OVER,   /* an answer that is no tunnel was told completely */
};

struct upstream_response {
    enum upstream_phase phase;
    unsigned informational; /* interim answers so far */
    struct http_head_scan scan;
    struct http_body body; /* initialised while has_body */
    bool has_body;
    bool started;    /* a byte of an answer came */
    bool ended;      /* on_end was called; waits for the release */
    bool persistent; /* both sides want to keep the connection */
    bool excess;     /* bytes followed the answer's end */
};

struct upstream_connection {
    struct transport transport;
    struct list node; /* in the list that `state` names */
    enum upstream_state state;
    struct upstream_cluster *cluster;
    struct upstream_endpoint *endpoint;
    struct upstream_identity *identity; /* of the endpoint, as it was at the beginning */
    struct upstream_attempt *attempt;   /* NULL when no attempt leases it */
    struct upstream_response response;
    struct loop_timer timer;
    struct loop_task offer; /* while idle: its descriptor is to be had */
    struct loop_task soon;  /* an early failure to report, or `held` to let go */
    struct loop_task reap;

    struct address address; /* the one it is connected to */
    unsigned generation;    /* of the endpoint's addresses when last compared */
    size_t address_index, addresses_left;
    uint64_t connect_deadline_ms; /* monotonic, over all addresses; 0: none */

    uint64_t requests;    /* sent so far, the current one included */
    uint64_t body_left;   /* of a request body with a length */
    uint64_t in_base;     /* transport counters when the attempt began */
    uint64_t out_base;    /* likewise */
    uint64_t out_mark;    /* wire bytes at the last look of a slow upload; 0: none yet */
    struct bytes held;    /* the body so far, while connecting */
    int early_code;       /* failure to be told by `soon`; 0: none */
    char *early_detail;   /* heap */
    bool has_transport;   /* `transport` is initialised */
    bool body_begun;      /* a piece of the request's body was given */
    bool paused;          /* the caller wants no data */
    bool eof;             /* the peer will send no more */
    bool broken;          /* the stream failed after on_end */
    bool drain_owed;      /* the caller was told of congestion */
    bool repeat_on_reset; /* reused, and the request may be sent twice */
};

/* cluster.c */
/* Never NULL: the cluster must have it. */
struct upstream_endpoint *upstream_cluster_find(const struct upstream_cluster *cluster,
                                                const struct endpoint *endpoint);

/* identity.c */
struct upstream_identity *upstream_identity_new(const struct config_pool *config,
                                                const struct upstream_endpoint *endpoint);
struct upstream_identity *upstream_identity_ref(struct upstream_identity *identity);
void upstream_identity_unref(struct upstream_identity *identity);

/* connection.c */
/* Leases a new connection and begins to connect. */
void upstream_connection_open(struct upstream_attempt *a);
void upstream_connection_set_state(struct upstream_connection *c, enum upstream_state state);
/* Leases `c` to the attempt and clears what the one before left. */
void upstream_connection_attach(struct upstream_connection *c, struct upstream_attempt *a);
/* Takes `c` away from its attempt, which may then get another one. */
void upstream_connection_detach(struct upstream_connection *c);
/* Reports through on_failed at the end of this turn: for failures inside calls of the caller's. */
void upstream_connection_fail_soon(struct upstream_connection *c, int code, const char *detail);

/* deadline.c */
/* Sets the deadline that the attempt's phase asks for, counted from now. */
void upstream_deadline_touch(struct upstream_connection *c);
/* It has passed: fails the attempt, unless the silence is not the backend's fault. */
void upstream_deadline_passed(struct upstream_connection *c);

/* idle.c */
/* The latest used idle connection, which the caller attaches to its attempt, or NULL. `check` asks
 * the kernel first whether the peer left meanwhile. */
struct upstream_connection *upstream_idle_take(struct upstream_endpoint *endpoint, bool check);
/* Keeps `c`, which is clean, or closes it when it may not be kept. */
void upstream_idle_put(struct upstream_connection *c);
void upstream_idle_close_all(struct upstream_endpoint *endpoint);
/* For upstream_connection_set_state: `c` becomes idle; it was (and is in no list already). */
void upstream_idle_enter(struct upstream_connection *c);
void upstream_idle_leave(struct upstream_connection *c);
void upstream_idle_on_taken(struct loop_task *task); /* of `offer` */
/* Addresses, TLS or settings have changed: closes those that may not be kept any more. With
 * `restart_timeout` the others' keep-alive timeout begins anew. */
void upstream_idle_review(struct upstream_cluster *cluster, struct upstream_endpoint *endpoint,
                          bool restart_timeout);

/* attempt.c */
/* Ends the attempt with on_failed; `c` is closed first. `detail` may belong to the transport. */
void upstream_attempt_fail(struct upstream_connection *c, int code, const char *detail);
/* The stream ended before a byte of an answer: sends again on a new connection where that is safe,
 * else fails with `code`. */
void upstream_attempt_lost(struct upstream_connection *c, int code, const char *detail);
/* Brings the attempt's byte counts up to date. */
void upstream_attempt_account(struct upstream_connection *c);

/* stall.c */
/* The request is complete: the attempt begins to wait for its head. */
void upstream_stall_enter(struct upstream_attempt *a);
/* It has it, failed or is released. */
void upstream_stall_leave(struct upstream_attempt *a);
void upstream_stall_on_timer(struct loop_timer *timer);

/* request.c */
/* Writes the head: the connection is usable. */
void upstream_request_begin(struct upstream_connection *c);
/* Behind the head of a connection that has just been made: the body that came meanwhile. */
void upstream_request_send_held(struct upstream_connection *c);
void upstream_request_body(struct upstream_connection *c, struct slice data);
void upstream_request_end(struct upstream_connection *c, const struct http_fields *trailers);

/* response.c */
void upstream_response_reset(struct upstream_response *r);
void upstream_response_fini(struct upstream_response *r);
/* Consumes what can be consumed; any callback of the attempt may run in it. */
size_t upstream_response_feed(struct upstream_connection *c, const char *data, size_t size);
/* The peer's end of stream, after every byte was fed. */
void upstream_response_eof(struct upstream_connection *c);

#endif
