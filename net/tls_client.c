/* Client contexts: what backends are verified against, and our own certificate. */
#include <openssl/err.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "net/tls_internal.h"

/* OpenSSL hands over a reference with every new ticket; 1: kept. */
static int on_new_session(SSL *ssl, SSL_SESSION *ticket)
{
    struct tls_session *session = SSL_get_app_data(ssl);

    if (!session || !session->resume_slot)
        return 0;
    tls_resume_slot_clear(session->resume_slot);
    session->resume_slot->session = ticket;
    session->resume_slot->server_name = xstrdup(session->server_name);
    return 1;
}

void tls_resume_slot_clear(struct tls_resume_slot *slot)
{
    SSL_SESSION_free(slot->session);
    free(slot->server_name);
    slot->session = NULL;
    slot->server_name = NULL;
}

static int set_verification(SSL_CTX *ctx, const struct tls_client_params *params, char **ret_why)
{
    if (!params->verify)
        return 0;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    if (params->ca_pem)
        return tls_ctx_load_ca_text(ctx, params->ca_pem, ret_why);
    if (params->ca_path) {
        if (SSL_CTX_load_verify_file(ctx, params->ca_path) != 1)
            return tls_explain(ret_why, params->ca_path, "cannot load the CA");
    } else if (SSL_CTX_set_default_verify_paths(ctx) != 1) {
        return tls_explain(ret_why, NULL, "cannot load the system's CA store");
    }
    return 0;
}

static int set_identity(SSL_CTX *ctx, const struct tls_client_params *params, char **ret_why)
{
    if (params->cert_pem)
        return tls_ctx_load_certificate_text(
            ctx, params->cert_pem, params->key_pem ? params->key_pem : params->cert_pem, ret_why);
    if (params->cert_path)
        return tls_ctx_load_certificate(ctx, params->cert_path,
                                        params->key_path ? params->key_path : params->cert_path,
                                        ret_why);
    return 0;
}

int tls_context_new_client(struct tls_context **ret_context, const struct tls_client_params *params,
                           char **ret_why)
{
    struct tls_context *context = tls_context_alloc();
    int err;

    ERR_clear_error();
    context->client = true;
    context->verify = params->verify;
    context->alpn = tls_alpn_wire(params->alpn, &context->alpn_size);
    context->ctx = tls_ctx_new(true, TLS_VERSION_1_2);
    if (!context->ctx) {
        err = tls_explain(ret_why, NULL, "OpenSSL refuses a client context");
        goto fail;
    }
    SSL_CTX_set_session_cache_mode(context->ctx,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context->ctx, on_new_session);
    if (context->alpn)
        SSL_CTX_set_alpn_protos(context->ctx, context->alpn, context->alpn_size);
    err = set_verification(context->ctx, params, ret_why);
    if (err == 0)
        err = set_identity(context->ctx, params, ret_why);
    if (err != 0)
        goto fail;
    *ret_context = context;
    return 0;
fail:
    tls_context_free(context);
    return err;
}
