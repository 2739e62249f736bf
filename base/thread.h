/*
 * Starting threads. A thread of evergate has a name (top -H, debuggers) and blocks every signal:
 * signals belong to the control thread's loop alone.
 */
#ifndef EVERGATE_BASE_THREAD_H
#define EVERGATE_BASE_THREAD_H

#include <pthread.h>

#include "base/error.h"

/* `name` is cut to 15 characters by the kernel's limit. 0 or EG_E_NOMEM (the system's limit on
 * threads or memory). The caller joins. */
int thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *arg),
                 void *arg) WARN_UNUSED;

#endif
