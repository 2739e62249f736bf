/*
 * Contexts: what servers and clients share. Roles are in tls_server.c and tls_client.c.
 *
 * TLS 1.2 is limited to ECDHE with AEAD ciphers (RFC 9325 section 4.2); the order of preference
 * is the client's, who knows whether it has AES in hardware. TLS 1.3 keeps OpenSSL's suites.
 */
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "net/tls_internal.h"

static const char CIPHERS_TLS_1_2[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

int tls_explain(char **ret_why, const char *path, const char *what)
{
    unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;

    /* A file that cannot be opened is a system error, which has its text in errno's table. */
    if (code && ERR_SYSTEM_ERROR(code))
        reason = strerrordesc_np(ERR_GET_REASON(code));
    *ret_why = xasprintf("%s%s%s%s%s", path ? path : "", path ? ": " : "", what, reason ? ": " : "",
                         reason ? reason : "");
    ERR_clear_error();
    return EG_E_INTERNAL;
}

/* An encrypted key must be an error, not a question on somebody's terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
    return 0;
}

SSL_CTX *tls_ctx_new(bool client, enum tls_version min_version)
{
    SSL_CTX *ctx = SSL_CTX_new(client ? TLS_client_method() : TLS_server_method());

    if (!ctx)
        return NULL;
    SSL_CTX_set_min_proto_version(ctx,
                                  min_version == TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (SSL_CTX_set_cipher_list(ctx, CIPHERS_TLS_1_2) != 1) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

int tls_ctx_load_certificate(SSL_CTX *ctx, const char *cert_path, const char *key_path,
                             char **ret_why)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_path) != 1)
        return tls_explain(ret_why, cert_path, "cannot load the certificate");
    if (SSL_CTX_use_PrivateKey_file(ctx, key_path, SSL_FILETYPE_PEM) != 1)
        return tls_explain(ret_why, key_path, "cannot load the private key");
    if (SSL_CTX_check_private_key(ctx) != 1)
        return tls_explain(ret_why, key_path, "the key does not belong to the certificate");
    return 0;
}

unsigned char *tls_alpn_wire(const char *const *names, unsigned *ret_size)
{
    unsigned char *wire;
    size_t size = 0;

    for (const char *const *name = names; name && *name; name++)
        size += 1 + strlen(*name);
    *ret_size = (unsigned)size;
    if (size == 0)
        return NULL;
    wire = xmalloc(size);
    unsigned char *at = wire;
    for (const char *const *name = names; *name; name++) {
        size_t n = strlen(*name);
        *at++ = (unsigned char)n;
        memcpy(at, *name, n);
        at += n;
    }
    return wire;
}

struct tls_context *tls_context_alloc(void)
{
    struct tls_context *context = xcalloc(1, sizeof(*context));

    context->refs = 1;
    return context;
}

void tls_context_free(struct tls_context *context)
{
    if (!context || --context->refs > 0)
        return;
    tls_sni_free(context->sni);
    SSL_CTX_free(context->ctx);
    free(context->alpn);
    free(context);
}
