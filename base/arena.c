/* Bump allocation: see arena.h. */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { ARENA_BLOCK_BYTES = 4000 }; /* with malloc's header, under one page */

struct arena_block {
    struct arena_block *next;
    _Alignas(16) char data[];
};

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
}

void arena_fini(struct arena *arena)
{
    struct arena_block *next;

    for (struct arena_block *b = arena->blocks; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    arena_init(arena);
}

static void arena_grow(struct arena *arena, size_t size_bytes)
{
    size_t capacity = ARENA_BLOCK_BYTES - sizeof(struct arena_block);
    struct arena_block *b;

    if (size_bytes > capacity)
        capacity = size_bytes;
    b = xmalloc(sizeof(*b) + capacity);
    b->next = arena->blocks;
    arena->blocks = b;
    arena->next = b->data;
    arena->end = b->data + capacity;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
    /* At least one: "never NULL" holds for nothing in an empty arena, too. */
    size_t rounded = ((size_bytes > 0 ? size_bytes : 1) + 15) & ~(size_t)15;
    void *p;

    if ((size_t)(arena->end - arena->next) < rounded)
        arena_grow(arena, rounded);
    p = arena->next;
    arena->next += rounded;
    return p;
}

void *arena_zalloc(struct arena *arena, size_t size_bytes)
{
    return memset(arena_alloc(arena, size_bytes), 0, size_bytes);
}

struct slice arena_dup(struct arena *arena, struct slice s)
{
    char *copy = arena_alloc(arena, s.n + 1);

    if (s.n > 0)
        memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    return (struct slice){copy, s.n};
}

const char *arena_vformat(struct arena *arena, const char *format, va_list args)
{
    char *text = xvasprintf(format, args);
    const char *kept = arena_dup(arena, slice_str(text)).p;

    free(text);
    return kept;
}

const char *arena_format(struct arena *arena, const char *format, ...)
{
    const char *text;
    va_list args;

    va_start(args, format);
    text = arena_vformat(arena, format, args);
    va_end(args);
    return text;
}
