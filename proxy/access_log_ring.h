/*
 * A ring of bytes with one producer (a worker) and one consumer (the access log's writer), without
 * a lock. Insiders of the access log only.
 *
 * A line goes in whole or not at all, so what is between `read` and `written` always ends with a
 * complete line. Both positions only grow; their difference is what is stored.
 */
#ifndef EVERGATE_PROXY_ACCESS_LOG_RING_H
#define EVERGATE_PROXY_ACCESS_LOG_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

/* A line longer than this has its longest texts cut. */
enum { ACCESS_LOG_LINE_BYTES = 16 * 1024 };

struct access_log;

struct access_log_ring {
    struct access_log *log;
    char *bytes;
    size_t capacity; /* a power of two */

    /* The producer's cache line. */
    _Alignas(64) _Atomic uint64_t written;
    uint64_t read_seen; /* the consumer's position when last looked at */
    _Atomic uint64_t dropped;
    char *line; /* where a line is formatted before its size is known */

    /* The consumer's cache line. */
    _Alignas(64) _Atomic uint64_t read;
};

/* `capacity_bytes` is rounded up to a power of two. */
void access_log_ring_init(struct access_log_ring *ring, struct access_log *log,
                          size_t capacity_bytes);
void access_log_ring_fini(struct access_log_ring *ring);

/* Producer. False: there is no room; the line was counted as dropped. */
bool access_log_ring_put(struct access_log_ring *ring, struct slice line);

/* Producer: it is time that the consumer looks. */
bool access_log_ring_half_full(struct access_log_ring *ring);

/* Consumer: what is stored now, in up to two pieces; empty slices where there is nothing. Valid
 * until access_log_ring_consume. */
struct access_log_pieces {
    struct slice v[2];
};
struct access_log_pieces access_log_ring_peek(const struct access_log_ring *ring);
void access_log_ring_consume(struct access_log_ring *ring, size_t size_bytes);

#endif
