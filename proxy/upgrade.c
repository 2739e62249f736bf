/*
 * The elder's side of an upgrade: see upgrade.h.
 *
 *   STARTING ── "ready" ──────────────► DONE: it serves, we drain
 *      │ exit, time-out, SIGTERM
 *      └──────────► ENDING ── exit ──► nothing: we serve, and may be asked again
 */
#include "proxy/upgrade.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "config/found.h"
#include "confine/confine.h"
#include "confine/spawner.h"
#include "proxy/listen.h"
#include "proxy/server_internal.h"
#include "proxy/server_watch.h"
#include "proxy/service_manager.h"
#include "proxy/upgrade_internal.h"
#include "proxy/upgrade_letter.h"
#include "proxy/upgrade_mail.h"
#include "proxy/upgrade_spawn.h"

enum { UPGRADE_TIMEOUT_S = 60 };

enum upgrade_state {
    UPGRADE_STARTING,
    UPGRADE_ENDING, /* told to end; its exit is awaited */
    UPGRADE_DONE,
};

struct upgrade {
    struct server *server;
    enum upgrade_state state;
    pid_t pid;
    int pidfd;
    int socket; /* ours of the pair; -1 once there is nothing left to say */
    struct event *on_word, *on_exit;
    struct loop_timer timer;
};

/* What SIGUSR2 starts; without a path: nothing, since upgrade_begin was not called. */
static struct upgrade_program program;
static char *container_objection; /* NULL: there is none */
static upgrade_overlay_cb overlay_source;

int upgrade_begin(char **ret_why)
{
    upgrade_program_fini(&program);
    if (upgrade_program_of_self(&program) != EG_OK)
        log_warn("/proc does not say what this process was started as: SIGUSR2 will be refused");
    free(container_objection);
    container_objection = upgrade_container_objection();
    return upgrade_receive(ret_why);
}

void upgrade_set_overlay_source(upgrade_overlay_cb overlay)
{
    overlay_source = overlay;
}

bool upgrade_under_way(const struct server *server)
{
    return server->upgrade != NULL && server->upgrade->state == UPGRADE_STARTING;
}

bool upgrade_done(const struct server *server)
{
    return server->upgrade != NULL && server->upgrade->state == UPGRADE_DONE;
}

/* ---- Ending an attempt ---- */

static void forget_socket(struct upgrade *u)
{
    if (u->on_word != NULL)
        event_free(u->on_word);
    u->on_word = NULL;
    if (u->socket >= 0)
        close(u->socket);
    u->socket = -1;
}

static void forget(struct upgrade *u)
{
    forget_socket(u);
    loop_timer_cancel(&u->timer);
    if (u->on_exit != NULL)
        event_free(u->on_exit);
    if (u->pidfd >= 0)
        close(u->pidfd);
    u->server->upgrade = NULL;
    free(u);
}

/* One line for the log, and one for those who read events. */
static void tell_failure(const struct upgrade *u, const char *what)
{
    char *why = xasprintf("the new process %d %s", (int)u->pid, what);

    health_tell_process(u->server->health, EVENT_UPGRADE, EVENT_ERROR, "starting", "failed", why,
                        "this process goes on serving");
    free(why);
}

