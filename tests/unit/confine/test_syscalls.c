/* Each case runs in a child of its own, since the filter cannot be taken off. */
#include <criterion/criterion.h>
#include <dlfcn.h>
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

static const char *const nothing_else[] = {NULL};

/* How a child ends that is restricted as in a release (sanitizers do not mind, unless they look for
 * leaks or crash) and then does `act`, whose value is its exit status. */
static int ending_of(int (*act)(const void *arg), const void *arg)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        char *why = NULL;

        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* no core files of deaths that are meant */
        if (syscalls_restrict_but(nothing_else, &why) != EG_OK)
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

Test(syscalls, every_deadly_call_kills)
{
    for (size_t i = 0; syscalls_deadly[i]; i++) {
        int number = seccomp_syscall_resolve_name(syscalls_deadly[i]);
        int status;

        if (number < 0)
            continue;
        status = ending_of(call_by_number, &number);
        cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: %x", syscalls_deadly[i],
                  status);
    }
}

#if defined(__x86_64__)
/* x32: the same calls by other numbers. */
Test(syscalls, calls_by_the_numbers_of_another_machine_kill)
{
    const int getpid_of_x32 = 0x40000000 | SYS_getpid;
    int status = ending_of(call_by_number, &getpid_of_x32);

    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%x", status);
}
#endif

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
    cr_assert_eq(WEXITSTATUS(ending_of(become_two, NULL)), ENOSYS);
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

enum { PAGE = 4096, EXECUTABLE = PROT_READ | PROT_EXEC, WRITABLE = PROT_READ | PROT_WRITE };

static int map_as(const void *arg)
{
    const int *protection = arg;
    void *p = mmap(NULL, PAGE, *protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? errno : 0;
}

static int make_executable(const void *arg)
{
    void *p = mmap(NULL, PAGE, WRITABLE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return 99;
    return mprotect(p, PAGE, *(const int *)arg) < 0 ? errno : 0;
}

Test(syscalls, what_was_written_into_memory_is_not_executed)
{
    const int both = WRITABLE | PROT_EXEC, executable = EXECUTABLE, writable = WRITABLE,
              readable = PROT_READ;

    cr_expect_eq(WEXITSTATUS(ending_of(map_as, &both)), ENOSYS);
    cr_expect_eq(WEXITSTATUS(ending_of(map_as, &executable)), ENOSYS);
    cr_expect_eq(WEXITSTATUS(ending_of(map_as, &writable)), 0);
    cr_expect_eq(WEXITSTATUS(ending_of(make_executable, &both)), ENOSYS);
    cr_expect_eq(WEXITSTATUS(ending_of(make_executable, &executable)), ENOSYS);
    cr_expect_eq(WEXITSTATUS(ending_of(make_executable, &readable)), 0);
}

/* As libc does for a name service (nsswitch.conf(5)) or a character set, and OpenSSL for a
 * provider, long after the start. */
static int load_a_library(const void *arg)
{
    void *library = dlopen("libcap.so.2", RTLD_NOW);

    return library != NULL && dlsym(library, "cap_get_proc") != NULL ? 0 : 1;
}

Test(syscalls, a_library_can_still_be_loaded)
{
    cr_assert_eq(WEXITSTATUS(ending_of(load_a_library, NULL)), 0);
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

/* A kernel that is built without, or a container that forbids it. */
static int restrict_where_it_is_forbidden(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    char *why = NULL;

    if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(seccomp), 0) != 0 ||
        seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(prctl), 1,
                         SCMP_A0(SCMP_CMP_EQ, PR_SET_SECCOMP)) != 0 ||
        seccomp_load(filter) != 0)
        return 1;
    seccomp_release(filter);
    if (syscalls_restrict_but(nothing_else, &why) == EG_OK)
        return 2;
    return strstr(why, "write sandbox = false") ? 0 : 3;
}

Test(syscalls, where_there_are_no_filters_the_line_to_write_is_said)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(restrict_where_it_is_forbidden());
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", status);
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

/* ---- Cost ---- */

static bool is_allowed(const char *call)
{
    for (const struct syscalls_group *group = syscalls_allowed; group->name; group++)
        for (size_t i = 0; group->calls[i]; i++)
            if (strcmp(group->calls[i], call) == 0)
                return true;
    return false;
}

/* The kernel does not run the filter for these (it does for calls whose arguments are compared):
 * docs/security.md. */
Test(syscalls, arguments_of_what_a_request_calls_are_not_looked_at)
{
    const char *const hot[] = {"recvfrom",   "sendmsg",  "epoll_wait", "epoll_pwait", "accept4",
                               "epoll_ctl",  "connect",  "close",      "writev",      "setsockopt",
                               "getsockopt", "shutdown", "futex",      "getpeername", "recvmsg",
                               "read",       "write",    "splice",     "madvise",     NULL};

    for (size_t i = 0; hot[i]; i++) {
        cr_expect(is_allowed(hot[i]), "%s", hot[i]);
        for (size_t j = 0; syscalls_conditional[j]; j++)
            cr_expect_str_neq(syscalls_conditional[j], hot[i]);
    }
}

/* ---- Other machines ---- */

/* aarch64 and all younger ones lack the oldest calls; libc makes these there. */
static const struct {
    const char *old, *young;
} successors[] = {
    {"access", "faccessat"},
    {"chmod", "fchmodat"},
    {"dup2", "dup3"},
    {"epoll_create", "epoll_create1"},
    {"epoll_wait", "epoll_pwait"},
    {"getdents", "getdents64"},
    {"getpgrp", "getpgid"},
    {"lstat", "newfstatat"},
    {"mkdir", "mkdirat"},
    {"open", "openat"},
    {"pipe", "pipe2"},
    {"poll", "ppoll"},
    {"readlink", "readlinkat"},
    {"rename", "renameat"},
    {"select", "pselect6"},
    {"stat", "newfstatat"},
    {"time", "clock_gettime"},
    {"unlink", "unlinkat"},
};

static const char *successor_of(const char *call)
{
    for (size_t i = 0; i < sizeof(successors) / sizeof(successors[0]); i++)
        if (strcmp(successors[i].old, call) == 0)
            return successors[i].young;
    return "nothing";
}

static bool has(uint32_t machine, const char *call)
{
    return seccomp_syscall_resolve_name_arch(machine, call) >= 0;
}

Test(syscalls, what_a_machine_lacks_is_allowed_there_under_its_younger_name)
{
    for (const struct syscalls_group *group = syscalls_allowed; group->name; group++)
        for (size_t i = 0; group->calls[i]; i++) {
            const char *call = group->calls[i], *young = successor_of(call);

            cr_expect(has(SCMP_ARCH_X86_64, call), "%s", call);
            cr_expect(has(SCMP_ARCH_AARCH64, call) ||
                          (has(SCMP_ARCH_AARCH64, young) && is_allowed(young)),
                      "%s: aarch64 makes %s", call, young);
        }
    for (size_t i = 0; syscalls_conditional[i]; i++)
        cr_expect(has(SCMP_ARCH_X86_64, syscalls_conditional[i]) &&
                      has(SCMP_ARCH_AARCH64, syscalls_conditional[i]),
                  "%s", syscalls_conditional[i]);
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
