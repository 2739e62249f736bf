/*
 * Certificates, keys and authorities: read and parsed when the file is checked, so that a reload
 * cannot fail on them later. Only `check`s: the contexts themselves are net/tls.h's.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "config/files_internal.h"
#include "config/sections_internal.h"

enum { CERTIFICATE_MAX_BYTES = 4 * 1024 * 1024 }; /* a whole CA bundle is 200k */

/* The file as a BIO over `content`, which must stay until BIO_free; NULL after adding a mistake. */
static BIO *certificate_open(struct schema_walk *walk, unsigned line, const char *path,
                             struct whole_file *ret_content)
{
    char *why;

    if (config_file_read(ret_content, walk->diag, path, CERTIFICATE_MAX_BYTES, &why))
        return BIO_new_mem_buf(ret_content->text, (int)ret_content->size);
    config_diag_add(walk->diag, line, "cannot read \"%s\": %s", path, why);
    free(why);
    return NULL;
}

static void certificate_close(BIO *bio, struct whole_file *content)
{
    BIO_free(bio);
    free(content->text);
    ERR_clear_error();
}

/* Reads every certificate of the file; returns the first, the leaf. */
static X509 *certificate_parse(BIO *bio)
{
    X509 *first = PEM_read_bio_X509(bio, NULL, NULL, NULL), *next;

    if (first == NULL)
        return NULL;
    while ((next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
        X509_free(next);
    /* The normal end of a PEM file is the error "no start line"; anything else is damage. */
    if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
        return first;
    X509_free(first);
    return NULL;
}

static X509 *certificate_load(struct schema_walk *walk, unsigned line, const char *path,
                              struct config_digest *ret_digest)
{
    struct whole_file content;
    BIO *bio = certificate_open(walk, line, path, &content);
    X509 *certificate;

    if (bio == NULL)
        return NULL;
    *ret_digest = config_digest_of(&content);
    certificate = certificate_parse(bio);
    certificate_close(bio, &content);
    if (certificate == NULL)
        config_diag_add(walk->diag, line,
                        "\"%s\" does not hold certificates that can be parsed; write a PEM file "
                        "(-----BEGIN CERTIFICATE-----)",
                        path);
    return certificate;
}

/* Without this OpenSSL would ask for a passphrase on the terminal. */
static int on_passphrase(char *buffer, int size, int writing, void *arg)
{
    *(bool *)arg = true;
    return -1;
}

static EVP_PKEY *key_load(struct schema_walk *walk, unsigned line, const char *path,
                          struct config_digest *ret_digest)
{
    struct whole_file content;
    BIO *bio = certificate_open(walk, line, path, &content);
    bool encrypted = false;
    EVP_PKEY *key;

    if (bio == NULL)
        return NULL;
    *ret_digest = config_digest_of(&content);
    key = PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, &encrypted);
    certificate_close(bio, &content);
    if (key == NULL && encrypted)
        config_diag_add(walk->diag, line,
                        "the key \"%s\" is encrypted; write one without a passphrase (openssl pkey "
                        "-in FILE -out FILE2)",
                        path);
    else if (key == NULL)
        config_diag_add(walk->diag, line,
                        "\"%s\" does not hold a private key that can be parsed; write a PEM file "
                        "(-----BEGIN PRIVATE KEY-----)",
                        path);
    return key;
}

void config_check_key_pair(struct schema_walk *walk, const struct config_node *group,
                           const struct config_key_pair *pair)
{
    unsigned key_line = config_node_line(group, "key");
    X509 *certificate = NULL;
    EVP_PKEY *key = NULL;

    if (pair->cert_path != NULL)
        certificate = certificate_load(walk, config_node_line(group, "cert"), pair->cert_path,
                                       pair->ret_cert_digest);
    if (pair->key_path != NULL)
        key = key_load(walk, key_line, pair->key_path, pair->ret_key_digest);
    if (certificate != NULL && key != NULL && X509_check_private_key(certificate, key) != 1)
        config_diag_add(walk->diag, key_line,
                        "the key \"%s\" does not belong to the certificate \"%s\"; write the key "
                        "it was made with",
                        pair->key_path, pair->cert_path);
    X509_free(certificate);
    EVP_PKEY_free(key);
    ERR_clear_error();
}

void config_check_ca(struct schema_walk *walk, const struct config_node *group, const char *key,
                     const char *path, struct config_digest *ret_digest)
{
    if (path != NULL)
        X509_free(certificate_load(walk, config_node_line(group, key), path, ret_digest));
}
