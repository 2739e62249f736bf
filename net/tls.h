/*
 * TLS contexts and sessions. OpenSSL's names stay inside net/tls*.c and config's certificate check.
 *
 * A tls_context is built per worker from the (shared, immutable) certificates of a listener or
 * pool, so that no connection touches a lock or a cache line that another worker writes.
 */
#ifndef EVERGATE_NET_TLS_H
#define EVERGATE_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

typedef struct ssl_st SSL;
struct tls_context;
struct tls_session;

enum tls_verify { TLS_VERIFY_OFF, TLS_VERIFY_OPTIONAL, TLS_VERIFY_REQUIRE };
enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

struct tls_certificate {
    const char *cert_path; /* PEM: leaf first, then intermediates */
    const char *key_path;
};

struct tls_server_params {
    const struct tls_certificate *certificates; /* the first is the default for unknown names */
    size_t certificate_count;
    const char *client_ca_path; /* NULL: none */
    enum tls_verify verify_client;
    enum tls_version min_version;
    const char *const *alpn; /* e.g. {"http/1.1"}; NULL-terminated */
};

struct tls_client_params {
    const char *ca_path;   /* NULL: the system's store */
    bool verify;           /* chain and name; default true */
    const char *cert_path; /* client certificate; NULL: none */
    const char *key_path;
    const char *ca_pem; /* texts instead of the files; NULL: those */
    const char *cert_pem, *key_pem;
    const char *const *alpn; /* NULL-terminated, may be NULL */
};

/* Reads the files. 0, or EG_E_INTERNAL with a sentence in *ret_why (heap, the caller frees) that
 * names the file. Resumption uses stateless tickets whose keys all workers share (tls_tickets_*).
 */
int tls_context_new_server(struct tls_context **ret_context, const struct tls_server_params *params,
                           char **ret_why) WARN_UNUSED;
int tls_context_new_client(struct tls_context **ret_context, const struct tls_client_params *params,
                           char **ret_why) WARN_UNUSED;
/* Its sessions go on with it: a context can be replaced by another while they last. NULL is fine.
 * Context and sessions belong to one thread (who made the context may be another one, before). */
void tls_context_free(struct tls_context *context);

/* A server-side session for one accepted connection; given to transport_init_accepted. */
struct tls_session *tls_session_new_server(struct tls_context *context);

/*
 * A client-side session. `server_name` is sent as SNI and verified (NULL: neither). `resume_slot`
 * is a place of the caller's (per worker and endpoint) where the latest ticket is kept and taken
 * from; it starts zeroed, is freed with tls_resume_slot_clear and must outlive the session. Use it
 * with one context only, since a resumed session is not verified again.
 */
struct tls_resume_slot {
    void *session;
    char *server_name; /* it was verified for this name and resumes no other */
};
struct tls_session *tls_session_new_client(struct tls_context *context, const char *server_name,
                                           struct tls_resume_slot *resume_slot);
void tls_resume_slot_clear(struct tls_resume_slot *slot);
void tls_session_free(struct tls_session *session);

/* After the handshake; static or session-owned text. */
const char *tls_session_version(const struct tls_session *session); /* "TLSv1.3" */
const char *tls_session_cipher(const struct tls_session *session);
const char *tls_session_server_name(const struct tls_session *session); /* SNI or "" */
struct slice tls_session_alpn(const struct tls_session *session);
bool tls_session_resumed(const struct tls_session *session);

/* Ticket keys: random, in memory only, rotated by tls_tickets_rotate (control thread; the previous
 * key still decrypts). Process-wide; safe from any thread. */
void tls_tickets_rotate(void);

/* The newest key and the one before, for the process that comes after this one: whoever reads them
 * can read what clients said. Returns the bytes written, 0 when there is no key yet. Import makes
 * them this process's newest; false when the size is not that of keys. Control thread. */
enum { TLS_TICKET_KEY_BYTES = 80, TLS_TICKETS_BYTES = 2 * TLS_TICKET_KEY_BYTES };
size_t tls_tickets_export(unsigned char out[TLS_TICKETS_BYTES]);
bool tls_tickets_import(const unsigned char *bytes, size_t size);

#endif
