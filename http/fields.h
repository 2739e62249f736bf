/*
 * Header fields in the order they came. Slices point into the head's bytes (see head.h); names keep
 * their spelling, since some old clients and backends care.
 */
#ifndef EVERGATE_HTTP_FIELDS_H
#define EVERGATE_HTTP_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Names that the proxy itself looks at; found once, when a head is parsed. X(ID, "name") */
#define HTTP_FIELD_TABLE(X)                                                                        \
    X(HOST, "host")                                                                                \
    X(CONNECTION, "connection")                                                                    \
    X(KEEP_ALIVE, "keep-alive")                                                                    \
    X(PROXY_CONNECTION, "proxy-connection")                                                        \
    X(TRANSFER_ENCODING, "transfer-encoding")                                                      \
    X(CONTENT_LENGTH, "content-length")                                                            \
    X(TE, "te")                                                                                    \
    X(TRAILER, "trailer")                                                                          \
    X(UPGRADE, "upgrade")                                                                          \
    X(EXPECT, "expect")                                                                            \
    X(PROXY_AUTHENTICATE, "proxy-authenticate")                                                    \
    X(PROXY_AUTHORIZATION, "proxy-authorization")                                                  \
    X(FORWARDED, "forwarded")                                                                      \
    X(X_FORWARDED_FOR, "x-forwarded-for")                                                          \
    X(X_FORWARDED_PROTO, "x-forwarded-proto")                                                      \
    X(X_FORWARDED_HOST, "x-forwarded-host")                                                        \
    X(VIA, "via")                                                                                  \
    X(X_REQUEST_ID, "x-request-id")                                                                \
    X(TRACEPARENT, "traceparent")                                                                  \
    X(ACCEPT, "accept")                                                                            \
    X(USER_AGENT, "user-agent")                                                                    \
    X(COOKIE, "cookie")                                                                            \
    X(DATE, "date")                                                                                \
    X(SERVER, "server")                                                                            \
    X(RETRY_AFTER, "retry-after")                                                                  \
    X(HTTP2_SETTINGS, "http2-settings")

enum http_field_id {
    HTTP_FIELD_OTHER,
#define X(id, name) HTTP_FIELD_##id,
    HTTP_FIELD_TABLE(X)
#undef X
        HTTP_FIELD_COUNT
};

struct http_field {
    struct slice name;
    struct slice value; /* without surrounding white space */
    enum http_field_id id;
};

/* The array belongs to whoever made the head (an arena or a worker's scratch array). */
struct http_fields {
    struct http_field *v;
    unsigned count, capacity;
    uint64_t present; /* bit per http_field_id that occurs */
};

static inline bool http_fields_has(const struct http_fields *f, enum http_field_id id)
{
    return (f->present >> id) & 1;
}

enum http_field_id http_field_id_of(struct slice name);

/* The first field of that id or name (case-insensitive); NULL when there is none. */
const struct http_field *http_fields_get(const struct http_fields *f, enum http_field_id id);
const struct http_field *http_fields_find(const struct http_fields *f, struct slice name);

/* True when a comma-separated list (all fields of that id taken together) holds `token`, ASCII
 * case-insensitive: Connection, TE, Accept-like lists without parameters. */
bool http_fields_list_has(const struct http_fields *f, enum http_field_id id, struct slice token);

/* Takes the next member off a comma-separated list, trimmed; empty members are skipped (RFC 9110
 * section 5.6.1.2). False when there is none left. Not for lists with quoted strings. */
bool http_list_next(struct slice *rest, struct slice *ret_item);

/* Fields that only the proxy itself writes: framing and hop-by-hop ones. Route edits must not name
 * them. Host is not among them: overriding it is a legitimate wish. */
bool http_field_is_reserved(struct slice name);

/* token and field-value of RFC 9110 section 5.6.2 and 5.5; also used to check configuration. */
bool http_is_token(struct slice s);
bool http_is_field_value(struct slice s);

#endif
