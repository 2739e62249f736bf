/* Words for evidence: what an operator reads in an event of a check or a recovery action. */
#ifndef EVERGATE_CHECKS_WORDS_H
#define EVERGATE_CHECKS_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "config/config.h"
#include "net/transport.h"

enum {
    WORDS_SPAN_BYTES = 24,
    WORDS_ERROR_BYTES = 160,
    WORDS_QUOTE_BYTES = 80,
    WORDS_STATUSES_BYTES = 64
};

/* "250 ms", "2 s", "1.5 s", "10 min" into `out` (WORDS_SPAN_BYTES); returns it. */
const char *words_span(char *out, uint64_t span_ms);

/* "200-299, 304" into `out` (WORDS_STATUSES_BYTES), cut with "..." where it does not fit; returns
 * it. */
const char *words_statuses(char *out, const struct config_statuses *statuses);

/* What a transport failed of, with on_error's `code`, into `out` (WORDS_ERROR_BYTES); returns it:
 * "connection refused", "TLS: certificate verify failed: ...". */
const char *words_transport_error(char *out, const struct transport *transport, int code);

/* What a stranger sent, fit to be quoted: without control characters, cut to WORDS_QUOTE_BYTES with
 * its NUL; returns it. */
const char *words_quote(char *out, struct slice text);

#endif
