/*
 * The facts about libevent's evhttp that the shell stands on, each asserted against the library
 * itself: should a new version behave otherwise, this fails and not a connection.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "proxy/shell.h"
#include "proxy/worker.h"
#include "proxy/worker_listener.h"

static struct worker worker;
static struct worker_listener listener;
static struct shell_nursery *nursery;
static struct shell adopted;
static int adopted_fd, accepted_count;
static struct sockaddr_in bound;

static int epoll_calls;

/* Stands before libc's, for libevent too. */
int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    epoll_calls++;
    return (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}

static void on_accepted(struct worker_listener *l, struct shell *shell, int fd)
{
    adopted = *shell;
    adopted_fd = fd;
    accepted_count++;
}

static void on_accept_failed(struct worker_listener *l, int fd, int code)
{
}

static void setup(void)
{
    socklen_t length = sizeof(bound);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    bound.sin_family = AF_INET;
    bound.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    cr_assert_eq(bind(fd, (struct sockaddr *)&bound, sizeof(bound)), 0);
    cr_assert_eq(listen(fd, 16), 0);
    getsockname(fd, (struct sockaddr *)&bound, &length);
    cr_assert_eq(loop_init(&worker.loop), EG_OK);
    listener.worker = &worker;
    cr_assert_eq(shell_listen(&nursery, &listener, fd, on_accepted, on_accept_failed), EG_OK);
}

static void teardown(void)
{
    shell_unlisten(&nursery);
    loop_fini(&worker.loop);
}

TestSuite(shell, .init = setup, .fini = teardown);

static int connect_client(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    cr_assert_eq(connect(fd, (struct sockaddr *)&bound, sizeof(bound)), 0);
    for (int i = 0; i < 1000 && accepted_count == 0; i++)
        event_base_loop(worker.loop.base, EVLOOP_ONCE);
    cr_assert_eq(accepted_count, 1);
    return fd;
}

static struct http_request_head head_of(const char *method, enum http_method id, const char *path)
{
    return (struct http_request_head){
        .method = slice_str(method), .method_id = id, .path = slice_str(path)};
}

Test(shell, an_accepted_connection_is_adopted_with_its_descriptor)
{
    int client = connect_client();

    cr_expect_geq(adopted_fd, 0);
    cr_expect_eq(evhttp_connection_get_bufferevent(adopted.connection), adopted.bufferevent);
    cr_expect_eq(bufferevent_getfd(adopted.bufferevent), -1);
    shell_free(&adopted);
    close(client);
}

/* What accept(2) would otherwise cost each connection: a call of its own. */
Test(shell, an_accepted_connection_does_not_delay_small_segments)
{
    int client = connect_client(), on = 0;
    socklen_t length = sizeof(on);

    cr_assert_eq(getsockopt(adopted_fd, IPPROTO_TCP, TCP_NODELAY, &on, &length), 0);
    cr_expect_neq(on, 0);
    shell_free(&adopted);
    close(client);
}

Test(shell, accepting_a_connection_tells_epoll_nothing)
{
    int client, before = epoll_calls;

    client = connect_client();
    cr_expect_eq(epoll_calls, before);
    shell_free(&adopted);
    close(client);
}

Test(shell, evhttp_does_not_read_the_socket)
{
    int client = connect_client();
    char byte;

    cr_assert_eq(write(client, "G", 1), 1);
    for (int i = 0; i < 10; i++)
        event_base_loop(worker.loop.base, EVLOOP_NONBLOCK);
    cr_expect_eq(recv(adopted_fd, &byte, 1, MSG_DONTWAIT), 1);
    shell_free(&adopted);
    close(client);
}

Test(shell, a_presented_head_becomes_a_request_before_the_call_returns)
{
    static const struct {
        const char *method;
        enum http_method id;
        const char *path;
    } cases[] = {
        {"GET", HTTP_METHOD_GET, "/a?b=c"},       {"POST", HTTP_METHOD_POST, "/"},
        {"PROPFIND", HTTP_METHOD_OTHER, "/dav"},  {"CONNECT", HTTP_METHOD_CONNECT, ""},
        {"OPTIONS", HTTP_METHOD_OPTIONS, "*"},    {"GET", HTTP_METHOD_GET, "//not/a/host"},
        {"PATCH", HTTP_METHOD_PATCH, "/%zz[]|^"}, {"TRACE", HTTP_METHOD_TRACE, "/a:b@c"},
    };
    int client = connect_client();

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_request_head head = head_of(cases[i].method, cases[i].id, cases[i].path);

        cr_assert_eq(shell_present(&adopted, &head), EG_OK, "%s %s", cases[i].method,
                     cases[i].path);
        cr_assert_not_null(adopted.request);
        cr_expect_eq(evbuffer_get_length(bufferevent_get_input(adopted.bufferevent)), 0);
        shell_request_done(&adopted);
        cr_expect_null(adopted.request);
        cr_expect_eq(evbuffer_get_length(bufferevent_get_output(adopted.bufferevent)), 0,
                     "evhttp must not speak by itself");
    }
    shell_free(&adopted);
    close(client);
}

Test(shell, the_request_shows_evhttp_what_was_accepted)
{
    struct http_request_head head = head_of("DELETE", HTTP_METHOD_DELETE, "/x?y");
    int client = connect_client();

    cr_assert_eq(shell_present(&adopted, &head), EG_OK);
    cr_expect_eq(evhttp_request_get_command(adopted.request), EVHTTP_REQ_DELETE);
    cr_expect_str_eq(evhttp_request_get_uri(adopted.request), "/x?y");
    cr_expect_eq(evhttp_request_get_connection(adopted.request), adopted.connection);
    shell_free(&adopted);
    close(client);
}

Test(shell, freeing_closes_the_descriptor_exactly_once)
{
    int client = connect_client();
    int fd = adopted_fd;
    char byte;

    shell_free(&adopted);
    cr_expect_eq(recv(client, &byte, 1, 0), 0, "the client sees the close");
    cr_expect_eq(close(fd), -1, "it was closed by evhttp");
    close(client);
}
