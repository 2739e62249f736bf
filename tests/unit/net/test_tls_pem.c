/* Certificates and keys as texts do what the same in files do. */
#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tls_link.h"

TestSuite(tls_pem, .init = link_setup, .fini = link_teardown);

/* The files of these names one after the other; heap. */
static char *read_files(const char *first, const char *second)
{
    const char *const names[] = {first, second};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    for (size_t i = 0; i < 2 && names[i]; i++) {
        FILE *in = fopen(test_ca_path(tls_link.ca, names[i]), "r");
        cr_assert_not_null(in);
        for (int c; (c = fgetc(in)) != EOF;)
            fputc(c, out);
        fclose(in);
    }
    fclose(out);
    return text;
}

Test(tls_pem, an_authority_as_text_is_trusted_and_nobody_else)
{
    char *ca = read_files("ca.pem", NULL);
    char *stranger = read_files("a.pem", NULL);

    link_serve((struct tls_server_params){0});
    link_call((struct tls_client_params){.verify = true, .ca_pem = ca});
    link_handshake("a.test");
    link_call((struct tls_client_params){.verify = true, .ca_pem = stranger});
    link_up("other.test");
    cr_expect(link_client_fails());
    free(ca);
    free(stranger);
}

Test(tls_pem, several_authorities_may_stand_in_a_text)
{
    char *both = read_files("a.pem", "ca.pem");

    link_serve((struct tls_server_params){0});
    link_call((struct tls_client_params){.verify = true, .ca_pem = both});
    link_handshake("a.test");
    free(both);
}

Test(tls_pem, a_certificate_as_text_is_shown_with_its_chain)
{
    const char *ca_path = test_ca_path(tls_link.ca, "ca.pem");
    char *chain = read_files("a.pem", "ca.pem"), *key = read_files("a.key", NULL);
    char *one = read_files("a.pem", "a.key");

    link_serve(
        (struct tls_server_params){.verify_client = TLS_VERIFY_REQUIRE, .client_ca_path = ca_path});
    link_call((struct tls_client_params){.ca_path = ca_path, .cert_pem = chain, .key_pem = key});
    link_handshake("a.test");
    link_call((struct tls_client_params){.ca_path = ca_path, .cert_pem = one});
    link_handshake("a.test");
    free(chain);
    free(key);
    free(one);
}

static void expect_mistake(const struct tls_client_params *params, const char *words)
{
    char *why = NULL;

    cr_expect_eq(tls_context_new_client(&tls_link.client_context, params, &why), EG_E_INTERNAL);
    cr_expect(why && strstr(why, words), "%s", why);
    free(why);
}

/* A certificate whose key is shorter than OpenSSL's security level takes; heap. */
static char *weak_certificate(void)
{
    EVP_PKEY *key = EVP_RSA_gen(512);
    X509 *certificate = X509_new();
    BIO *bio = BIO_new(BIO_s_mem());
    char *pem, *text;
    long n;

    X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    cr_assert_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    cr_assert_eq(PEM_write_bio_X509(bio, certificate), 1);
    n = BIO_get_mem_data(bio, &pem);
    text = xstrndup(pem, (size_t)n);
    BIO_free(bio);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return text;
}

/* Under LeakSanitizer: what OpenSSL does not take stays ours. */
Test(tls_pem, an_intermediate_that_is_too_weak_is_told)
{
    char *leaf = read_files("a.pem", NULL), *key = read_files("a.key", NULL);
    char *weak = weak_certificate(), *chain = xasprintf("%s%s", leaf, weak);

    expect_mistake(&(struct tls_client_params){.cert_pem = chain, .key_pem = key},
                   "cannot load the certificate");
    free(leaf);
    free(key);
    free(weak);
    free(chain);
}

Test(tls_pem, mistakes_in_texts_are_told)
{
    char *cert = read_files("a.pem", NULL), *key = read_files("a.key", NULL);
    test_ca_issue(tls_link.ca, "b", "b.test", NULL, false);
    char *other_key = read_files("b.key", NULL);
    char *cut = xstrndup(cert, strlen(cert) / 2);
    char *tail =
        xasprintf("%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", cert);

    const struct tls_client_params cases[] = {
        {.verify = true, .ca_pem = ""},           {.verify = true, .ca_pem = "nonsense"},
        {.verify = true, .ca_pem = cut},          {.verify = true, .ca_pem = tail},
        {.cert_pem = "", .key_pem = key},         {.cert_pem = tail, .key_pem = key},
        {.cert_pem = cert, .key_pem = cut},       {.cert_pem = cert},
        {.cert_pem = cert, .key_pem = other_key},
    };
    const char *const words[] = {
        "cannot load the CA",          "cannot load the CA",          "cannot load the CA",
        "cannot load the CA",          "cannot load the certificate", "cannot load the certificate",
        "cannot load the private key", "cannot load the private key", "cannot load the private key",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_mistake(&cases[i], words[i]);
    free(cert);
    free(key);
    free(other_key);
    free(cut);
    free(tail);
}
