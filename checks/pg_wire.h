/*
 * PostgreSQL's wire protocol (version 3.0), as far as a check needs it: messages as pure code.
 *
 *   client: 4 bytes size, body                 (the first message and the request for TLS)
 *   both:   1 byte type, 4 bytes size, body    (the size counts itself)
 *
 * Why not libpq: linking it raises an idle evergate's memory by 3.5 MB (with Kerberos, LDAP and 20
 * more libraries, wanted or not), it reads the environment and files of whoever starts us, and it
 * has a socket and a TLS of its own, where ours are bounded, asynchronous and configured. What a
 * check says to a server are four messages.
 *
 * PostgreSQL documentation, chapter "Frontend/Backend Protocol".
 */
#ifndef EVERGATE_CHECKS_PG_WIRE_H
#define EVERGATE_CHECKS_PG_WIRE_H

#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

enum {
    PG_MESSAGE_BYTES = 8 * 1024, /* a longer one is refused; errors and rows of ours are short */
    PG_OUT_BYTES = 4 * 1024,     /* of one message of ours: a password and a query fit */
    PG_COLUMNS = 8,
};

struct pg_message {
    char type;         /* 'R', 'E', 'Z', ... */
    struct slice body; /* within the bytes it was taken from */
};

/* Takes the first message off *data: 0; EG_E_AGAIN while it is not complete; EG_E_UPSTREAM_PROTOCOL
 * when it cannot be one. */
int pg_message_take(struct slice *data, struct pg_message *ret_message) WARN_UNUSED;

/* A big-endian number at the front of a body, taken off it; EG_E_UPSTREAM_PROTOCOL when too short.
 */
int pg_take_u32(struct slice *body, uint32_t *ret_value) WARN_UNUSED;
/* A text that a NUL ends, likewise. */
int pg_take_text(struct slice *body, struct slice *ret_text) WARN_UNUSED;

/* A field of an ErrorResponse by its code ('S', 'V', 'C', 'M'); "" where there is none. */
struct slice pg_error_field(struct slice body, char field);

/* The columns of a DataRow, at most PG_COLUMNS; .p is NULL for SQL's NULL. Their number, or
 * EG_E_UPSTREAM_PROTOCOL. */
int pg_row_columns(struct slice body, struct slice *columns) WARN_UNUSED;

/* A message being written. What does not fit in is left out and remembered. */
struct pg_out {
    char data[PG_OUT_BYTES];
    size_t size;
    bool overflow;
};

void pg_out_tls_request(struct pg_out *out);
void pg_out_startup(struct pg_out *out, const char *user, const char *database);
void pg_out_query(struct pg_out *out, const char *sql);
void pg_out_terminate(struct pg_out *out);
/* The answer to a wish for a password, 'p': plain, or hashed with the server's salt. */
void pg_out_password(struct pg_out *out, struct slice password);
/* EG_E_INTERNAL when this OpenSSL refuses MD5. */
int pg_out_md5_password(struct pg_out *out, const char *user, struct slice password,
                        struct slice salt) WARN_UNUSED;
/* SASL's first and further answers. */
void pg_out_sasl_first(struct pg_out *out, const char *mechanism, struct slice data);
void pg_out_sasl_next(struct pg_out *out, struct slice data);

#endif
