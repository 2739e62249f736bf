/* See file_watch.h. */
#include "discovery/file_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "base/alloc.h"
#include "base/file_identity.h"
#include "base/log.h"
#include "discovery/file_chain.h"
#include "discovery/file_notify.h"

enum {
    /* Of a directory on the way only which entry stands there matters, of the last one also what is
     * written to the entry: a busy /tmp on the way shall not wake us with each write. */
    WATCH_PASSED = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
                   IN_MOVE_SELF | IN_ONLYDIR,
    WATCH_LAST = WATCH_PASSED | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB,
};

struct file_watch {
    struct loop *loop;
    char *path;
    file_watch_cb on_look;
    void *arg;
    struct file_notify *notify;
    struct file_listener listener;
    struct file_chain chain;
    int wds[FILE_CHAIN_STEPS]; /* of the chain's steps; -1: not watched */
    int blind;                 /* errno: a step could not be watched; 0: all are */
    bool warned;
    struct file_identity seen; /* as of the last call with `changed` */
    uint64_t first_ms;         /* of a row of changes; 0: none */
    struct loop_timer quiet;   /* ends a row of changes */
    struct loop_timer next_look;
    bool *freed; /* set while on_look is called */
};

/* ---- the way ---- */

static void watch_step(void *arg, const struct file_step *step)
{
    struct file_watch *watch = arg;
    size_t index = watch->chain.count - 1;
    uint32_t mask = step->last ? WATCH_LAST : WATCH_PASSED;

    watch->wds[index] = -1;
    if (file_notify_error(watch->notify) != 0)
        return;
    /* The same directory may be passed twice, for different names. */
    watch->wds[index] = file_notify_add(watch->notify, step->directory, mask);
    if (watch->wds[index] < 0 && errno != ENOENT && errno != ENOTDIR)
        watch->blind = errno; /* the others: it has just gone, which the step before tells */
}

static bool is_watched(const struct file_listener *listener, int wd)
{
    const struct file_watch *watch = container_of(listener, struct file_watch, listener);

    for (size_t i = 0; i < watch->chain.count; i++) {
        if (watch->wds[i] == wd)
            return true;
    }
    return false;
}

static void watch_warn(struct file_watch *watch)
{
    bool limit = watch->blind == EMFILE || watch->blind == ENOSPC;

    if (watch->blind == 0 || watch->warned)
        return;
    watch->warned = true;
    log_warn("\"%s\" is looked at every %d s only, since inotify cannot watch its way: "
             "%s%s",
             watch->path, FILE_WATCH_BLIND_LOOK_MS / 1000, strerror(watch->blind),
             limit ? "; raise fs.inotify.max_user_instances and fs.inotify.max_user_watches" : "");
}

/* New watches before old ones are removed: a directory on both ways keeps its own. */
static void watch_follow(struct file_watch *watch)
{
    int before[FILE_CHAIN_STEPS];
    size_t count = watch->chain.count;

    memcpy(before, watch->wds, count * sizeof(before[0]));
    file_chain_fini(&watch->chain);
    watch->blind = file_notify_error(watch->notify);
    file_chain_init(&watch->chain, watch->path, watch_step, watch);
    watch_warn(watch);
    for (size_t i = 0; i < count; i++) {
        if (before[i] >= 0)
            file_notify_drop(watch->notify, before[i]); /* unless it is on the new way too */
    }
}

/* ---- telling ---- */

static void watch_tell(struct file_watch *watch, bool changed)
{
    bool freed = false;

    watch->freed = &freed;
    watch->on_look(watch->arg, changed);
    if (freed)
        return;
    watch->freed = NULL;
    loop_timer_set(watch->loop, &watch->next_look,
                   watch->blind != 0 ? FILE_WATCH_BLIND_LOOK_MS : FILE_WATCH_LOOK_MS);
}

/* Watches first, then the identity, then who reads: whatever changes after any of the three is
 * noticed by the one before it. */
static void watch_changed(struct file_watch *watch)
{
    watch->first_ms = 0;
    loop_timer_cancel(&watch->quiet);
    watch_follow(watch);
    watch->seen = file_identity_of_path(watch->path);
    watch_tell(watch, true);
}

static void on_quiet(struct loop_timer *timer)
{
    watch_changed(container_of(timer, struct file_watch, quiet));
}

static void on_next_look(struct loop_timer *timer)
{
    struct file_watch *watch = container_of(timer, struct file_watch, next_look);
    struct file_identity now = file_identity_of_path(watch->path);

    if (file_identity_equal(&now, &watch->seen))
        watch_tell(watch, false);
    else
        watch_changed(watch);
}

static void watch_notice(struct file_watch *watch)
{
    uint64_t now_ms = watch->loop->now_ms, latest_ms, after_ms = FILE_WATCH_QUIET_MS;

    if (watch->first_ms == 0)
        watch->first_ms = now_ms;
    latest_ms = watch->first_ms + FILE_WATCH_LATEST_MS;
    if (now_ms + after_ms > latest_ms)
        after_ms = latest_ms > now_ms ? latest_ms - now_ms : 0;
    loop_timer_set(watch->loop, &watch->quiet, after_ms);
}

/* ---- inotify ---- */

/* Events of other names, or of a watch that was removed meanwhile, are not ours. */
static bool watch_concerns(const struct file_watch *watch, const struct inotify_event *event)
{
    if ((event->mask & IN_Q_OVERFLOW) != 0)
        return true;
    for (size_t i = 0; i < watch->chain.count; i++) {
        if (watch->wds[i] != event->wd)
            continue;
        if (event->len == 0 || strcmp(event->name, watch->chain.steps[i].name) == 0)
            return true; /* without a name: the directory itself */
    }
    return false;
}

static void on_event(struct file_listener *listener, const struct inotify_event *event)
{
    struct file_watch *watch = container_of(listener, struct file_watch, listener);

    if (watch_concerns(watch, event))
        watch_notice(watch);
}

/* ---- life ---- */

struct file_watch *file_watch_new(struct loop *loop, const char *path, file_watch_cb on_look,
                                  void *arg)
{
    struct file_watch *watch = xcalloc(1, sizeof(*watch));

    watch->loop = loop;
    watch->path = xstrdup(path);
    watch->on_look = on_look;
    watch->arg = arg;
    loop_timer_init(&watch->quiet, on_quiet);
    loop_timer_init(&watch->next_look, on_next_look);
    watch->listener.on_event = on_event;
    watch->listener.needs = is_watched;
    watch->notify = file_notify_join(loop, &watch->listener);
    loop_timer_set(loop, &watch->quiet, 0); /* the first look */
    return watch;
}

/* Its way first: it needs none of its directories any more. */
static void watch_unfollow(struct file_watch *watch)
{
    size_t count = watch->chain.count;

    file_chain_fini(&watch->chain);
    for (size_t i = 0; i < count; i++) {
        if (watch->wds[i] >= 0)
            file_notify_drop(watch->notify, watch->wds[i]);
    }
}

void file_watch_free(struct file_watch **watch)
{
    struct file_watch *it = *watch;

    if (it == NULL)
        return;
    *watch = NULL;
    if (it->freed != NULL)
        *it->freed = true;
    loop_timer_cancel(&it->quiet);
    loop_timer_cancel(&it->next_look);
    watch_unfollow(it);
    file_notify_leave(&it->notify, &it->listener);
    free(it->path);
    free(it);
}
