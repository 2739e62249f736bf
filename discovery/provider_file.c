/*
 * Endpoints in a file that somebody else writes: a template tool, a cron job, a mounted ConfigMap.
 *
 *   file_watch ─ it may have changed ─► file_read ─► file_parse ─► source_found
 *
 * A file that is missing, or that cannot be read as a whole, is a failure: it may be half written,
 * and its writer's next write is noticed at once. The backoff only looks again at what inotify
 * tells nothing of.
 */
#include <stdlib.h>

#include "base/alloc.h"
#include "discovery/file_parse.h"
#include "discovery/file_read.h"
#include "discovery/file_watch.h"
#include "discovery/providers.h"

struct provider_file {
    struct discovery_source *source;
    struct loop *loop;
    const char *path; /* the configuration's */
    size_t max_bytes;
    struct file_watch *watch;
    struct loop_timer retry;
    bool good; /* the last reading was */
};

static void provider_file_fail(struct provider_file *file, const char *why)
{
    uint64_t delay_ms = source_failed(file->source, "%s", why); /* its title has the path */

    file->good = false;
    loop_timer_set(file->loop, &file->retry, delay_ms);
}

static void provider_file_look(struct provider_file *file)
{
    struct file_content content;
    char why[FILE_WHY_BYTES], problem[FILE_PARSE_WHY_BYTES];
    json_t *endpoints;

    loop_timer_cancel(&file->retry);
    if (!file_read(&content, file->path, file->max_bytes, why)) {
        provider_file_fail(file, why);
        return;
    }
    endpoints = file_parse(slice_from(content.text, content.size), problem);
    free(content.text);
    if (endpoints == NULL) {
        provider_file_fail(file, problem);
        return;
    }
    file->good = true;
    source_found(file->source, endpoints);
}

static void on_look(void *arg, bool changed)
{
    struct provider_file *file = arg;

    if (changed)
        provider_file_look(file);
    else if (file->good)
        source_unchanged(file->source);
}

static void on_retry(struct loop_timer *timer)
{
    provider_file_look(container_of(timer, struct provider_file, retry));
}

static void *provider_file_start(struct discovery_source *source,
                                 const struct discovery_context *context)
{
    struct provider_file *file = xcalloc(1, sizeof(*file));

    file->source = source;
    file->loop = context->loop;
    file->path = context->config->path;
    file->max_bytes = context->config->max_bytes;
    loop_timer_init(&file->retry, on_retry);
    file->watch = file_watch_new(context->loop, file->path, on_look, file);
    return file;
}

static void provider_file_stop(void *watch)
{
    struct provider_file *file = watch;

    file_watch_free(&file->watch);
    loop_timer_cancel(&file->retry);
    free(file);
}

const struct discovery_provider discovery_file = {
    .start = provider_file_start,
    .stop = provider_file_stop,
};
