/*
 * The value of the sticky cookie: which endpoint a session belongs to, said so that nobody outside
 * can read, forge or carry it to another pool. Pure code.
 *
 *   version (1) | session (8) | endpoint tag (8) | expiry (5) | MAC (16)     in base64url, unpadded
 *
 * The tag stands for the endpoint without naming it: it is cut from an HMAC over the pool's name
 * and the endpoint's id, so a client learns neither an address nor an id, and cannot find out
 * which by trying. The MAC covers everything before it and the pool's name. Numbers are big-endian.
 *
 * All functions may be called by any thread.
 */
#ifndef EVERGATE_PROXY_STICKY_TOKEN_H
#define EVERGATE_PROXY_STICKY_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum { STICKY_TOKEN_BYTES = 51 };

struct sticky_token {
    uint64_t session;      /* random, made when the session began */
    uint64_t endpoint_tag; /* sticky_endpoint_tag */
    uint64_t expires_s;    /* wall clock; below 2^40 */
};

/* Writes STICKY_TOKEN_BYTES characters to `out`, without a NUL. */
void sticky_token_make(char out[STICKY_TOKEN_BYTES], struct slice secret, struct slice pool,
                       const struct sticky_token *token);

/* True and *ret_token when `value` is a token that was made with this secret for this pool and has
 * not expired; else untouched. Takes the same time wherever a forgery differs. */
bool sticky_token_read(struct slice secret, struct slice pool, struct slice value, uint64_t now_s,
                       struct sticky_token *ret_token);

/* Never 0, so that 0 can mean "none". Computed once per endpoint, not per request. */
uint64_t sticky_endpoint_tag(struct slice secret, struct slice pool, struct slice endpoint_id);

#endif
