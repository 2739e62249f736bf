/* See certificate_file.h. */
#include "config/certificate_file.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/alloc.h"
#include "config/files_internal.h"

enum { CERTIFICATE_FILE_MAX_BYTES = 4 * 1024 * 1024 };

static int64_t seconds_of(const ASN1_TIME *when)
{
    struct tm tm;

    return ASN1_TIME_to_tm(when, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

/* The "CA Issuers" of RFC 5280 section 4.2.2.1. */
static bool names_issuer(const X509 *leaf)
{
    AUTHORITY_INFO_ACCESS *access = X509_get_ext_d2i(leaf, NID_info_access, NULL, NULL);
    bool found = false;

    for (int i = 0; i < sk_ACCESS_DESCRIPTION_num(access) && !found; i++)
        found = OBJ_obj2nid(sk_ACCESS_DESCRIPTION_value(access, i)->method) == NID_ad_ca_issuers;
    AUTHORITY_INFO_ACCESS_free(access);
    return found;
}

static unsigned count_rest(BIO *bio)
{
    unsigned count = 0;
    X509 *next;

    for (; (next = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL; count++)
        X509_free(next);
    return count;
}

int certificate_file_read(struct certificate_file *ret_file, const char *path, char **ret_why)
{
    struct whole_file content;
    BIO *bio;
    X509 *leaf;

    if (!config_file_read(&content, NULL, path, CERTIFICATE_FILE_MAX_BYTES, ret_why))
        return EG_E_INTERNAL;
    bio = BIO_new_mem_buf(content.text, (int)content.size);
    leaf = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (leaf != NULL)
        *ret_file = (struct certificate_file){
            .leaf = leaf,
            .not_before_s = seconds_of(X509_get0_notBefore(leaf)),
            .not_after_s = seconds_of(X509_get0_notAfter(leaf)),
            .count = 1 + count_rest(bio),
            .self_issued =
                X509_NAME_cmp(X509_get_subject_name(leaf), X509_get_issuer_name(leaf)) == 0,
            .names_issuer = names_issuer(leaf),
        };
    else
        *ret_why = xstrdup("it holds no certificate");
    BIO_free(bio);
    free(content.text);
    ERR_clear_error();
    return leaf != NULL ? EG_OK : EG_E_INTERNAL;
}

void certificate_file_fini(struct certificate_file *file)
{
    X509_free(file->leaf);
    file->leaf = NULL;
}

bool certificate_file_is_for(const struct certificate_file *file, const char *host)
{
    return X509_check_host(file->leaf, host, strlen(host), 0, NULL) == 1 ||
           X509_check_ip_asc(file->leaf, host, 0) == 1;
}
