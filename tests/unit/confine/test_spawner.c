#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "confine/privileges.h"
#include "confine/spawner.h"
#include "confine/spawner_internal.h"

enum { PATIENCE_MS = 20000 };

static const struct privileges nobody_else = {.chroot = ""};

static void start(void)
{
    char *why = NULL;

    cr_assert_eq(spawner_start(&nobody_else, &why), EG_OK, "%s", why);
}

static void wait_end(int pidfd)
{
    struct pollfd end = {.fd = pidfd, .events = POLLIN};

    cr_assert_eq(poll(&end, 1, PATIENCE_MS), 1);
}

static int launch_words(const char *const *argv, int out_fd, pid_t *ret_pid, int *ret_pidfd)
{
    char *environment[] = {(char *)"WORD=two words", NULL};
    const struct launch launch = {
        .argv = (char *const *)argv,
        .environment = environment,
        .fds = {LAUNCH_NULL, out_fd, LAUNCH_SAME},
        .fd_count = 3,
        .own_group = true,
    };

    return spawner_launch(&launch, ret_pid, ret_pidfd);
}

static int launch_script(const char *script, int out_fd, pid_t *ret_pid, int *ret_pidfd)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};

    return launch_words(argv, out_fd, ret_pid, ret_pidfd);
}

/* Starts it, waits for its end, and returns its wait status. */
static int status_of(const char *script, int out_fd)
{
    int pidfd, status = -1;
    pid_t pid;

    int error = launch_script(script, out_fd, &pid, &pidfd);
    cr_assert_eq(error, 0, "%s", strerror(error));
    wait_end(pidfd);
    cr_assert_eq(spawner_reap(pid, &status), 0);
    close(pidfd);
    return status;
}

Test(spawner, without_a_process_of_its_own_commands_are_started_by_us)
{
    cr_assert_eq(spawner_pidfd(), -1);
    cr_assert_eq(WEXITSTATUS(status_of("exit 7", LAUNCH_SAME)), 7);
}

Test(spawner, starts_commands_and_tells_how_they_ended)
{
    start();
    cr_assert_eq(WEXITSTATUS(status_of("exit 7", LAUNCH_SAME)), 7);
    cr_assert_eq(WTERMSIG(status_of("kill -TERM $$", LAUNCH_SAME)), SIGTERM);
    spawner_stop();
}

Test(spawner, hands_over_words_environment_and_descriptors_and_no_others)
{
    int ends[2], leak = dup(0);
    char text[64] = "";

    start();
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(status_of("printf '%s' \"$WORD\"; read line && exit 1; "
                           "n=3; while [ $n -lt 50 ]; do test ! -e /proc/$$/fd/$n || exit 2; "
                           "n=$((n + 1)); done; exit 0",
                           ends[1]),
                 0);
    cr_assert_eq(read(ends[0], text, sizeof(text) - 1), (ssize_t)strlen("two words"));
    cr_assert_str_eq(text, "two words");
    spawner_stop();
    close(leak);
    close(ends[0]);
    close(ends[1]);
}

Test(spawner, a_command_leads_a_group_of_its_own_that_we_can_kill)
{
    int pidfd, status = -1;
    pid_t pid;

    start();
    cr_assert_eq(launch_script("sleep 1000 & wait", LAUNCH_SAME, &pid, &pidfd), 0);
    cr_assert_eq(getpgid(pid), pid);
    cr_assert_eq(spawner_reap(pid, &status), EAGAIN);
    cr_assert_eq(kill(-pid, SIGKILL), 0);
    wait_end(pidfd);
    cr_assert_eq(spawner_reap(pid, &status), 0);
    cr_assert_eq(WTERMSIG(status), SIGKILL);
    cr_assert_eq(spawner_reap(pid, &status), ECHILD);
    close(pidfd);
    spawner_stop();
}

