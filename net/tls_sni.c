/*
 * Which certificate serves which name: a sorted table of the names in all certificates.
 *
 * Names are the DNS entries of subjectAltName; the common name counts only where there are none
 * (RFC 6125 section 6.4.4). The first certificate that has a name serves it.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/slice.h"
#include "net/tls_internal.h"

enum { NAME_BYTES = 256, NAMES_PER_CERTIFICATE = 4096 };

struct sni_name {
    char *text; /* lower case */
    SSL_CTX *ctx;
    size_t order;
};

struct tls_sni {
    struct sni_name *names;
    size_t name_count;
    SSL_CTX **contexts; /* in the order of the configuration */
    size_t context_count;
};

struct tls_sni *tls_sni_new(void)
{
    return xcalloc(1, sizeof(struct tls_sni));
}

void tls_sni_free(struct tls_sni *sni)
{
    if (!sni)
        return;
    for (size_t i = 0; i < sni->name_count; i++)
        free(sni->names[i].text);
    for (size_t i = 0; i < sni->context_count; i++)
        SSL_CTX_free(sni->contexts[i]);
    free(sni->names);
    free(sni->contexts);
    free(sni);
}

static int compare_names(const void *a, const void *b)
{
    const struct sni_name *x = a, *y = b;
    int order = strcmp(x->text, y->text);

    return order ? order : (x->order > y->order) - (x->order < y->order);
}

/* False for names with a NUL inside, which are attempts to deceive, and for too long ones. */
static bool add_name(struct tls_sni *sni, const ASN1_STRING *asn1, SSL_CTX *ctx)
{
    const unsigned char *p = ASN1_STRING_get0_data(asn1);
    int n = ASN1_STRING_length(asn1);

    if (n <= 0 || n >= NAME_BYTES || memchr(p, '\0', (size_t)n))
        return false;
    sni->names = xrealloc(sni->names, (sni->name_count + 1) * sizeof(*sni->names));
    struct sni_name *name = &sni->names[sni->name_count];
    name->text = xstrndup((const char *)p, (size_t)n);
    for (char *c = name->text; *c; c++)
        *c = ascii_lower(*c);
    name->ctx = ctx;
    name->order = sni->name_count++;
    return true;
}

static void add_common_name(struct tls_sni *sni, X509 *certificate, SSL_CTX *ctx)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at >= 0)
        add_name(sni, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), ctx);
}

static void add_names(struct tls_sni *sni, SSL_CTX *ctx)
{
    X509 *certificate = SSL_CTX_get0_certificate(ctx);
    GENERAL_NAMES *sans = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t before = sni->name_count;

    for (int i = 0; i < sk_GENERAL_NAME_num(sans) && i < NAMES_PER_CERTIFICATE; i++) {
        const GENERAL_NAME *san = sk_GENERAL_NAME_value(sans, i);
        if (san->type == GEN_DNS)
            add_name(sni, san->d.dNSName, ctx);
    }
    GENERAL_NAMES_free(sans);
    if (sni->name_count == before)
        add_common_name(sni, certificate, ctx);
}

static bool same_names(const struct tls_sni *sni, SSL_CTX *a, SSL_CTX *b)
{
    size_t of_a = 0, of_b = 0;

    for (size_t i = 0; i < sni->name_count; i++) {
        of_b += sni->names[i].ctx == b;
        if (sni->names[i].ctx != a)
            continue;
        bool found = false;
        for (size_t k = 0; k < sni->name_count && !found; k++)
            found = sni->names[k].ctx == b && strcmp(sni->names[i].text, sni->names[k].text) == 0;
        if (!found)
            return false;
        of_a++;
    }
    return of_a > 0 && of_a == of_b;
}

/* Whether `ctx` has a certificate with the kind of key that `certificate` has. */
static bool has_key_kind(SSL_CTX *ctx, X509 *certificate)
{
    int kind = EVP_PKEY_get_base_id(X509_get0_pubkey(certificate));
    bool found = false;

    for (long more = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_FIRST); more && !found;
         more = SSL_CTX_set_current_cert(ctx, SSL_CERT_SET_NEXT))
        found = EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_CTX_get0_certificate(ctx))) == kind;
    return found;
}

/* An ECDSA and an RSA certificate of one site live in one context: OpenSSL picks by what the client
 * can verify. */
static SSL_CTX *find_twin(const struct tls_sni *sni, SSL_CTX *ctx)
{
    for (size_t i = 0; i < sni->context_count; i++) {
        if (same_names(sni, sni->contexts[i], ctx) &&
            !has_key_kind(sni->contexts[i], SSL_CTX_get0_certificate(ctx)))
            return sni->contexts[i];
    }
    return NULL;
}

int tls_sni_add(struct tls_sni *sni, SSL_CTX *ctx, const struct tls_certificate *files,
                char **ret_why)
{
    size_t before = sni->name_count;

    add_names(sni, ctx);
    SSL_CTX *twin = find_twin(sni, ctx);
    if (twin) {
        while (sni->name_count > before)
            free(sni->names[--sni->name_count].text);
        return tls_ctx_load_certificate(twin, files->cert_path, files->key_path, ret_why);
    }
    sni->contexts = xrealloc(sni->contexts, (sni->context_count + 1) * sizeof(*sni->contexts));
    SSL_CTX_up_ref(ctx);
    sni->contexts[sni->context_count++] = ctx;
    return 0;
}

void tls_sni_seal(struct tls_sni *sni)
{
    size_t kept = 0;

    if (sni->name_count == 0)
        return;
    qsort(sni->names, sni->name_count, sizeof(*sni->names), compare_names);
    for (size_t i = 0; i < sni->name_count; i++) {
        if (kept > 0 && strcmp(sni->names[kept - 1].text, sni->names[i].text) == 0)
            free(sni->names[i].text);
        else
            sni->names[kept++] = sni->names[i];
    }
    sni->name_count = kept;
}

static int compare_to_text(const void *key, const void *element)
{
    return strcmp(key, ((const struct sni_name *)element)->text);
}

static SSL_CTX *lookup(const struct tls_sni *sni, const char *text)
{
    const struct sni_name *found =
        bsearch(text, sni->names, sni->name_count, sizeof(*sni->names), compare_to_text);

    return found ? found->ctx : NULL;
}

SSL_CTX *tls_sni_find(const struct tls_sni *sni, const char *name)
{
    char text[NAME_BYTES];
    size_t n = strlen(name);

    if (n > 0 && name[n - 1] == '.')
        n--;
    if (n == 0 || n >= sizeof(text) || sni->name_count == 0)
        return NULL;
    for (size_t i = 0; i < n; i++)
        text[i] = ascii_lower(name[i]);
    text[n] = '\0';
    SSL_CTX *ctx = lookup(sni, text);
    char *dot = strchr(text, '.');
    if (ctx || !dot || dot == text)
        return ctx;
    /* The label before the dot has at least one character, so the asterisk has room. */
    dot[-1] = '*';
    return lookup(sni, dot - 1);
}

SSL_CTX *tls_sni_default(const struct tls_sni *sni)
{
    return sni->contexts[0];
}
