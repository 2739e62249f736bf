/*
 * The spawner: a process that starts programs for one that must not any more.
 *
 *   spawner_start ──fork──► waits for requests, until the socket between the two is closed
 *   spawner_launch ─ words, environment, descriptors ─► posix_spawn
 *                  ◄──────── process id and a pidfd ───
 *   (the pidfd is readable: it has ended)
 *   spawner_reap   ──────────── which one ───────────► waitpid
 *                  ◄────────── how it ended ──────────
 *
 * It is forked before anything but the configuration file is read or opened, and holds nothing but
 * standard input, output and error. It becomes the same user in the same chroot, but without the
 * filter and no_new_privs, so that commands may be what they like (sudo among them). It stays in
 * our process group, and ignores what a terminal or a service manager sends to all: its end is
 * ours.
 *
 * What it started is waited for only when we ask: until then its number is its own, so that a
 * kill() of ours cannot reach anybody else.
 *
 * Without spawner_start (unit tests, the demo, `sandbox` off unless we are process 1) launches and
 * reaps are done here and now, by ourselves. Any thread; each call is one short exchange under a
 * mutex.
 */
#ifndef EVERGATE_CONFINE_SPAWNER_H
#define EVERGATE_CONFINE_SPAWNER_H

#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "confine/launch.h"

struct privileges;

enum {
    SPAWNER_WORDS_BYTES = 4 << 20, /* of words and environment; execve(2) takes less */
    SPAWNER_PATIENCE_MS = 10000,   /* then it is killed, and there is none any more */
    SPAWNER_REAP_PATIENCE_MS = 1000,
    SPAWNER_GONE = EOWNERDEAD, /* what calls fail with when it has ended or does not answer */
};

/* While there is one thread; once. 0, or EG_E_INTERNAL with a sentence in *ret_why (heap). */
int spawner_start(const struct privileges *privileges, char **ret_why) WARN_UNUSED;

/* Ends it and waits for its end, at most SPAWNER_REAP_PATIENCE_MS; without one nothing happens. */
void spawner_stop(void);

/* Readable when it has ended before it was stopped; ours. -1: there is none. */
int spawner_pidfd(void);
/* ... how it ended: "was ended by signal 9 (Killed)" (heap). The thread of spawner_start. */
char *spawner_describe_end(void);

/* Process 1 of a container becomes the parent of whatever others leave behind, such as what a check
 * that timed out had started. Waits for those that have ended: each would keep its process id for
 * as long as we live, and a container has a limited number of them. Only with a spawner, which is
 * then the only child of our own. The thread of spawner_start, at SIGCHLD. */
void spawner_reap_orphans(void);

/* As launch_program. */
int spawner_launch(const struct launch *launch, pid_t *ret_pid, int *ret_pidfd) WARN_UNUSED;

/* 0 and the wait status; EAGAIN: it runs; or another errno: that is not known any more. */
int spawner_reap(pid_t pid, int *ret_status) WARN_UNUSED;

/* For one that was killed: waits for its end, at most SPAWNER_REAP_PATIENCE_MS, and reaps it. */
void spawner_wait(pid_t pid, int pidfd);

/* Text for what the calls above return. Static. */
const char *spawner_error_text(int error);

#endif