Test(spawner, what_cannot_be_started_is_an_errno)
{
    const char *const argv[] = {"/nonexistent/program", NULL};
    int pidfd;
    pid_t pid;

    start();
    cr_assert_eq(launch_words(argv, LAUNCH_SAME, &pid, &pidfd), ENOENT);
    cr_assert_eq(launch_script("exit 0", 12345, &pid, &pidfd), EBADF);
    cr_assert_eq(WEXITSTATUS(status_of("exit 3", LAUNCH_SAME)), 3, "it goes on");
    spawner_stop();
}

Test(spawner, words_without_end_are_refused)
{
    char *word = xmalloc(SPAWNER_WORDS_BYTES + 1);
    const char *const argv[] = {"/bin/true", word, NULL};
    int pidfd;
    pid_t pid;

    memset(word, 'x', SPAWNER_WORDS_BYTES);
    word[SPAWNER_WORDS_BYTES] = '\0';
    start();
    cr_assert_eq(launch_words(argv, LAUNCH_SAME, &pid, &pidfd), E2BIG);
    word[3 << 20] = '\0'; /* fits into the file, and is more than the kernel takes */
    cr_assert_eq(launch_words(argv, LAUNCH_SAME, &pid, &pidfd), E2BIG);
    free(word);
    spawner_stop();
}

/* A command's parent. */
static pid_t find_spawner(void)
{
    char line[32] = "";
    int ends[2];

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(status_of("echo $PPID", ends[1]), 0);
    cr_assert_gt(read(ends[0], line, sizeof(line) - 1), 0);
    close(ends[0]);
    close(ends[1]);
    return (pid_t)strtol(line, NULL, 10);
}

Test(spawner, what_is_sent_to_all_of_a_group_does_not_end_it)
{
    start();
    const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
    pid_t pid = find_spawner();

    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        cr_assert_eq(kill(pid, numbers[i]), 0);
    cr_assert_eq(WEXITSTATUS(status_of("exit 7", LAUNCH_SAME)), 7);
    spawner_stop();
}

static void expect_end(const char *how)
{
    char *told;

    wait_end(spawner_pidfd());
    told = spawner_describe_end();
    cr_expect_str_eq(told, how);
    free(told);
}

Test(spawner, its_end_is_noticed_and_nothing_can_be_started_any_more)
{
    int pidfd, running, status = -1;
    pid_t pid, child;

    start();
    cr_assert_eq(launch_script("sleep 1000", LAUNCH_SAME, &child, &running), 0);
    cr_assert_eq(kill(find_spawner(), SIGKILL), 0);
    expect_end("was ended by signal 9 (Killed)");
    cr_assert_eq(launch_script("exit 0", LAUNCH_SAME, &pid, &pidfd), SPAWNER_GONE);
    cr_assert_str_eq(spawner_error_text(SPAWNER_GONE), "the command process has ended");
    cr_assert_eq(kill(-child, SIGKILL), 0);
    wait_end(running);
    cr_assert_eq(spawner_reap(child, &status), SPAWNER_GONE);
    spawner_stop();
    close(running);
}

Test(spawner, without_a_free_descriptor_nothing_is_left_running)
{
    struct rlimit limit;
    int pidfd = -1, last = -1, fd;
    pid_t pid = 0;

    start();
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 64;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    while ((fd = dup(0)) >= 0)
        last = fd;
    close(last); /* for the words' file, and nothing is left for the pidfd */
    cr_assert_eq(launch_script("sleep 1000", LAUNCH_SAME, &pid, &pidfd), EMFILE);
    close(last - 1);
    cr_assert_eq(WEXITSTATUS(status_of("exit 7", LAUNCH_SAME)), 7);
    spawner_stop();
}

