/*
 * What a proxy changes in a head: RFC 9110 section 7.6 (hop-by-hop fields, Via, Forwarded), the
 * contract's section 3, and the route's own header changes. Heads are written from the parsed form
 * into memory of the caller; nothing is allocated.
 */
#ifndef EVERGATE_HTTP_FORWARD_H
#define EVERGATE_HTTP_FORWARD_H

#include "http/head.h"

/* A route's request_headers or response_headers. All names and values were checked when the
 * configuration was read. */
struct http_header_edit {
    struct slice name, value;
};
struct http_header_edits {
    const struct http_header_edit *set; /* replaces every field of that name */
    size_t set_count;
    const struct http_header_edit *add;
    size_t add_count;
    const struct slice *remove;
    size_t remove_count;
};

enum { HTTP_REQUEST_ID_BYTES = 32, HTTP_TRACEPARENT_BYTES = 55 };

struct http_forward_request {
    const struct http_request_head *head;
    struct slice path;        /* after the route's rewrite; replaces head->path */
    struct slice client_host; /* "203.0.113.9", "2001:db8::1"; "unix" for Unix sockets */
    bool client_tls;          /* X-Forwarded-Proto: https or http */
    /* Host where the client (HTTP/1.0) named none: the backend's address, say; may be empty. */
    struct slice fallback_host;
    struct slice request_id; /* the client's valid one or ours */
    struct slice traceparent;
    const struct http_header_edits *edits; /* may be NULL */
    bool upgrade;     /* send Connection: upgrade and Upgrade as the client did */
    bool pass_expect; /* send Expect: 100-continue */
};

struct http_forward_response {
    const struct http_response_head *head;
    const struct http_header_edits *edits; /* may be NULL */
    unsigned client_minor_version;
    bool chunked;      /* add Transfer-Encoding: chunked (length unknown, client speaks 1.1) */
    bool close;        /* add Connection: close */
    bool keep_alive;   /* add Connection: keep-alive (HTTP/1.0 clients) */
    bool upgrade;      /* 101: pass Upgrade with Connection: upgrade */
    struct slice date; /* used where the backend sent none; may be empty */
};

/*
 * Write a complete head (with the empty line) to `out`; return its size, or 0 when it does not fit
 * in `capacity`. http_forward_*_bound give a capacity that always suffices.
 *
 * Request: method and origin-form target (asterisk and authority form stay), "HTTP/1.1", Host from
 * the authority, every end-to-end field in order, then X-Forwarded-For (appended to the client's),
 * X-Forwarded-Proto, X-Forwarded-Host, Forwarded (appended), Via (appended), X-Request-Id,
 * traceparent; Content-Length or Transfer-Encoding by head->framing. TE only as "trailers".
 */
size_t http_forward_request_bound(const struct http_forward_request *f);
size_t http_forward_request_write(const struct http_forward_request *f, char *out, size_t capacity);
size_t http_forward_response_bound(const struct http_forward_response *f);
size_t http_forward_response_write(const struct http_forward_response *f, char *out,
                                   size_t capacity);

/* The end of a chunked body: "0\r\n", the trailers (may be NULL), the empty line. */
size_t http_forward_trailers_bound(const struct http_fields *trailers);
size_t http_forward_trailers_write(const struct http_fields *trailers, char *out, size_t capacity);

/* 1 to 128 characters of A-Z a-z 0-9 . _ - + / = : @ ~, so that it is safe in logs and JSON. */
bool http_request_id_valid(struct slice id);
/* 32 hexadecimal digits from `random` (16 bytes) into out, not NUL-terminated. */
void http_request_id_make(char out[HTTP_REQUEST_ID_BYTES], const unsigned char random[16]);

/* W3C Trace Context, version 00: valid, or made from 24 random bytes (sampled flag 01). */
bool http_traceparent_valid(struct slice value);
void http_traceparent_make(char out[HTTP_TRACEPARENT_BYTES], const unsigned char random[24]);

#endif
