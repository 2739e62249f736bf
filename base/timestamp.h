/* Times as text: RFC 3339 for logs, RFC 9110 section 5.6.7 for HTTP. */
#ifndef EVERGATE_BASE_TIMESTAMP_H
#define EVERGATE_BASE_TIMESTAMP_H

#include <stdint.h>

enum {
    TIMESTAMP_LOG_BYTES = 24,  /* "2026-11-21T10:26:00.123Z" */
    TIMESTAMP_HTTP_BYTES = 29, /* "Sun, 06 Nov 1994 08:49:37 GMT" */
};

/* Both write exactly that many bytes, without a NUL. Years 1970 to 9999. The calendar part of the
 * latest second is kept per thread, so that a busy log computes it once a second. */
void timestamp_log(char *out, uint64_t wall_us);
void timestamp_http(char *out, uint64_t wall_s);

#endif
