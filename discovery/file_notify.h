/*
 * inotify(7) for all who watch files on one loop: one instance, however many they are. Instances
 * are scarce: 128 per user unless fs.inotify.max_user_instances says otherwise, and on a node of
 * Kubernetes the pods that run as the same user share them.
 *
 * The owner of the loop's thread.
 */
#ifndef EVERGATE_DISCOVERY_FILE_NOTIFY_H
#define EVERGATE_DISCOVERY_FILE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct file_notify;
struct inotify_event;
struct loop;

/* Who listens: part of what watches. */
struct file_listener {
    struct list node;
    /* Of any directory that anybody watches. May set timers, and nothing else. */
    void (*on_event)(struct file_listener *listener, const struct inotify_event *event);
    bool (*needs)(const struct file_listener *listener, int wd); /* is `wd` one of its own? */
};

/* The loop's, made for the first who comes. Without inotify (errno in file_notify_error) it is
 * there all the same; the next who comes tries again. */
struct file_notify *file_notify_join(struct loop *loop, struct file_listener *listener);
/* Nulls. What the listener watched is watched no more, unless others need it. */
void file_notify_leave(struct file_notify **notify, struct file_listener *listener);

int file_notify_error(const struct file_notify *notify); /* 0: there is one */

/* inotify_add_watch(2), to what is watched already; -1 with errno. The same directory has the same
 * descriptor for all. */
int file_notify_add(struct file_notify *notify, const char *directory, uint32_t mask);
/* A listener that does not need it any more; another may. */
void file_notify_drop(struct file_notify *notify, int wd);

#endif
