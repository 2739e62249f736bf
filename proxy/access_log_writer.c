/* The access log's writer thread: see access_log_writer.h. */
#include "proxy/access_log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* A FIFO is opened without waiting for somebody who reads it (fifo(7)): a start, a reload and the
 * end would wait with us. With a reading end of our own it takes what fits until somebody does. */
int access_log_open_file(const char *path)
{
    const int flags = O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int fd = open(path, O_WRONLY | flags, 0640);

    return fd < 0 && errno == ENXIO ? open(path, O_RDWR | flags, 0640) : fd;
}

void access_log_writer_wake(struct access_log *log)
{
    /* Fails only when the counter is at its limit, and then the writer is awake. */
    (void)!eventfd_write(log->wake_fd, 1);
}

void access_log_writer_notify(struct access_log *log, bool half_full)
{
    enum access_log_writer_state state = atomic_load(&log->state);

    if (state == WRITER_BUSY || (state == WRITER_NAPPING && !half_full))
        return;
    if (atomic_compare_exchange_strong(&log->state, &state, WRITER_BUSY))
        access_log_writer_wake(log);
}

/* Logged by the writer, so that a flood of drops costs the workers nothing. */
static void tell_drops(struct access_log *log, bool last)
{
    uint64_t dropped = access_log_dropped(log), now_us = clock_monotonic_us();

    if (dropped == log->dropped_told || (!last && now_us - log->dropped_told_us < 1000000))
        return;
    log_warn("access log: %llu lines dropped since the last such message: its target is too slow "
             "or fails",
             (unsigned long long)(dropped - log->dropped_told));
    log->dropped_told = dropped;
    log->dropped_told_us = now_us;
}

static bool out_of_time(struct access_log *log)
{
    if (!atomic_load_explicit(&log->stop, memory_order_relaxed))
        return false;
    if (log->stop_by_us == 0)
        log->stop_by_us = clock_monotonic_us() + ACCESS_LOG_STOP_MS * 1000u;
    return clock_monotonic_us() >= log->stop_by_us;
}

/* A pipe, terminal or socket: waits until it takes a piece without blocking, so that a reader that
 * stopped cannot hold up the end of the process. False: out of time. */
static bool wait_writable(struct access_log *log)
{
    struct pollfd p = {.fd = log->fd, .events = POLLOUT};

    for (;;) {
        if (poll(&p, 1, 100) > 0)
            return true;
        tell_drops(log, false);
        if (out_of_time(log))
            return false;
    }
}

/* ---- Pieces: what of a ring is to be written ---- */

static size_t pieces_size(const struct access_log_pieces *pieces)
{
    return pieces->v[0].n + pieces->v[1].n;
}

static char pieces_at(const struct access_log_pieces *pieces, size_t i)
{
    return i < pieces->v[0].n ? pieces->v[0].p[i] : pieces->v[1].p[i - pieces->v[0].n];
}

static void pieces_drop(struct access_log_pieces *pieces, size_t size)
{
    size_t first = size < pieces->v[0].n ? size : pieces->v[0].n;

    pieces->v[0] = slice_from(pieces->v[0].p + first, pieces->v[0].n - first);
    pieces->v[1] = slice_from(pieces->v[1].p + (size - first), pieces->v[1].n - (size - first));
}

/*
 * How much goes into one write: whole lines, since others may write to the same target (the log of
 * the configuration before, the process of an upgrade), and a write is what is not mixed with
 * theirs. Of a pipe that holds for PIPE_BUF bytes (pipe(7)), which is also what POLLOUT promises
 * not to block; a line longer than that may be mixed.
 */
static size_t pieces_next(const struct access_log *log, const struct access_log_pieces *pieces)
{
    size_t size = pieces_size(pieces), whole = ACCESS_LOG_PIPE_BYTES;

    if (log->regular || size <= ACCESS_LOG_PIPE_BYTES)
        return size;
    while (whole > 0 && pieces_at(pieces, whole - 1) != '\n')
        whole--;
    return whole > 0 ? whole : ACCESS_LOG_PIPE_BYTES;
}

