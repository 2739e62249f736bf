/*
 * The access log: one line per exchange, written without ever blocking a worker.
 *
 * Each worker formats its line into a ring of its own (one producer, one consumer, no lock); a
 * writer thread empties the rings with large writes. A ring that is full drops the line and counts
 * it: traffic goes before its record. The ring's size is the bound (log.buffer, default 1 MiB per
 * worker).
 */
#ifndef EVERGATE_PROXY_ACCESS_LOG_H
#define EVERGATE_PROXY_ACCESS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"
#include "config/config.h"

struct access_log;
struct access_log_ring;

/* One line, in the contract's order (section 5). Empty slices are written as null (JSON) or "-"
 * (text). */
struct access_log_line {
    uint64_t time_us; /* wall clock */
    struct slice request_id, client, listener, route, pool, endpoint;
    unsigned attempts;
    struct slice method, host, path, protocol;
    int status;
    struct slice error_type; /* empty: none */
    struct slice error;      /* the sentence of the error table; extension of the contract */
    uint64_t bytes_in, bytes_out;
    uint64_t total_us;
    int64_t connect_us, first_byte_us; /* -1: did not happen (a reused connection has no connect) */
    struct slice user_agent, trace_id;
};

/* Opens the target and starts the writer thread. *ret_log is NULL for CONFIG_ACCESS_OFF.
 * EG_E_INTERNAL with a sentence in *ret_why (heap) when the file cannot be opened. */
int access_log_start(struct access_log **ret_log, const struct config *config, unsigned workers,
                     char **ret_why) WARN_UNUSED;
/* Writes out what is in the rings, then closes. NULL is fine. */
void access_log_stop(struct access_log **log);
void access_log_reopen(
    struct access_log *log); /* SIGUSR1; any thread; a failure keeps the old file and logs */
struct access_log_ring *access_log_ring(struct access_log *log, unsigned worker);
uint64_t access_log_dropped(const struct access_log *log);

/* The worker's thread only. False: dropped. */
bool access_log_write(struct access_log_ring *ring, const struct access_log_line *line);

/* Formats one line with its newline; returns the size, or 0 when it does not fit. Strings are
 * escaped (JSON; \xHH in text). Pure. */
size_t access_log_format(const struct access_log_line *line, bool json, char *out, size_t capacity);

#endif
