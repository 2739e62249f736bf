/* RFC 4648 section 4: certificates in a kubeconfig, keys and values of etcd's gateway. Pure. */
#ifndef EVERGATE_DISCOVERY_BASE64_H
#define EVERGATE_DISCOVERY_BASE64_H

#include <stddef.h>

#include "base/slice.h"

/* Heap, NUL-terminated. At most INT_MAX / 2 bytes. */
char *base64_encode(struct slice bytes);

/* Heap, *ret_size bytes and a NUL behind them; what they say may have others. White space is not
 * minded, since YAML folds long lines. NULL: it is no padded base64. */
char *base64_decode(struct slice text, size_t *ret_size);

#endif
