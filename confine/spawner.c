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
    pid_t pid;  /* 0: it has ended and was waited for */
    int status; /* then: how; -1: not known */
    int pidfd;
    pthread_mutex_t lock; /* of what follows */
    int socket;           /* -1: nothing is asked any more */
    bool hung;            /* that is why */
} spawner = {.pidfd = -1, .lock = PTHREAD_MUTEX_INITIALIZER, .socket = -1};

static int patience_ms = SPAWNER_PATIENCE_MS;

/* ---- Its start and end ---- */

void spawner_set_patience(int ms)
{
    patience_ms = ms;
}

/* The child says with one packet whether it became what it should. */
static _Noreturn void child_main(int socket, const struct privileges *privileges)
{
    struct spawner_answer answer = {0};
    char *why = NULL;

    socket = spawner_process_prepare(socket);
    if (privileges_take(privileges, PRIVILEGES_OF_SPAWNER, &why) != EG_OK)
        answer.error = EPERM;
    spawner_send(socket, &answer, sizeof(answer), NULL, 0);
    if (why)
        _exit(1);
    spawner_process_main(socket);
}

static void limit_waiting(int socket)
{
    const struct timeval patience = {.tv_sec = patience_ms / 1000,
                                     .tv_usec = patience_ms % 1000 * 1000};

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
    spawner.status = -1;
    spawner.socket = socket;
    spawner.pidfd = pidfd_open(pid, 0);
    limit_waiting(socket);
    return spawner.pidfd < 0 ? errno : hear(&answer, fds, &fd_count);
}

/* Kernels and containers (gVisor, Docker's list of calls before 20.10) that do not know pidfds. */
static const char *advice_for(int error)
{
    if (error != ENOSYS && error != EPERM)
        return "";
    return "; pidfd_open(2) is missing or forbidden here (Linux 5.3 and Docker 20.10 have it), and "
           "is needed unless sandbox = false, without user and chroot";
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
    *ret_why =
        xasprintf("cannot start the command process: %s%s", strerror(error), advice_for(error));
    return EG_E_INTERNAL;
}

static void hang_up_locked(void)
{
    if (spawner.socket >= 0)
        close(spawner.socket);
    spawner.socket = -1;
}

/* It may be in the middle of starting a program from a file system that does not answer. Then it
 * does not see that we hung up, but may be killed (vfork(2) waits so). */
static void kill_it(void)
{
    (void)pidfd_send_signal(spawner.pidfd, SIGKILL, NULL, 0);
}

static bool wait_readable(int pidfd)
{
    struct pollfd end = {.fd = pidfd, .events = POLLIN};

    return poll(&end, 1, SPAWNER_REAP_PATIENCE_MS) > 0;
}

void spawner_stop(void)
{
    if (!spawner.used)
        return;
    pthread_mutex_lock(&spawner.lock);
    hang_up_locked();
    pthread_mutex_unlock(&spawner.lock);
    if (spawner.pidfd >= 0) {
        if (!wait_readable(spawner.pidfd)) {
            kill_it();
            (void)wait_readable(spawner.pidfd);
        }
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

static bool has_hung(void)
{
    bool hung;

    pthread_mutex_lock(&spawner.lock);
    hung = spawner.hung;
    pthread_mutex_unlock(&spawner.lock);
    return hung;
}

char *spawner_describe_end(void)
{
    if (spawner.pid > 0 && waitpid(spawner.pid, &spawner.status, WNOHANG) == spawner.pid)
        spawner.pid = 0;
    if (has_hung())
        return xasprintf("did not answer for %d s and was killed", patience_ms / 1000);
    if (spawner.status >= 0 && WIFSIGNALED(spawner.status))
        return xasprintf("was ended by signal %d (%s)", WTERMSIG(spawner.status),
                         strsignal(WTERMSIG(spawner.status)));
    return xstrdup("has ended");
}

void spawner_reap_orphans(void)
{
    int status;
    pid_t pid;

    CHECK(spawner.used); /* else statuses that spawner_reap is to tell would be lost */
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid != spawner.pid)
            continue;
        spawner.pid = 0;
        spawner.status = status;
    }
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

/* Of the request alone, of which nothing was sent. */
static bool is_of_request(int error)
{
    return error == EBADF || error == ETOOMANYREFS || error == ENOMEM || error == ENOBUFS;
}

/* The answer, or why there is none; EMFILE: one without its descriptor. One that does not answer in
 * time would answer the next question with this one's answer, and one that says nonsense may do so
 * again: nothing is asked of them any more. They are killed, so that operators hear of it by their
 * end, as they do of every other. */
static int converse_locked(const struct spawner_request *request, const int *fds, int fd_count,
                           struct spawner_answer *ret_answer, int *ret_pidfd)
{
    int back[SPAWNER_PACKET_FDS], back_count = 0, error;

    if (spawner.socket < 0)
        return SPAWNER_GONE;
    error = spawner_send(spawner.socket, request, sizeof(*request), fds, fd_count);
    if (is_of_request(error))
        return error;
    if (error == 0)
        error = hear(ret_answer, back, &back_count);
    if (error == EMFILE)
        return error;
    if (error == 0 && back_count == (ret_pidfd && ret_answer->error == 0)) {
        if (back_count > 0)
            *ret_pidfd = back[0];
        return 0;
    }
    for (int i = 0; i < back_count; i++)
        close(back[i]);
    spawner.hung = error == EAGAIN;
    hang_up_locked();
    kill_it();
    return SPAWNER_GONE;
}

static int ask_locked(const struct spawner_request *request, const int *fds, int fd_count,
                      struct spawner_answer *ret_answer, int *ret_pidfd)
{
    int error = converse_locked(request, fds, fd_count, ret_answer, ret_pidfd);

    if (error == EMFILE && ret_answer->pid > 0)
        end_unnoticeable(ret_answer->pid);
    return error == 0 ? ret_answer->error : error;
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

    (void)wait_readable(pidfd);
    (void)!spawner_reap(pid, &status);
}

const char *spawner_error_text(int error)
{
    return error == SPAWNER_GONE ? "the command process has ended" : strerrordesc_np(error);
}
