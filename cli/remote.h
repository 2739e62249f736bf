/* Asking a running instance: where its management is, its token, and what to say when it does not
 * answer. */
#ifndef EVERGATE_CLI_REMOTE_H
#define EVERGATE_CLI_REMOTE_H

#include <jansson.h>

#include "cli/cli_internal.h"

#define CLI_DEFAULT_SOCKET  "unix:/run/evergate/admin.sock"
#define CLI_DEFAULT_ADDRESS "127.0.0.1:9900"

struct remote {
    const char *command; /* for messages */
    char *addresses[2];  /* in the order they are tried; the second may be NULL */
    char *token;         /* NULL: none */
};

/* From --admin, else the configuration given by -c, else the defaults. An exit code; a sentence was
 * printed unless it is CLI_GOOD. */
int remote_init(struct remote *remote, const char *command, const struct cli_options *options);
void remote_fini(struct remote *remote);

/* What GET `path` answers: as text (heap) with its size, or as JSON (a new reference). An exit
 * code: CLI_UNREACHABLE when nobody answers, CLI_BAD when the answer is an error. */
int remote_get_text(struct remote *remote, const char *path, char **ret_text, size_t *ret_size);
int remote_get(struct remote *remote, const char *path, json_t **ret_value);

/* Prints what GET `path` answers as it came: --json. */
int remote_print(struct remote *remote, const char *path);

/* Members of the API's objects, of whatever type they are; "" and 0 when there is none. */
const char *remote_text(const json_t *object, const char *key);
double remote_number(const json_t *object, const char *key);

#endif
