/*
 * Sessions: an SSL object, the BIO beneath it, and what may be asked about it.
 *
 * The BIO never touches a socket. Its read end hands out ciphertext that the transport received
 * (first `pending`, then `feed`), its write end gives ciphertext to the transport's flush. So TLS
 * costs exactly the recv and the sendmsg that a plain connection costs. net/transport_tls.c is the
 * other half.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "net/tls_internal.h"
#include "net/transport_internal.h"

/* ---- the BIO ------------------------------------------------------------------------------ */

static BIO_METHOD *bio_method;
static pthread_once_t bio_once = PTHREAD_ONCE_INIT;

static int on_bio_read(BIO *bio, char *buffer, int size)
{
    struct tls_session *s = BIO_get_data(bio);
    size_t n = (size_t)size;

    BIO_clear_retry_flags(bio);
    if (s->pending.size > 0) {
        n = n < s->pending.size ? n : s->pending.size;
        memcpy(buffer, bytes_data(&s->pending), n);
        bytes_consume(&s->pending, n);
    } else if (s->feed_size > 0) {
        n = n < s->feed_size ? n : s->feed_size;
        memcpy(buffer, s->feed, n);
        s->feed += n;
        s->feed_size -= n;
    } else {
        BIO_set_retry_read(bio);
        return -1;
    }
    return (int)n;
}

static int on_bio_write(BIO *bio, const char *data, int size)
{
    struct tls_session *s = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    transport_tls_output(s->t, data, (size_t)size);
    return size;
}

static long on_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static int on_bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "evergate transport");
    CHECK(bio_method != NULL);
    BIO_meth_set_read(bio_method, on_bio_read);
    BIO_meth_set_write(bio_method, on_bio_write);
    BIO_meth_set_ctrl(bio_method, on_bio_ctrl);
    BIO_meth_set_create(bio_method, on_bio_create);
}

/* ---- life --------------------------------------------------------------------------------- */

static struct tls_session *session_new(struct tls_context *context)
{
    struct tls_session *s = xcalloc(1, sizeof(*s));
    BIO *bio;

    pthread_once(&bio_once, make_bio_method);
    context->refs++;
    s->context = context;
    s->client = context->client;
    s->ssl = SSL_new(context->ctx);
    bio = BIO_new(bio_method);
    CHECK(s->ssl && bio); /* fails only without memory, see base/alloc.h */
    BIO_set_data(bio, s);
    SSL_set_bio(s->ssl, bio, bio);
    SSL_set_app_data(s->ssl, s);
    bytes_init(&s->pending, SIZE_MAX); /* holds what one recv brought, see transport_tls_feed */
    return s;
}

struct tls_session *tls_session_new_server(struct tls_context *context)
{
    struct tls_session *s = session_new(context);

    SSL_set_accept_state(s->ssl);
    return s;
}

/* RFC 6066 section 3: literal addresses are not sent as SNI; they are verified against the
 * certificate's iPAddress entries. */
static void set_server_name(struct tls_session *s, const char *name, bool verify)
{
    unsigned char literal[sizeof(struct in6_addr)];
    bool is_address =
        inet_pton(AF_INET, name, literal) == 1 || inet_pton(AF_INET6, name, literal) == 1;

    if (!is_address)
        CHECK(SSL_set_tlsext_host_name(s->ssl, name) == 1);
    if (!verify)
        return;
    if (is_address) {
        CHECK(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s->ssl), name) == 1);
        return;
    }
    SSL_set_hostflags(s->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    CHECK(SSL_set1_host(s->ssl, name) == 1);
}

/* A copy, since OpenSSL takes a TLS 1.3 session out of use after one connection: so that a burst of
 * connections to one backend resumes as well. Single use is for the privacy of people. */
static void resume(struct tls_session *s)
{
    struct tls_resume_slot *slot = s->resume_slot;

    if (!slot || !slot->session || strcmp(slot->server_name, s->server_name) != 0)
        return;
    SSL_SESSION *copy = SSL_SESSION_dup(slot->session);
    if (copy)
        SSL_set_session(s->ssl, copy);
    SSL_SESSION_free(copy);
    ERR_clear_error();
}

struct tls_session *tls_session_new_client(struct tls_context *context, const char *server_name,
                                           struct tls_resume_slot *resume_slot)
{
    struct tls_session *s = session_new(context);

    SSL_set_connect_state(s->ssl);
    if (server_name)
        set_server_name(s, server_name, context->verify);
    s->server_name = xstrdup(server_name ? server_name : "");
    s->resume_slot = resume_slot;
    resume(s);
    return s;
}

void tls_session_free(struct tls_session *session)
{
    if (!session)
        return;
    /* Without a close_notify OpenSSL would spoil the ticket for the next connection. TCP resets
     * are everyday life between a proxy and its backends. */
    if (!session->failed)
        SSL_set_shutdown(session->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(session->ssl);
    tls_context_free(session->context);
    bytes_fini(&session->pending);
    free(session->server_name);
    free(session);
}

void tls_session_attach(struct tls_session *session, struct transport *t)
{
    session->t = t;
}

/* ---- what may be asked -------------------------------------------------------------------- */

const char *tls_session_version(const struct tls_session *session)
{
    return SSL_get_version(session->ssl);
}

const char *tls_session_cipher(const struct tls_session *session)
{
    const char *name = SSL_get_cipher_name(session->ssl);

    return name ? name : "";
}

const char *tls_session_server_name(const struct tls_session *session)
{
    const char *name = SSL_get_servername(session->ssl, TLSEXT_NAMETYPE_host_name);

    return name ? name : "";
}

struct slice tls_session_alpn(const struct tls_session *session)
{
    const unsigned char *p;
    unsigned n;

    SSL_get0_alpn_selected(session->ssl, &p, &n);
    return slice_from((const char *)p, n);
}

bool tls_session_resumed(const struct tls_session *session)
{
    return SSL_session_reused(session->ssl) == 1;
}

void tls_session_note_error(struct tls_session *session, const char *fallback)
{
    long verdict = SSL_get_verify_result(session->ssl);
    unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    if (verdict != X509_V_OK && (session->client || code))
        snprintf(session->error_text, sizeof(session->error_text), "certificate verify failed: %s",
                 X509_verify_cert_error_string(verdict));
    else
        snprintf(session->error_text, sizeof(session->error_text), "%s",
                 reason ? reason : fallback);
    ERR_clear_error();
}
