/*
 * The one table of errors.
 *
 * Every fallible function of evergate returns 0 or one of these negative codes. The table gives
 * each code its text, the status a client is answered with and the X-Evergate-Error type of
 * the contract's section 3, so that no other place decides any of the three.
 *
 * Modules return codes; only the edges (access log, operator log, own answers) turn them to text.
 */
#ifndef EVERGATE_BASE_ERROR_H
#define EVERGATE_BASE_ERROR_H

#include <stddef.h>

/* The values of the X-Evergate-Error header. */
enum error_type {
    ERROR_TYPE_NONE,
    ERROR_TYPE_CONNECTION,
    ERROR_TYPE_VALIDATION,
    ERROR_TYPE_NOT_FOUND,
    ERROR_TYPE_TIMEOUT,
    ERROR_TYPE_CIRCUIT_BREAKER,
    ERROR_TYPE_OVERLOAD,
    ERROR_TYPE_INTERNAL,
};

/* X(NAME, HTTP status, TYPE, "text"). Codes are numbered in order from -1 downwards. */
#define ERROR_TABLE(X)                                                                             \
    X(NOMEM, 500, INTERNAL, "out of memory")                                                       \
    X(INTERNAL, 500, INTERNAL, "internal error")                                                   \
    X(AGAIN, 500, INTERNAL, "more input is needed")                                                \
    /* A message's head, RFC 9112 section 2 to 5. */                                               \
    X(HEAD_BARE_LF, 400, VALIDATION, "line ends in LF without CR")                                 \
    X(HEAD_BARE_CR, 400, VALIDATION, "CR without LF")                                              \
    X(HEAD_CONTROL, 400, VALIDATION, "control character in the head")                              \
    X(HEAD_REQUEST_LINE, 400, VALIDATION, "malformed request line")                                \
    X(HEAD_STATUS_LINE, 400, VALIDATION, "malformed status line")                                  \
    X(HEAD_METHOD, 400, VALIDATION, "method is not a token")                                       \
    X(HEAD_TARGET, 400, VALIDATION, "malformed request target")                                    \
    X(HEAD_VERSION, 400, VALIDATION, "version is not HTTP/1.0 or HTTP/1.1")                        \
    X(HEAD_VERSION_UNSUPPORTED, 505, VALIDATION, "HTTP version not supported")                     \
    X(HEAD_FOLDING, 400, VALIDATION, "folded header line")                                         \
    X(HEAD_FIELD_NAME, 400, VALIDATION, "header name is not a token")                              \
    X(HEAD_FIELD_VALUE, 400, VALIDATION, "invalid character in a header value")                    \
    X(HEAD_HOST, 400, VALIDATION, "missing, repeated or malformed Host")                           \
    X(HEAD_CONTENT_LENGTH, 400, VALIDATION, "repeated or malformed Content-Length")                \
    X(HEAD_TRANSFER_ENCODING, 400, VALIDATION, "Transfer-Encoding is not exactly chunked")         \
    X(HEAD_FRAMING, 400, VALIDATION, "ambiguous message framing")                                  \
    X(HEAD_SECOND_OPINION, 400, VALIDATION, "two parsers read the message differently")            \
    X(HEAD_EXPECT, 417, VALIDATION, "expectation is not 100-continue")                             \
    X(HEAD_TOO_LARGE, 431, VALIDATION, "header section over the limit")                            \
    X(HEAD_TOO_MANY, 431, VALIDATION, "more header fields than the limit")                         \
    X(TARGET_TOO_LONG, 414, VALIDATION, "request target over the limit")                           \
    /* A message's body. */                                                                        \
    X(BODY_CHUNK, 400, VALIDATION, "malformed chunk")                                              \
    X(BODY_TRAILER, 400, VALIDATION, "malformed trailer section")                                  \
    X(BODY_TOO_LARGE, 413, VALIDATION, "body over the limit")                                      \
    X(BODY_TRUNCATED, 400, VALIDATION, "body ended early")                                         \
    X(PROXY_HEADER, 400, VALIDATION, "malformed PROXY protocol header")                            \
    X(HEAD_TIMEOUT, 408, TIMEOUT, "request head took too long")                                    \
    X(BODY_TIMEOUT, 408, TIMEOUT, "request body took too long")                                    \
    /* Routing. */                                                                                 \
    X(NO_ROUTE, 404, NOT_FOUND, "no route matches the request")                                    \
    X(METHOD_NOT_ALLOWED, 405, NOT_FOUND, "method not allowed by the route")                       \
    X(OVERLOAD, 503, OVERLOAD, "connection limit reached")                                         \
    X(PENDING_FULL, 503, OVERLOAD, "too many requests wait for the pool already")                  \
    X(PENDING_TIMEOUT, 503, OVERLOAD, "no connection became free in time")                         \
    X(DRAINING, 503, OVERLOAD, "shutting down")                                                    \
    /* Upstream. Their order is the order in which an attempt can fail. */                         \
    X(NO_ENDPOINT, 503, CONNECTION, "no usable endpoint in the pool")                              \
    X(BREAKER_OPEN, 503, CIRCUIT_BREAKER, "every circuit breaker in the pool is open")             \
    X(RESOLVE, 502, CONNECTION, "backend name does not resolve")                                   \
    X(CONNECT, 502, CONNECTION, "backend refused the connection")                                  \
    X(CONNECT_TIMEOUT, 502, CONNECTION, "backend did not accept the connection in time")           \
    X(UPSTREAM_TLS, 502, CONNECTION, "TLS handshake with the backend failed")                      \
    X(UPSTREAM_RESET, 502, CONNECTION, "backend closed the connection before answering")           \
    X(UPSTREAM_PROTOCOL, 502, CONNECTION, "backend answered with something that is not HTTP")      \
    X(UPSTREAM_TRUNCATED, 502, CONNECTION, "backend's answer ended early")                         \
    X(RESPONSE_TIMEOUT, 504, TIMEOUT, "backend did not answer in time")                            \
    X(IDLE_TIMEOUT, 504, TIMEOUT, "backend stopped sending")                                       \
    X(ROUTE_TIMEOUT, 504, TIMEOUT, "route's time limit passed")                                    \
    /* Client. 499 is logged, never sent (nginx's convention). */                                  \
    X(CLIENT_GONE, 499, NONE, "client went away")                                                  \
    X(WRITE_TIMEOUT, 499, NONE, "client stopped reading")                                          \
    X(TLS_HANDSHAKE, 400, VALIDATION, "TLS handshake with the client failed")

#define X(name, status, type, text) ERROR_INDEX_##name,
enum error_index { ERROR_TABLE(X) ERROR_INDEX_COUNT };
#undef X
#define X(name, status, type, text) EG_E_##name = -(int)ERROR_INDEX_##name - 1,
enum error { ERROR_TABLE(X) EG_OK = 0 };
#undef X

/* All four take 0 or a code of the table and return static text; unknown codes read "unknown". */
const char *error_text(int code);
const char *error_name(int code);
int error_http_status(int code);
enum error_type error_type_of(int code);

/* "connection", "validation", ...; NULL for ERROR_TYPE_NONE. */
const char *error_type_name(enum error_type type);

#define WARN_UNUSED __attribute__((warn_unused_result))

#endif
