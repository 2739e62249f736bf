/*
 * Asking a source over HTTP: JSON, whole or as a stream of lines, over TCP, TLS or a Unix socket.
 *
 *   fetch_server   where to ask: addresses in turn, names resolved, the TLS context
 *   fetch          one request and its answer, on a connection of its own (client/http_client.h)
 *
 * The address that answered last is asked first; one that cannot be reached makes room for the
 * next, and a request is over with a failure when none could be reached. The discovery thread's.
 */
#ifndef EVERGATE_DISCOVERY_FETCH_H
#define EVERGATE_DISCOVERY_FETCH_H

#include <jansson.h>

#include "config/config.h"
#include "http/forward.h"
#include "net/loop.h"
#include "net/resolver.h"

enum { FETCH_WHY_BYTES = 200, FETCH_HEADER_BYTES = 128, FETCH_ADDRESSES = 16 };

struct fetch_server_params {
    const char *const *addresses;      /* "host:port" or "unix:/path"; NULL-terminated; copied */
    const struct config_pool_tls *tls; /* NULL: plain; read anew with each context */
    const char *host;                  /* for Host; NULL: the address that is asked */
    const char *ca_pem, *cert_pem, *key_pem; /* instead of tls' files; NULL: those; copied */
};

struct fetch_server;
/* Never fails: a certificate that cannot be read fails the requests, and is tried again with each.
 */
struct fetch_server *fetch_server_new(struct loop *loop, struct resolver *resolver,
                                      const struct fetch_server_params *params);
void fetch_server_free(struct fetch_server **server); /* no fetch of it may be under way */
/* The files of its TLS context have changed: connections from now on use what they hold. After a
 * request that failed they are read anew without that. */
void fetch_server_reload_tls(struct fetch_server *server);

struct fetch_request {
    const char *method, *target; /* "GET", "/v1/health/service/api?wait=5m" */
    const struct http_header_edit *headers;
    size_t header_count;
    const char *body, *content_type; /* NULL: none */
    uint64_t connect_ms;             /* per address; 0: 5 s */
    /* Until there is a connection, over all addresses; 0: 30 s. Those that had no turn are asked
     * first the next time. */
    uint64_t search_ms;
    uint64_t answer_ms; /* until the head; 0: 30 s */
    /* Between two pieces of the body (a whole body's, or a stream's); 0: 30 s. A whole body has ten
     * times as long in all. */
    uint64_t idle_ms;
    size_t max_bytes;          /* of a whole body, or of one line of a stream */
    bool lines;                /* a stream of JSON texts, whatever stands between them */
    const char *wanted_header; /* of the answer: kept in fetch->header; NULL: none */
    const char *second_header; /* likewise, in fetch->second */
};

struct fetch;
struct fetch_ops {
    /* Streams with a status of 200 only: one text; `json` is the fetch's. */
    void (*on_json)(struct fetch *fetch, json_t *json);
    /* Once. status 0: no answer, or one that broke off: `why` says what happened. Else `json` is
     * the body, if it is JSON (NULL: it is not; `why` then says why). A stream that ends properly
     * has its status and no `json`. */
    void (*on_end)(struct fetch *fetch);
};

struct fetch {
    void *arg; /* the owner's */
    int status;
    bool begun;                      /* a stream's head said 200, whatever became of it then */
    char why[FETCH_WHY_BYTES];       /* "connect to 10.0.0.1:8500: connection refused" */
    char header[FETCH_HEADER_BYTES]; /* "": the answer had none */
    char second[FETCH_HEADER_BYTES];
    json_t *json; /* the fetch's */
    struct fetch_inner *inner;
};

/* Strings are copied. No callback comes from within. */
struct fetch *fetch_start(struct fetch_server *server, const struct fetch_request *request,
                          const struct fetch_ops *ops, void *arg);
/* Ends all callbacks, in whatever callback; nulls. Due after on_end too. NULL is fine. */
void fetch_stop(struct fetch **fetch);

/* The beginning of an answer that says what went wrong, for source_failed: "status 403: Permission
 * denied", or `why`. Into `out`; returns it. */
const char *fetch_problem(const struct fetch *fetch, char *out, size_t capacity);

#endif
