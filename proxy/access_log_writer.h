/*
 * The access log's writer: one thread that empties the workers' rings into the target. Insiders of
 * the access log only.
 *
 * Waking it costs the worker a system call, so it is rarely needed: the writer that found
 * something to write naps for a moment before it looks again, and only a writer that found nothing
 * after a nap goes to sleep until it is woken. Under load the workers never wake it.
 *
 *              lines ┌──────────────┐ nothing
 *   BUSY ─► NAPPING ─┴─► BUSY       └─► SLEEPING ─► (woken by the next line) BUSY
 *             └ woken when a ring is half full
 */
#ifndef EVERGATE_PROXY_ACCESS_LOG_WRITER_H
#define EVERGATE_PROXY_ACCESS_LOG_WRITER_H

#include <pthread.h>

#include "proxy/access_log.h"
#include "proxy/access_log_ring.h"

enum {
    ACCESS_LOG_NAP_MS = 20,
    ACCESS_LOG_STOP_MS = 2000, /* how long a reader that does not read can hold up the exit */
    ACCESS_LOG_PIPE_BYTES = 4096,
};

enum access_log_writer_state { WRITER_BUSY, WRITER_NAPPING, WRITER_SLEEPING };

struct access_log {
    struct access_log_ring *rings;
    unsigned ring_count;
    bool json;
    enum config_access_target target;
    char *path; /* CONFIG_ACCESS_FILE */

    pthread_t thread;
    int wake_fd; /* an eventfd */
    _Alignas(64) _Atomic enum access_log_writer_state state;
    _Atomic bool reopen, stop;

    /* The writer's own. */
    int fd;
    bool regular;          /* a file: writes do not block for long */
    uint64_t stop_by_us;   /* 0: not stopping */
    _Atomic uint64_t lost; /* lines that came out of a ring but could not be written */
    uint64_t dropped_told, dropped_told_us;
};

/* The worker's side: wakes the writer when it must be. */
void access_log_writer_notify(struct access_log *log, bool half_full);

/* Any thread. */
void access_log_writer_wake(struct access_log *log);

/* -1 with errno. */
int access_log_open_file(const char *path);

void *access_log_writer_main(void *log);

#endif
