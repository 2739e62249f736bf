/* A worker's ring of access log lines: see access_log_ring.h. */
#include "proxy/access_log_ring.h"

#include <stdlib.h>

#include "base/alloc.h"

static size_t power_of_two_from(size_t n)
{
    size_t p = 4096;

    while (p < n)
        p *= 2;
    return p;
}

void access_log_ring_init(struct access_log_ring *ring, struct access_log *log,
                          size_t capacity_bytes)
{
    memset(ring, 0, sizeof(*ring));
    ring->log = log;
    ring->capacity = power_of_two_from(capacity_bytes);
    ring->bytes = xmalloc(ring->capacity);
    ring->line = xmalloc(ACCESS_LOG_LINE_BYTES);
}

void access_log_ring_fini(struct access_log_ring *ring)
{
    free(ring->bytes);
    free(ring->line);
}

static void count_drop(struct access_log_ring *ring)
{
    uint64_t dropped = atomic_load_explicit(&ring->dropped, memory_order_relaxed);

    atomic_store_explicit(&ring->dropped, dropped + 1, memory_order_relaxed);
}

bool access_log_ring_put(struct access_log_ring *ring, struct slice line)
{
    uint64_t written = atomic_load_explicit(&ring->written, memory_order_relaxed);
    size_t at = (size_t)written & (ring->capacity - 1);
    size_t first = ring->capacity - at < line.n ? ring->capacity - at : line.n;

    /* The consumer's cache line is only fetched when the ring looks full. */
    if (ring->capacity - (size_t)(written - ring->read_seen) < line.n)
        ring->read_seen = atomic_load_explicit(&ring->read, memory_order_acquire);
    if (ring->capacity - (size_t)(written - ring->read_seen) < line.n) {
        count_drop(ring);
        return false;
    }
    memcpy(ring->bytes + at, line.p, first);
    memcpy(ring->bytes, line.p + first, line.n - first);
    /* Sequentially consistent, and so is the load in peek: the worker then asks whether the writer
     * sleeps, and the writer, having said that it does, looks once more for lines. One of the two
     * must see the other. */
    atomic_store(&ring->written, written + line.n);
    return true;
}

static size_t used_as_seen(const struct access_log_ring *ring)
{
    return (size_t)(atomic_load_explicit(&ring->written, memory_order_relaxed) - ring->read_seen);
}

bool access_log_ring_half_full(struct access_log_ring *ring)
{
    if (used_as_seen(ring) <= ring->capacity / 2)
        return false;
    ring->read_seen = atomic_load_explicit(&ring->read, memory_order_acquire);
    return used_as_seen(ring) > ring->capacity / 2;
}

struct access_log_pieces access_log_ring_peek(const struct access_log_ring *ring)
{
    uint64_t written = atomic_load(&ring->written);
    uint64_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);
    size_t size = (size_t)(written - read);
    size_t at = (size_t)read & (ring->capacity - 1);
    size_t first = ring->capacity - at < size ? ring->capacity - at : size;

    return (struct access_log_pieces){
        {slice_from(ring->bytes + at, first), slice_from(ring->bytes, size - first)}};
}

void access_log_ring_consume(struct access_log_ring *ring, size_t size_bytes)
{
    uint64_t read = atomic_load_explicit(&ring->read, memory_order_relaxed);

    atomic_store_explicit(&ring->read, read + size_bytes, memory_order_release);
}
