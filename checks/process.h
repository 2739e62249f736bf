/*
 * Commands as children: started without a shell, each in a process group of its own, never waited
 * for, killed with all their children when their time is over.
 *
 *   process_start ─► (queue, while the room is full) ─► spawner.h ─► exit noticed by a pidfd
 *                                                          │ timeout
 *                                                          └─► SIGTERM to the group
 *                                                                └─ grace ─► SIGKILL to the group
 *
 * A child gets: standard input from /dev/null; one pipe as standard output and error, of which the
 * last 4 KiB are kept; our environment with the given variables; default signal actions, none
 * blocked; no other descriptor of ours.
 *
 * What a command leaves behind in its group when it ends by itself lives on: a recovery action may
 * well start a server (with an output of its own: ours is closed then). Only what is killed is
 * killed with everything it started.
 *
 * Who starts and reaps it is confine/spawner.h's matter: another process where ours may not.
 * Nobody's SIGCHLD is touched: a pidfd becomes readable when its process ends, and that one process
 * only is waited for.
 *
 * One loop's thread.
 */
#ifndef EVERGATE_CHECKS_PROCESS_H
#define EVERGATE_CHECKS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "net/loop.h"

enum {
    PROCESS_OUTPUT_BYTES = 4096, /* kept of a child's output: the end of it */
    /* Read of it at all: a child that writes without end is stopped by its full pipe. */
    PROCESS_READ_LIMIT = 4 * 1024 * 1024,
    PROCESS_GRACE_MS = 2000, /* between SIGTERM and SIGKILL */
    PROCESS_VARIABLES_MAX = 16,
};

struct process_variable {
    const char *name, *value;
};

struct process_command {
    const char *const *argv; /* NULL-terminated; "${EG_NAME}" stands for a variable below */
    const struct process_variable *variables;
    size_t variable_count; /* at most PROCESS_VARIABLES_MAX */
    uint64_t timeout_ms;   /* counted from the start, not from the queue */
};

enum process_end {
    PROCESS_EXITED,      /* `code`: its exit status */
    PROCESS_SIGNALLED,   /* `code`: the signal */
    PROCESS_TIMED_OUT,   /* and is being killed */
    PROCESS_NOT_STARTED, /* `code`: the errno; SPAWNER_GONE also for one whose end nobody knows */
};

struct process_result {
    enum process_end end;
    int code;
    uint64_t took_us;      /* from its start */
    const char *last_line; /* of its output, without control characters; "" when there is none */
};

struct process_room;
struct process;

/* Runs up to `max_children` at once; more wait their turn. */
struct process_room *process_room_new(struct loop *loop, unsigned max_children);
/* Kills all children at once, without grace. In a turn; the memory goes after it. NULL is fine. */
void process_room_free(struct process_room *room);

/* Never from within process_start; at the end of a turn. The handle is gone afterwards. */
typedef void (*process_done_cb)(void *arg, const struct process_result *result);

/* Everything is copied. A command that cannot be started is told like one that ended. */
struct process *process_start(struct process_room *room, const struct process_command *command,
                              process_done_cb done, void *arg);

/* Nobody wants to know any more: kills it (with grace) or takes it out of the queue. Nulls the
 * pointer; `done` is not called. NULL is fine. */
void process_cancel(struct process **process);

/* Nobody wants to know any more, but what has begun may finish: it runs on to its end or its
 * timeout, as the room's. What still waits in the queue is taken out. Nulls the pointer; `done` is
 * not called. NULL is fine. */
void process_abandon(struct process **process);

/* Before anything runs: is the program there? What depends on a variable is not known yet. 0, or
 * EG_E_INTERNAL with a sentence in *ret_why (heap). */
int process_check(const char *const *argv, char **ret_why) WARN_UNUSED;

/* `word` with every "${EG_NAME}" replaced (heap); NULL when one is not among the variables. Other
 * references are text: they may be meant for a shell that the command starts. Pure. */
char *process_expand(const char *word, const struct process_variable *variables, size_t count);

/* The last line with something on it of p[0..n), without control characters and surrounding white
 * space, into `out`, cut to `capacity` with its NUL; returns it. Pure. */
const char *process_last_line(const char *p, size_t n, char *out, size_t capacity);

#endif
