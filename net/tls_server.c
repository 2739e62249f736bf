/*
 * Server contexts: certificates by SNI, ALPN, client certificates, tickets.
 *
 * Each certificate has an SSL_CTX of its own and the SNI callback moves a session to the right one;
 * therefore all of them are set up alike. Sessions are resumed by tickets only: a cache would be a
 * lock that workers share.
 */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "net/tls_internal.h"

/* RFC 7301 section 3.2: a client that offers only protocols we do not speak is refused with
 * no_application_protocol; one that offers none gets HTTP/1.1 by convention. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size,
                   const unsigned char *in, unsigned in_size, void *arg)
{
    const struct tls_context *context = arg;
    unsigned char *chosen;

    if (SSL_select_next_proto(&chosen, out_size, context->alpn, context->alpn_size, in, in_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const struct tls_context *context = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *ctx = name ? tls_sni_find(context->sni, name) : NULL;

    if (ctx && ctx != SSL_get_SSL_CTX(ssl))
        SSL_set_SSL_CTX(ssl, ctx);
    /* Unknown names get the default certificate and decide for themselves. */
    return SSL_TLSEXT_ERR_OK;
}

static int set_client_verification(SSL_CTX *ctx, const struct tls_server_params *params,
                                   char **ret_why)
{
    int mode = SSL_VERIFY_PEER;
    STACK_OF(X509_NAME) * names;

    if (params->verify_client == TLS_VERIFY_OFF)
        return 0;
    if (!params->client_ca_path)
        return tls_explain(ret_why, NULL, "client certificates cannot be verified without a CA");
    if (params->verify_client == TLS_VERIFY_REQUIRE)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(ctx, mode, NULL);
    names = SSL_load_client_CA_file(params->client_ca_path);
    if (!names || SSL_CTX_load_verify_file(ctx, params->client_ca_path) != 1) {
        sk_X509_NAME_pop_free(names, X509_NAME_free);
        return tls_explain(ret_why, params->client_ca_path, "cannot load the client CA");
    }
    SSL_CTX_set_client_CA_list(ctx, names); /* takes `names` */
    return 0;
}

static void digest_text(EVP_MD_CTX *md, const char *text)
{
    if (text)
        EVP_DigestUpdate(md, text, strlen(text) + 1);
}

static void digest_file(EVP_MD_CTX *md, const char *path)
{
    char buffer[4096];
    size_t n;
    BIO *file = path ? BIO_new_file(path, "r") : NULL;

    while (file && BIO_read_ex(file, buffer, sizeof(buffer), &n))
        EVP_DigestUpdate(md, buffer, n);
    BIO_free(file);
}

/*
 * All listeners share the ticket keys, and a resumed session is not asked for its certificate
 * again. So a ticket is bound to what its client was verified against: one that was issued where no
 * certificate is needed is worthless where one is.
 */
static void session_id_context(const struct tls_server_params *params, unsigned char id[32])
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    const unsigned char mode = (unsigned char)params->verify_client;

    memset(id, 0, 32);
    if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1)
        goto out;
    EVP_DigestUpdate(md, &mode, 1);
    if (params->verify_client != TLS_VERIFY_OFF)
        digest_file(md, params->client_ca_path);
    for (size_t i = 0; i < params->certificate_count; i++)
        digest_text(md, params->certificates[i].cert_path);
    EVP_DigestFinal_ex(md, id, NULL);
out:
    EVP_MD_CTX_free(md);
}

static SSL_CTX *server_ctx_new(struct tls_context *context, const struct tls_server_params *params,
                               const unsigned char sid[32], char **ret_why)
{
    SSL_CTX *ctx = tls_ctx_new(false, params->min_version);

    if (!ctx) {
        tls_explain(ret_why, NULL, "OpenSSL refuses a server context");
        return NULL;
    }
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_session_id_context(ctx, sid, 32);
    SSL_CTX_set_num_tickets(ctx, 1);
    tls_tickets_attach(ctx);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(ctx, context);
    if (context->alpn)
        SSL_CTX_set_alpn_select_cb(ctx, on_alpn, context);
    if (set_client_verification(ctx, params, ret_why) != 0) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

int tls_context_new_server(struct tls_context **ret_context, const struct tls_server_params *params,
                           char **ret_why)
{
    struct tls_context *context = tls_context_alloc();
    unsigned char sid[32];
    int err = 0;

    ERR_clear_error();
    context->alpn = tls_alpn_wire(params->alpn, &context->alpn_size);
    context->sni = tls_sni_new();
    session_id_context(params, sid);
    if (params->certificate_count == 0)
        err = tls_explain(ret_why, NULL, "no certificate is given");
    for (size_t i = 0; i < params->certificate_count && err == 0; i++) {
        const struct tls_certificate *files = &params->certificates[i];
        SSL_CTX *ctx = server_ctx_new(context, params, sid, ret_why);

        err = ctx ? tls_ctx_load_certificate(ctx, files->cert_path, files->key_path, ret_why)
                  : EG_E_INTERNAL;
        if (err == 0)
            err = tls_sni_add(context->sni, ctx, files, ret_why);
        SSL_CTX_free(ctx);
    }
    if (err != 0) {
        tls_context_free(context);
        return err;
    }
    tls_sni_seal(context->sni);
    context->ctx = tls_sni_default(context->sni);
    SSL_CTX_up_ref(context->ctx);
    *ret_context = context;
    return 0;
}
