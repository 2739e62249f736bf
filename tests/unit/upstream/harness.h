/*
 * What the upstream tests share: a stage (loop, scripted backends, cluster) and a client that
 * plays the exchange: it records what an attempt tells it and, on request, releases or pauses from
 * within a callback.
 */
#ifndef EVERGATE_TESTS_UPSTREAM_HARNESS_H
#define EVERGATE_TESTS_UPSTREAM_HARNESS_H

#include <criterion/criterion.h>

#include "tests/lib/fake_backend.h"
#include "tests/lib/run_until.h"
#include "upstream/upstream.h"

enum { STAGE_BACKENDS = 2 };

struct stage {
    struct loop loop;
    struct fake_backend backends[STAGE_BACKENDS];
    struct config_backend config_backends[STAGE_BACKENDS];
    struct config_pool config;                 /* may be changed before stage_open_cluster */
    struct endpoint endpoints[STAGE_BACKENDS]; /* played: nobody balances here */
    struct upstream_cluster *cluster;
};

/* Defaults: both backends on 127.0.0.1, generous timeouts, four idle connections. */
void stage_init(struct stage *s);
void stage_open_cluster(struct stage *s);
/* Checks that nothing was left open, then frees everything. */
void stage_fini(struct stage *s);

enum client_moment {
    CLIENT_WHEN_DONE, /* on_end or on_failed, whichever comes */
    CLIENT_NEVER,
    CLIENT_ON_INFORMATIONAL,
    CLIENT_ON_HEAD,
    CLIENT_ON_DATA,
    CLIENT_ON_END,
    CLIENT_ON_FAILED,
    CLIENT_ON_DRAINED,
};

struct client {
    struct upstream_attempt attempt;
    struct upstream_request request;
    struct http_request_head head;
    struct http_field fields[16];
    char text[512];
    struct stage *stage;
    unsigned endpoint;             /* whom it asks; the first */
    enum client_moment release_on; /* any moment but NEVER includes WHEN_DONE */
    bool pause_on_data;
    unsigned informational;
    int last_informational;
    int status;
    enum http_framing framing;
    char body[4096]; /* its beginning, NUL-terminated */
    size_t body_kept, body_size;
    char trailer[64]; /* value of the first trailer */
    bool ended;
    unsigned ends, failures, drains;
    int code;
    char detail[256];
};

/* `text` is the client's request head. */
void client_init(struct client *c, struct stage *s, const char *text);
void client_start(struct client *c);
void client_send(struct client *c, const char *text);
void client_end(struct client *c);
void client_release(struct client *c);
/* start, and end */
void client_go(struct client *c);
/* A whole GET that is answered by the backend's own `answer`. */
void client_round_trip(struct stage *s, int expected_status);

static inline bool client_done(const struct client *c)
{
    return c->ends + c->failures > 0;
}

/* Connection `i` of backend 0 once it is there and has a whole head. */
struct fake_connection *stage_request_at(struct stage *s, unsigned i);

static inline struct upstream_cluster_stats stage_stats(const struct stage *s)
{
    return upstream_cluster_stats(s->cluster);
}

#define GET_TEXT  "GET /x HTTP/1.1\r\nHost: a.example\r\n\r\n"
#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

#endif
