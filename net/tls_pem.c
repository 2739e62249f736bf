/* Certificates and keys that come as text instead of files: in a kubeconfig, say. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/check.h"
#include "net/tls_internal.h"

static BIO *text_open(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)strlen(pem));

    CHECK(bio != NULL); /* fails only without memory, see base/alloc.h */
    return bio;
}

/* The next certificate; NULL at the end, and on a mistake, which stays in OpenSSL's queue. */
static X509 *next_certificate(BIO *bio)
{
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    if (!certificate && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
        ERR_clear_error();
    return certificate;
}

int tls_ctx_load_ca_text(SSL_CTX *ctx, const char *pem, char **ret_why)
{
    BIO *bio = text_open(pem);
    unsigned count = 0;
    X509 *ca;

    ERR_clear_error();
    while ((ca = next_certificate(bio)) != NULL) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca);
        X509_free(ca);
        count++;
    }
    BIO_free(bio);
    return count > 0 && ERR_peek_error() == 0 ? 0
                                              : tls_explain(ret_why, NULL, "cannot load the CA");
}

/* Leaf first, then intermediates. */
static bool use_chain(SSL_CTX *ctx, const char *pem)
{
    BIO *bio = text_open(pem);
    X509 *certificate = next_certificate(bio);
    bool good = certificate && SSL_CTX_use_certificate(ctx, certificate) == 1;

    X509_free(certificate);
    while (good && (certificate = next_certificate(bio)) != NULL) {
        good = SSL_CTX_add1_chain_cert(ctx, certificate) == 1;
        X509_free(certificate);
    }
    BIO_free(bio);
    return good && ERR_peek_error() == 0;
}

static bool use_key(SSL_CTX *ctx, const char *pem)
{
    BIO *bio = text_open(pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, SSL_CTX_get_default_passwd_cb(ctx), NULL);
    bool good = key && SSL_CTX_use_PrivateKey(ctx, key) == 1;

    EVP_PKEY_free(key);
    BIO_free(bio);
    return good;
}

int tls_ctx_load_certificate_text(SSL_CTX *ctx, const char *cert_pem, const char *key_pem,
                                  char **ret_why)
{
    ERR_clear_error();
    if (!use_chain(ctx, cert_pem))
        return tls_explain(ret_why, NULL, "cannot load the certificate");
    if (!use_key(ctx, key_pem))
        return tls_explain(ret_why, NULL, "cannot load the private key");
    return 0;
}
