/* What fetch_server.c (where to ask), fetch_request.c (what), fetch.c (one request, address after
 * address) and fetch_answer.c share. */
#ifndef EVERGATE_DISCOVERY_FETCH_INTERNAL_H
#define EVERGATE_DISCOVERY_FETCH_INTERNAL_H

#include "base/list.h"
#include "client/http_client.h"
#include "client/words.h"
#include "discovery/fetch.h"
#include "discovery/json_lines.h"
#include "net/tls.h"

/* One of the addresses of a server: a name stands for several. */
struct fetch_place {
    struct fetch_server *server;
    char *text;                   /* heap: as the configuration writes it */
    char *host;                   /* heap: the name or address alone; NULL: a Unix socket */
    struct resolver_watch *watch; /* NULL: an address already */
    struct address addresses[RESOLVER_MAX_ADDRESSES];
    size_t count, first;             /* `first`: of these, the one to ask first */
    char failure[WORDS_ERROR_BYTES]; /* why it has none; "": not known yet */
};

struct fetch_server {
    struct loop *loop;
    struct resolver *resolver;
    struct fetch_place places[FETCH_ADDRESSES];
    size_t count, first; /* `first`: the one to ask first */
    char *host;          /* heap, or NULL */
    bool secure, verify;
    char *sni, *ca_path, *cert_path, *key_path; /* heap, or NULL */
    char *ca_pem, *cert_pem, *key_pem;
    struct tls_context *tls; /* NULL: made with the next request */
    struct list waiting;     /* fetch_inner.node: for a name to be resolved */
};

/* The context, or NULL with a sentence in `why` (FETCH_WHY_BYTES). Only where `secure`. */
struct tls_context *fetch_server_tls(struct fetch_server *server, char *why);
/* What is verified and sent as SNI. */
const char *fetch_server_name(const struct fetch_server *server, const struct fetch_place *place);
const char *fetch_server_host(const struct fetch_server *server, const struct fetch_place *place);
/* This address of that place answered, and is asked first from now on; or it did not (in time,
 * properly, or without a mistake of its own), and is asked last. */
enum { FETCH_NO_ADDRESS = RESOLVER_MAX_ADDRESSES }; /* whichever was the first of that place */
void fetch_server_prefer(struct fetch_server *server, size_t place, size_t address);
void fetch_server_avoid(struct fetch_server *server, size_t place, size_t address);

/* ---- fetch_request.c ---- */

/* With strings of its own, and what was left at 0. */
void fetch_request_copy(struct fetch_request *out, const struct fetch_request *request);
void fetch_request_fini(struct fetch_request *request);
bool fetch_request_is_sound(const struct fetch_request *request);

/* ---- fetch.c ---- */

/* At one address; freed after the turn in which it ended. */
struct fetch_attempt {
    struct fetch_inner *inner;
    struct http_client client;
    const char *awaits;
    bool connected;
    size_t place, address; /* of the server */
    struct loop_task reap;
};

struct fetch_inner {
    struct fetch fetch;
    struct fetch_server *server;
    struct fetch_request request; /* its strings are ours */
    struct fetch_ops ops;
    struct fetch_attempt *attempt; /* NULL: none under way */
    struct list node;              /* in server->waiting */
    struct loop_task begin, reap;
    struct loop_timer timer;
    bool over; /* on_end was called, or it was stopped */
    /* Which address is next: places and their addresses, counted from where they began. */
    size_t first_place, place_step;
    size_t first_address, address_step;
    unsigned unreachable;              /* so many could not be reached */
    uint64_t search_by_ms;             /* when one must be */
    uint64_t step_ms;                  /* what this address, or name, may take of that */
    uint64_t whole_by_ms;              /* when a whole body must be complete */
    struct bytes body;                 /* of a whole body */
    struct json_lines stream;          /* `lines`, while the status is 200 */
    char excerpt[WORDS_QUOTE_BYTES];   /* of a body that is no JSON */
    char location[FETCH_HEADER_BYTES]; /* where a redirect leads; "": it is none */
};

/* The next address, or the end with a failure. */
void fetch_go_on(struct fetch_inner *inner);
/* The attempt found nobody there: it ends. */
void fetch_unreachable(struct fetch_inner *inner, const char *what);
/* The answer did not come, or not properly: another address is asked first the next time. */
void fetch_fail(struct fetch_inner *inner, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The attempt ends, on_end is called. */
void fetch_conclude(struct fetch_inner *inner, int status);
/* A fetch of `waiting`, which was taken out: its name has an answer. */
void fetch_on_resolved(struct list *node);

/* ---- fetch_answer.c ---- */

enum {
    FETCH_IDLE_MS = 30 * 1000, /* where the request says nothing else */
    FETCH_WHOLE_IDLES = 10,    /* a whole body may take so many, however it trickles */
};

extern const struct http_client_hooks fetch_hooks;
void fetch_on_done(struct http_client *client);
/* Texts are told one by one; after the head. */
bool fetch_is_stream(const struct fetch_inner *inner);
/* How long may go by between two pieces. A stream may be silent for long; what comes in its place,
 * a refusal, may not. */
uint64_t fetch_idle_ms(const struct fetch_inner *inner);

/* ---- fetch_problem.c ---- */

/* Of a body that is no JSON into `out` (WORDS_QUOTE_BYTES), fit for evidence: one line of ASCII,
 * and of a page of HTML what stands between its tags. */
void fetch_excerpt(char *out, struct slice body);

#endif
