/*
 * The life of a child. See process.h.
 *
 *          room has a place          its time is over, or cancelled     SIGKILL after the grace
 *  QUEUED ─────────────────► RUNNING ──────────────────────► DYING ─────────────┐
 *    │                          │ exit                          │ exit            │
 *    └── cannot be started ─────┴──────────► ENDED ◄────────────┴────────────────┘
 *
 * The owner of one whose time is over is told at once; nobody is told of one that was cancelled.
 * Both keep their place in the room until they are gone, so that hanging commands cannot add up.
 */
#include "checks/process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "checks/process_internal.h"
#include "confine/spawner.h"

/* How long process_room_free waits for killed children in all, so that none stays a zombie. */
enum { ROOM_FREE_WAIT_MS = 200 };

enum process_state {
    PROCESS_QUEUED,  /* in room->queue */
    PROCESS_RUNNING, /* in room->running; `timer` is its timeout */
    PROCESS_DYING,   /* in room->running; SIGTERM was sent, `timer` is the grace */
    PROCESS_ENDED,   /* in no list; told, if it was not, at the end of this turn, then reaped */
};

struct process_room {
    struct loop *loop;
    struct list queue, running; /* process->node */
    unsigned count, max;        /* of `running` */
    bool closing;
    struct loop_task fill, reap;
};

struct process {
    struct list node;
    enum process_state state;
    struct process_room *room; /* not in PROCESS_ENDED: the room may be gone by then */
    struct loop *loop;
    char **argv; /* NULL: a word names an unknown variable */
    char **environment;
    size_t variable_count;
    uint64_t timeout_ms, started_us;
    process_done_cb done; /* NULL: cancelled */
    void *arg;

    pid_t pid;
    int pidfd; /* -1: none */
    struct event *on_exit;
    struct process_output output;
    struct loop_timer timer;
    struct loop_task tell, reap;
    struct process_result result;
};

/* ---- the end ---- */

static void process_on_reap(struct loop_task *task)
{
    struct process *p = container_of(task, struct process, reap);

    process_argv_free(p->argv);
    process_environment_free(p->environment, p->variable_count);
    free(p);
}

static void process_on_tell(struct loop_task *task)
{
    struct process *p = container_of(task, struct process, tell);
    process_done_cb done = p->done;

    p->done = NULL;
    if (p->state == PROCESS_ENDED)
        loop_reap(p->loop, &p->reap);
    if (done)
        done(p->arg, &p->result);
}

static void process_set_state(struct process *p, enum process_state state)
{
    struct process_room *room = p->room;

    if (p->state == PROCESS_RUNNING || p->state == PROCESS_DYING)
        room->count--;
    list_remove(&p->node);
    p->state = state;
    switch (state) {
    case PROCESS_QUEUED:
        list_push_back(&room->queue, &p->node);
        break;
    case PROCESS_RUNNING:
    case PROCESS_DYING:
        room->count++;
        list_push_back(&room->running, &p->node);
        break;
    case PROCESS_ENDED:
        loop_timer_cancel(&p->timer);
        process_output_close(&p->output);
        if (!room->closing)
            loop_soon(room->loop, &room->fill);
        loop_soon(room->loop, &p->tell);
        break;
    }
}

static void process_note_result(struct process *p, enum process_end end, int code)
{
    p->result = (struct process_result){
        .end = end,
        .code = code,
        .took_us = p->loop->now_us - p->started_us,
        .last_line = process_output_line(&p->output),
    };
}

/* While the leader is not waited for, its number, which is the group's, is nobody else's. */
static void signal_group(const struct process *p, int number)
{
    kill(-p->pid, number);
}

static void close_child(struct process *p)
{
    event_free(p->on_exit);
    close(p->pidfd);
    p->on_exit = NULL;
    p->pidfd = -1;
}

/* How it ended is lost where the spawner has ended before it. */
static void note_end(struct process *p, int error, int status)
{
    if (error != 0)
        process_note_result(p, PROCESS_NOT_STARTED, error);
    else if (WIFSIGNALED(status))
        process_note_result(p, PROCESS_SIGNALLED, WTERMSIG(status));
    else
        process_note_result(p, PROCESS_EXITED, WEXITSTATUS(status));
}

static void on_exit_noticed(evutil_socket_t fd, short what, void *arg)
{
    struct process *p = arg;
    struct loop *loop = p->loop;
    int status = 0, error;

    loop_enter(loop);
    if (p->state == PROCESS_DYING)
        signal_group(p, SIGKILL); /* what it left behind while it died */
    error = spawner_reap(p->pid, &status);
    if (error != EAGAIN) {
        process_output_drain(&p->output);
        close_child(p);
        if (p->state == PROCESS_RUNNING)
            note_end(p, error, status);
        process_set_state(p, PROCESS_ENDED);
    }
    loop_leave(loop);
}

static void process_kill(struct process *p)
{
    process_set_state(p, PROCESS_DYING);
    signal_group(p, SIGTERM);
    loop_timer_set(p->loop, &p->timer, PROCESS_GRACE_MS);
}

static void process_on_timer(struct loop_timer *timer)
{
    struct process *p = container_of(timer, struct process, timer);

    if (p->state == PROCESS_DYING) {
        signal_group(p, SIGKILL);
        return;
    }
    process_note_result(p, PROCESS_TIMED_OUT, 0);
    process_kill(p);
    loop_soon(p->loop, &p->tell);
}

