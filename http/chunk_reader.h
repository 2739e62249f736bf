/*
 * Chunked bodies (RFC 9112 section 7.1), judged by our own reader and by llhttp behind it.
 * Insiders only: http/body.c is the façade.
 *
 *   SIZE ─► [EXTENSION] ─► SIZE_LF ─► DATA ─► DATA_CR ─► DATA_LF ─► SIZE ...
 *                              └─ size 0 ─► TRAILER ─► END
 */
#ifndef EVERGATE_HTTP_CHUNK_READER_H
#define EVERGATE_HTTP_CHUNK_READER_H

#include "http/body.h"

struct http_chunk_reader *http_chunk_reader_new(const struct http_limits *limits);
void http_chunk_reader_free(struct http_chunk_reader *r);

/*
 * As http_body_next. `allowance`: how many content bytes may still come; a chunk that is larger is
 * EG_E_BODY_TOO_LARGE as soon as its size line is read.
 */
int http_chunk_reader_next(struct http_chunk_reader *r, const char *p, size_t n, uint64_t allowance,
                           struct slice *ret_data, size_t *ret_consumed) WARN_UNUSED;

const struct http_fields *http_chunk_reader_trailers(const struct http_chunk_reader *r);

#endif
