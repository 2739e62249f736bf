/* What fetch_server.c (where to ask) and fetch.c (one request) share. */
#ifndef EVERGATE_DISCOVERY_FETCH_INTERNAL_H
#define EVERGATE_DISCOVERY_FETCH_INTERNAL_H

#include "base/list.h"
#include "client/words.h"
#include "discovery/fetch.h"
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
void fetch_server_prefer(struct fetch_server *server, size_t place, size_t address);
void fetch_server_avoid(struct fetch_server *server, size_t place, size_t address);

/* A fetch of `waiting`, which was taken out: its name has an answer. fetch.c. */
void fetch_on_resolved(struct list *node);

#endif
