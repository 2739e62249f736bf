/* Reading the files that a configuration names. Insiders of config/ only. */
#ifndef EVERGATE_CONFIG_FILES_INTERNAL_H
#define EVERGATE_CONFIG_FILES_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/whole_file.h"
#include "config/config.h"

struct config_diag;

/* False with a sentence in *ret_why (heap) when it is no regular file, cannot be read, is larger
 * than `limit_bytes` or holds a NUL. Never blocks on FIFOs or devices. That it was looked at is
 * noted in `diag` (NULL: nobody wants to know). */
bool config_file_read(struct whole_file *ret_content, struct config_diag *diag, const char *path,
                      size_t limit_bytes, char **ret_why);

/* The same for files that need not be text: NULs may be in it. */
bool config_file_read_bytes(struct whole_file *ret_content, struct config_diag *diag,
                            const char *path, size_t limit_bytes, char **ret_why);

/* SHA-256: it tells nothing of a key or a secret but whether it is the one of before. */
struct config_digest config_digest_of(const struct whole_file *content);

#endif
