/* evhttp as the owner of connections and requests, kept away from the socket: see shell.h. */
#include "proxy/shell.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/list.h"
#include "net/transport.h"
#include "proxy/listen.h"
#include "proxy/worker.h"
#include "proxy/worker_listener.h"

struct shell_nursery {
    struct worker_listener *listener;
    struct evhttp *http;
    struct evhttp_bound_socket **bound; /* one per accept socket; none once we stopped accepting */
    size_t bound_count;
    shell_accepted_cb on_accepted;
    shell_accept_failed_cb on_accept_failed;
    struct event *adopt;
    struct bufferevent **waiting; /* made by evhttp's accept, not yet adopted */
    size_t waiting_count, waiting_capacity;
    struct shell *presenting; /* whose head evhttp is parsing at this moment */
    struct list node;         /* shell_nurseries */
};

/*
 * evhttp sets the accept callback's argument to itself, and libevent hands that same argument to
 * the listener's error callback: there is no room for ours. So the error callback, which only runs
 * when accept fails, finds its nursery in this list. Never touched otherwise while serving.
 */
static struct list shell_nurseries = {&shell_nurseries, &shell_nurseries};
static pthread_mutex_t shell_nurseries_lock = PTHREAD_MUTEX_INITIALIZER;

/*
 * evhttp will have the descriptor read, which epoll would be told, and told to forget, before
 * anything came of it. A bufferevent whose input is full does not read: so it is full until it is
 * adopted.
 */
static void shell_stop_up(struct bufferevent *bufferevent)
{
    evbuffer_prepend(bufferevent_get_input(bufferevent), " ", 1); /* its end is frozen */
    bufferevent_setwatermark(bufferevent, EV_READ, 0, 1);
}

static void shell_open_up(struct bufferevent *bufferevent)
{
    bufferevent_setwatermark(bufferevent, EV_READ, 0, 0);
    evbuffer_drain(bufferevent_get_input(bufferevent), 1);
}

/* evhttp asks for the next connection's bufferevent. It sets the descriptor right after this
 * returns, so all we can do here is to remember the bufferevent and look again soon. */
static struct bufferevent *shell_on_accept(struct event_base *base, void *arg)
{
    struct shell_nursery *nursery = arg;
    struct bufferevent *bufferevent = bufferevent_socket_new(base, -1, 0);

    if (bufferevent == NULL)
        return NULL;
    /* A new bufferevent wants to write, and evhttp takes that back: two epoll_ctl for nothing. */
    bufferevent_disable(bufferevent, EV_WRITE);
    shell_stop_up(bufferevent);
    if (nursery->waiting_count == nursery->waiting_capacity) {
        nursery->waiting_capacity = nursery->waiting_capacity ? nursery->waiting_capacity * 2 : 16;
        nursery->waiting =
            xrealloc(nursery->waiting, nursery->waiting_capacity * sizeof(struct bufferevent *));
    }
    bufferevent_incref(bufferevent);
    nursery->waiting[nursery->waiting_count++] = bufferevent;
    event_active(nursery->adopt, EV_TIMEOUT, 1);
    return bufferevent;
}

/* Takes the descriptor out of the shell; false when evhttp gave up on the connection in between. */
static bool shell_adopt(struct shell_nursery *nursery, struct shell *shell,
                        struct bufferevent *bufferevent, int *ret_fd)
{
    void *argument = NULL;
    int fd = bufferevent_getfd(bufferevent);

    bufferevent_getcb(bufferevent, NULL, NULL, NULL, &argument);
    if (fd < 0 || argument == NULL)
        return false;
    *shell = (struct shell){.bufferevent = bufferevent, .connection = argument, .nursery = nursery};
    CHECK(evhttp_connection_get_bufferevent(shell->connection) == bufferevent);
    bufferevent_setfd(bufferevent, -1);
    shell_open_up(bufferevent);
    *ret_fd = fd;
    return true;
}

