#include <criterion/criterion.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "proxy/access_log.h"
#include "proxy/access_log_ring.h"

static char directory[] = "/tmp/evergate-log-XXXXXX";
static char *path, *moved;

static void setup(void)
{
    cr_assert_not_null(mkdtemp(directory));
    path = xasprintf("%s/access.log", directory);
    moved = xasprintf("%s/access.log.1", directory);
}

static void teardown(void)
{
    unlink(path);
    unlink(moved);
    rmdir(directory);
    free(path);
    free(moved);
}

TestSuite(access_log, .init = setup, .fini = teardown);

static struct config config_of(enum config_access_target target, size_t buffer_bytes)
{
    struct config config = {0};

    config.log.access = target;
    config.log.access_path = path;
    config.log.json = true;
    config.log.buffer_bytes = buffer_bytes;
    return config;
}

static struct access_log *start(const struct config *config, unsigned workers)
{
    struct access_log *log = NULL;
    char *why = NULL;

    cr_assert_eq(access_log_start(&log, config, workers, &why), EG_OK, "%s", why);
    return log;
}

static bool write_line(struct access_log *log, unsigned worker, const char *target)
{
    struct access_log_line line = {.path = slice_str(target), .status = 200, .connect_us = -1};

    return access_log_write(access_log_ring(log, worker), &line);
}

static size_t count_lines(const char *file_path)
{
    FILE *file = fopen(file_path, "r");
    size_t count = 0;
    int c;

    cr_assert_not_null(file);
    while ((c = getc(file)) != EOF)
        count += c == '\n';
    fclose(file);
    return count;
}

Test(access_log, off_is_no_log)
{
    struct config config = config_of(CONFIG_ACCESS_OFF, 65536);

    cr_assert_null(start(&config, 2));
}

Test(access_log, a_file_that_cannot_be_opened_is_an_error_that_names_it)
{
    struct config config = config_of(CONFIG_ACCESS_FILE, 65536);
    struct access_log *log = NULL;
    char *why = NULL;

    config.log.access_path = "/nonexistent/access.log";
    cr_assert_eq(access_log_start(&log, &config, 1, &why), EG_E_INTERNAL);
    cr_assert_null(log);
    cr_assert_not_null(strstr(why, "/nonexistent/access.log: No such file"));
    free(why);
}

Test(access_log, stopping_writes_everything_that_is_in_the_rings)
{
    struct config config = config_of(CONFIG_ACCESS_FILE, 1 << 20);
    struct access_log *log = start(&config, 3);

    for (unsigned i = 0; i < 300; i++)
        cr_assert(write_line(log, i % 3, "/x"));
    access_log_stop(&log);
    cr_assert_null(log);
    cr_assert_eq(count_lines(path), 300u);
}

Test(access_log, a_huge_line_is_cut_and_still_written)
{
    struct config config = config_of(CONFIG_ACCESS_FILE, 1 << 20);
    struct access_log *log = start(&config, 1);
    char *target = xmalloc(100001);
    struct stat st;

    memset(target, '\n', 100000); /* every byte is escaped */
    target[100000] = '\0';
    cr_assert(write_line(log, 0, target));
    access_log_stop(&log);
    cr_assert_eq(count_lines(path), 1u);
    cr_assert_eq(stat(path, &st), 0);
    cr_assert_gt(st.st_size, 2048);
    free(target);
}

/* The reader of the pipe never reads: puts must go on returning at once, and the end must come. */
Test(access_log, a_pipe_that_nobody_reads_drops_lines_and_blocks_nobody, .timeout = 20)
{
    struct config config = config_of(CONFIG_ACCESS_STDOUT, 65536);
    struct access_log *log;
    size_t written = 0, attempts = 10000;
    int fds[2];

    cr_assert_eq(pipe(fds), 0);
    cr_assert_geq(dup2(fds[1], STDOUT_FILENO), 0);
    log = start(&config, 1);
    for (size_t i = 0; i < attempts; i++)
        written += write_line(log, 0, "/a/path/of/usual/length");
    cr_assert_lt(written, attempts);
    cr_assert_eq(access_log_dropped(log), attempts - written);
    access_log_stop(&log);
    close(fds[0]);
    close(fds[1]);
}

