/* The heir's side of an upgrade: what it was left, and how it says that it serves. See upgrade.h.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proxy/listen.h"
#include "proxy/server_internal.h"
#include "proxy/service_manager.h"
#include "proxy/upgrade_internal.h"
#include "proxy/upgrade_letter.h"
#include "proxy/upgrade_mail.h"

enum { VERDICTS_POLL_MS = 50 };

static struct {
    bool waiting; /* the elder serves still */
    int socket;   /* to it; of use while `waiting` or while `on_word` is there */
    int elder;    /* its process */
    struct upgrade_letter letter;
    struct event *on_word;
    struct loop_timer timer;
    struct server *server;
    void (*then)(struct server *server);
    unsigned polls;
    bool judged; /* by the latest look */
} heir;

bool upgrade_is_heir(void)
{
    return heir.waiting;
}

/* ---- What was left ---- */

static bool is_packet_socket(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

static void take_sockets(int *fds)
{
    size_t at = 0;

    for (size_t i = 0; i < heir.letter.socket_count; i++) {
        const struct upgrade_sockets *sockets = &heir.letter.sockets[i];
        const struct listen_estate estate = {
            .bind = sockets->bind,
            .fds = fds + at,
            .count = sockets->count,
            .unix_device = (dev_t)sockets->device,
            .unix_inode = (ino_t)sockets->inode,
        };

        listen_inherit(&estate);
        at += sockets->count;
    }
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static int read_mail(int socket, char **ret_why)
{
    char *text;
    size_t size, count;
    int *fds;
    int rc = upgrade_mail_receive(socket, &text, &size, &fds, &count, ret_why);

    if (rc != EG_OK)
        return rc;
    rc = upgrade_letter_read(&heir.letter, text, size, ret_why);
    explicit_bzero(text, size);
    free(text);
    if (rc == EG_OK && upgrade_letter_descriptors(&heir.letter) != count) {
        *ret_why = xstrdup("the process before left another number of sockets than it says");
        rc = EG_E_INTERNAL;
    }
    if (rc == EG_OK)
        take_sockets(fds);
    else
        close_all(fds, count);
    free(fds);
    return rc;
}

int upgrade_receive(char **ret_why)
{
    const char *number = getenv(UPGRADE_VARIABLE);
    unsigned long long fd;
    int rc;

    if (number == NULL)
        return EG_OK;
    if (!slice_to_u64(slice_str(number), &fd) || fd > INT_MAX || !is_packet_socket((int)fd)) {
        *ret_why = xasprintf("%s is \"%s\", which no running evergate left: unset it",
                             UPGRADE_VARIABLE, number);
        return EG_E_INTERNAL;
    }
    /* Programs that we start, and the next binary, must not believe that it is meant for them. */
    unsetenv(UPGRADE_VARIABLE);
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    rc = read_mail((int)fd, ret_why);
    if (rc != EG_OK) {
        close((int)fd);
        return rc;
    }
    heir.socket = (int)fd;
    heir.elder = heir.letter.pid;
    heir.waiting = true;
    log_info("upgrade: process %d takes over from process %d", (int)getpid(), heir.elder);
    return EG_OK;
}

bool upgrade_inherit_secret(unsigned char *secret, size_t size)
{
    if (!heir.waiting || !heir.letter.has_secret || size != sizeof(heir.letter.secret))
        return false;
    memcpy(secret, heir.letter.secret, size);
    return true;
}

bool upgrade_inherit_tickets(uint64_t *ret_rotate_ms)
{
    if (!heir.waiting || !tls_tickets_import(heir.letter.tickets, heir.letter.ticket_bytes))
        return false;
    if (heir.letter.ticket_rotate_ms > 0 && heir.letter.ticket_rotate_ms < *ret_rotate_ms)
        *ret_rotate_ms = heir.letter.ticket_rotate_ms;
    return true;
}

const json_t *upgrade_inherited_overlay(void)
{
    return heir.waiting ? heir.letter.overlay : NULL;
}

const json_t *upgrade_inherited_discovered(void)
{
    return heir.waiting ? heir.letter.discovered : NULL;
}

/* ---- Before it serves ---- */

static unsigned count_unjudged(const struct config_pool *config, struct balancer_pool *pool)
{
    unsigned count = 0;

    for (unsigned i = 0; config->health != NULL && i < balancer_pool_size(pool); i++) {
        const struct endpoint *endpoint = balancer_pool_endpoint(pool, i);

        if (endpoint != NULL && atomic_load(&endpoint->status) == ENDPOINT_UNKNOWN)
            count++;
    }
    return count;
}

static unsigned count_all_unjudged(const struct server *server)
{
    unsigned count = 0;

    for (size_t i = 0; i < server->config->pool_count; i++)
        count += count_unjudged(&server->config->pools[i], server->runtimes[i]->balancer);
    return count;
}

/* The verdicts are in when two looks in a row find none missing: by the second one the health
 * thread has brought the line-ups up to date with them. */
static void go_on_or_wait(void)
{
    unsigned unjudged = count_all_unjudged(heir.server);
    bool late = heir.polls++ >= UPGRADE_VERDICTS_MS / VERDICTS_POLL_MS;

    if (unjudged > 0 && late)
        log_warn("upgrade: endpoints without a verdict after %d s: %u; serving without them",
                 UPGRADE_VERDICTS_MS / 1000, unjudged);
    if (late || (unjudged == 0 && heir.judged)) {
        heir.then(heir.server);
        return;
    }
    heir.judged = unjudged == 0;
    loop_timer_set(&heir.server->loop, &heir.timer, VERDICTS_POLL_MS);
}

static void on_verdicts_timer(struct loop_timer *timer)
{
    go_on_or_wait();
}

void upgrade_await_verdicts(struct server *server, void (*then)(struct server *server))
{
    if (!heir.waiting) {
        then(server);
        return;
    }
    heir.server = server;
    heir.then = then;
    heir.judged = true; /* where nothing is checked, nothing is waited for */
    loop_timer_init(&heir.timer, on_verdicts_timer);
    go_on_or_wait();
}

/* ---- When it serves ---- */

static void tell_service_manager(const struct server *server)
{
    char *status =
        xasprintf("serving \"%s\": workers %u, routes %zu, pools %zu", server->config->file,
                  server->worker_count, server->config->route_count, server->config->pool_count);

    service_manager_ready(status);
    free(status);
}

static void forget_elder(void)
{
    if (heir.on_word != NULL)
        event_free(heir.on_word);
    heir.on_word = NULL;
    close(heir.socket);
}

static void take_over(void)
{
    char why[80];

    listen_inherit_own();
    forget_elder();
    snprintf(why, sizeof(why), "process %d has taken over from process %d", (int)getpid(),
             heir.elder);
    health_tell_process(heir.server->health, EVENT_UPGRADE, EVENT_INFO, "starting", "serving", why,
                        "");
    tell_service_manager(heir.server);
}

/* "yours", or the elder is gone: there is nobody but us either way. */
static void on_word_event(evutil_socket_t socket, short what, void *arg)
{
    struct loop *loop = &heir.server->loop;

    loop_enter(loop);
    if (upgrade_mail_hear(socket, UPGRADE_YOURS) != UPGRADE_HEARD_NOTHING)
        take_over();
    loop_leave(loop);
}

void upgrade_serving(struct server *server)
{
    if (!heir.waiting) {
        tell_service_manager(server);
        return;
    }
    heir.waiting = false;
    heir.server = server;
    upgrade_letter_fini(&heir.letter);
    /* Before the word: the elder accepts what is queued in sockets that we do not want, and those
     * must be its own by then. */
    listen_inherit_close();
    heir.on_word =
        event_new(server->loop.base, heir.socket, EV_READ | EV_PERSIST, on_word_event, NULL);
    if (!upgrade_mail_say(heir.socket, UPGRADE_READY) || heir.on_word == NULL ||
        event_add(heir.on_word, NULL) < 0)
        take_over();
}

int upgrade_elder(void)
{
    return heir.on_word != NULL ? heir.elder : 0;
}

void upgrade_heir_fini(void)
{
    if (heir.on_word != NULL || heir.waiting)
        forget_elder();
    if (heir.server != NULL)
        loop_timer_cancel(&heir.timer);
    if (heir.waiting)
        upgrade_letter_fini(&heir.letter);
    heir.waiting = false;
    heir.server = NULL;
}
