/*
 * The operator's log: one line per fact on standard error (or what log_open was given).
 *
 * For rare events only; the access log is a different room (proxy/access_log.h). Thread-safe; a
 * line is one write(2), so lines of threads never mix.
 */
#ifndef EVERGATE_BASE_LOG_H
#define EVERGATE_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* `json`: {"time","level","message"} lines instead of text. May be called again (a reload). */
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

#endif
