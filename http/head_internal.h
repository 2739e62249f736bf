/* What the readers of request heads, response heads and trailer sections share. Insiders only. */
#ifndef EVERGATE_HTTP_HEAD_INTERNAL_H
#define EVERGATE_HTTP_HEAD_INTERNAL_H

#include "http/head.h"

/*
 * Goes on at p[*position] until the line that ends a section (the empty one) has come: EG_OK, and
 * *position is behind it. EG_E_AGAIN, and *position is where to go on. Else the error of the first
 * byte that may not stand in any line: bare LF, bare CR, a control character other than HTAB.
 * p[0] must be the first byte of a line.
 */
int http_section_scan(const char *p, size_t n, size_t *position) WARN_UNUSED;

/* Field lines p..end, each ended by CRLF, without the empty line; their bytes have passed
 * http_section_scan. Resets `f`. A repeated Host, Content-Length or Transfer-Encoding is an error
 * (RFC 9112 sections 3.2, 6.1, 6.3). */
int http_field_lines_parse(struct http_fields *f, const char *p, const char *end,
                           const struct http_limits *limits) WARN_UNUSED;

/* Is `name` in a list like "cookie set-cookie if-*"? Case-insensitive; * stands for any rest. */
bool http_name_listed(struct slice name, const char *list);

/* "HTTP/1.0" or "HTTP/1.1", nothing else. */
int http_version_parse(struct slice version, unsigned *ret_minor) WARN_UNUSED;

struct http_connection_options {
    bool close, keep_alive, upgrade;
};

enum { HTTP_CONNECTION_OPTIONS_MAX = 32 };

/* All Connection fields together. EG_E_HEAD_TOO_MANY for more than HTTP_CONNECTION_OPTIONS_MAX
 * options: each is later compared with each field. */
int http_connection_options_parse(const struct http_fields *f,
                                  struct http_connection_options *ret_options) WARN_UNUSED;

/* RFC 9112 section 9.3. */
static inline bool http_persists(const struct http_connection_options *o, unsigned minor_version)
{
    return !o->close && (minor_version > 0 || o->keep_alive);
}

struct http_framing_fields {
    bool chunked, has_length;
    uint64_t length;
};

/* Content-Length and Transfer-Encoding, judged together (RFC 9112 section 6). */
int http_framing_fields_parse(const struct http_fields *f, unsigned minor_version,
                              struct http_framing_fields *ret_framing) WARN_UNUSED;

/* uri-host [ ":" port ], not empty. */
bool http_authority_valid(struct slice authority);

/* Fills target_form, scheme, authority (when the target has one) and path from head->target and
 * head->method_id. */
int http_target_parse(struct http_request_head *head) WARN_UNUSED;

#endif
