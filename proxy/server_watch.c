/* See server_watch.h. */
#include "proxy/server_watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/log.h"
#include "discovery/file_watch.h"
#include "proxy/server_internal.h"

enum { WATCHED_FILES = 64 }; /* what a reading notes */

struct watched_file {
    struct server_watch *owner;
    char *path;
    struct file_identity read; /* what it was when it was read last */
    struct file_watch *watch;
    bool wanted; /* while the list is brought up to date */
};

struct server_watch {
    struct server *server;
    struct watched_file *files[WATCHED_FILES];
    size_t count;
    uint64_t first_ms; /* of a row of changes; 0: none */
    struct loop_timer quiet;
    bool warned;
};

/* ---- something changes ---- */

static const struct watched_file *changed_file(const struct server_watch *watch)
{
    for (size_t i = 0; i < watch->count; i++) {
        struct file_identity now = file_identity_of_path(watch->files[i]->path);

        if (!file_identity_equal(&now, &watch->files[i]->read))
            return watch->files[i];
    }
    return NULL;
}

/* Meanwhile somebody may have asked for a reload, or the file may be what it was. */
static void on_quiet(struct loop_timer *timer)
{
    struct server_watch *watch = container_of(timer, struct server_watch, quiet);
    const struct watched_file *file = changed_file(watch);

    watch->first_ms = 0;
    if (file == NULL || !server_serves(watch->server))
        return;
    log_info("\"%s\" has changed: reloading", file->path);
    server_reload_soon(watch->server, "reload_on_change");
}

static void on_look(void *arg, bool changed)
{
    struct watched_file *file = arg;
    struct server_watch *watch = file->owner;
    uint64_t now_ms = watch->server->loop.now_ms, latest_ms, after_ms = SERVER_WATCH_QUIET_MS;
    struct file_identity now = file_identity_of_path(file->path);

    if (file_identity_equal(&now, &file->read))
        return;
    if (watch->first_ms == 0)
        watch->first_ms = now_ms;
    latest_ms = watch->first_ms + SERVER_WATCH_LATEST_MS;
    if (now_ms + after_ms > latest_ms)
        after_ms = latest_ms > now_ms ? latest_ms - now_ms : 0;
    loop_timer_set(&watch->server->loop, &watch->quiet, after_ms);
}

/* ---- which files ---- */

static struct watched_file *find(const struct server_watch *watch, const char *path)
{
    for (size_t i = 0; i < watch->count; i++) {
        if (strcmp(watch->files[i]->path, path) == 0)
            return watch->files[i];
    }
    return NULL;
}

static struct watched_file *add(struct server_watch *watch, const char *path)
{
    struct watched_file *file;

    if (watch->count == WATCHED_FILES)
        return NULL; /* a refused reading has brought yet others */
    file = xcalloc(1, sizeof(*file));
    file->owner = watch;
    file->path = xstrdup(path);
    file->watch = file_watch_new(&watch->server->loop, path, on_look, file);
    watch->files[watch->count++] = file;
    return file;
}

static void remove_unwanted(struct server_watch *watch)
{
    size_t kept = 0;

    for (size_t i = 0; i < watch->count; i++) {
        struct watched_file *file = watch->files[i];

        if (file->wanted) {
            watch->files[kept++] = file;
            continue;
        }
        file_watch_free(&file->watch);
        free(file->path);
        free(file);
    }
    watch->count = kept;
}

/* Those that a refused reading did not come to stay, as they are now: the mistake may be in one of
 * those that it did, and they still belong to what is served. */
static void begin_list(struct server_watch *watch, bool keep)
{
    for (size_t i = 0; i < watch->count; i++) {
        watch->files[i]->wanted = keep;
        watch->files[i]->read = file_identity_of_path(watch->files[i]->path);
    }
}

static void take_files(struct server_watch *watch, const struct config_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        struct watched_file *file = find(watch, files->v[i].path);

        if (file == NULL)
            file = add(watch, files->v[i].path);
        if (file == NULL)
            break;
        file->read = files->v[i].identity;
        file->wanted = true;
    }
    if (files->more && !watch->warned)
        log_warn("reload_on_change: the configuration has more than %d files: the others are not "
                 "watched",
                 WATCHED_FILES);
    watch->warned = files->more;
}

/* ---- life ---- */

static void watch_stop(struct server_watch *watch)
{
    loop_timer_cancel(&watch->quiet);
    watch->first_ms = 0;
    begin_list(watch, false);
    remove_unwanted(watch);
}

void server_watch_follow(struct server *server, const struct config *read,
                         const struct config_errors *errors)
{
    struct server_watch *watch = server->watch;

    if (watch == NULL)
        return; /* it does not serve yet */
    if (!server->base->reload_on_change) {
        watch_stop(watch);
        return;
    }
    begin_list(watch, read == NULL);
    take_files(watch, read != NULL ? &read->files : &errors->files);
    remove_unwanted(watch);
}

void server_watch_again(struct server *server)
{
    if (server->watch != NULL)
        loop_timer_set(&server->loop, &server->watch->quiet, 0);
}

void server_watch_start(struct server *server)
{
    struct server_watch *watch = xcalloc(1, sizeof(*watch));

    watch->server = server;
    loop_timer_init(&watch->quiet, on_quiet);
    server->watch = watch;
    server_watch_follow(server, server->base, NULL);
}

void server_watch_free(struct server *server)
{
    struct server_watch *watch = server->watch;

    if (watch == NULL)
        return;
    watch_stop(watch);
    free(watch);
    server->watch = NULL;
}
