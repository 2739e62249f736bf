/* Asking a running instance: where its management is, its token, and what to say when it does not
 * answer, or refuses. */
#ifndef EVERGATE_CLI_REMOTE_H
#define EVERGATE_CLI_REMOTE_H

#include <jansson.h>
#include <stdio.h>

#include "cli/cli_internal.h"

#define CLI_DEFAULT_SOCKET  "unix:/run/evergate/admin.sock"
#define CLI_DEFAULT_ADDRESS "127.0.0.1:9900"

struct remote {
    const char *command; /* for messages */
    char *addresses[2];  /* in the order they are tried; the second may be NULL */
    char *token;         /* NULL: none */
    bool json;           /* refusals are printed as they came, too */
    bool quiet;          /* nothing is printed: `why` tells */
    char *why;           /* the latest complaint; NULL: none */
    unsigned timeout_ms; /* without a byte of an answer */
};

/* From --admin, else the configuration given by -c, else the defaults. An exit code; a sentence was
 * printed unless it is CLI_GOOD. */
int remote_init(struct remote *remote, const char *command, const struct cli_options *options);
void remote_fini(struct remote *remote);

/*
 * Asks. An exit code: CLI_UNREACHABLE when nobody answers, CLI_BAD when the answer is no success.
 * The complaint is printed to standard error, mistakes of a file one per line as FILE:LINE: error:
 * ...; with `json`, the refusal itself goes to standard output. A change that was done but not
 * saved is warned of.
 *
 * `body` may be NULL; it stays the caller's. The answer as text (heap) with its size, or as JSON (a
 * new reference; an object without members when the answer is empty).
 */
int remote_ask_text(struct remote *remote, const char *method, const char *path, const json_t *body,
                    char **ret_text, size_t *ret_size);
int remote_ask(struct remote *remote, const char *method, const char *path, const json_t *body,
               json_t **ret_value);
int remote_get(struct remote *remote, const char *path, json_t **ret_value);
/* ... where the answer is a list. */
int remote_get_array(struct remote *remote, const char *path, json_t **ret_value);

/* Asks /health/...: CLI_GOOD, or CLI_BAD, with its first line (heap). Where *ret_sentence stays
 * untouched something else was wrong, and told. Needs no token. */
int remote_ask_health(struct remote *remote, const char *path, char **ret_sentence);

/* Asks, and prints what is answered as it came: --json. */
int remote_print(struct remote *remote, const char *method, const char *path, const json_t *body,
                 FILE *out);

/* "/api/v1/pools/POOL", "/api/v1/pools/POOL/endpoints/ID": names escaped, `more` behind as it is.
 * Heap. */
char *remote_pool_path(const char *pool, const char *more);
char *remote_endpoint_path(const char *pool, const char *id, const char *more);

/* Members of the API's objects, of whatever type they are; "" and 0 when there is none. */
const char *remote_text(const json_t *object, const char *key);
double remote_number(const json_t *object, const char *key);

#endif
