/* Connecting: addresses, refusals, the connect timeout, Unix sockets. */
#include "tests/unit/upstream/harness.h"

#include <stdio.h>
#include <unistd.h>

static struct stage s;

static void setup(void)
{
    stage_init(&s);
}

static void teardown(void)
{
    stage_fini(&s);
}

TestSuite(connection, .init = setup, .fini = teardown);

/* A port on which nobody listens. */
static struct address refusing_address(void)
{
    struct fake_backend b;
    struct address address;

    fake_backend_start(&b, &s.loop, "127.0.0.1:0");
    address = b.address;
    fake_backend_stop(&b);
    return address;
}

static void expect_failure(const char *request, int code)
{
    struct client c;

    client_init(&c, &s, request);
    loop_enter(&s.loop);
    client_start(&c);
    cr_assert_eq(c.failures, 0); /* never from within */
    loop_leave(&s.loop);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.failures, 1);
    cr_assert_eq(c.code, code, "%s: %s", error_name(c.code), c.detail);
    cr_assert_gt(strlen(c.detail), 0);
    cr_assert_not(c.attempt.answered);
    cr_assert_eq(stage_stats(&s).open, 0);
}

Test(connection, a_refusal_fails_the_attempt)
{
    stage_open_cluster(&s);
    fake_backend_refuse(&s.backends[0]);
    expect_failure(GET_TEXT, EG_E_CONNECT);
    cr_assert_eq(stage_stats(&s).connect_failures, 1);
}

Test(connection, a_name_without_address_fails_the_attempt)
{
    s.config_backends[0].address = "backend.example:80";
    s.config_backends[0].host = "backend.example";
    stage_open_cluster(&s);
    expect_failure(GET_TEXT, EG_E_RESOLVE);
}

Test(connection, the_next_address_is_tried_when_one_refuses)
{
    struct address addresses[3] = {refusing_address(), refusing_address(), s.backends[0].address};

    s.backends[0].answer = OK_ANSWER;
    stage_open_cluster(&s);
    IN_TURN(&s.loop, upstream_cluster_set_addresses(s.cluster, &s.endpoints[0], addresses, 3));
    client_round_trip(&s, 200);
    cr_assert_eq(stage_stats(&s).connects, 3);
    cr_assert_eq(stage_stats(&s).connect_failures, 2);
    cr_assert_eq(stage_stats(&s).open, 1);
}

Test(connection, body_given_before_the_next_address_answers_is_not_lost)
{
    struct address addresses[2] = {refusing_address(), s.backends[0].address};
    struct client c;

    s.backends[0].answer = OK_ANSWER;
    stage_open_cluster(&s);
    IN_TURN(&s.loop, upstream_cluster_set_addresses(s.cluster, &s.endpoints[0], addresses, 2));
    client_init(&c, &s, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    client_start(&c);
    client_send(&c, "hello");
    client_end(&c);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.status, 200);
    cr_assert(strstr(stage_request_at(&s, 0)->record, "\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
}

Test(connection, all_addresses_refusing_is_one_failure)
{
    struct address addresses[2] = {refusing_address(), refusing_address()};

    stage_open_cluster(&s);
    IN_TURN(&s.loop, upstream_cluster_set_addresses(s.cluster, &s.endpoints[0], addresses, 2));
    expect_failure(GET_TEXT, EG_E_CONNECT);
    cr_assert_eq(stage_stats(&s).connects, 2);
}

Test(connection, new_connections_begin_at_the_next_address)
{
    struct address addresses[2] = {s.backends[0].address, s.backends[1].address};

    s.config.keepalive.idle = 0;
    s.backends[0].answer = s.backends[1].answer = OK_ANSWER;
    stage_open_cluster(&s);
    IN_TURN(&s.loop, upstream_cluster_set_addresses(s.cluster, &s.endpoints[0], addresses, 2));
    client_round_trip(&s, 200);
    client_round_trip(&s, 200);
    cr_assert_eq(s.backends[0].count, 1);
    cr_assert_eq(s.backends[1].count, 1);
}

Test(connection, a_backend_on_a_unix_socket_serves)
{
    char path[64];

    snprintf(path, sizeof(path), "unix:/tmp/evergate-test-%d.sock", (int)getpid());
    fake_backend_stop(&s.backends[0]);
    fake_backend_start(&s.backends[0], &s.loop, path);
    s.backends[0].answer = OK_ANSWER;
    stage_open_cluster(&s);
    client_round_trip(&s, 200);
    client_round_trip(&s, 200);
    cr_assert_eq(s.backends[0].count, 1);
    unlink(path + strlen("unix:"));
}

Test(connection, a_unix_socket_that_is_not_there_refuses)
{
    s.config_backends[0].address = "unix:/tmp/evergate-test-no-such.sock";
    stage_open_cluster(&s);
    expect_failure(GET_TEXT, EG_E_CONNECT);
}

/* A listener whose queue is full lets a connect wait without an answer. */
Test(connection, a_connect_that_takes_too_long_fails)
{
    struct fake_backend *b = &s.backends[0];
    int fillers[64];
    unsigned filled = 0;

    event_del(b->accept);
    cr_assert_eq(listen(b->fd, 0), 0);
    while (filled < 64) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fd, &b->address.sa, b->address.length);
        fillers[filled++] = fd;
    }
    s.config.timeouts.connect_ms = 40;
    stage_open_cluster(&s);
    expect_failure(GET_TEXT, EG_E_CONNECT_TIMEOUT);
    cr_assert_eq(stage_stats(&s).connect_failures, 1);
    while (filled > 0)
        close(fillers[--filled]);
}

Test(connection, an_attempt_that_is_released_while_connecting_closes)
{
    struct client c;

    stage_open_cluster(&s);
    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    client_release(&c);
    run_turns(&s.loop, 20);
    cr_assert_eq(stage_stats(&s).open, 0);
    cr_assert_not(client_done(&c));
}

Test(connection, a_failure_that_waits_to_be_told_is_dropped_by_release)
{
    struct client c;

    s.config_backends[0].host = "backend.example";
    stage_open_cluster(&s);
    client_init(&c, &s, GET_TEXT);
    loop_enter(&s.loop);
    upstream_attempt_start(&c.attempt, s.cluster, &s.endpoints[0], &c.request, &s.loop);
    upstream_attempt_release(&c.attempt);
    loop_leave(&s.loop);
    run_turns(&s.loop, 5);
    cr_assert_not(client_done(&c));
}
