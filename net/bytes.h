/*
 * A bounded byte queue: what arrived and is not consumed, or was accepted and is not sent.
 *
 * Costs no memory while it is empty (an idle connection holds none). Contiguous, so that a parser
 * sees its bytes in one piece. The limit is given when it is made and is never passed.
 */
#ifndef EVERGATE_NET_BYTES_H
#define EVERGATE_NET_BYTES_H

#include <stddef.h>

#include "base/error.h"

struct bytes {
    char *data;  /* heap; NULL while empty */
    size_t head; /* first byte not consumed */
    size_t size; /* bytes behind head */
    size_t capacity;
    size_t limit; /* size never exceeds it */
};

void bytes_init(struct bytes *b, size_t limit_bytes);
void bytes_fini(struct bytes *b);

static inline const char *bytes_data(const struct bytes *b)
{
    return b->data + b->head;
}

/* 0, or EG_E_OVERLOAD when it would pass the limit; nothing is appended then. */
int bytes_append(struct bytes *b, const char *p, size_t n) WARN_UNUSED;

/* Drops `n` bytes (n <= size) from the front; frees the memory when nothing is left. */
void bytes_consume(struct bytes *b, size_t n);

#endif
