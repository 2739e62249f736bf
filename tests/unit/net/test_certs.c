#include "test_certs.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"

enum { MAX_FILES = 64 };

struct test_ca {
    char dir[64];
    char *paths[MAX_FILES];
    int path_count;
    EVP_PKEY *key;
    X509 *cert;
    long serial;
};

const char *test_ca_path(struct test_ca *ca, const char *name)
{
    cr_assert_lt(ca->path_count, MAX_FILES);
    return ca->paths[ca->path_count++] = xasprintf("%s/%s", ca->dir, name);
}

static void write_pem(struct test_ca *ca, const char *name, const char *suffix, X509 *cert,
                      EVP_PKEY *key)
{
    char *file = xasprintf("%s.%s", name, suffix);
    FILE *out = fopen(test_ca_path(ca, file), "w");

    cr_assert_not_null(out);
    if (cert)
        cr_assert_eq(PEM_write_X509(out, cert), 1);
    if (key)
        cr_assert_eq(PEM_write_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(out);
    free(file);
}

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    cr_assert_not_null(extension);
    X509_add_ext(cert, extension, -1);
    X509_EXTENSION_free(extension);
}

static X509 *make_cert(struct test_ca *ca, EVP_PKEY *key, const char *cn, const char *san)
{
    X509 *cert = X509_new(), *issuer = ca->cert ? ca->cert : cert;

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++ca->serial);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)cn, -1, -1, 0);
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    X509_set_pubkey(cert, key);
    add_extension(cert, issuer, NID_basic_constraints,
                  ca->cert ? "critical,CA:FALSE" : "critical,CA:TRUE");
    if (san)
        add_extension(cert, issuer, NID_subject_alt_name, san);
    cr_assert_gt(X509_sign(cert, ca->cert ? ca->key : key, EVP_sha256()), 0);
    return cert;
}

struct test_ca *test_ca_new(void)
{
    struct test_ca *ca = xcalloc(1, sizeof(*ca));

    snprintf(ca->dir, sizeof(ca->dir), "/tmp/evergate-certs-XXXXXX");
    cr_assert_not_null(mkdtemp(ca->dir));
    ca->key = EVP_EC_gen("P-256");
    ca->cert = make_cert(ca, ca->key, "evergate test authority", NULL);
    write_pem(ca, "ca", "pem", ca->cert, NULL);
    return ca;
}

void test_ca_issue(struct test_ca *ca, const char *name, const char *cn, const char *san, bool rsa)
{
    EVP_PKEY *key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    X509 *cert = make_cert(ca, key, cn, san);

    write_pem(ca, name, "pem", cert, NULL);
    write_pem(ca, name, "key", NULL, key);
    X509_free(cert);
    EVP_PKEY_free(key);
}

void test_ca_free(struct test_ca *ca)
{
    for (int i = 0; i < ca->path_count; i++) {
        unlink(ca->paths[i]);
        free(ca->paths[i]);
    }
    rmdir(ca->dir);
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
    free(ca);
}