/* A file that was moved away gets no more lines once it was reopened. The reopening is waited for
 * by what it does: the file is there again. */
Test(access_log, reopening_starts_a_new_file, .timeout = 20)
{
    struct config config = config_of(CONFIG_ACCESS_FILE, 65536);
    struct access_log *log = start(&config, 1);

    write_line(log, 0, "/1");
    cr_assert_eq(rename(path, moved), 0);
    access_log_reopen(log);
    while (access(path, F_OK) != 0)
        sched_yield();
    write_line(log, 0, "/2");
    access_log_stop(&log);
    cr_assert_eq(count_lines(moved) + count_lines(path), 2u);
    cr_assert_geq(count_lines(path), 1u);
}

struct producer {
    struct access_log *log;
    unsigned worker;
    size_t written;
};

static void *produce(void *arg)
{
    struct producer *p = arg;

    for (size_t i = 0; i < 20000; i++)
        p->written += write_line(p->log, p->worker, "/concurrent");
    return NULL;
}

Test(access_log, workers_together_lose_only_what_is_counted, .timeout = 60)
{
    struct config config = config_of(CONFIG_ACCESS_FILE, 65536);
    struct access_log *log = start(&config, 2);
    struct producer p[2] = {{log, 0, 0}, {log, 1, 0}};
    pthread_t threads[2];
    uint64_t dropped;

    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, produce, &p[i]), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    dropped = access_log_dropped(log);
    access_log_stop(&log);
    cr_assert_eq(p[0].written + p[1].written + dropped, 40000u);
    cr_assert_eq(count_lines(path), p[0].written + p[1].written);
}

/* ---- Two logs on one target: a change of settings, a binary upgrade ---- */

enum { SHARED_LINES = 4000 };

static void *write_many(void *log)
{
    static const char target[] = "/a/path/that/is/long/enough/for/a/ring/that/ends/within/its/line";

    for (unsigned i = 0; i < SHARED_LINES; i++)
        while (!write_line(log, 0, target))
            sched_yield();
    return NULL;
}

static void *read_all(void *ret_text)
{
    int fd = open(path, O_RDONLY);
    struct stat st;
    size_t size = 0;
    char *text = xmalloc(64 << 20);
    ssize_t n;

    cr_assert(fd >= 0 && fstat(fd, &st) == 0);
    while ((n = read(fd, text + size, 65536)) > 0)
        size += (size_t)n;
    text[size] = '\0';
    close(fd);
    *(char **)ret_text = text;
    return NULL;
}

static void expect_whole_lines(char *text, size_t count)
{
    char *rest = text, *line;
    size_t lines = 0;

    while ((line = strsep(&rest, "\n")) != NULL && *line != '\0') {
        cr_assert_eq(strncmp(line, "{\"time\"", 7), 0, "%zu: %s", lines, line);
        cr_assert_null(strstr(line + 1, "{\"time\""), "%zu: %s", lines, line);
        cr_assert_eq(line[strlen(line) - 1], '}', "%zu: %s", lines, line);
        lines++;
    }
    cr_expect_eq(lines, count);
}

static void write_from_two_logs(void)
{
    struct config config = config_of(CONFIG_ACCESS_FILE, 65536);
    struct access_log *logs[] = {start(&config, 1), start(&config, 1)};
    pthread_t writers[2];

    for (unsigned i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&writers[i], NULL, write_many, logs[i]), 0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(writers[i], NULL);
    for (unsigned i = 0; i < 2; i++)
        access_log_stop(&logs[i]);
}

Test(access_log, lines_of_two_logs_on_one_file_are_whole)
{
    char *text = NULL;

    write_from_two_logs();
    read_all(&text);
    expect_whole_lines(text, 2 * SHARED_LINES);
    free(text);
}

Test(access_log, lines_of_two_logs_on_one_pipe_are_whole)
{
    pthread_t reader;
    char *text = NULL;

    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(pthread_create(&reader, NULL, read_all, &text), 0);
    write_from_two_logs();
    pthread_join(reader, NULL);
    expect_whole_lines(text, 2 * SHARED_LINES);
    free(text);
}
