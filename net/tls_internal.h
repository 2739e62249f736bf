/* What the TLS files share: tls_context.c, tls_server.c, tls_client.c, tls_pem.c, tls_sni.c,
 * tls_tickets.c, tls_session.c and transport_tls.c. */
#ifndef EVERGATE_NET_TLS_INTERNAL_H
#define EVERGATE_NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "net/bytes.h"
#include "net/tls.h"

struct transport;
struct tls_sni;

struct tls_context {
    unsigned refs;       /* the owner's, and one per session: its callbacks may look at us */
    SSL_CTX *ctx;        /* new sessions start here; a server's default certificate */
    struct tls_sni *sni; /* server only */
    unsigned char *alpn; /* wire format: length-prefixed names */
    unsigned alpn_size;
    bool client, verify;
};

struct tls_session {
    SSL *ssl;
    struct tls_context *context; /* a reference */
    struct transport *t;         /* set by tls_session_attach */
    bool client;
    bool established;
    bool data_seen;   /* decrypted at least one byte: errors are no longer the handshake's */
    bool clean_eof;   /* the peer sent close_notify */
    bool want_notify; /* ours is to be sent with the next flush */
    bool notify_sent;
    bool failed;      /* OpenSSL must not be called for I/O again */
    const char *feed; /* ciphertext just received, in the loop's read buffer */
    size_t feed_size;
    struct bytes
        pending; /* ciphertext that a paused owner keeps us from decrypting; before `feed` */
    struct tls_resume_slot *resume_slot;
    char *server_name; /* client: what was asked for, "" for none; NULL on servers */
    char error_text[256];
};

/* ---- tls_context.c ---- */

/* "PATH: WHAT: OpenSSL's reason"; EG_E_INTERNAL. Empties OpenSSL's error queue. */
int tls_explain(char **ret_why, const char *path, const char *what);

struct tls_context *tls_context_alloc(void); /* zeroed, with one reference */

/* What servers and clients have in common. NULL only when OpenSSL cannot make a context. */
SSL_CTX *tls_ctx_new(bool client, enum tls_version min_version);
int tls_ctx_load_certificate(SSL_CTX *ctx, const char *cert_path, const char *key_path,
                             char **ret_why) WARN_UNUSED;
/* NULL-terminated names to wire format; NULL when there are none. */
unsigned char *tls_alpn_wire(const char *const *names, unsigned *ret_size);

/* ---- tls_pem.c: the same from texts ---- */

int tls_ctx_load_ca_text(SSL_CTX *ctx, const char *pem, char **ret_why) WARN_UNUSED;
int tls_ctx_load_certificate_text(SSL_CTX *ctx, const char *cert_pem, const char *key_pem,
                                  char **ret_why) WARN_UNUSED;

/* ---- tls_sni.c: names to certificates ---- */

struct tls_sni *tls_sni_new(void);
void tls_sni_free(struct tls_sni *sni);
/* Takes a reference to `ctx`, whose certificate is loaded. A certificate with the very names of an
 * earlier one and another kind of key joins that one's context instead: *ret_ctx is where it was
 * put. */
int tls_sni_add(struct tls_sni *sni, SSL_CTX *ctx, const struct tls_certificate *files,
                char **ret_why) WARN_UNUSED;
/* After the last add. */
void tls_sni_seal(struct tls_sni *sni);
/* Exact name, then the wildcard of its parent (RFC 6125 section 6.4.3: leftmost label only); NULL:
 * unknown. */
SSL_CTX *tls_sni_find(const struct tls_sni *sni, const char *name);
SSL_CTX *tls_sni_default(const struct tls_sni *sni);

/* ---- tls_tickets.c ---- */

void tls_tickets_attach(SSL_CTX *ctx);

/* ---- tls_session.c ---- */

/* The session's BIO reads `pending` and `feed`, and writes to the transport. */
void tls_session_attach(struct tls_session *session, struct transport *t);
/* Text for OpenSSL's latest failure into session->error_text. */
void tls_session_note_error(struct tls_session *session, const char *fallback);

#endif
