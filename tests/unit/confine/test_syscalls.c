/* Each case runs in a child of its own, since the filter cannot be taken off. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "confine/syscalls.h"

#if defined(__SANITIZE_ADDRESS__)
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

/* How a child ends that is restricted and then does `act`, whose value is its exit status. */
static int ending_of(int (*act)(const void *arg), const void *arg)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        char *why = NULL;

        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no core files of deaths that are meant */
        if (syscalls_restrict(&why) != EG_OK)
            _exit(255);
        _exit(act(arg));
    }
    cr_assert_gt(pid, 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static int call_by_number(const void *arg)
{
    return syscall(*(const int *)arg, 0, 0, 0, 0, 0, 0) < 0 ? errno : 0;
}

static bool is_listed(const char *call)
{
    for (const struct syscalls_group *group = syscalls_allowed; group->name; group++)
        for (size_t i = 0; group->calls[i]; i++)
            if (strcmp(group->calls[i], call) == 0)
                return true;
    return false;
}

Test(syscalls, every_deadly_call_kills)
{
    for (size_t i = 0; syscalls_deadly[i]; i++) {
        int number = seccomp_syscall_resolve_name(syscalls_deadly[i]);
        int status;

        if (number < 0 || is_listed(syscalls_deadly[i]))
            continue;
        status = ending_of(call_by_number, &number);
        cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: %x", syscalls_deadly[i],
                  status);
    }
}

static int run_a_program(const void *arg)
{
    char *const argv[] = {(char *)"true", NULL};

    execv("/bin/true", argv);
    return errno;
}

Test(syscalls, a_program_cannot_be_run_in_our_place)
{
    int status = ending_of(run_a_program, NULL);

    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

Test(syscalls, what_is_in_no_list_fails_as_on_a_kernel_without_it)
{
    const int numbers[] = {SYS_clone3,  SYS_io_uring_setup, SYS_setuid,   SYS_capset,
                           SYS_seccomp, SYS_sethostname,    SYS_mlockall, 100000};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        int status = ending_of(call_by_number, &numbers[i]);

        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == ENOSYS, "%d: %x", numbers[i], status);
    }
}

static int become_two(const void *arg)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}

Test(syscalls, another_process_cannot_be_made)
{
    int status = ending_of(become_two, NULL);

    if (!sanitized) /* LeakSanitizer makes one */
        cr_assert_eq(WEXITSTATUS(status), ENOSYS);
}

static int open_socket(const void *arg)
{
    return socket(*(const int *)arg, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ? errno : 0;
}

Test(syscalls, sockets_are_of_the_internet_or_of_this_machine)
{
    const int good[] = {AF_INET, AF_INET6, AF_UNIX}, bad[] = {AF_PACKET, AF_VSOCK, AF_ALG};

    for (size_t i = 0; i < 3; i++) {
        cr_expect_neq(WEXITSTATUS(ending_of(open_socket, &good[i])), ENOSYS);
        cr_expect_eq(WEXITSTATUS(ending_of(open_socket, &bad[i])), ENOSYS);
    }
}

static int map_with(const void *arg)
{
    void *p = mmap(NULL, 4096, *(const int *)arg, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return errno;
    return mprotect(p, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) < 0 ? 100 : 0;
}

Test(syscalls, what_is_written_is_not_executed)
{
    const int both = PROT_READ | PROT_WRITE | PROT_EXEC, writable = PROT_READ | PROT_WRITE,
              executable = PROT_READ | PROT_EXEC;

    if (sanitized)
        return; /* they map what they like */
    cr_expect_eq(WEXITSTATUS(ending_of(map_with, &both)), ENOSYS);
    cr_expect_eq(WEXITSTATUS(ending_of(map_with, &writable)), 100);
    cr_expect_eq(WEXITSTATUS(ending_of(map_with, &executable)), 100);
}

static int type_into_terminal(const void *arg)
{
    return ioctl(STDIN_FILENO, TIOCSTI, "x") < 0 ? errno : 0;
}

Test(syscalls, nothing_is_typed_into_a_terminal)
{
    cr_assert_eq(WEXITSTATUS(ending_of(type_into_terminal, NULL)), ENOSYS);
}

static void *be_killed(void *arg)
{
    run_a_program(NULL);
    return NULL;
}

static int run_in_a_thread(const void *arg)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, be_killed, NULL) != 0)
        return 1;
    pthread_join(thread, NULL);
    return 2;
}

Test(syscalls, threads_can_be_started_and_are_held_to_it)
{
    int status = ending_of(run_in_a_thread, NULL);

    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%x", status);
}

static int work_with_files(const void *arg)
{
    char path[] = "/tmp/evergate-unit-XXXXXX", byte = 0;
    struct stat st;
    int fd = mkstemp(path);
    bool good = fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0 &&
                pread(fd, &byte, 1, 0) == 1 && byte == 'x' && fchmod(fd, 0600) == 0 &&
                stat(path, &st) == 0 && unlink(path) == 0 && close(fd) == 0;

    return good ? 0 : errno;
}

Test(syscalls, files_are_read_and_written)
{
    int status = ending_of(work_with_files, NULL);

    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
}

static int abort_now(const void *arg)
{
    abort();
}

Test(syscalls, a_broken_invariant_still_ends_by_its_own_signal)
{
    int status = ending_of(abort_now, NULL);

    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "%x", status);
}

static int read_no_new_privs(const void *arg)
{
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    int value = 99;

    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, "NoNewPrivs:", 11) == 0)
            value = line[12] - '0';
    return value;
}

Test(syscalls, no_program_could_gain_privileges)
{
    cr_assert_eq(WEXITSTATUS(ending_of(read_no_new_privs, NULL)), 1);
}

/* ---- The page that operators read ---- */

static char *read_page(void)
{
    FILE *file = fopen(TEST_SOURCE_DIR "/../docs/security.md", "r");
    char *text = xcalloc(1, 1 << 17);

    cr_assert_not_null(file);
    cr_assert_gt(fread(text, 1, (1 << 17) - 1, file), 0);
    fclose(file);
    return text;
}

static void expect_named(const char *page, const char *call)
{
    char *word = xasprintf("`%s`", call);

    cr_expect_not_null(strstr(page, word), "docs/security.md does not name %s", word);
    free(word);
}

Test(syscalls, the_documentation_lists_every_call)
{
    char *page = read_page();

    for (const struct syscalls_group *group = syscalls_allowed; group->name; group++) {
        if (strcmp(group->name, "sanitizers") == 0)
            continue;
        cr_expect_not_null(strstr(page, group->name), "no group %s", group->name);
        for (size_t i = 0; group->calls[i]; i++)
            expect_named(page, group->calls[i]);
    }
    for (size_t i = 0; syscalls_conditional[i]; i++)
        expect_named(page, syscalls_conditional[i]);
    for (size_t i = 0; syscalls_deadly[i]; i++)
        expect_named(page, syscalls_deadly[i]);
    free(page);
}

Test(syscalls, every_name_is_one_that_libseccomp_knows)
{
    for (const struct syscalls_group *group = syscalls_allowed; group->name; group++)
        for (size_t i = 0; group->calls[i]; i++)
            cr_expect_neq(seccomp_syscall_resolve_name(group->calls[i]), __NR_SCMP_ERROR, "%s",
                          group->calls[i]);
    for (size_t i = 0; syscalls_deadly[i]; i++)
        cr_expect_neq(seccomp_syscall_resolve_name(syscalls_deadly[i]), __NR_SCMP_ERROR, "%s",
                      syscalls_deadly[i]);
}
