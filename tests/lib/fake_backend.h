/*
 * A backend that does exactly what a test tells it, byte by byte, on the test's own loop.
 *
 * It records what arrives on each connection and whether the peer closed; it answers only when
 * told to, or, with `answer` set, the same bytes to every request head. It knows nothing of HTTP
 * beyond the empty line that ends a head.
 */
#ifndef EVERGATE_TESTS_LIB_FAKE_BACKEND_H
#define EVERGATE_TESTS_LIB_FAKE_BACKEND_H

#include <stdbool.h>
#include <stddef.h>

#include "net/address.h"
#include "net/loop.h"

enum { FAKE_CONNECTIONS = 16, FAKE_RECORD_BYTES = 64 * 1024 };

struct fake_backend;

struct fake_connection {
    struct fake_backend *backend;
    int fd; /* -1: closed by us */
    struct event *read, *write;
    char record[FAKE_RECORD_BYTES]; /* what came, NUL-terminated; what does not fit is counted */
    size_t recorded;
    size_t received; /* all bytes */
    size_t answered; /* offset in `record` behind the last head that was answered */
    bool eof;        /* the peer's FIN, or a reset */
    size_t bulk_left, bulk_sent;
};

struct fake_backend {
    struct loop *loop;
    int fd;
    struct event *accept;
    struct address address;
    char text[ADDRESS_TEXT_BYTES]; /* the address, as the configuration writes it */
    const char *answer;            /* to every head; NULL: the test answers */
    struct fake_connection *connections[FAKE_CONNECTIONS];
    unsigned count;
};

/* "127.0.0.1:0", "127.0.0.2:0" or "unix:/path". */
void fake_backend_start(struct fake_backend *b, struct loop *loop, const char *address);
/* Stops listening: later connects are refused. The connections stay. */
void fake_backend_refuse(struct fake_backend *b);
/* Closes everything; idempotent. */
void fake_backend_stop(struct fake_backend *b);

void fake_send(struct fake_connection *c, const char *text);
void fake_send_bytes(struct fake_connection *c, const char *p, size_t n);
/* Sends `n` bytes as fast as the peer takes them: see bulk_sent. */
void fake_send_bulk(struct fake_connection *c, size_t n);
void fake_read_stop(struct fake_connection *c); /* lets the peer run into a full socket */
void fake_read_start(struct fake_connection *c);
void fake_finish(struct fake_connection *c); /* FIN, goes on reading */
void fake_close(struct fake_connection *c);
void fake_reset(struct fake_connection *c);

#endif
