#include <criterion/criterion.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "proxy/upgrade_mail.h"
#include "proxy/upgrade_spawn.h"

Test(upgrade_spawn, knows_what_this_process_was_started_as)
{
    struct upgrade_program program;
    char real[PATH_MAX] = "";

    cr_assert_gt(readlink("/proc/self/exe", real, sizeof(real) - 1), 0);
    cr_assert_eq(upgrade_program_of_self(&program), EG_OK);
    cr_assert_eq(program.path[0], '/');
    cr_assert_not_null(program.argv[0]);
    cr_assert_str_eq(strrchr(program.path, '/'), strrchr(real, '/'));
    upgrade_program_fini(&program);
}

static int exit_status(const char *script)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)script, NULL};
    struct upgrade_program program = {.path = (char *)"/bin/sh", .argv = argv};
    int sockets[2], pidfd, status = -1;
    pid_t pid;

    cr_assert_eq(upgrade_mail_pair(sockets), 0);
    cr_assert_eq(upgrade_spawn(&program, sockets[1], &pid, &pidfd), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    close(pidfd);
    close(sockets[0]);
    close(sockets[1]);
    return WEXITSTATUS(status);
}

Test(upgrade_spawn, the_child_has_four_descriptors_and_knows_the_fourth)
{
    int leak = dup(0); /* not close-on-exec */

    cr_assert_eq(exit_status("test \"$EVERGATE_HANDOVER\" = 3"), 0);
    cr_assert_eq(exit_status("test -S /proc/self/fd/3"), 0);
    cr_assert_eq(exit_status("n=4; while [ $n -lt 100 ]; do "
                             "test ! -e /proc/$$/fd/$n || exit 1; n=$((n + 1)); done"),
                 0);
    close(leak);
}

Test(upgrade_spawn, a_program_that_is_not_there_is_an_errno)
{
    char *argv[] = {(char *)"x", NULL};
    struct upgrade_program program = {.path = (char *)"/nonexistent/x", .argv = argv};
    int pidfd;
    pid_t pid;

    cr_assert_eq(upgrade_spawn(&program, 0, &pid, &pidfd), ENOENT);
}
