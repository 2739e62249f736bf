/* The bounded byte queue, see bytes.h. */
#include "net/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"

enum { BYTES_MIN_CAPACITY = 512 };

void bytes_init(struct bytes *b, size_t limit_bytes)
{
    *b = (struct bytes){.limit = limit_bytes};
}

void bytes_fini(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){.limit = b->limit};
}

/* A new block instead of realloc: what was consumed need not be copied. */
static void bytes_grow(struct bytes *b, size_t need)
{
    size_t capacity = b->capacity ? b->capacity : BYTES_MIN_CAPACITY;

    while (capacity < need)
        capacity *= 2;
    char *data = xmalloc(capacity);
    if (b->size > 0)
        memcpy(data, b->data + b->head, b->size);
    free(b->data);
    b->data = data;
    b->head = 0;
    b->capacity = capacity;
}

int bytes_append(struct bytes *b, const char *p, size_t n)
{
    if (n > b->limit - b->size)
        return EG_E_OVERLOAD;
    if (n == 0)
        return 0;
    size_t need = b->size + n;
    if (need > b->capacity) {
        bytes_grow(b, need);
    } else if (need > b->capacity - b->head) {
        memmove(b->data, b->data + b->head, b->size);
        b->head = 0;
    }
    memcpy(b->data + b->head + b->size, p, n);
    b->size = need;
    return 0;
}

void bytes_consume(struct bytes *b, size_t n)
{
    CHECK(n <= b->size);
    b->head += n;
    b->size -= n;
    if (b->size == 0)
        bytes_fini(b);
}
