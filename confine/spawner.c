/* Asking the spawner: see spawner.h. */
#include "confine/spawner.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "confine/privileges.h"
#include "confine/spawner_internal.h"

enum { REAP_ATTEMPTS = 100 }; /* a millisecond each */

static struct {
    bool used;
    pid_t pid;
    int pidfd;
    pthread_mutex_t lock; /* of what follows */
    int socket;           /* -1: it was given up */
} spawner = {.pidfd = -1, .lock = PTHREAD_MUTEX_INITIALIZER, .socket = -1};

/* ---- Its start and end ---- */

/* The child says with one packet whether it became what it should. */
static _Noreturn void child_main(int socket, const struct privileges *privileges)
{
    struct spawner_answer answer = {0};
    char *why = NULL;

    spawner_process_rename();
    if (privileges_take(privileges, PRIVILEGES_OF_SPAWNER, &why) != EG_OK)
        answer.error = EPERM;
    spawner_send(socket, &answer, sizeof(answer), NULL, 0);
    if (why)
        _exit(1);
    spawner_process_main(socket);
}

static void limit_waiting(int socket)
{
    const struct timeval patience = {.tv_sec = SPAWNER_PATIENCE_MS / 1000};

    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static int hear(struct spawner_answer *answer, int fds[SPAWNER_PACKET_FDS], int *ret_fd_count)
{
    return spawner_receive(spawner.socket, answer, sizeof(*answer), fds, ret_fd_count);
}

/* Its privileges are taken from a copy of what we are, so what it cannot do we cannot either, and
 * say better. */
static int begin(pid_t pid, int socket)
{
    struct spawner_answer answer;
    int fds[SPAWNER_PACKET_FDS], fd_count;

    spawner.used = true;
    spawner.pid = pid;
    spawner.socket = socket;
    spawner.pidfd = pidfd_open(pid, 0);
    limit_waiting(socket);
    return spawner.pidfd < 0 ? errno : hear(&answer, fds, &fd_count);
}

int spawner_start(const struct privileges *privileges, char **ret_why)
{
    int sockets[2], error = 0;
    pid_t pid;

    CHECK(!spawner.used);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0) {
        *ret_why = xasprintf("cannot start the command process: %s", strerror(errno));
        return EG_E_INTERNAL;
    }
    pid = fork();
    if (pid == 0) {
        close(sockets[0]);
        child_main(sockets[1], privileges);
    }
    error = pid < 0 ? errno : begin(pid, sockets[0]);
    close(sockets[1]);
    if (error == 0)
        return EG_OK;
    if (pid < 0)
        close(sockets[0]);
    spawner_stop();
    *ret_why = xasprintf("cannot start the command process: %s", strerror(error));
    return EG_E_INTERNAL;
}

static void give_up_locked(void)
{
    if (spawner.socket >= 0)
        close(spawner.socket);
    spawner.socket = -1;
}

/* It may be in the middle of starting a program from a file system that does not answer: that is
 * nothing to wait for. */
static void wait_readable(int pidfd)
{
    struct pollfd end = {.fd = pidfd, .events = POLLIN};

    (void)!poll(&end, 1, SPAWNER_REAP_PATIENCE_MS);
}

void spawner_stop(void)
{
    if (!spawner.used)
        return;
    pthread_mutex_lock(&spawner.lock);
    give_up_locked();
    pthread_mutex_unlock(&spawner.lock);
    if (spawner.pidfd >= 0) {
        wait_readable(spawner.pidfd);
        close(spawner.pidfd);
    }
    if (spawner.pid > 0)
        waitpid(spawner.pid, NULL, WNOHANG);
    spawner.pidfd = -1;
    spawner.used = false;
}

int spawner_pidfd(void)
{
    return spawner.pidfd;
}

int spawner_status(void)
{
    int status = -1;

    if (spawner.pid > 0 && waitpid(spawner.pid, &status, WNOHANG) == spawner.pid)
        spawner.pid = 0;
    return status;
}

/* ---- Asking ---- */

