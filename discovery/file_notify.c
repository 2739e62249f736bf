/* See file_notify.h. */
#include "discovery/file_notify.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "net/loop.h"

enum { NOTIFY_EVENT_BYTES = 16 * 1024 };

struct file_notify {
    struct list node; /* of instances */
    struct loop *loop;
    struct list listeners;
    int fd;    /* -1: there is none */
    int error; /* errno; then */
    struct event *readable;
};

/* Few: one for each loop that watches files. */
static pthread_mutex_t instances_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list instances = {&instances, &instances};

static void notify_tell(struct file_notify *notify, const struct inotify_event *event)
{
    list_for_each(node, &notify->listeners)
    {
        struct file_listener *listener = container_of(node, struct file_listener, node);

        listener->on_event(listener, event);
    }
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    _Alignas(struct inotify_event) char buffer[NOTIFY_EVENT_BYTES];
    struct file_notify *notify = arg;
    ssize_t n;

    loop_enter(notify->loop);
    n = read(notify->fd, buffer, sizeof(buffer));
    for (char *p = buffer; n > 0 && p < buffer + n;) {
        const struct inotify_event *event = (const struct inotify_event *)(void *)p;

        notify_tell(notify, event);
        p += sizeof(*event) + event->len;
    }
    loop_leave(notify->loop);
}

static void notify_open(struct file_notify *notify)
{
    notify->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    notify->error = notify->fd < 0 ? errno : 0;
    if (notify->fd < 0)
        return;
    notify->readable =
        event_new(notify->loop->base, notify->fd, EV_READ | EV_PERSIST, on_readable, notify);
    CHECK(notify->readable != NULL && event_add(notify->readable, NULL) == 0);
}

static struct file_notify *notify_of_locked(struct loop *loop)
{
    struct file_notify *notify;

    list_for_each(node, &instances)
    {
        notify = container_of(node, struct file_notify, node);
        if (notify->loop == loop)
            return notify;
    }
    notify = xcalloc(1, sizeof(*notify));
    notify->loop = loop;
    notify->fd = -1;
    list_init(&notify->listeners);
    list_push_back(&instances, &notify->node);
    return notify;
}

struct file_notify *file_notify_join(struct loop *loop, struct file_listener *listener)
{
    struct file_notify *notify;

    pthread_mutex_lock(&instances_lock);
    notify = notify_of_locked(loop);
    pthread_mutex_unlock(&instances_lock);
    if (notify->fd < 0)
        notify_open(notify);
    list_push_back(&notify->listeners, &listener->node);
    return notify;
}

void file_notify_leave(struct file_notify **notify, struct file_listener *listener)
{
    struct file_notify *it = *notify;

    *notify = NULL;
    list_remove(&listener->node);
    if (!list_empty(&it->listeners))
        return;
    pthread_mutex_lock(&instances_lock);
    list_remove(&it->node);
    pthread_mutex_unlock(&instances_lock);
    if (it->readable != NULL)
        event_free(it->readable);
    if (it->fd >= 0)
        close(it->fd);
    free(it);
}

int file_notify_error(const struct file_notify *notify)
{
    return notify->error;
}

int file_notify_add(struct file_notify *notify, const char *directory, uint32_t mask)
{
    return inotify_add_watch(notify->fd, directory, mask | IN_MASK_ADD);
}

void file_notify_drop(struct file_notify *notify, int wd)
{
    list_for_each(node, &notify->listeners)
    {
        const struct file_listener *listener = container_of(node, struct file_listener, node);

        if (listener->needs(listener, wd))
            return;
    }
    inotify_rm_watch(notify->fd, wd); /* EINVAL: its directory is gone */
}
