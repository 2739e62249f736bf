/* How long a backend may keep silent, and when the silence is the client's. */
#include "tests/unit/upstream/harness.h"

static struct stage s;

static void setup(void)
{
    stage_init(&s);
}

static void teardown(void)
{
    stage_fini(&s);
}

TestSuite(deadline, .init = setup, .fini = teardown);

static void expect_failure(const char *request, int code)
{
    struct client c;

    client_init(&c, &s, request);
    client_start(&c);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, code, "%s: %s", error_name(c.code), c.detail);
    cr_assert_not(c.attempt.answered);
    cr_assert_eq(stage_stats(&s).open, 0);
}

Test(deadline, a_backend_that_does_not_answer_times_out)
{
    s.config.timeouts.response_ms = 40;
    stage_open_cluster(&s);
    expect_failure(GET_TEXT, EG_E_RESPONSE_TIMEOUT);
}

Test(deadline, a_backend_that_never_says_continue_times_out)
{
    s.config.timeouts.response_ms = 40;
    stage_open_cluster(&s);
    expect_failure(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        EG_E_RESPONSE_TIMEOUT);
}

Test(deadline, interim_answers_do_not_extend_the_response_timeout)
{
    struct client c;

    s.config.timeouts.response_ms = 60;
    stage_open_cluster(&s);
    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    struct fake_connection *peer = stage_request_at(&s, 0);
    fake_send(peer, "HTTP/1.1 103 Early Hints\r\n\r\n");
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.informational, 1);
    cr_assert_eq(c.code, EG_E_RESPONSE_TIMEOUT);
}

Test(deadline, a_client_that_sends_slowly_is_not_the_backends_fault)
{
    struct client c;
    uint64_t start_us = clock_monotonic_us();

    s.config.timeouts.response_ms = 30;
    stage_open_cluster(&s);
    client_init(&c, &s, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n");
    client_start(&c);
    client_send(&c, "sl");
    RUN_UNTIL(&s.loop, clock_monotonic_us() > start_us + 150000);
    cr_assert_not(client_done(&c));
    client_send(&c, "ow");
    client_end(&c);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_RESPONSE_TIMEOUT);
}

Test(deadline, a_body_that_stops_times_out)
{
    struct client c;

    s.config.timeouts.idle_ms = 40;
    stage_open_cluster(&s);
    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    fake_send(stage_request_at(&s, 0), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_IDLE_TIMEOUT);
    cr_assert(c.attempt.answered);
    cr_assert_str_eq(c.body, "abc");
}

Test(deadline, a_body_that_the_client_paused_does_not_time_out)
{
    struct client c;

    s.config.timeouts.idle_ms = 30;
    stage_open_cluster(&s);
    client_init(&c, &s, GET_TEXT);
    c.pause_on_data = true;
    client_go(&c);
    struct fake_connection *peer = stage_request_at(&s, 0);
    fake_send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    RUN_UNTIL(&s.loop, c.body_size == 3);
    uint64_t start_us = clock_monotonic_us();
    RUN_UNTIL(&s.loop, clock_monotonic_us() > start_us + 150000);
    cr_assert_not(client_done(&c));
    fake_send(peer, "def");
    IN_TURN(&s.loop, upstream_attempt_resume(&c.attempt));
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_str_eq(c.body, "abcdef");
    cr_assert(c.ended);
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(deadline, a_backend_that_stops_taking_the_body_times_out)
{
    static char piece[LOOP_READ_BYTES];
    struct client c;

    s.config.timeouts.response_ms = 40;
    stage_open_cluster(&s);
    client_init(&c, &s, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n");
    client_start(&c);
    fake_read_stop(stage_request_at(&s, 0));
    while (!upstream_attempt_congested(&c.attempt)) {
        IN_TURN(&s.loop, upstream_attempt_send_body(&c.attempt, slice_from(piece, sizeof(piece))));
        run_turn(&s.loop);
    }
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_RESPONSE_TIMEOUT);
}

Test(deadline, continue_restarts_the_response_timeout)
{
    struct client c;

    s.config.timeouts.response_ms = 40;
    stage_open_cluster(&s);
    client_init(&c, &s,
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    client_start(&c);
    struct fake_connection *peer = stage_request_at(&s, 0);
    fake_send(peer, "HTTP/1.1 100 Continue\r\n\r\n");
    RUN_UNTIL(&s.loop, c.informational == 1);
    uint64_t start_us = clock_monotonic_us();
    RUN_UNTIL(&s.loop, clock_monotonic_us() > start_us + 150000); /* the client's turn */
    cr_assert_not(client_done(&c));
    client_send(&c, "hi");
    client_end(&c);
    fake_send(peer, OK_ANSWER);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.status, 200);
}

Test(deadline, zero_means_no_limit)
{
    struct client c;

    s.config.timeouts.connect_ms = s.config.timeouts.response_ms = s.config.timeouts.idle_ms = 0;
    s.config.keepalive.timeout_ms = 0;
    s.backends[0].answer = OK_ANSWER;
    stage_open_cluster(&s);
    client_round_trip(&s, 200);
    s.backends[0].answer = NULL;
    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    uint64_t start_us = clock_monotonic_us();
    RUN_UNTIL(&s.loop, clock_monotonic_us() > start_us + 100000);
    cr_assert_not(client_done(&c));
    cr_assert(c.attempt.reused);
    client_release(&c);
}