static void shell_adopt_all(struct shell_nursery *nursery)
{
    for (size_t i = 0; i < nursery->waiting_count; i++) {
        struct shell shell;
        int fd;

        if (shell_adopt(nursery, &shell, nursery->waiting[i], &fd))
            nursery->on_accepted(nursery->listener, &shell, fd);
        else
            bufferevent_decref(nursery->waiting[i]);
    }
    nursery->waiting_count = 0;
}

static void shell_on_adopt(evutil_socket_t unused_fd, short what, void *arg)
{
    struct shell_nursery *nursery = arg;
    struct loop *loop = &nursery->listener->worker->loop;

    loop_enter(loop);
    shell_adopt_all(nursery);
    loop_leave(loop);
}

/* evhttp's request callback; runs within shell_present. */
static void shell_on_request(struct evhttp_request *request, void *arg)
{
    struct shell_nursery *nursery = arg;

    CHECK(nursery->presenting != NULL);
    nursery->presenting->request = request;
}

static bool shell_accepts_by(const struct shell_nursery *nursery,
                             const struct evconnlistener *accept)
{
    for (size_t i = 0; i < nursery->bound_count; i++)
        if (evhttp_bound_socket_get_listener(nursery->bound[i]) == accept)
            return true;
    return false;
}

static void shell_on_accept_error(struct evconnlistener *accept, void *evhttp)
{
    struct shell_nursery *found = NULL;
    int code = errno;

    pthread_mutex_lock(&shell_nurseries_lock);
    list_for_each(node, &shell_nurseries)
    {
        struct shell_nursery *nursery = container_of(node, struct shell_nursery, node);

        if (shell_accepts_by(nursery, accept))
            found = nursery;
    }
    pthread_mutex_unlock(&shell_nurseries_lock);
    if (found != NULL)
        found->on_accept_failed(found->listener, evconnlistener_get_fd(accept), code);
}

static void shell_nursery_register(struct shell_nursery *nursery)
{
    pthread_mutex_lock(&shell_nurseries_lock);
    list_push_back(&shell_nurseries, &nursery->node);
    pthread_mutex_unlock(&shell_nurseries_lock);
}

static void shell_nursery_unregister(struct shell_nursery *nursery)
{
    pthread_mutex_lock(&shell_nurseries_lock);
    list_remove(&nursery->node);
    pthread_mutex_unlock(&shell_nurseries_lock);
}

/* Not among the registered ones while its sockets change: other workers read what is in the list.
 */
static int shell_bind(struct shell_nursery *nursery, int listen_fd)
{
    struct evhttp_bound_socket *bound;

    transport_prepare_listener(listen_fd);
    bound = evhttp_accept_socket_with_handle(nursery->http, listen_fd);
    if (bound == NULL)
        return EG_E_INTERNAL;
    evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(bound), shell_on_accept_error);
    nursery->bound = xrealloc(nursery->bound, (nursery->bound_count + 1) * sizeof(bound));
    nursery->bound[nursery->bound_count++] = bound;
    return EG_OK;
}

