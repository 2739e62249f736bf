#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

/* 2026-11-21T10:26:00.123Z */
static const uint64_t wall_us = 1795256760123456u;

static void expect(enum log_level level, bool json, struct slice message, const char *want)
{
    char line[LOG_LINE_BYTES + 1];
    size_t n = log_format(line, level, json, wall_us, message);

    line[n] = '\0';
    cr_assert_str_eq(line, want);
}

Test(log, text_has_time_level_and_message)
{
    expect(LOG_LEVEL_INFO, false, SLICE_LIT("listener \"edge\" is listening on 127.0.0.1:80"),
           "2026-11-21T10:26:00.123Z info evergate: listener \"edge\" is listening on "
           "127.0.0.1:80\n");
}

Test(log, json_is_escaped)
{
    expect(LOG_LEVEL_WARN, true, SLICE_LIT("pool \"a\"\n"),
           "{\"time\":\"2026-11-21T10:26:00.123Z\",\"level\":\"warn\",\"message\":\"pool "
           "\\\"a\\\"\\n\"}\n");
}

Test(log, a_message_cannot_forge_a_second_line)
{
    expect(LOG_LEVEL_ERROR, false, SLICE_LIT("a\nb\x1b[2J\x7f"),
           "2026-11-21T10:26:00.123Z error evergate: a\\x0ab\\x1b[2J\\x7f\n");
}

Test(log, a_long_message_is_cut_and_still_one_line)
{
    static char message[3 * LOG_LINE_BYTES];
    char line[LOG_LINE_BYTES];

    memset(message, 1, sizeof(message));
    for (int json = 0; json < 2; json++) {
        size_t n =
            log_format(line, LOG_LEVEL_INFO, json, wall_us, slice_from(message, sizeof(message)));

        cr_assert_leq(n, sizeof(line));
        cr_assert_eq(line[n - 1], '\n');
        cr_assert_null(memchr(line, '\n', n - 1));
        if (json)
            cr_assert_arr_eq(line + n - 3, "\"}\n", 3);
    }
}

Test(log, a_limiter_passes_once_a_second_and_counts_the_rest)
{
    struct log_limiter limiter = {0};
    unsigned suppressed = 99;

    cr_assert(log_limiter_pass(&limiter, 5000000, &suppressed));
    cr_assert_eq(suppressed, 0);
    cr_assert_not(log_limiter_pass(&limiter, 5000001, &suppressed));
    cr_assert_not(log_limiter_pass(&limiter, 5999999, &suppressed));
    cr_assert_eq(suppressed, 0);
    cr_assert(log_limiter_pass(&limiter, 6000000, &suppressed));
    cr_assert_eq(suppressed, 2);
    cr_assert(log_limiter_pass(&limiter, 9000000, &suppressed));
    cr_assert_eq(suppressed, 0);
}

static void fill_pipe(int fd)
{
    static char filler[65536];

    /* More than this a pipe of the default size does not take. */
    cr_assert_eq(write(fd, filler, sizeof(filler)), (ssize_t)sizeof(filler));
}

Test(log, a_reader_that_does_not_read_loses_lines_and_blocks_nobody, .timeout = 10)
{
    static char drained[65536];
    char text[512];
    int fds[2];
    ssize_t n;

    cr_assert_eq(pipe(fds), 0);
    fill_pipe(fds[1]);
    cr_assert_geq(dup2(fds[1], STDERR_FILENO), 0);
    log_warn("lost %d", 1);
    log_warn("lost %d", 2);
    for (size_t got = 0; got < sizeof(drained); got += (size_t)n) {
        n = read(fds[0], drained, sizeof(drained) - got);
        cr_assert_gt(n, 0);
    }
    log_warn("heard");
    n = read(fds[0], text, sizeof(text) - 1);
    cr_assert_gt(n, 0);
    text[n] = '\0';
    cr_assert_not_null(strstr(text, "warn evergate: 2 lines of this log were lost"));
    cr_assert_not_null(strstr(text, "warn evergate: heard\n"));
}

static void expect_line(int fd, const char *beginning, const char *end)
{
    char text[512];
    ssize_t n = read(fd, text, sizeof(text) - 1);

    cr_assert_gt(n, 0);
    text[n] = '\0';
    cr_assert_eq(strncmp(text, beginning, strlen(beginning)), 0, "%s", text);
    cr_assert_str_eq(strchr(text, ' ') + 1, end);
}

Test(log, the_journal_is_told_the_priority_and_no_other_reader)
{
    struct stat status;
    char stream[64];
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    cr_assert_geq(dup2(fds[1], STDERR_FILENO), 0);
    cr_assert_eq(fstat(STDERR_FILENO, &status), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_init(LOG_LEVEL_INFO, false);
    log_error("e");
    expect_line(fds[0], "<3>2", "error evergate: e\n");
    log_warn("w");
    expect_line(fds[0], "<4>2", "warn evergate: w\n");
    log_info("i");
    expect_line(fds[0], "<6>2", "info evergate: i\n");

    setenv("JOURNAL_STREAM", "1:2", 1);
    log_init(LOG_LEVEL_INFO, false);
    log_info("i");
    expect_line(fds[0], "2", "info evergate: i\n");
}
