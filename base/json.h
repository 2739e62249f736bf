/*
 * JSON strings: escaping only, for the lines and small documents that evergate writes by itself
 * (logs, own answers). Management has a library for its objects: see admin/admin_json.h.
 */
#ifndef EVERGATE_BASE_JSON_H
#define EVERGATE_BASE_JSON_H

#include "base/slice.h"

/* No input byte becomes longer than this ("\u001f"). */
enum { JSON_ESCAPED_BYTES = 6 };

/*
 * Writes `s` escaped, without quotes, to [out, end); returns the end of what was written, or NULL
 * when it does not fit (the bytes at `out` are then undefined). What is not UTF-8 (RFC 3629: no
 * overlong forms, no surrogates) becomes U+FFFD, byte by byte, so that the result is always valid
 * JSON (RFC 8259 section 8.1).
 */
char *json_escape(char *out, const char *end, struct slice s);

/* How many bytes at the start of `s` stand for themselves in JSON: printable ASCII without '"' and
 * '\'. */
size_t json_plain_prefix(struct slice s);

#endif