/* ---- the start ---- */

/* 0 or an errno. */
static int spawn_with_pipe(struct process *p)
{
    int write_fd;
    int err = process_output_open(&p->output, p->loop, &write_fd);

    if (err != 0)
        return err;
    err = process_spawn(p->argv, p->environment, write_fd, &p->pid, &p->pidfd);
    close(write_fd);
    return err;
}

static void process_launch(struct process *p)
{
    p->started_us = p->loop->now_us;
    int err = p->argv ? spawn_with_pipe(p) : EINVAL;
    if (err != 0) {
        process_note_result(p, PROCESS_NOT_STARTED, err);
        process_set_state(p, PROCESS_ENDED);
        return;
    }
    process_set_state(p, PROCESS_RUNNING);
    p->on_exit = event_new(p->loop->base, p->pidfd, EV_READ | EV_PERSIST, on_exit_noticed, p);
    CHECK(p->on_exit && event_add(p->on_exit, NULL) == 0);
    loop_timer_set(p->loop, &p->timer, p->timeout_ms);
}

static void room_on_fill(struct loop_task *task)
{
    struct process_room *room = container_of(task, struct process_room, fill);

    while (room->count < room->max && !list_empty(&room->queue))
        process_launch(container_of(room->queue.next, struct process, node));
}

struct process *process_start(struct process_room *room, const struct process_command *command,
                              process_done_cb done, void *arg)
{
    struct process *p = xcalloc(1, sizeof(*p));

    CHECK(command->variable_count <= PROCESS_VARIABLES_MAX);
    p->room = room;
    p->loop = room->loop;
    p->argv = process_argv(command->argv, command->variables, command->variable_count);
    p->environment = process_environment(command->variables, command->variable_count);
    p->variable_count = command->variable_count;
    p->timeout_ms = command->timeout_ms;
    p->done = done;
    p->arg = arg;
    p->pidfd = p->output.fd = -1;
    list_init(&p->node);
    loop_timer_init(&p->timer, process_on_timer);
    loop_task_init(&p->tell, process_on_tell);
    loop_task_init(&p->reap, process_on_reap);
    process_set_state(p, PROCESS_QUEUED);
    loop_soon(room->loop, &room->fill);
    return p;
}

void process_cancel(struct process **process)
{
    struct process *p = *process;

    if (!p)
        return;
    *process = NULL;
    p->done = NULL;
    if (p->state == PROCESS_QUEUED)
        process_set_state(p, PROCESS_ENDED);
    else if (p->state == PROCESS_RUNNING)
        process_kill(p);
    /* Dying or ended: on its way out already. */
}

void process_abandon(struct process **process)
{
    struct process *p = *process;

    if (p && p->state == PROCESS_RUNNING) {
        *process = NULL;
        p->done = NULL;
        return;
    }
    process_cancel(process);
}

/* ---- the room ---- */

/* Whoever started us may have left SIGCHLD ignored; then the kernel would throw exit statuses away
 * (POSIX, _exit). The default action ignores the signal and keeps them. */
static void keep_exit_statuses(void)
{
    struct sigaction action;

    if (sigaction(SIGCHLD, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
        signal(SIGCHLD, SIG_DFL);
}

struct process_room *process_room_new(struct loop *loop, unsigned max_children)
{
    struct process_room *room = xcalloc(1, sizeof(*room));

    keep_exit_statuses();
    room->loop = loop;
    room->max = max_children;
    list_init(&room->queue);
    list_init(&room->running);
    loop_task_init(&room->fill, room_on_fill);
    return room;
}

static void room_on_reap(struct loop_task *task)
{
    free(container_of(task, struct process_room, reap));
}

/* A killed process ends at once, but for one that the kernel holds (a dead network file system):
 * that one is left to whoever inherits it. */
static void wait_for_killed(struct process *p, uint64_t *wait_ms)
{
    struct pollfd end = {.fd = p->pidfd, .events = POLLIN};

    while (poll(&end, 1, 1) == 0 && *wait_ms > 0)
        --*wait_ms;
    (void)!spawner_reap(p->pid, &(int){0});
    close_child(p);
}

static void room_drop(struct process_room *room, struct list *processes, uint64_t *wait_ms)
{
    while (!list_empty(processes)) {
        struct process *p = container_of(processes->next, struct process, node);

        if (p->pidfd >= 0)
            wait_for_killed(p, wait_ms);
        p->done = NULL;
        process_set_state(p, PROCESS_ENDED);
        loop_task_cancel(&p->tell);
        loop_reap(room->loop, &p->reap);
    }
}

void process_room_free(struct process_room *room)
{
    uint64_t wait_ms = ROOM_FREE_WAIT_MS;

    if (!room)
        return;
    room->closing = true;
    loop_task_cancel(&room->fill);
    list_for_each(node, &room->running)
        signal_group(container_of(node, struct process, node), SIGKILL);
    room_drop(room, &room->running, &wait_ms);
    room_drop(room, &room->queue, &wait_ms);
    loop_task_init(&room->reap, room_on_reap);
    loop_reap(room->loop, &room->reap);
}