/* Stopped, it is like one that waits for a file system. */
Test(spawner, one_that_does_not_answer_is_killed_and_told_about)
{
    int pidfd;
    pid_t pid;

    spawner_set_patience(1000);
    start();
    cr_assert_eq(kill(find_spawner(), SIGSTOP), 0);
    cr_assert_eq(launch_script("exit 0", LAUNCH_SAME, &pid, &pidfd), SPAWNER_GONE);
    expect_end("did not answer for 1 s and was killed");
    spawner_stop();
}

Test(spawner, one_that_does_not_notice_that_it_should_end_is_killed)
{
    start();
    pid_t pid = find_spawner();
    cr_assert_eq(kill(pid, SIGSTOP), 0);
    spawner_stop();
    cr_assert_eq(kill(pid, 0), -1);
    cr_assert_eq(errno, ESRCH);
}

static void *ask_again_and_again(void *arg)
{
    char script[32];

    for (int i = 0; i < 20; i++) {
        snprintf(script, sizeof(script), "exit %d", *(int *)arg);
        cr_assert_eq(WEXITSTATUS(status_of(script, LAUNCH_SAME)), *(int *)arg);
    }
    return NULL;
}

Test(spawner, threads_that_ask_at_once_get_answers_of_their_own)
{
    pthread_t threads[3];
    int codes[3] = {11, 22, 33};

    start();
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, ask_again_and_again, &codes[i]), 0);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    spawner_stop();
}

/* ---- What it holds ---- */

/* Linux before 5.9. */
static void forget_close_range(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

    cr_assert_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(close_range), 0), 0);
    cr_assert_eq(seccomp_load(filter), 0);
    seccomp_release(filter);
}

static int count_descriptors(pid_t pid)
{
    char *path = xasprintf("/proc/%d/fd", pid);
    DIR *directory = opendir(path);
    int count = -2; /* "." and ".." */

    cr_assert_not_null(directory);
    while (readdir(directory))
        count++;
    closedir(directory);
    free(path);
    return count;
}

static void expect_nothing_held(void)
{
    for (int i = 0; i < 5; i++)
        cr_assert_gt(dup(0), 0);
    start();
    cr_expect_eq(count_descriptors(find_spawner()), 4, "three streams and the socket");
    spawner_stop();
}

Test(spawner, holds_no_socket_of_ours_open)
{
    expect_nothing_held();
}

Test(spawner, holds_no_socket_of_ours_open_on_an_old_kernel_either)
{
    forget_close_range();
    expect_nothing_held();
}

/* ---- What should not come ---- */

