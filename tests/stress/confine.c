/* Threads that ask the spawner at the same time: each gets the answer to its own question. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/thread.h"
#include "confine/privileges.h"
#include "confine/spawner.h"

enum { THREADS = 4, COMMANDS = 40 };

static void run_one(int code)
{
    char script[16];
    char *const argv[] = {(char *)"sh", (char *)"-c", script, NULL}, *const environment[] = {NULL};
    const struct launch launch = {.path = "/bin/sh",
                                  .argv = argv,
                                  .environment = environment,
                                  .fds = {LAUNCH_NULL, LAUNCH_SAME, LAUNCH_SAME},
                                  .fd_count = 3,
                                  .own_group = true};
    struct pollfd end = {.events = POLLIN};
    int status;
    pid_t pid;

    snprintf(script, sizeof(script), "exit %d", code);
    CHECK(spawner_launch(&launch, &pid, &end.fd) == 0);
    CHECK(poll(&end, 1, -1) == 1);
    CHECK(spawner_reap(pid, &status) == 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code);
    close(end.fd);
}

static void *ask(void *arg)
{
    for (int i = 0; i < COMMANDS; i++)
        run_one(*(int *)arg);
    return NULL;
}

int main(void)
{
    const struct privileges same = {.chroot = ""};
    pthread_t threads[THREADS];
    int codes[THREADS];
    char *why = NULL;

    CHECK(spawner_start(&same, &why) == EG_OK);
    for (int i = 0; i < THREADS; i++) {
        codes[i] = 10 + i;
        CHECK(thread_start(&threads[i], "asker", ask, &codes[i]) == EG_OK);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    spawner_stop();
    printf("%d commands, each with its own end\n", THREADS * COMMANDS);
    return 0;
}
