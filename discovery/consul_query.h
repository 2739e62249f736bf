/*
 * What is sent to Consul: targets, and the ACL token that goes with each request.
 */
#ifndef EVERGATE_DISCOVERY_CONSUL_QUERY_H
#define EVERGATE_DISCOVERY_CONSUL_QUERY_H

#include <stdbool.h>

#include "client/secret.h"
#include "config/config.h"

/* ---- targets (pure) ---- */

/* "/v1/health/service/api?index=7&wait=300000ms&dc=eu&tag=blue" (heap); without an index and a wait
 * for index 0. Not `passing`: what warns and what is critical is wanted as well. */
char *consul_query_health(const struct config_discovery *config, uint64_t index);

/* `prefix`, then `id` as one segment of a path, then `suffix` (heap). */
char *consul_query_segment(const char *prefix, const char *id, const char *suffix);

/* ---- the token ---- */

struct consul_token {
    const char *fixed; /* `token`; "": none. The configuration's */
    struct secret secret;
    bool from_file;
};

/* `config` must outlive it. */
void consul_token_init(struct consul_token *token, const struct config_discovery *config);
void consul_token_fini(struct consul_token *token);

/*
 * The header that carries it, with what the file holds now: a token that is rotated is used with
 * the next request. *ret_count is 1, or 0 where there is none. EG_E_INTERNAL and a sentence (heap)
 * when the file holds none. Valid until the next read.
 */
int consul_token_read(struct consul_token *token, struct http_header_edit *ret_header,
                      size_t *ret_count, char **ret_why) WARN_UNUSED;

/* Overwrites the token wherever it stands in `text`, which may be cut within it: a server may quote
 * what it was sent. */
void consul_token_redact(const struct consul_token *token, char *text);

#endif
