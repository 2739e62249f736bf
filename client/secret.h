/*
 * A password that stands in a file, for checks that must log in.
 *
 * It is read when the pool's checks are made, and again after a server refused it: so a password
 * that was changed on both sides needs no reload.
 */
#ifndef EVERGATE_CLIENT_SECRET_H
#define EVERGATE_CLIENT_SECRET_H

#include "base/error.h"
#include "base/slice.h"

enum { SECRET_MAX_BYTES = 1024 };

struct secret {
    char *path; /* heap; NULL: there is no password */
    char *text; /* heap, NUL-terminated; NULL: none */
    size_t size;
};

/* Without a path that is all. 0, or EG_E_INTERNAL with a sentence in *ret_why (heap) that names the
 * file. White space at either end is not part of a password. After a failure, too, secret_fini is
 * due. */
int secret_init(struct secret *secret, const char *path, char **ret_why) WARN_UNUSED;
void secret_fini(struct secret *secret); /* overwrites it */

/* Reads the file again; what cannot be read leaves the password as it was. */
void secret_refresh(struct secret *secret);

static inline struct slice secret_slice(const struct secret *secret)
{
    return slice_from(secret->text, secret->size);
}

#endif
