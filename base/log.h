/*
 * The operator's log: one line per fact on standard error.
 *
 * For rare events only; the access log is a different room (proxy/access_log.h). Thread-safe; a
 * line is one write(2), so lines of threads never mix. Never blocks: while standard error takes
 * nothing, lines are lost, counted, and the loss is logged when it does again. systemd's journal is
 * told each line's priority.
 */
#ifndef EVERGATE_BASE_LOG_H
#define EVERGATE_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `json`: {"time","level","message"} lines instead of "TIME level evergate: message". May be called
 * again (a reload). Before the first call: info, text. */
void log_init(enum log_level level, bool json);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* At most one line a second per `limiter`; the next line that gets through says how many were
 * suppressed. A limiter is static and zero-initialised. */
struct log_limiter {
    _Atomic unsigned long long next_us;
    _Atomic unsigned suppressed;
};
void log_warn_limited(struct log_limiter *limiter, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The limiter's decision alone, for whoever has a line that is not a warning. True: log it, and
 * *ret_suppressed lines were held back before it. */
bool log_limiter_pass(struct log_limiter *limiter, uint64_t now_us, unsigned *ret_suppressed);

enum { LOG_LINE_BYTES = 4096 }; /* at most PIPE_BUF, so that a pipe takes a line whole or not */

/* One line with its newline, as log_* write it, into `out`; returns its size. A message that is too
 * long is cut. Control characters are escaped: a message may quote what a stranger sent, and must
 * not be able to forge a line or reach a terminal. Pure. */
size_t log_format(char out[LOG_LINE_BYTES], enum log_level level, bool json, uint64_t wall_us,
                  struct slice message);

#endif
