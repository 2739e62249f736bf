/*
 * The guard: heads of HTTP/1 messages, judged strictly (RFC 9112; anything two parsers could read
 * differently is refused). Pure code, no sockets, no allocation.
 *
 * Two opinions: our own validator decides first, then llhttp (http/second_opinion.h) must agree on
 * framing. What is accepted here is forwarded from the parsed form only, never as the bytes that
 * came.
 *
 * What is refused although RFC 9112 would let a lenient parser repair it: bare LF, obs-fold, white
 * space before the colon, repeated Host, repeated Content-Length even when equal, a
 * Transfer-Encoding that is not exactly "chunked", Transfer-Encoding with Content-Length or in
 * HTTP/1.0, leading empty lines beyond one CRLF, NUL or control characters anywhere.
 */
#ifndef EVERGATE_HTTP_HEAD_H
#define EVERGATE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "http/fields.h"

struct http_limits {
    size_t head_bytes; /* start line and fields together, with the empty line */
    unsigned fields;
};

enum http_framing {
    HTTP_FRAMING_NONE,   /* no body */
    HTTP_FRAMING_LENGTH, /* content_length bytes */
    HTTP_FRAMING_CHUNKED,
    HTTP_FRAMING_UNTIL_CLOSE, /* responses only */
};

/* Methods that the proxy treats specially; every other token is HTTP_METHOD_OTHER. */
enum http_method {
    HTTP_METHOD_OTHER,
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_TRACE,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_CONNECT,
};

enum http_target_form {
    HTTP_TARGET_ORIGIN,    /* /path?query */
    HTTP_TARGET_ABSOLUTE,  /* http://host/path?query */
    HTTP_TARGET_AUTHORITY, /* host:port, CONNECT only */
    HTTP_TARGET_ASTERISK,  /* *, OPTIONS only */
};

/* Every slice points into the bytes given to the parser. */
struct http_request_head {
    enum http_method method_id;
    enum http_target_form target_form;
    unsigned minor_version; /* HTTP/1.x */
    struct slice method;    /* as sent; methods are case-sensitive */
    struct slice target;    /* as sent */
    struct slice scheme;    /* of an absolute target, else empty */
    struct slice
        authority; /* of the target, else of Host (RFC 9112 section 3.2.2); may be empty in 1.0 */
    struct slice path; /* with the query; "/" for an absolute target without path; "*" or "" for
                          asterisk and authority form */
    struct http_fields fields;
    enum http_framing framing; /* NONE, LENGTH or CHUNKED */
    uint64_t content_length;
    bool keep_alive;      /* what the client wants, by version and Connection */
    bool expect_continue; /* HTTP/1.1 with a body and Expect: 100-continue */
    struct slice
        upgrade; /* the Upgrade field where Connection names it and version is 1.1; else empty */
};

struct http_response_head {
    unsigned minor_version;
    int status; /* 100-599 */
    struct slice reason;
    struct http_fields fields;
    enum http_framing framing; /* by the request's method and the status, RFC 9112 section 6.3 */
    uint64_t content_length;   /* also set for HEAD and 304 when the field is there */
    bool has_content_length;
    bool keep_alive;
};

/* How far a growing buffer was looked at, so that bytes that trickle in are each seen once. */
struct http_head_scan {
    size_t position;
};

/*
 * Looks for the end of a head in p[0..n), which grows from call to call and begins at the same
 * byte. Returns EG_OK and the head's length (empty line included) in *ret_size; EG_E_AGAIN; or at
 * the first byte that settles it EG_E_HEAD_BARE_LF, _BARE_CR, _CONTROL, _TOO_LARGE,
 * EG_E_TARGET_TOO_LONG (the first line alone is over the limit), or
 * _REQUEST_LINE for bytes that cannot begin a start line (a TLS ClientHello, say). One empty line
 * before a request line is tolerated (RFC 9112 section 2.2) and counted in the size.
 */
int http_head_scan(struct http_head_scan *scan, const char *p, size_t n,
                   const struct http_limits *limits, size_t *ret_size) WARN_UNUSED;

/* Parses a complete head p[0..size) as found by http_head_scan. `head->fields.v` and `.capacity`
 * are set by the caller; the rest is output, undefined on failure. Any EG_E_HEAD_* code. */
int http_request_head_parse(struct http_request_head *head, const char *p, size_t size,
                            const struct http_limits *limits) WARN_UNUSED;

/* The same for a response to a request with `request_method`. Errors as above (the caller answers
 * 502 for all of them). 101 and 1xx: framing NONE. 2xx to CONNECT: framing NONE. */
int http_response_head_parse(struct http_response_head *head, const char *p, size_t size,
                             enum http_method request_method,
                             const struct http_limits *limits) WARN_UNUSED;

/* GET, HEAD, OPTIONS, TRACE, PUT, DELETE (RFC 9110 section 9.2.2), and PROPFIND, SEARCH, REPORT,
 * QUERY. */
bool http_request_is_idempotent(const struct http_request_head *head);

const char *http_reason(int status); /* "Not Found"; "Unknown" for unregistered codes */

#endif
