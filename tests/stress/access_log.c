/*
 * Workers that log while the log is reopened and finally stopped, for ThreadSanitizer: the rings
 * have no lock, so their memory ordering is all there is.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/check.h"
#include "proxy/access_log.h"

enum { WORKERS = 4, LINES = 20000 };

static void *produce(void *arg)
{
    struct access_log_ring *ring = arg;
    struct access_log_line line = {.path = SLICE_LIT("/stress"), .status = 200, .connect_us = -1};
    size_t written = 0;

    for (unsigned i = 0; i < LINES; i++) {
        line.bytes_in = i;
        written += access_log_write(ring, &line);
    }
    return (void *)written;
}

static size_t count_lines(const char *path)
{
    FILE *file = fopen(path, "r");
    size_t count = 0;
    int c;

    CHECK(file);
    while ((c = getc(file)) != EOF)
        count += c == '\n';
    fclose(file);
    return count;
}

int main(void)
{
    char path[] = "/tmp/evergate-stress-XXXXXX";
    struct config config = {0};
    struct access_log *log = NULL;
    pthread_t threads[WORKERS];
    size_t written = 0;
    uint64_t dropped;
    char *why = NULL;

    close(mkstemp(path));
    config.log.access = CONFIG_ACCESS_FILE;
    config.log.access_path = path;
    config.log.json = true;
    config.log.buffer_bytes = 64 * 1024;
    CHECK(access_log_start(&log, &config, WORKERS, &why) == EG_OK);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK(pthread_create(&threads[i], NULL, produce, access_log_ring(log, i)) == 0);
    for (unsigned i = 0; i < 50; i++)
        access_log_reopen(log);
    for (unsigned i = 0; i < WORKERS; i++) {
        void *count;

        pthread_join(threads[i], &count);
        written += (size_t)count;
    }
    dropped = access_log_dropped(log);
    access_log_stop(&log);
    CHECK(written + dropped == WORKERS * LINES);
    CHECK(count_lines(path) == written);
    unlink(path);
    return 0;
}