/* Without its pidfd nobody would notice the end of what was started: it must not live. */
static void end_unnoticeable(pid_t pid)
{
    struct spawner_request request = {.kind = SPAWNER_REAP, .pid = pid};
    struct spawner_answer answer = {.error = EAGAIN};
    int fds[SPAWNER_PACKET_FDS], fd_count;

    kill(-pid, SIGKILL); /* its group, where it leads one */
    kill(pid, SIGKILL);
    for (int i = 0; i < REAP_ATTEMPTS && answer.error == EAGAIN; i++) {
        if (spawner_send(spawner.socket, &request, sizeof(request), NULL, 0) != 0 ||
            hear(&answer, fds, &fd_count) != 0)
            return;
        poll(NULL, 0, 1);
    }
}

/* Is what it says now still of use? One that does not answer in time would answer the next question
 * with this one's answer. */
static bool is_usable_after(int error)
{
    return error == 0 || error == EBADF || error == EMFILE || error == ETOOMANYREFS;
}

static int ask_locked(const struct spawner_request *request, const int *fds, int fd_count,
                      struct spawner_answer *ret_answer, int *ret_pidfd)
{
    int back[SPAWNER_PACKET_FDS], back_count = 0, error = SPAWNER_GONE;

    if (spawner.socket >= 0)
        error = spawner_send(spawner.socket, request, sizeof(*request), fds, fd_count);
    if (error == 0)
        error = hear(ret_answer, back, &back_count);
    CHECK(error != 0 || back_count == (ret_pidfd && ret_answer->error == 0));
    if (!is_usable_after(error)) {
        give_up_locked();
        error = SPAWNER_GONE;
    }
    if (error == 0)
        error = ret_answer->error;
    if (error == EMFILE && ret_answer->pid > 0)
        end_unnoticeable(ret_answer->pid);
    if (error == 0 && ret_pidfd)
        *ret_pidfd = back[0];
    return error;
}

static int ask(const struct spawner_request *request, const int *fds, int fd_count,
               struct spawner_answer *ret_answer, int *ret_pidfd)
{
    int error;

    pthread_mutex_lock(&spawner.lock);
    error = ask_locked(request, fds, fd_count, ret_answer, ret_pidfd);
    pthread_mutex_unlock(&spawner.lock);
    return error;
}

int spawner_launch(const struct launch *launch, pid_t *ret_pid, int *ret_pidfd)
{
    struct spawner_request request = {.kind = SPAWNER_LAUNCH,
                                      .own_group = launch->own_group,
                                      .next_binary = launch->next_binary,
                                      .fd_count = launch->fd_count};
    struct spawner_answer answer = {0};
    int fds[SPAWNER_PACKET_FDS], fd_count = 1, error;

    if (!spawner.used)
        return launch_program(launch, ret_pid, ret_pidfd);
    for (int i = 0; i < launch->fd_count; i++) {
        request.fds[i] = launch->fds[i] < 0 ? launch->fds[i] : fd_count;
        if (launch->fds[i] >= 0)
            fds[fd_count++] = launch->fds[i];
    }
    error = spawner_words_write(launch, &request, &fds[0]);
    if (error != 0)
        return error;
    error = ask(&request, fds, fd_count, &answer, ret_pidfd);
    close(fds[0]);
    if (error == 0)
        *ret_pid = answer.pid;
    return error;
}

static int reap_own(pid_t pid, int *ret_status)
{
    pid_t reaped = waitpid(pid, ret_status, WNOHANG);

    if (reaped == 0)
        return EAGAIN;
    return reaped < 0 ? errno : 0;
}

int spawner_reap(pid_t pid, int *ret_status)
{
    struct spawner_request request = {.kind = SPAWNER_REAP, .pid = pid};
    struct spawner_answer answer = {0};
    int error;

    if (!spawner.used)
        return reap_own(pid, ret_status);
    error = ask(&request, NULL, 0, &answer, NULL);
    if (error == 0)
        *ret_status = answer.status;
    return error;
}

void spawner_wait(pid_t pid, int pidfd)
{
    int status;

    wait_readable(pidfd);
    (void)!spawner_reap(pid, &status);
}

const char *spawner_error_text(int error)
{
    return error == SPAWNER_GONE ? "the command process has ended" : strerrordesc_np(error);
}
