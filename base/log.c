/* The operator's log: see log.h. */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/timestamp.h"

enum { LOG_MESSAGE_BYTES = 2048, LOG_LIMIT_US = 1000000, JOURNAL_PREFIX_BYTES = 3 };

static _Atomic enum log_level log_threshold = LOG_LEVEL_INFO;
static _Atomic bool log_json;
static _Atomic bool log_to_journal;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

/* sd-daemon(3): what the journal takes a line's priority from; it does not keep it. */
static const char *const journal_prefixes[] = {"<3>", "<4>", "<6>", "<7>"};

/* systemd.exec(5), $JOURNAL_STREAM: which file the journal reads. The variable alone says little: a
 * shell may have sent our standard error elsewhere since. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat status;
    char ours[64];

    if (stream == NULL || fstat(STDERR_FILENO, &status) < 0)
        return false;
    snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return strcmp(stream, ours) == 0;
}

void log_init(enum log_level level, bool json)
{
    atomic_store(&log_threshold, level);
    atomic_store(&log_json, json);
    atomic_store(&log_to_journal, stderr_is_journal());
}

static char *append(char *out, const char *text)
{
    size_t n = strlen(text);

    memcpy(out, text, n);
    return out + n;
}

/* Control characters as \xHH; everything else as it is. */
static char *append_printable(char *out, const char *end, struct slice s)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < s.n && end - out >= 4; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c >= 0x20 && c != 0x7f) {
            *out++ = (char)c;
            continue;
        }
        out = append(out, "\\x");
        *out++ = hex[c >> 4];
        *out++ = hex[c & 15];
    }
    return out;
}

static char *format_json(char *out, const char *end, enum log_level level, const char *time,
                         struct slice message)
{
    char *escaped;

    out = append(out, "{\"time\":\"");
    memcpy(out, time, TIMESTAMP_LOG_BYTES);
    out = append(out + TIMESTAMP_LOG_BYTES, "\",\"level\":\"");
    out = append(out, level_names[level]);
    out = append(out, "\",\"message\":\"");
    /* Halving converges on a message that fits however much of it must be escaped. */
    while (!(escaped = json_escape(out, end - 2, message)))
        message.n /= 2;
    return append(escaped, "\"}");
}

size_t log_format(char out[LOG_LINE_BYTES], enum log_level level, bool json, uint64_t wall_us,
                  struct slice message)
{
    const char *end = out + LOG_LINE_BYTES - 1;
    char time[TIMESTAMP_LOG_BYTES], *p = out;

    timestamp_log(time, wall_us);
    if (json) {
        p = format_json(p, end, level, time, message);
    } else {
        memcpy(p, time, sizeof(time));
        p = append(p + sizeof(time), " ");
        p = append(p, level_names[level]);
        p = append(p, " evergate: ");
        p = append_printable(p, end, message);
    }
    *p++ = '\n';
    return (size_t)(p - out);
}

/* A reader of our standard error that does not read must not hold up a worker that has something
 * to say: the line is lost then, and counted. A line is not longer than PIPE_BUF, so a pipe that is
 * writable at all takes it whole. */
static bool can_write(void)
{
    struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&p, 1, 0) != 0;
}

static void write_line(enum log_level level, struct slice message)
{
    char line[JOURNAL_PREFIX_BYTES + LOG_LINE_BYTES];
    size_t prefix = 0, size;

    if (atomic_load_explicit(&log_to_journal, memory_order_relaxed)) {
        prefix = JOURNAL_PREFIX_BYTES;
        memcpy(line, journal_prefixes[level], prefix);
    }
    size = log_format(line + prefix, level, atomic_load_explicit(&log_json, memory_order_relaxed),
                      clock_wall_us(), message);
    /* There is nowhere to report a failure of the log itself. */
    (void)!write(STDERR_FILENO, line, prefix + size);
}

static void write_lost(unsigned long lost)
{
    char message[128];
    int n = snprintf(message, sizeof(message),
                     "%lu lines of this log were lost: standard error was blocked", lost);

    write_line(LOG_LEVEL_WARN, slice_from(message, (size_t)n));
}

static void log_write(enum log_level level, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void log_write(enum log_level level, const char *format, va_list args)
{
    static _Atomic unsigned long lost;
    char message[LOG_MESSAGE_BYTES];
    int saved = errno, n;
    unsigned long before;

    if (level > atomic_load_explicit(&log_threshold, memory_order_relaxed))
        return;
    if (!can_write()) {
        atomic_fetch_add(&lost, 1);
        errno = saved;
        return;
    }
    before = atomic_exchange(&lost, 0);
    if (before > 0)
        write_lost(before);
    n = vsnprintf(message, sizeof(message), format, args);
    if (n < 0)
        n = 0;
    if ((size_t)n >= sizeof(message))
        n = sizeof(message) - 1;
    write_line(level, slice_from(message, (size_t)n));
    errno = saved;
}

#define LOG_FUNCTION(name, level)                                                                  \
    void name(const char *format, ...)                                                             \
    {                                                                                              \
        va_list args;                                                                              \
                                                                                                   \
        va_start(args, format);                                                                    \
        log_write(level, format, args);                                                            \
        va_end(args);                                                                              \
    }

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warn, LOG_LEVEL_WARN)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

bool log_limiter_pass(struct log_limiter *limiter, uint64_t now_us, unsigned *ret_suppressed)
{
    unsigned long long next = atomic_load_explicit(&limiter->next_us, memory_order_relaxed);

    /* Of several threads that come at once, the one that moves the deadline writes the line. */
    if (now_us < next || !atomic_compare_exchange_strong(
                             &limiter->next_us, &next, (unsigned long long)now_us + LOG_LIMIT_US)) {
        atomic_fetch_add_explicit(&limiter->suppressed, 1, memory_order_relaxed);
        return false;
    }
    *ret_suppressed = atomic_exchange_explicit(&limiter->suppressed, 0, memory_order_relaxed);
    return true;
}

void log_warn_limited(struct log_limiter *limiter, const char *format, ...)
{
    char message[LOG_MESSAGE_BYTES];
    unsigned suppressed;
    va_list args;

    if (!log_limiter_pass(limiter, clock_monotonic_us(), &suppressed))
        return;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (suppressed > 0)
        log_warn("%s (%u more like this were suppressed)", message, suppressed);
    else
        log_warn("%s", message);
}
