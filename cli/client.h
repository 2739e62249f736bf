/*
 * A small blocking HTTP client for the commands that talk to a running instance: one request, one
 * answer, then the connection ends.
 */
#ifndef EVERGATE_CLI_CLIENT_H
#define EVERGATE_CLI_CLIENT_H

#include <stddef.h>

#include "base/error.h"

enum {
    CLIENT_ANSWER_BYTES = 256 * 1024 * 1024, /* a pool of 5000 endpoints is 8 MB of JSON */
};

struct client_answer {
    int status;
    char *body; /* NUL-terminated; owned */
    size_t size;
};
void client_answer_free(struct client_answer *answer);

struct client_request {
    const char *address; /* "host:port", "[v6]:port" or "unix:/path" */
    const char *method;
    const char *path;    /* with its query, escaped */
    const char *token;   /* for Authorization; NULL: none */
    const char *body;    /* JSON; NULL: none */
    unsigned timeout_ms; /* without a byte */
};

/*
 * 0, or with a sentence in *ret_why (heap): EG_E_CONNECT when nobody could be reached there,
 * EG_E_UPSTREAM_PROTOCOL when what came is no complete answer.
 */
int client_ask(struct client_answer *ret_answer, const struct client_request *request,
               char **ret_why) WARN_UNUSED;

/* `text` as one segment of a path: everything but unreserved characters as %XX. Heap. */
char *client_escape(const char *text);

#endif
