/*
 * Watching a path, wherever it leads: tells when what stands there may have become another.
 *
 *   /etc/evergate/api.json ─► ..data/api.json ─► ..2026_11_21/api.json
 *
 * Every directory that the path passes on its way, over links too, is watched for the name that is
 * looked for in it. So a file that is written, replaced by a rename, deleted or returned is
 * noticed, and so is any directory or link on its way (Kubernetes swaps a ConfigMap by renaming the
 * link ..data).
 *
 * Changes are told FILE_WATCH_QUIET_MS after the last of a row, but at most FILE_WATCH_LATEST_MS
 * after the first. inotify(7) tells nothing of files on other machines (NFS), and its descriptors
 * and watches are limited per user, so that there is a look every FILE_WATCH_LOOK_MS as well, or
 * every FILE_WATCH_BLIND_LOOK_MS without inotify.
 *
 * The owner of the loop's thread. Paths are stat'ed, never opened.
 */
#ifndef EVERGATE_DISCOVERY_FILE_WATCH_H
#define EVERGATE_DISCOVERY_FILE_WATCH_H

#include <stdbool.h>

#include "net/loop.h"

enum {
    FILE_WATCH_QUIET_MS = 20,
    FILE_WATCH_LATEST_MS = 200,
    FILE_WATCH_LOOK_MS = 10 * 1000,
    FILE_WATCH_BLIND_LOOK_MS = 1000,
};

struct file_watch;

/* `changed`: it may be another than at the last call; else a look found the very same. */
typedef void (*file_watch_cb)(void *arg, bool changed);

/* `on_look` is called first in a later turn, with `changed`. It may free the watch. */
struct file_watch *file_watch_new(struct loop *loop, const char *path, file_watch_cb on_look,
                                  void *arg);
/* Nulls; NULL is fine. */
void file_watch_free(struct file_watch **watch);

#endif
