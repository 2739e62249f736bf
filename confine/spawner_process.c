/*
 * The spawner's own life: see spawner.h. One thread, one packet after the other, no state: what it
 * starts is the kernel's to remember.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/standard_streams.h"
#include "confine/privileges.h"
#include "confine/spawner_internal.h"

enum { WORDS_LOOKED_AT = 4096 };

static int launch_words(const struct spawner_request *request, const struct spawner_words *words,
                        const int *fds, int fd_count, pid_t *ret_pid, int *ret_pidfd)
{
    struct launch launch;
    int error = spawner_launch_read(&launch, request, words, fds, fd_count);

    if (error != 0)
        return error;
    if (launch.next_binary)
        privileges_lend(true);
    error = launch_program(&launch, ret_pid, ret_pidfd);
    if (launch.next_binary)
        privileges_lend(false);
    return error;
}

static void do_launch(int socket, const struct spawner_request *request, const int *fds,
                      int fd_count)
{
    struct spawner_words words = {0};
    struct spawner_answer answer = {0};
    int pidfd = -1;
    pid_t pid = 0;

    answer.error = fd_count > 0 ? spawner_words_read(&words, request, fds[0]) : EPROTO;
    if (answer.error == 0)
        answer.error = launch_words(request, &words, fds, fd_count, &pid, &pidfd);
    spawner_words_fini(&words);
    answer.pid = pid;
    (void)spawner_send(socket, &answer, sizeof(answer), &pidfd, answer.error == 0);
    if (pidfd >= 0)
        close(pidfd);
}

static void do_reap(int socket, const struct spawner_request *request)
{
    struct spawner_answer answer = {.pid = request->pid};
    pid_t pid = request->pid > 0 ? waitpid(request->pid, &answer.status, WNOHANG) : -1;

    if (pid <= 0)
        answer.error = pid == 0 ? EAGAIN : ECHILD;
    (void)spawner_send(socket, &answer, sizeof(answer), NULL, 0);
}

static void refuse(int socket, int error)
{
    const struct spawner_answer answer = {.error = error};

    (void)spawner_send(socket, &answer, sizeof(answer), NULL, 0);
}

/* Nonsense is no reason to end: other commands are still to be started and reaped. */
static void serve(int socket)
{
    struct spawner_request request;
    int fds[SPAWNER_PACKET_FDS], fd_count, error = 0;

    while (error == 0 || error == EMFILE || error == EPROTO) {
        error = spawner_receive(socket, &request, sizeof(request), fds, &fd_count);
        if (error == EMFILE || error == EPROTO)
            refuse(socket, error);
        else if (error == 0 && request.kind == SPAWNER_LAUNCH)
            do_launch(socket, &request, fds, fd_count);
        else if (error == 0 && request.kind == SPAWNER_REAP)
            do_reap(socket, &request);
        else if (error == 0)
            refuse(socket, EPROTO);
        for (int i = 0; i < fd_count; i++)
            close(fds[i]);
    }
}

/* What is sent to a whole process group or control group is meant for the one that serves. */
static void ignore_signals(void)
{
    static const int numbers[] = {SIGTERM, SIGINT,  SIGHUP,  SIGQUIT, SIGUSR1,
                                  SIGUSR2, SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU};

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        signal(numbers[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL); /* ignored, exit statuses would be lost (POSIX, _exit) */
}

/* Sockets of an elder or a service manager among them: kept open here, they would go on listening
 * when the one that serves has closed them. closefrom(3) does it on kernels before 5.9 too. */
static int close_others(int socket)
{
    const int kept = STDERR_FILENO + 1;

    if (socket != kept && dup3(socket, kept, O_CLOEXEC) < 0)
        return -1;
    closefrom(kept + 1);
    return kept;
}

/* What the words that we were started with take, one after the other, in memory (proc(5)). */
static size_t size_of_words(const char *first)
{
    char text[WORDS_LOOKED_AT];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : -1;

    if (fd >= 0)
        close(fd);
    return n > 0 ? (size_t)n : strlen(first) + 1;
}

static void rename_process(void)
{
    static const char name[] = SPAWNER_PROCESS_NAME;
    size_t size = size_of_words(program_invocation_name);

    memset(program_invocation_name, 0, size);
    memcpy(program_invocation_name, name, size < sizeof(name) ? size - 1 : sizeof(name) - 1);
    prctl(PR_SET_NAME, name);
}

int spawner_process_prepare(int socket)
{
    ignore_signals();
    rename_process();
    standard_streams_fill(); /* a descriptor that comes in a packet must not be taken for one */
    return close_others(socket);
}

_Noreturn void spawner_process_main(int socket)
{
    /* Words and environments of commands pass through our memory. What we start can be traced and
     * dumped again (execve(2)). */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    malloc_trim(0); /* what reading the configuration took and gave back is a copy here */
    serve(socket);
    _exit(0); /* not exit(): what is registered there is the other process's */
}
