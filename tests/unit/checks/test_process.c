/* Commands as children: real ones, since what is tested is what the kernel makes of them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checks/process.h"
#include "tests/lib/run_until.h"

enum { LONG_MS = 60000 };

static struct loop loop;
static struct process_room *room;

struct outcome {
    unsigned told;
    enum process_end end;
    int code;
    char line[PROCESS_OUTPUT_BYTES];
};

/* Orphans become ours, so that their end can be seen. */
static void open_room(unsigned max)
{
    cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    cr_assert_eq(loop_init(&loop), 0);
    room = process_room_new(&loop, max);
}

static void close_room(void)
{
    IN_TURN(&loop, process_room_free(room));
    run_turns(&loop, 3);
    loop_fini(&loop);
}

static void expect_no_zombies(void)
{
    cr_expect_eq(waitpid(-1, NULL, WNOHANG), -1);
    cr_expect_eq(errno, ECHILD);
}

/* The room has seen the end of all. Takes no exit status away from it. */
static bool no_children(void)
{
    siginfo_t info;

    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void on_done(void *arg, const struct process_result *result)
{
    struct outcome *o = arg;

    o->told++;
    o->end = result->end;
    o->code = result->code;
    snprintf(o->line, sizeof(o->line), "%s", result->last_line);
}

static struct process *start(const char *const *argv, uint64_t timeout_ms, struct outcome *o)
{
    static const struct process_variable variables[] = {{"EG_POOL", "api"},
                                                        {"EG_REASON", "it's \"$HOME\"; rm -rf /"}};
    const struct process_command command = {
        .argv = argv, .variables = variables, .variable_count = 2, .timeout_ms = timeout_ms};
    struct process *process;

    memset(o, 0, sizeof(*o));
    IN_TURN(&loop, process = process_start(room, &command, on_done, o));
    return process;
}

static void run(const char *const *argv, struct outcome *o)
{
    open_room(4);
    start(argv, LONG_MS, o);
    RUN_UNTIL(&loop, o->told > 0);
    run_turns(&loop, 3);
    cr_expect_eq(o->told, 1);
    close_room();
    expect_no_zombies();
}

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

Test(process, tells_exit_status_and_last_line)
{
    struct outcome o;

    run(ARGV("sh", "-c", "echo first; echo 'second one' >&2; echo; exit 7"), &o);
    cr_expect_eq(o.end, PROCESS_EXITED);
    cr_expect_eq(o.code, 7);
    cr_expect_str_eq(o.line, "second one");
}

Test(process, a_program_that_is_missing_is_told_like_an_end)
{
    struct outcome o;

    run(ARGV("/nonexistent/program"), &o);
    cr_expect_eq(o.end, PROCESS_NOT_STARTED);
    cr_expect_eq(o.code, ENOENT);
}

Test(process, variables_are_expanded_and_no_shell_sees_them)
{
    struct outcome o;

    run(ARGV("echo", "<${EG_POOL}>", "${EG_REASON}", "$EG_POOL", "${HOME}"), &o);
    cr_expect_str_eq(o.line, "<api> it's \"$HOME\"; rm -rf / $EG_POOL ${HOME}");
}

Test(process, an_unknown_variable_starts_nothing)
{
    struct outcome o;

    run(ARGV("echo", "${EG_NOTHING}"), &o);
    cr_expect_eq(o.end, PROCESS_NOT_STARTED);
}

Test(process, gets_our_environment_with_the_variables)
{
    struct outcome o;

    setenv("EG_POOL", "ours", 1);
    setenv("INHERITED", "yes", 1);
    run(ARGV("sh", "-c", "echo $EG_POOL $INHERITED $(env | grep -c ^EG_POOL=)"), &o);
    cr_expect_str_eq(o.line, "api yes 1");
}

Test(process, inherits_no_descriptor_and_nothing_on_standard_input)
{
    struct outcome o;
    int leaked = dup(1); /* without close-on-exec */

    run(ARGV("sh", "-c", "cat; echo /proc/self/fd/*"), &o);
    /* 3 is the shell's own look at the directory. */
    cr_expect(strncmp(o.line, "/proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2", 47) == 0, "%s",
              o.line);
    cr_expect_null(strstr(o.line, "/4"), "%s", o.line);
    close(leaked);
}

Test(process, has_default_signal_actions_and_none_blocked)
{
    struct outcome o;
    sigset_t all;

    signal(SIGPIPE, SIG_IGN);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    /* SIGPIPE is bit 12; the highest bits are the thread library's own. */
    run(ARGV("grep", "-E", "^SigBlk:.*[1-9a-f]|^SigIgn:.*[13579bdf]...$", "/proc/self/status"), &o);
    cr_expect_eq(o.code, 1, "%s", o.line); /* grep found nothing */
}

Test(process, a_signal_is_told)
{
    struct outcome o;

    run(ARGV("sh", "-c", "kill -SEGV $$"), &o);
    cr_expect_eq(o.end, PROCESS_SIGNALLED);
    cr_expect_eq(o.code, SIGSEGV);
}

Test(process, keeps_the_end_of_much_output)
{
    struct outcome o;

    run(ARGV("sh", "-c", "seq 1 100000; echo the end"), &o);
    cr_expect_str_eq(o.line, "the end");
}

static bool is_gone(pid_t pid)
{
    return waitpid(pid, NULL, WNOHANG) != 0;
}

/* The pid that a child printed. */
static pid_t printed_pid(const struct outcome *o)
{
    return (pid_t)strtol(o->line, NULL, 10);
}

Test(process, at_its_timeout_it_is_killed_with_its_children)
{
    struct outcome o;

    open_room(4);
    start(ARGV("sh", "-c", "sleep 1000 & echo $!; wait"), 300, &o);
    RUN_UNTIL(&loop, o.told > 0);
    cr_expect_eq(o.end, PROCESS_TIMED_OUT);
    pid_t child = printed_pid(&o);
    cr_assert_gt(child, 0, "%s", o.line);
    RUN_UNTIL(&loop, is_gone(child));
    close_room();
}

Test(process, what_ignores_sigterm_is_killed_after_the_grace)
{
    struct outcome o;

    open_room(4);
    start(ARGV("sh", "-c", "trap '' TERM; echo $$; while :; do sleep 1000; done"), 300, &o);
    RUN_UNTIL(&loop, o.told > 0);
    cr_expect_eq(o.end, PROCESS_TIMED_OUT);
    cr_assert_gt(printed_pid(&o), 0);
    RUN_UNTIL(&loop, kill(printed_pid(&o), 0) < 0);
    close_room();
}

Test(process, what_ends_by_itself_may_leave_something_running)
{
    struct outcome o;

    open_room(4);
    start(ARGV("sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!"), LONG_MS, &o);
    RUN_UNTIL(&loop, o.told > 0);
    cr_expect_eq(o.end, PROCESS_EXITED);
    cr_expect_not(is_gone(printed_pid(&o)));
    kill(printed_pid(&o), SIGKILL);
    RUN_UNTIL(&loop, is_gone(printed_pid(&o)));
    close_room();
}

Test(process, a_child_that_keeps_the_pipe_open_does_not_delay_the_end)
{
    struct outcome o;

    open_room(4);
    start(ARGV("sh", "-c", "sleep 1000 & echo $!"), LONG_MS, &o);
    RUN_UNTIL(&loop, o.told > 0);
    cr_expect_eq(o.end, PROCESS_EXITED);
    kill(printed_pid(&o), SIGKILL);
    RUN_UNTIL(&loop, is_gone(printed_pid(&o)));
    close_room();
}

Test(process, output_without_end_is_stopped_not_read_for_ever)
{
    struct outcome o;

    open_room(4);
    start(ARGV("yes"), 1000, &o);
    RUN_UNTIL(&loop, o.told > 0);
    cr_expect_eq(o.end, PROCESS_TIMED_OUT);
    cr_expect_str_eq(o.line, "y");
    close_room();
}

Test(process, a_full_room_makes_the_next_one_wait_its_turn)
{
    struct outcome first, second, third;

    open_room(1);
    struct process *hanging = start(ARGV("sleep", "1000"), LONG_MS, &first);
    struct process *waiting = start(ARGV("true"), 1, &second);
    start(ARGV("true"), LONG_MS, &third);
    run_turns(&loop, 50);
    cr_expect_eq(second.told, 0);
    IN_TURN(&loop, process_cancel(&waiting));
    cr_expect_null(waiting);
    IN_TURN(&loop, process_cancel(&hanging));
    RUN_UNTIL(&loop, third.told > 0);
    cr_expect_eq(third.end, PROCESS_EXITED);
    cr_expect_eq(first.told, 0);
    cr_expect_eq(second.told, 0);
    close_room();
}

Test(process, what_is_abandoned_runs_on_to_its_end)
{
    const char *argv[] = {"sh", "-c", "read x <\"$0\"; echo on >\"$0.end\"", NULL, NULL};
    char fifo[64], end[80];
    struct outcome o;

    snprintf(fifo, sizeof(fifo), "/tmp/evergate-abandoned-%d", (int)getpid());
    snprintf(end, sizeof(end), "%s.end", fifo);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    argv[3] = fifo;
    open_room(4);
    struct process *process = start(argv, LONG_MS, &o);
    int writer = -1;
    RUN_UNTIL(&loop, (writer = open(fifo, O_WRONLY | O_NONBLOCK)) >= 0); /* it reads */
    IN_TURN(&loop, process_abandon(&process));
    cr_expect_null(process);
    cr_assert_eq(write(writer, "go\n", 3), 3);
    close(writer);
    RUN_UNTIL(&loop, no_children());
    cr_expect_eq(access(end, F_OK), 0);
    cr_expect_eq(o.told, 0);
    close_room();
    unlink(fifo);
    unlink(end);
}

Test(process, what_is_abandoned_is_killed_at_its_timeout)
{
    struct outcome o;

    open_room(4);
    struct process *process = start(ARGV("sleep", "1000"), 100, &o);
    run_turns(&loop, 5); /* it has begun */
    IN_TURN(&loop, process_abandon(&process));
    RUN_UNTIL(&loop, no_children());
    cr_expect_eq(o.told, 0);
    close_room();
}

Test(process, what_is_abandoned_before_it_begins_never_does)
{
    struct outcome first, second;

    open_room(1);
    struct process *hanging = start(ARGV("sleep", "1000"), LONG_MS, &first);
    struct process *waiting = start(ARGV("sleep", "1000"), LONG_MS, &second);
    run_turns(&loop, 5);
    IN_TURN(&loop, process_abandon(&waiting));
    cr_expect_null(waiting);
    IN_TURN(&loop, process_cancel(&hanging));
    RUN_UNTIL(&loop, no_children());
    close_room();
}

Test(process, the_room_takes_all_with_it)
{
    struct outcome o[3];

    open_room(2);
    for (unsigned i = 0; i < 3; i++)
        start(ARGV("tail", "-f", "/dev/null"), LONG_MS, &o[i]);
    run_turns(&loop, 20);
    close_room();
    expect_no_zombies();
    for (unsigned i = 0; i < 3; i++)
        cr_expect_eq(o[i].told, 0);
}

Test(process, an_ignored_sigchld_does_not_lose_exit_statuses)
{
    struct outcome o;

    signal(SIGCHLD, SIG_IGN);
    run(ARGV("sh", "-c", "exit 3"), &o);
    cr_expect_eq(o.code, 3);
}

Test(process, the_last_line_is_found)
{
    char out[16];

    cr_expect_str_eq(process_last_line("", 0, out, sizeof(out)), "");
    cr_expect_str_eq(process_last_line("\n \n", 3, out, sizeof(out)), "");
    cr_expect_str_eq(process_last_line("a\nb", 3, out, sizeof(out)), "b");
    cr_expect_str_eq(process_last_line("a\n\tb\x1b"
                                       "c \r\n\n",
                                       10, out, sizeof(out)),
                     "b c");
    cr_expect_str_eq(process_last_line("0123456789abcdefghij", 20, out, sizeof(out)),
                     "0123456789abcde");
}

Test(process, a_command_is_checked_before_it_is_needed)
{
    char *why = NULL;

    cr_expect_eq(process_check(ARGV("sh", "-c", "true"), &why), 0);
    cr_expect_eq(process_check(ARGV("/bin/sh"), &why), 0);
    cr_expect_eq(process_check(ARGV("/opt/${EG_POOL}/repair"), &why), 0);
    cr_expect_eq(process_check(ARGV("no-such-program-here"), &why), EG_E_INTERNAL);
    cr_expect_str_eq(why, "no program \"no-such-program-here\" that can be run");
    free(why);
    cr_expect_eq(process_check(ARGV("/tmp"), &why), EG_E_INTERNAL, "a directory is none");
    free(why);
}
