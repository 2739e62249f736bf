/*
 * What a certificate's file says of itself: until when it is good, for whom, by whom. For telling
 * operators; whether a file can be served from is config_load's to judge.
 *
 * Reads files, sends nothing. One thread at a time per object.
 */
#ifndef EVERGATE_CONFIG_CERTIFICATE_FILE_H
#define EVERGATE_CONFIG_CERTIFICATE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct certificate_file {
    struct x509_st *leaf;              /* the first one of the file */
    int64_t not_before_s, not_after_s; /* of the leaf; since 1970 */
    unsigned count;                    /* certificates in the file */
    bool self_issued;                  /* an authority's own, or a self-signed one */
    bool names_issuer;                 /* tells where its issuer's certificate can be fetched */
};

/* 0, or EG_E_INTERNAL with a sentence in *ret_why (heap) that does not name the file. */
int certificate_file_read(struct certificate_file *ret_file, const char *path,
                          char **ret_why) WARN_UNUSED;
void certificate_file_fini(struct certificate_file *file);

/* Would a client that asked for `host` accept its names (RFC 6125 section 6.4)? */
bool certificate_file_is_for(const struct certificate_file *file, const char *host);

#endif