static ssize_t pieces_write(int fd, const struct access_log_pieces *pieces, size_t size)
{
    size_t first = size < pieces->v[0].n ? size : pieces->v[0].n;
    const struct iovec vectors[] = {{(char *)pieces->v[0].p, first},
                                    {(char *)pieces->v[1].p, size - first}};

    return writev(fd, vectors, 2);
}

/* ---- Writing ---- */

static void count_lost(struct access_log *log, const struct access_log_pieces *pieces)
{
    uint64_t lines = 0;

    for (size_t i = 0; i < pieces_size(pieces); i++)
        lines += pieces_at(pieces, i) == '\n';
    atomic_fetch_add_explicit(&log->lost, lines, memory_order_relaxed);
}

static void write_out(struct access_log *log, struct access_log_ring *ring,
                      struct access_log_pieces pieces)
{
    static struct log_limiter failed;

    while (pieces_size(&pieces) > 0) {
        ssize_t n;

        if (!log->regular && !wait_writable(log))
            break;
        n = pieces_write(log->fd, &pieces, pieces_next(log, &pieces));
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0) {
            log_warn_limited(&failed, "access log: cannot write: %s; lines are lost",
                             strerror(errno));
            break;
        }
        pieces_drop(&pieces, (size_t)n);
        access_log_ring_consume(ring, (size_t)n);
    }
    count_lost(log, &pieces);
    access_log_ring_consume(ring, pieces_size(&pieces));
}

/* True when there was something. A ring is written to its end before the next, since lines of
 * different rings must not mix. */
static bool drain_rings(struct access_log *log)
{
    bool any = false;

    for (unsigned i = 0; i < log->ring_count; i++) {
        struct access_log_pieces pieces = access_log_ring_peek(&log->rings[i]);

        if (pieces_size(&pieces) == 0)
            continue;
        any = true;
        write_out(log, &log->rings[i], pieces);
    }
    return any;
}

static bool rings_empty(const struct access_log *log)
{
    for (unsigned i = 0; i < log->ring_count; i++)
        if (access_log_ring_peek(&log->rings[i]).v[0].n > 0)
            return false;
    return true;
}

static void wait_woken(struct access_log *log, enum access_log_writer_state state, int timeout_ms)
{
    struct pollfd p = {.fd = log->wake_fd, .events = POLLIN};
    eventfd_t count;

    atomic_store(&log->state, state);
    if (state == WRITER_NAPPING || rings_empty(log))
        if (poll(&p, 1, timeout_ms) > 0)
            (void)!eventfd_read(log->wake_fd, &count);
    atomic_store(&log->state, WRITER_BUSY);
}

static void reopen_if_asked(struct access_log *log)
{
    int fd;

    if (!atomic_exchange(&log->reopen, false) || log->target != CONFIG_ACCESS_FILE)
        return;
    fd = access_log_open_file(log->path);
    if (fd < 0) {
        log_error("access log: cannot reopen %s: %s; the old file stays in use", log->path,
                  strerror(errno));
        return;
    }
    close(log->fd);
    log->fd = fd;
    log_info("access log: reopened %s", log->path);
}

void *access_log_writer_main(void *arg)
{
    struct access_log *log = arg;

    for (;;) {
        /* Read before the rings: what was put before the stop is then certainly seen. */
        bool stop = atomic_load(&log->stop), any = drain_rings(log);

        tell_drops(log, stop);
        reopen_if_asked(log);
        if (stop)
            return NULL;
        if (any)
            wait_woken(log, WRITER_NAPPING, ACCESS_LOG_NAP_MS);
        else
            wait_woken(log, WRITER_SLEEPING,
                       access_log_dropped(log) > log->dropped_told ? 1000 : -1);
    }
}
