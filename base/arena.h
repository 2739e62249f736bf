/*
 * A bump arena: many small allocations of one lifetime, freed together.
 *
 * An exchange (one request and its answer) keeps all it must remember in one arena, so that a
 * request costs one malloc in the usual case. Not thread-safe; owned by one worker.
 */
#ifndef EVERGATE_BASE_ARENA_H
#define EVERGATE_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "base/slice.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    char *next, *end;           /* free space of the newest block */
};

/* Allocates nothing yet and cannot fail. */
void arena_init(struct arena *arena);

/* Frees everything at once. The arena is as after arena_init. */
void arena_fini(struct arena *arena);

/* Suitably aligned, uninitialised; never NULL: running out of memory ends the process with a
 * message, since every caller's size is bounded by a configured limit. */
void *arena_alloc(struct arena *arena, size_t size_bytes);
void *arena_zalloc(struct arena *arena, size_t size_bytes);

/* A copy with a NUL behind it (not counted in .n). */
struct slice arena_dup(struct arena *arena, struct slice s);

/* As printf, of whatever length. */
const char *arena_vformat(struct arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
const char *arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
