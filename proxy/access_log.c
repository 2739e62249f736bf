/* The access log's outside: starting, stopping, and the worker's write. See access_log.h. */
#include "proxy/access_log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/thread.h"
#include "proxy/access_log_writer.h"

/* How texts are cut when a line does not fit otherwise: what helps with one huge text, and what
 * makes it fit even if all of them are huge and every byte is escaped to six. */
enum { TEXT_CUT_BYTES = 2048, TEXT_CUT_ALL_BYTES = 160 };

static int open_target(struct access_log *log, const struct config *config, char **ret_why)
{
    struct stat st;

    log->fd = -1;
    if (log->target == CONFIG_ACCESS_FILE) {
        log->path = xstrdup(config->log.access_path);
        log->fd = access_log_open_file(log->path);
    } else {
        log->fd = log->target == CONFIG_ACCESS_STDERR ? STDERR_FILENO : STDOUT_FILENO;
    }
    if (log->fd < 0 || fstat(log->fd, &st) < 0) {
        *ret_why = xasprintf("access log %s: %s", log->path ? log->path : "on standard output",
                             strerror(errno));
        return EG_E_INTERNAL;
    }
    log->regular = S_ISREG(st.st_mode);
    return EG_OK;
}

static void log_free(struct access_log *log)
{
    for (unsigned i = 0; i < log->ring_count; i++)
        access_log_ring_fini(&log->rings[i]);
    free(log->rings);
    if (log->wake_fd >= 0)
        close(log->wake_fd);
    if (log->target == CONFIG_ACCESS_FILE && log->fd >= 0)
        close(log->fd);
    free(log->path);
    free(log);
}

/* For the cache lines that the struct's members ask for. */
static void *aligned_zalloc(size_t count, size_t size_bytes)
{
    void *p = aligned_alloc(64, count * size_bytes);

    if (!p)
        abort();
    memset(p, 0, count * size_bytes);
    return p;
}

int access_log_start(struct access_log **ret_log, const struct config *config, unsigned workers,
                     char **ret_why)
{
    struct access_log *log;
    int rc;

    *ret_log = NULL;
    if (config->log.access == CONFIG_ACCESS_OFF)
        return EG_OK;
    log = aligned_zalloc(1, sizeof(*log));
    log->json = config->log.json;
    log->target = config->log.access;
    log->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    log->rings = aligned_zalloc(workers, sizeof(*log->rings));
    for (; log->ring_count < workers; log->ring_count++)
        access_log_ring_init(&log->rings[log->ring_count], log, config->log.buffer_bytes);
    rc = open_target(log, config, ret_why);
    if (rc != EG_OK) {
        log_free(log);
        return rc;
    }
    rc = log->wake_fd < 0 ? EG_E_INTERNAL
                          : thread_start(&log->thread, "access-log", access_log_writer_main, log);
    if (rc != EG_OK) {
        *ret_why = xstrdup("access log: cannot start its thread");
        log_free(log);
        return rc;
    }
    *ret_log = log;
    return EG_OK;
}

void access_log_stop(struct access_log **log)
{
    if (!*log)
        return;
    atomic_store(&(*log)->stop, true);
    access_log_writer_wake(*log);
    pthread_join((*log)->thread, NULL);
    log_free(*log);
    *log = NULL;
}

void access_log_reopen(struct access_log *log)
{
    atomic_store(&log->reopen, true);
    access_log_writer_wake(log);
}

struct access_log_ring *access_log_ring(struct access_log *log, unsigned worker)
{
    return &log->rings[worker];
}

uint64_t access_log_dropped(const struct access_log *log)
{
    uint64_t dropped = atomic_load_explicit(&log->lost, memory_order_relaxed);

    for (unsigned i = 0; i < log->ring_count; i++)
        dropped += atomic_load_explicit(&log->rings[i].dropped, memory_order_relaxed);
    return dropped;
}

/* A line that does not fit has a huge target or header: its texts are cut, since a short record is
 * better than none. */
static size_t format_cut(struct access_log_ring *ring, const struct access_log_line *line,
                         size_t limit)
{
    struct access_log_line cut = *line;
    struct slice *texts[] = {&cut.request_id, &cut.client,   &cut.listener,   &cut.route,
                             &cut.pool,       &cut.endpoint, &cut.method,     &cut.host,
                             &cut.path,       &cut.protocol, &cut.error_type, &cut.error,
                             &cut.user_agent, &cut.trace_id};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i]->n > limit)
            texts[i]->n = limit;
    return access_log_format(&cut, ring->log->json, ring->line, ACCESS_LOG_LINE_BYTES);
}

bool access_log_write(struct access_log_ring *ring, const struct access_log_line *line)
{
    size_t size = access_log_format(line, ring->log->json, ring->line, ACCESS_LOG_LINE_BYTES);
    bool fits;

    if (size == 0)
        size = format_cut(ring, line, TEXT_CUT_BYTES);
    if (size == 0)
        size = format_cut(ring, line, TEXT_CUT_ALL_BYTES);
    fits = access_log_ring_put(ring, slice_from(ring->line, size));
    access_log_writer_notify(ring->log, access_log_ring_half_full(ring));
    return fits;
}