static int shell_evhttp_new(struct shell_nursery *nursery, struct event_base *base)
{
    nursery->adopt = event_new(base, -1, 0, shell_on_adopt, nursery);
    nursery->http = evhttp_new(base);
    if (nursery->adopt == NULL || nursery->http == NULL)
        return EG_E_INTERNAL;
    /* Methods and sizes are the guard's business; evhttp must not have a second opinion on them. */
    evhttp_set_allowed_methods(nursery->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                                  EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                                                  EVHTTP_REQ_OPTIONS | EVHTTP_REQ_TRACE |
                                                  EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
    evhttp_set_bevcb(nursery->http, shell_on_accept, nursery);
    evhttp_set_gencb(nursery->http, shell_on_request, nursery);
    return EG_OK;
}

int shell_listen(struct shell_nursery **ret_nursery, struct worker_listener *listener,
                 int listen_fd, shell_accepted_cb on_accepted,
                 shell_accept_failed_cb on_accept_failed)
{
    struct shell_nursery *nursery = xcalloc(1, sizeof(*nursery));
    int rc;

    nursery->listener = listener;
    nursery->on_accepted = on_accepted;
    nursery->on_accept_failed = on_accept_failed;
    list_init(&nursery->node);
    rc = shell_evhttp_new(nursery, listener->worker->loop.base);
    if (rc == EG_OK)
        rc = shell_bind(nursery, listen_fd);
    if (rc != EG_OK) {
        close(listen_fd);
        shell_unlisten(&nursery);
        return rc;
    }
    shell_nursery_register(nursery);
    *ret_nursery = nursery;
    return EG_OK;
}

bool shell_has_pending(const struct shell_nursery *nursery)
{
    for (size_t i = 0; i < nursery->bound_count; i++)
        if (listen_pending(evhttp_bound_socket_get_fd(nursery->bound[i])))
            return true;
    return false;
}

int shell_listen_also(struct shell_nursery *nursery, int listen_fd)
{
    int rc;

    shell_nursery_unregister(nursery);
    rc = shell_bind(nursery, listen_fd);
    shell_nursery_register(nursery);
    if (rc != EG_OK)
        close(listen_fd);
    return rc;
}

void shell_stop_accepting(struct shell_nursery *nursery)
{
    shell_nursery_unregister(nursery);
    for (size_t i = 0; i < nursery->bound_count; i++)
        evhttp_del_accept_socket(nursery->http, nursery->bound[i]);
    nursery->bound_count = 0;
    /* What was accepted in this turn counts among the connections that a drain waits for. */
    shell_adopt_all(nursery);
}

void shell_unlisten(struct shell_nursery **nursery)
{
    struct shell_nursery *n = *nursery;

    *nursery = NULL;
    if (n == NULL)
        return;
    shell_nursery_unregister(n);
    if (n->adopt != NULL)
        event_free(n->adopt);
    for (size_t i = 0; i < n->waiting_count; i++)
        bufferevent_decref(n->waiting[i]);
    free(n->waiting);
    if (n->http != NULL)
        evhttp_free(n->http); /* and what is bound */
    free(n->bound);
    free(n);
}

/* The nine methods that evhttp knows go by their own name, all others as GET. CONNECT too: evhttp
 * would parse its target as an authority, and nobody asks it for one. */
static struct slice shell_method(const struct http_request_head *head)
{
    if (head->method_id == HTTP_METHOD_OTHER || head->method_id == HTTP_METHOD_CONNECT)
        return SLICE_LIT("GET");
    return head->method;
}

/* The path when evhttp reads it as one: "//x" would be an authority to it. */
static struct slice shell_target(const struct http_request_head *head)
{
    struct slice path = head->path;

    if (path.n == 0 || path.p[0] != '/' || (path.n > 1 && path.p[1] == '/'))
        return SLICE_LIT("/");
    return path;
}

int shell_present(struct shell *shell, const struct http_request_head *head)
{
    struct evbuffer *input = bufferevent_get_input(shell->bufferevent);
    const struct slice parts[] = {
        shell_method(head),
        SLICE_LIT(" "),
        shell_target(head),
        SLICE_LIT(" HTTP/1.1\r\nHost: evergate\r\n\r\n"),
    };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        evbuffer_add(input, parts[i].p, parts[i].n);
    shell->nursery->presenting = shell;
    bufferevent_trigger(shell->bufferevent, EV_READ, BEV_TRIG_IGNORE_WATERMARKS);
    shell->nursery->presenting = NULL;
    return shell->request != NULL ? EG_OK : EG_E_INTERNAL;
}

void shell_request_done(struct shell *shell)
{
    struct evhttp_request *request = shell->request;

    shell->request = NULL;
    evhttp_send_reply_end(request);
}

void shell_free(struct shell *shell)
{
    struct bufferevent *bufferevent = shell->bufferevent;

    if (bufferevent == NULL)
        return;
    evhttp_connection_free(shell->connection);
    bufferevent_decref(bufferevent);
    *shell = (struct shell){0};
}
