/* Starting a program: see launch.h. */
#include "confine/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

static int set_descriptor(posix_spawn_file_actions_t *actions, int from, int to)
{
    if (from == LAUNCH_SAME)
        return 0;
    if (from == LAUNCH_NULL)
        return posix_spawn_file_actions_addopen(actions, to, "/dev/null", O_RDONLY, 0);
    /* Onto itself too: then close-on-exec is cleared. */
    return posix_spawn_file_actions_adddup2(actions, from, to);
}

/* Every other descriptor is closed, those of libraries too, whether or not somebody remembered
 * close-on-exec. */
static int set_descriptors(posix_spawn_file_actions_t *actions, const struct launch *launch)
{
    int error = 0;

    for (int i = 0; i < launch->fd_count && error == 0; i++)
        error = set_descriptor(actions, launch->fds[i], i);
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(actions, launch->fd_count);
    return error;
}

/* Our threads block all signals and we ignore some; both would be inherited. */
static int set_attributes(posix_spawnattr_t *attributes, bool own_group)
{
    short group = own_group ? POSIX_SPAWN_SETPGROUP : 0;
    sigset_t none, all;

    sigemptyset(&none);
    sigfillset(&all);
    int error = posix_spawnattr_setflags(
        attributes, (short)(group | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    if (error == 0 && own_group)
        error = posix_spawnattr_setpgroup(attributes, 0);
    if (error == 0)
        error = posix_spawnattr_setsigmask(attributes, &none);
    if (error == 0)
        error = posix_spawnattr_setsigdefault(attributes, &all);
    return error;
}

static int spawn(const struct launch *launch, const posix_spawn_file_actions_t *actions,
                 const posix_spawnattr_t *attributes, pid_t *ret_pid)
{
    if (launch->path)
        return posix_spawn(ret_pid, launch->path, actions, attributes, launch->argv,
                           launch->environment);
    return posix_spawnp(ret_pid, launch->argv[0], actions, attributes, launch->argv,
                        launch->environment);
}

/* Without a pidfd (out of descriptors) nobody would notice its end: it must not live. */
static int open_pidfd(pid_t pid, int *ret_pidfd)
{
    *ret_pidfd = pidfd_open(pid, 0); /* always close-on-exec */
    if (*ret_pidfd >= 0)
        return 0;
    int error = errno;
    kill(-pid, SIGKILL); /* its group, where it leads one */
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return error;
}

int launch_program(const struct launch *launch, pid_t *ret_pid, int *ret_pidfd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    pid_t pid;

    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return error;
    error = posix_spawnattr_init(&attributes);
    if (error == 0)
        error = set_descriptors(&actions, launch);
    if (error == 0)
        error = set_attributes(&attributes, launch->own_group);
    if (error == 0)
        error = spawn(launch, &actions, &attributes, &pid);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (error == 0)
        error = open_pidfd(pid, ret_pidfd);
    if (error == 0)
        *ret_pid = pid;
    return error;
}
