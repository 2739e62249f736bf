/* Releasing from within each callback: nothing may be called afterwards, nothing may leak, and only
 * a clean connection may serve again. */
#include "tests/unit/upstream/harness.h"

static struct stage s;

static void setup(void)
{
    stage_init(&s);
    stage_open_cluster(&s);
}

static void teardown(void)
{
    stage_fini(&s);
}

TestSuite(attempt, .init = setup, .fini = teardown);

static const char long_answer[] = "HTTP/1.1 103 Early Hints\r\n\r\n"
                                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                  "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n";

static void release_on(struct client *c, enum client_moment moment)
{
    client_init(c, &s, GET_TEXT);
    c->release_on = moment;
    client_go(c);
    fake_send(stage_request_at(&s, 0), long_answer);
    RUN_UNTIL(&s.loop, c->attempt.connection == NULL);
    run_turns(&s.loop, 10);
}

Test(attempt, released_on_an_interim_answer)
{
    struct client c;

    release_on(&c, CLIENT_ON_INFORMATIONAL);
    cr_assert_eq(c.status, 0);
    cr_assert_not(client_done(&c));
    cr_assert_eq(stage_stats(&s).open, 0);
}

Test(attempt, released_on_the_head)
{
    struct client c;

    release_on(&c, CLIENT_ON_HEAD);
    cr_assert_eq(c.body_size, 0);
    cr_assert_not(client_done(&c));
    cr_assert_eq(stage_stats(&s).open, 0);
}

Test(attempt, released_on_data)
{
    struct client c;

    release_on(&c, CLIENT_ON_DATA);
    cr_assert_str_eq(c.body, "abc");
    cr_assert_not(client_done(&c));
    cr_assert_eq(stage_stats(&s).open, 0);
}

Test(attempt, released_on_the_end)
{
    struct client c;

    release_on(&c, CLIENT_ON_END);
    cr_assert_str_eq(c.body, "abcdef");
    cr_assert_eq(c.ends, 1);
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(attempt, released_on_drained)
{
    struct client c;

    client_init(&c, &s, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    c.release_on = CLIENT_ON_DRAINED;
    client_start(&c);
    client_send(&c, "half");
    cr_assert(upstream_attempt_congested(&c.attempt));
    RUN_UNTIL(&s.loop, c.attempt.connection == NULL);
    run_turns(&s.loop, 10);
    cr_assert_eq(stage_stats(&s).open, 0);
}

Test(attempt, released_in_the_middle_cancels_the_backends_work)
{
    struct client c;

    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    struct fake_connection *peer = stage_request_at(&s, 0);
    client_release(&c);
    RUN_UNTIL(&s.loop, peer->eof);
    client_release(&c); /* harmless */
}

/* The exchange may start its next request from within the end of the one before. */
static struct client next_client;
static struct upstream_attempt_ops chaining_ops;
static const struct upstream_attempt_ops *plain_ops;

static void start_next_on_end(struct upstream_attempt *a, const struct http_fields *trailers)
{
    plain_ops->on_end(a, trailers);
    upstream_attempt_start(&next_client.attempt, s.cluster, &s.endpoints[0], &next_client.request,
                           &s.loop);
    upstream_attempt_send_end(&next_client.attempt, NULL);
}

Test(attempt, the_next_one_may_start_on_the_same_connection_within_on_end)
{
    struct client c;

    s.backends[0].answer = long_answer;
    client_init(&c, &s, GET_TEXT);
    client_init(&next_client, &s, GET_TEXT);
    plain_ops = c.attempt.ops;
    chaining_ops = *plain_ops;
    chaining_ops.on_end = start_next_on_end;
    c.attempt.ops = &chaining_ops;
    client_go(&c);
    RUN_UNTIL(&s.loop, client_done(&next_client));
    cr_assert(next_client.attempt.reused);
    cr_assert_str_eq(next_client.body, "abcdef");
    cr_assert_eq(s.backends[0].count, 1);
    cr_assert_eq(stage_stats(&s).idle, 1);
}

static void start_again_on_failure(struct upstream_attempt *a, int code, const char *detail)
{
    struct client *c = container_of(a, struct client, attempt);

    c->code = code;
    a->ops = plain_ops;
    upstream_attempt_release(a);
    upstream_attempt_start(a, s.cluster, &s.endpoints[1], &c->request, &s.loop);
    upstream_attempt_send_end(a, NULL);
}

Test(attempt, the_same_one_may_start_again_within_on_failed)
{
    struct client c;

    fake_backend_refuse(&s.backends[0]);
    s.backends[1].answer = OK_ANSWER;
    client_init(&c, &s, GET_TEXT);
    plain_ops = c.attempt.ops;
    chaining_ops = *plain_ops;
    chaining_ops.on_failed = start_again_on_failure;
    c.attempt.ops = &chaining_ops;
    client_go(&c);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_CONNECT);
    cr_assert_eq(c.status, 200);
    cr_assert_eq(stage_stats(&s).idle, 1);
}
