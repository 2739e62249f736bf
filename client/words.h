/* Words for evidence: what an operator reads of a conversation that failed. */
#ifndef EVERGATE_CLIENT_WORDS_H
#define EVERGATE_CLIENT_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "net/transport.h"

enum {
    WORDS_SPAN_BYTES = 24,
    WORDS_ERROR_BYTES = 160,
    WORDS_QUOTE_BYTES = 80,
};

/* "250 ms", "2 s", "1.5 s", "10 min" into `out` (WORDS_SPAN_BYTES); returns it. */
const char *words_span(char *out, uint64_t span_ms);

/* What a transport failed of, with on_error's `code`, into `out` (WORDS_ERROR_BYTES); returns it:
 * "connection refused", "TLS: certificate verify failed: ...". */
const char *words_transport_error(char *out, const struct transport *transport, int code);

/* What a stranger sent, fit to be quoted: without control characters, cut where a character ends to
 * WORDS_QUOTE_BYTES with its NUL; returns it. */
const char *words_quote(char *out, struct slice text);

#endif
