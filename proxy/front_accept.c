/* The beginning of client connections: accepted, adopted, counted, turned away where there is no
 * room. See front_internal.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proxy/front_http1.h"
#include "proxy/front_internal.h"
#include "proxy/server.h"

/* ---- One connection ---- */

static bool front_over_limit(struct front *f)
{
    _Atomic unsigned *connections = &f->listener->shared->connections;
    unsigned limit = f->listener->config->max_connections;
    unsigned before;

    before = atomic_fetch_add_explicit(connections, 1, memory_order_relaxed);
    if (limit == 0 || before < limit) {
        f->counted = true;
        return false;
    }
    /* Not counted while it lingers: else those turned away would keep the places of others. */
    atomic_fetch_sub_explicit(connections, 1, memory_order_relaxed);
    return true;
}

static void front_begin(struct front *f)
{
    struct worker_listener *listener = f->listener;

    if (listener->config->proxy_protocol)
        front_set_state(f, FRONT_PROXY_HEADER);
    else if (listener->tls != NULL)
        front_set_state(f, FRONT_HANDSHAKE);
    else
        front_set_state(f, FRONT_IDLE);
}

static struct front *front_new(struct worker_listener *listener, const struct shell *shell)
{
    struct worker *worker = listener->worker;
    struct front *f = xcalloc(1, sizeof(*f));

    f->worker = worker;
    f->listener = worker_listener_ref(listener);
    f->shell = *shell;
    f->request_done = true;
    front_init(f);
    list_push_back(&worker->connections, &f->node);
    stat_add(&worker->stats.connections_total, 1);
    stat_add(&worker->stats.connections, 1);
    return f;
}

void front_set_client(struct front *f, const struct address *client)
{
    char text[ADDRESS_TEXT_BYTES];

    snprintf(f->client_host, sizeof(f->client_host), "%s", address_format_host(client, text));
}

/* evhttp was told the peer's address by accept(2), which saves a system call. */
static void front_learn_client(struct front *f)
{
    const struct sockaddr *peer = evhttp_connection_get_addr(f->shell.connection);
    struct address client = {.sa.sa_family = AF_UNIX};

    if (peer != NULL && peer->sa_family == AF_INET)
        memcpy(&client.in, peer, sizeof(client.in));
    else if (peer != NULL && peer->sa_family == AF_INET6)
        memcpy(&client.in6, peer, sizeof(client.in6));
    front_set_client(f, &client);
}

/* An answer needs its time to arrive, and a descriptor for as long: none where those are short. Nor
 * can a client be told anything whose handshake is not done. */
static void front_turn_away(struct front *f, bool may_answer)
{
    stat_add(&f->worker->stats.sheds, 1);
    if (may_answer && f->listener->tls == NULL && !f->listener->config->proxy_protocol)
        front_refuse(f, EG_E_OVERLOAD);
    else
        front_close(f);
}

static void front_on_accepted(struct worker_listener *listener, struct shell *shell, int fd)
{
    struct front *f = front_new(listener, shell);
    bool tls_at_once = listener->tls != NULL && !listener->config->proxy_protocol;
    bool over_limit = front_over_limit(f);

    front_learn_client(f);
    transport_init_accepted(&f->transport, &listener->worker->loop, fd,
                            tls_at_once ? tls_session_new_server(listener->tls) : NULL,
                            LOOP_READ_BYTES, &front_transport_ops);
    front_begin(f);
    if (server_is_full(listener->worker->server))
        front_turn_away(f, false);
    else if (over_limit)
        front_turn_away(f, true);
}

/*
 * Out of descriptors: the accept queue would stay readable and the loop would spin. One descriptor
 * is held back so that there is always one to take a connection with and shed it: its client sees a
 * close at once instead of a silence.
 */
static void front_on_accept_failed(struct worker_listener *listener, int listen_fd, int code)
{
    static struct log_limiter limiter;
    int fd;

    log_warn_limited(
        &limiter,
        "listener \"%s\": cannot accept (%s); closing new connections until there is room again",
        listener->config->name, strerror(code));
    if (code != EMFILE && code != ENFILE)
        return;
    close(listener->reserve_fd);
    fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        close(fd);
    listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    stat_add(&listener->worker->stats.sheds, 1);
}

/* ---- The sockets ---- */

int front_http1_listen(struct worker_listener *listener, int listen_fd)
{
    listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return shell_listen(&listener->nursery, listener, listen_fd, front_on_accepted,
                        front_on_accept_failed);
}

bool front_http1_has_pending(const struct worker_listener *listener)
{
    return shell_has_pending(listener->nursery);
}

void front_http1_stop_accepting(struct worker_listener *listener)
{
    shell_stop_accepting(listener->nursery);
}

int front_http1_listen_also(struct worker_listener *listener, int listen_fd)
{
    return shell_listen_also(listener->nursery, listen_fd);
}

void front_http1_unlisten(struct worker_listener *listener)
{
    shell_unlisten(&listener->nursery);
    if (listener->reserve_fd >= 0)
        close(listener->reserve_fd);
    listener->reserve_fd = -1;
}