/* A spawner of our own, with our end of its socket. */
static int begin_process(pid_t *ret_pid)
{
    int sockets[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
    *ret_pid = fork();
    if (*ret_pid == 0) {
        close(sockets[0]);
        spawner_process_main(spawner_process_prepare(sockets[1]));
    }
    close(sockets[1]);
    return sockets[0];
}

static void expect_answer(int socket, const void *packet, size_t size, int fd_count, int error)
{
    struct spawner_answer answer = {.error = -1};
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int fds[SPAWNER_PACKET_FDS] = {null, null, null, null, null}, back_count;

    cr_assert_eq(spawner_send(socket, packet, size, fds, fd_count), 0);
    cr_assert_eq(spawner_receive(socket, &answer, sizeof(answer), fds, &back_count), 0);
    cr_expect_eq(answer.error, error, "%s", strerror(answer.error));
    cr_expect_eq(back_count, 0);
    close(null);
}

Test(spawner, nonsense_is_refused_and_does_not_end_it)
{
    struct spawner_request odd_kind = {.kind = 77}, words = {.kind = SPAWNER_LAUNCH, .argc = 1},
                           nobody = {.kind = SPAWNER_REAP, .pid = 1},
                           all = {.kind = SPAWNER_REAP, .pid = -1};
    const char longer[sizeof(odd_kind) + 1] = "";
    pid_t pid;
    int socket = begin_process(&pid), before;

    expect_answer(socket, &odd_kind, sizeof(odd_kind), 0, EPROTO);
    before = count_descriptors(pid);
    expect_answer(socket, &odd_kind, 1, 2, EPROTO);
    expect_answer(socket, longer, sizeof(longer), SPAWNER_PACKET_FDS, EPROTO);
    expect_answer(socket, &words, sizeof(words), 0, EPROTO);
    expect_answer(socket, &words, sizeof(words), 1, EPROTO);
    expect_answer(socket, &nobody, sizeof(nobody), 0, ECHILD);
    expect_answer(socket, &all, sizeof(all), 0, ECHILD);
    cr_expect_eq(count_descriptors(pid), before);
    close(socket);
    cr_assert_eq(waitpid(pid, &before, 0), pid);
    cr_expect(WIFEXITED(before) && WEXITSTATUS(before) == 0);
}

/* CMSG_SPACE rounds up: where five descriptors fit, six do. */
Test(spawner, a_packet_with_more_descriptors_than_there_is_room_for_is_refused)
{
    struct spawner_answer answer = {0};
    struct iovec bytes = {.iov_base = &answer, .iov_len = sizeof(answer)};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE((SPAWNER_PACKET_FDS + 1) * sizeof(int))];
    } control = {.header = {.cmsg_level = SOL_SOCKET,
                            .cmsg_type = SCM_RIGHTS,
                            .cmsg_len = CMSG_LEN((SPAWNER_PACKET_FDS + 1) * sizeof(int))}};
    struct msghdr message = {.msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    int sockets[2], fds[SPAWNER_PACKET_FDS], fd_count;

    memset(CMSG_DATA(&control.header), 0, (SPAWNER_PACKET_FDS + 1) * sizeof(int));
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
    cr_assert_eq(sendmsg(sockets[0], &message, 0), (ssize_t)sizeof(answer));
    cr_expect_eq(spawner_receive(sockets[1], &answer, sizeof(answer), fds, &fd_count), EMFILE);
    cr_expect_eq(fd_count, SPAWNER_PACKET_FDS);
    for (int i = 0; i < fd_count; i++)
        close(fds[i]);
    close(sockets[0]);
    close(sockets[1]);
}

/* ---- The words ---- */

static int read_changed(const struct spawner_request *request, int fd)
{
    struct spawner_words words = {0};
    int error = spawner_words_read(&words, request, fd);

    spawner_words_fini(&words);
    return error;
}

Test(spawner, words_come_back_as_they_went_and_nothing_else_is_taken_for_words)
{
    char *argv[] = {(char *)"a", (char *)"", (char *)"c c", NULL}, *none[] = {NULL};
    const struct launch launch = {.path = "/bin/a", .argv = argv, .environment = none};
    struct spawner_request request = {0}, changed;
    struct spawner_words words;
    int fd = -1;

    cr_assert_eq(spawner_words_write(&launch, &request, &fd), 0);
    cr_assert_eq(spawner_words_read(&words, &request, fd), 0);
    cr_expect_str_eq(words.path, "/bin/a");
    cr_expect(words.argv[3] == NULL && words.environment[0] == NULL);
    cr_expect_str_eq(words.argv[2], "c c");
    spawner_words_fini(&words);

    changed = request;
    changed.argc = 0;
    cr_expect_eq(read_changed(&changed, fd), EPROTO);
    for (uint32_t argc = 1; argc < 10; argc++) {
        changed.argc = argc;
        cr_expect_eq(read_changed(&changed, fd), argc == request.argc ? 0 : EPROTO);
    }
    changed.argc = UINT32_MAX;
    cr_expect_eq(read_changed(&changed, fd), EPROTO);
    changed = request;
    changed.envc = 1;
    cr_expect_eq(read_changed(&changed, fd), EPROTO);
    changed = request;
    changed.words_bytes--;
    cr_expect_eq(read_changed(&changed, fd), EPROTO);
    changed.words_bytes = UINT32_MAX;
    cr_expect_eq(read_changed(&changed, fd), EPROTO);
    close(fd);
}