static char *describe_end(pid_t pid)
{
    int status, error = spawner_reap(pid, &status);

    if (error != 0)
        return xasprintf("has ended; how is not known: %s", spawner_error_text(error));
    if (WIFEXITED(status))
        return xasprintf("exited with status %d", WEXITSTATUS(status));
    return xasprintf("was ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
}

static void on_exit_event(evutil_socket_t pidfd, short unused_what, void *arg)
{
    struct upgrade *u = arg;
    struct server *server = u->server;
    struct loop *loop = &server->loop;
    char *end, *what;

    loop_enter(loop);
    end = describe_end(u->pid);
    what = xasprintf("%s before it was ready: its log says why", end);
    if (u->state == UPGRADE_STARTING)
        tell_failure(u, what);
    else if (u->state == UPGRADE_DONE)
        log_error("upgrade: process %d, which had taken over, %s", (int)u->pid, end);
    free(what);
    free(end);
    if (u->state == UPGRADE_DONE) {
        event_del(u->on_exit);
    } else {
        forget(u);
        server_watch_again(server);
    }
    loop_leave(loop);
}

static void on_timeout(struct loop_timer *timer)
{
    struct upgrade *u = container_of(timer, struct upgrade, timer);

    char what[64];

    snprintf(what, sizeof(what), "was not ready within %d s and is killed", UPGRADE_TIMEOUT_S);
    tell_failure(u, what);
    u->state = UPGRADE_ENDING;
    forget_socket(u);
    kill(u->pid, SIGKILL); /* not reaped yet: the number is its own */
}

void upgrade_abandon(struct server *server, const char *cause)
{
    struct upgrade *u = server->upgrade;

    if (u == NULL || u->state != UPGRADE_STARTING)
        return;
    log_info("%s: the new process %d, which does not serve yet, ends too", cause, (int)u->pid);
    u->state = UPGRADE_ENDING;
    loop_timer_cancel(&u->timer);
    forget_socket(u);
    kill(u->pid, SIGTERM);
}

void upgrade_free(struct server *server)
{
    struct upgrade *u = server->upgrade;

    upgrade_heir_fini();
    if (u == NULL)
        return;
    if (u->state != UPGRADE_DONE) {
        kill(u->pid, SIGKILL);
        spawner_wait(u->pid, u->pidfd);
    }
    forget(u);
}

/* ---- Handing over ---- */

/* The order matters: the service manager is told by whom it believes, and must not take the end of
 * this process for the end of the service. */
static void hand_over(struct upgrade *u)
{
    struct server *server = u->server;

    u->state = UPGRADE_DONE;
    loop_timer_cancel(&u->timer);
    log_info("upgrade: process %d serves now; this process, %d, finishes what it has begun",
             (int)u->pid, (int)getpid());
    service_manager_main_process(u->pid);
    listen_disown();
    upgrade_mail_say(u->socket, UPGRADE_YOURS);
    forget_socket(u);
    server_open_doors(server, false);
    server_drain(server, "upgrade");
}

static void on_word_event(evutil_socket_t socket, short what, void *arg)
{
    struct upgrade *u = arg;
    struct loop *loop = &u->server->loop;

    loop_enter(loop);
    switch (upgrade_mail_hear(socket, UPGRADE_READY)) {
    case UPGRADE_HEARD_NOTHING:
        break;
    case UPGRADE_HEARD_WORD:
        hand_over(u);
        break;
    case UPGRADE_HEARD_END: /* its exit follows, or its time runs out */
        forget_socket(u);
        break;
    }
    loop_leave(loop);
}

/* ---- The start ---- */

struct estate_list {
    struct upgrade_letter letter;
    int *fds;
    size_t count;
};

static void add_estate(void *arg, const struct listen_estate *estate)
{
    struct estate_list *list = arg;

    upgrade_letter_add_sockets(&list->letter, estate->bind, estate->count, estate->unix_device,
                               estate->unix_inode);
    list->fds = xrealloc(list->fds, (list->count + estate->count) * sizeof(*list->fds));
    memcpy(list->fds + list->count, estate->fds, estate->count * sizeof(*list->fds));
    list->count += estate->count;
}

static void write_letter(struct estate_list *list, const struct server *server)
{
    struct upgrade_letter *letter = &list->letter;
    uint64_t due_ms = server->tickets_timer.deadline_ms, now_ms = server->loop.now_ms;

    listen_bequeath(add_estate, list);
    letter->pid = (int)getpid();
    letter->has_secret = true;
    memcpy(letter->secret, server->sticky_secret, sizeof(letter->secret));
    letter->ticket_bytes = tls_tickets_export(letter->tickets);
    letter->ticket_rotate_ms = due_ms > now_ms ? due_ms - now_ms : 1;
    letter->overlay = overlay_source != NULL ? overlay_source(server) : NULL;
    if (server->config->discovered != NULL)
        letter->discovered = config_discovered_json(server->config->discovered);
}

/* Everything is in the socket before the child is: it never has to wait. 0, or an errno. */
static int send_letter(int socket, const struct server *server)
{
    struct estate_list list = {0};
    char *text;
    int error;

    write_letter(&list, server);
    text = upgrade_letter_write(&list.letter);
    error = upgrade_mail_send(socket, text, list.fds, list.count);
    explicit_bzero(text, strlen(text));
    free(text);
    free(list.fds);
    upgrade_letter_fini(&list.letter);
    return error;
}

/* 0, or an errno; then nothing is left. */
static int start_child(struct upgrade *u)
{
    int sockets[2];
    int error = upgrade_mail_pair(sockets);

    if (error != 0)
        return error;
    u->socket = sockets[0];
    error = send_letter(u->socket, u->server);
    if (error == 0)
        error = upgrade_spawn(&program, sockets[1], &u->pid, &u->pidfd);
    close(sockets[1]);
    return error;
}

static bool watch_child(struct upgrade *u)
{
    struct event_base *base = u->server->loop.base;

    u->on_word = event_new(base, u->socket, EV_READ | EV_PERSIST, on_word_event, u);
    u->on_exit = event_new(base, u->pidfd, EV_READ | EV_PERSIST, on_exit_event, u);
    return u->on_word != NULL && u->on_exit != NULL && event_add(u->on_word, NULL) == 0 &&
           event_add(u->on_exit, NULL) == 0;
}

/* Why it may not begin now (heap); NULL: it may. */
static char *objection(const struct server *server)
{
    const struct upgrade *u = server->upgrade;

    if (confine_has_chroot())
        return xstrdup("its files are outside of this process's chroot: restart instead");
    if (program.path == NULL)
        return xstrdup("only \"evergate run\" can be replaced while it serves");
    if (container_objection != NULL)
        return xstrdup(container_objection);
    if (u != NULL && u->state == UPGRADE_STARTING)
        return xasprintf("process %d is being started already", (int)u->pid);
    if (u != NULL && u->state == UPGRADE_ENDING)
        return xasprintf("process %d of the last attempt has not ended yet", (int)u->pid);
    if (upgrade_elder() != 0)
        return xasprintf("process %d has not let go of the sockets yet", upgrade_elder());
    if (server_phase(server) != SERVER_SERVING)
        return xstrdup(upgrade_done(server) ? "a new process has taken over already"
                                            : "this process is starting or stopping");
    return NULL;
}

static void begin(struct server *server, const char *cause)
{
    struct upgrade *u = xcalloc(1, sizeof(*u));
    int error;

    server->upgrade = u;
    u->server = server;
    u->socket = u->pidfd = -1;
    loop_timer_init(&u->timer, on_timeout);
    error = start_child(u);
    if (error != 0) {
        log_error("%s: cannot start \"%s\": %s; this process goes on serving", cause, program.path,
                  spawner_error_text(error));
        forget(u);
        return;
    }
    log_info("%s: \"%s\" is started as process %d, to take over from process %d within %d s", cause,
             program.path, (int)u->pid, (int)getpid(), UPGRADE_TIMEOUT_S);
    loop_timer_set(&server->loop, &u->timer, UPGRADE_TIMEOUT_S * 1000);
    if (!watch_child(u)) {
        log_error("%s: out of memory; this process goes on serving", cause);
        kill(u->pid, SIGKILL);
        spawner_wait(u->pid, u->pidfd);
        forget(u);
    }
}

void upgrade_start(struct server *server, const char *cause)
{
    char *why = objection(server);

    if (why == NULL) {
        begin(server, cause);
        return;
    }
    log_warn("%s: not upgraded: %s", cause, why);
    free(why);
}
