/*
 * Taking a message's body apart: which bytes are content, where it ends, its trailers.
 *
 * Pull interface: the caller feeds what it has and gets one piece at a time, so it can stop at any
 * piece (back-pressure) and knows exactly how many bytes belonged to the message.
 *
 * Chunked bodies are judged by our own reader (hex digits only, at most 16, CRLF only, extensions
 * dropped but checked for control characters, line and trailer limits) and by llhttp behind it;
 * both must agree.
 */
#ifndef EVERGATE_HTTP_BODY_H
#define EVERGATE_HTTP_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "http/head.h"

enum http_body_result {
    HTTP_BODY_MORE, /* everything given was consumed; more bytes are needed */
    HTTP_BODY_DATA, /* a piece of content */
    HTTP_BODY_END,  /* the message is complete; what was not consumed belongs to the next one */
    /* negative: EG_E_BODY_CHUNK, _TRAILER, _TOO_LARGE */
};

struct http_chunk_reader; /* only allocated for chunked bodies: llhttp's state and the trailer
                             buffer */

struct http_body {
    enum http_framing framing;
    uint64_t remaining; /* LENGTH: bytes to come */
    uint64_t size;      /* content bytes seen so far */
    uint64_t limit;     /* content over this is EG_E_BODY_TOO_LARGE; 0: none */
    bool ended;
    struct http_chunk_reader *chunks;
};

/* `limits` bounds the trailer section (copied). With LENGTH over `limit` the first feed fails. */
void http_body_init(struct http_body *body, enum http_framing framing, uint64_t content_length,
                    uint64_t limit_bytes, const struct http_limits *limits);
void http_body_fini(struct http_body *body);

/*
 * Looks at p[0..n): *ret_consumed bytes are done with; for DATA, *ret_data is the content among
 * them (pointing into p). Call again with the rest until MORE or END. After END it returns END and
 * consumes nothing. n may be 0 (a body of length 0 ends at once).
 */
int http_body_next(struct http_body *body, const char *p, size_t n, struct slice *ret_data,
                   size_t *ret_consumed) WARN_UNUSED;

/* At the peer's EOF: 0 when that ends the body properly (UNTIL_CLOSE, or it had ended), else
 * EG_E_BODY_TRUNCATED. */
int http_body_eof(struct http_body *body) WARN_UNUSED;

/* After END of a chunked body: its trailers without the names that RFC 9110 section 6.5.1 forbids
 * (framing, routing, authentication); empty otherwise. Valid until http_body_fini. */
const struct http_fields *http_body_trailers(const struct http_body *body);

/* "1a2b\r\n" before a chunk of `size` bytes; CRLF follows the chunk. Returns the length written to
 * `out` (at least 18 bytes). */
size_t http_chunk_header(char *out, uint64_t size_bytes);

#endif
