/*
 * One HTTP/1.1 request on a connection of its own, and its answer: what checks, webhooks and
 * discovery need of HTTP. The answer is judged as strictly as those that are forwarded (http/).
 *
 * Apart from upstream/, whose connections are a worker's, pooled and counted with the traffic: a
 * check shares no state with what it checks.
 *
 *   http_client_start ─► connect (TLS) ─► message out ─► head ─► body, its first 64 KiB ─► done
 *                                                          └─► on_body, piece by piece ─► done
 *
 * The owner embeds the struct, keeps the time, and frees: http_client_stop in whatever callback,
 * http_client_fini after the turn (loop_reap), as with a transport.
 */
#ifndef EVERGATE_CLIENT_HTTP_CLIENT_H
#define EVERGATE_CLIENT_HTTP_CLIENT_H

#include "http/body.h"
#include "http/forward.h"
#include "http/head.h"
#include "net/tls.h"
#include "net/transport.h"

enum {
    HTTP_CLIENT_BODY_BYTES = 64 * 1024, /* of a body that is kept are read, the rest is left */
    HTTP_CLIENT_WHY_BYTES = 160,
};

struct http_client;

/* What an owner wants to hear before it is over; each may be NULL, and may call http_client_stop.
 * Never from within http_client_start. */
struct http_client_hooks {
    void (*on_connected)(struct http_client *client); /* with TLS: after the handshake */
    /* The final head; `client->status` is set. Valid during the call. */
    void (*on_head)(struct http_client *client, const struct http_response_head *head);
    /* A piece of the body, valid during the call. With it nothing is kept, and all of the body is
     * read: whoever takes it also bounds it. */
    void (*on_body)(struct http_client *client, struct slice piece);
};

struct http_client_request {
    const struct address *address; /* "unix:" too */
    struct tls_context *tls;       /* NULL: plain */
    const char *server_name;       /* NULL: neither sent nor verified */
    const char *method, *target, *host;
    const char *agent; /* the product in User-Agent, our version follows; NULL: "evergate" */
    const struct http_header_edit *headers; /* in addition; a Host or User-Agent replaces ours */
    size_t header_count;
    const char *content_type;              /* of the body; NULL: not said */
    const char *body;                      /* "": none */
    const struct http_client_hooks *hooks; /* NULL: none; else for as long as the client */
    /* Where to note what is being waited for ("connection", "answer"), for the evidence of a
     * timeout. Valid until http_client_stop. */
    const char **awaits;
};

/* Once: `client->status` is the answer's, or 0 and `client->why` says what went wrong. Never from
 * within http_client_start. */
typedef void (*http_client_cb)(struct http_client *client);

struct http_client {
    struct transport transport;
    http_client_cb done;
    const struct http_client_hooks *hooks; /* never NULL */
    char *message;                         /* heap: the whole request */
    size_t message_size;
    bool head_request; /* whose answer has no body whatever it says */
    struct http_head_scan scan;
    struct http_body reader; /* while `in_body` */
    bool in_body;
    bool over; /* done was called, or stopped */
    unsigned informational;
    const char **awaits;
    int status;
    struct bytes body; /* what was read of it, unless on_body takes it */
    char why[HTTP_CLIENT_WHY_BYTES];
};

/* 0, or a code when no socket can be had: then nothing will be called, and http_client_stop and
 * _fini are still due. Strings are copied. */
int http_client_start(struct http_client *client, struct loop *loop,
                      const struct http_client_request *request, http_client_cb done) WARN_UNUSED;
/* Ends all callbacks. Idempotent. */
void http_client_stop(struct http_client *client);
void http_client_fini(struct http_client *client);

/* The request's bytes (heap). Pure. */
char *http_client_compose(const struct http_client_request *request, size_t *ret_size);

#endif
