/* What is told of an answer, and what is refused. */
#include "tests/unit/upstream/harness.h"

#include <stdlib.h>

#include "upstream/upstream_internal.h"

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

TestSuite(response, .init = setup, .fini = teardown);

/* Sends `request`, answers it with `answer` and FIN if `finish`, waits for the end. */
static void exchange(struct client *c, const char *request, const char *answer, bool finish)
{
    unsigned i = s.backends[0].count;

    client_init(c, &s, request);
    client_go(c);
    struct fake_connection *peer = stage_request_at(&s, i);
    fake_send(peer, answer);
    if (finish)
        fake_finish(peer);
    RUN_UNTIL(&s.loop, client_done(c));
}

Test(response, a_body_with_a_length_is_told)
{
    struct client c;

    exchange(&c, GET_TEXT, OK_ANSWER, false);
    cr_assert(c.ended);
    cr_assert_eq(c.status, 200);
    cr_assert_eq(c.framing, HTTP_FRAMING_LENGTH);
    cr_assert_str_eq(c.body, "ok");
    cr_assert_eq(c.attempt.bytes_in, strlen(OK_ANSWER));
    cr_assert_eq(c.attempt.bytes_out, s.backends[0].connections[0]->received);
    cr_assert_gt(c.attempt.first_byte_us, 0);
    cr_assert_geq(c.attempt.first_byte_us, c.attempt.connected_us);
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(response, chunks_are_taken_apart_and_trailers_told)
{
    struct client c;

    exchange(&c, GET_TEXT,
             "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
             "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 42\r\n\r\n",
             false);
    cr_assert_eq(c.framing, HTTP_FRAMING_CHUNKED);
    cr_assert_str_eq(c.body, "abcde");
    cr_assert_str_eq(c.trailer, "42");
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(response, one_byte_at_a_time_is_the_same)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 42\r\n\r\n";
    struct client c;

    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    struct fake_connection *peer = stage_request_at(&s, 0);
    for (size_t i = 0; i < sizeof(answer) - 1; i++) {
        fake_send_bytes(peer, answer + i, 1);
        run_turns(&s.loop, 2);
    }
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_str_eq(c.body, "abcde");
    cr_assert_str_eq(c.trailer, "42");
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(response, the_end_of_the_stream_ends_a_body_without_length)
{
    struct client c;

    exchange(&c, GET_TEXT, "HTTP/1.1 200 OK\r\n\r\nall of it", true);
    cr_assert(c.ended);
    cr_assert_eq(c.framing, HTTP_FRAMING_UNTIL_CLOSE);
    cr_assert_str_eq(c.body, "all of it");
    cr_assert_eq(stage_stats(&s).open, 0);
}

Test(response, answers_without_body_end_at_once)
{
    static const struct {
        const char *request, *answer;
    } cases[] = {
        {"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"},
        {GET_TEXT, "HTTP/1.1 204 No Content\r\n\r\n"},
        {GET_TEXT, "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"},
        {GET_TEXT, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
    };

    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client c;

        exchange(&c, cases[i].request, cases[i].answer, false);
        cr_assert(c.ended, "case %u: %s", i, c.detail);
        cr_assert_eq(c.body_size, 0);
        cr_assert_eq(stage_stats(&s).idle, 1);
        IN_TURN(&s.loop, upstream_cluster_close_idle(s.cluster));
    }
}

Test(response, what_two_parsers_could_read_differently_is_refused)
{
    static const char *const answers[] = {
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\nX: y\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
    };

    for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct client c;

        exchange(&c, GET_TEXT, answers[i], false);
        cr_assert_eq(c.code, EG_E_UPSTREAM_PROTOCOL, "answer %u: %s", i, error_name(c.code));
        cr_assert_eq(c.failures, 1);
        cr_assert_not(c.attempt.answered);
        cr_assert_eq(stage_stats(&s).open, 0);
    }
}

Test(response, a_nul_in_a_head_is_refused)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 0\r\n\r\n";
    struct client c;

    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    fake_send_bytes(stage_request_at(&s, 0), answer, sizeof(answer) - 1);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_UPSTREAM_PROTOCOL);
}

Test(response, a_malformed_chunk_fails_an_answer_that_had_begun)
{
    static const char *const chunks[] = {"0x2\r\nok\r\n", "-1\r\n", "2\nok\r\n", "2\r\nokX\r\n",
                                         "11111111111111111\r\n"};

    for (unsigned i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
        struct client c;

        client_init(&c, &s, GET_TEXT);
        client_go(&c);
        struct fake_connection *peer = stage_request_at(&s, i);
        fake_send(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        fake_send(peer, chunks[i]);
        RUN_UNTIL(&s.loop, client_done(&c));
        cr_assert_eq(c.code, EG_E_UPSTREAM_PROTOCOL, "chunk %u: %s", i, error_name(c.code));
        cr_assert(c.attempt.answered);
        cr_assert_eq(stage_stats(&s).open, 0);
    }
}

Test(response, head_bombs_are_refused)
{
    struct client c;
    char *line = malloc(40 * 1024);

    memset(line, 'a', 40 * 1024);
    memcpy(line, "HTTP/1.1 200 OK\r\nX: ", 20);
    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    fake_send_bytes(stage_request_at(&s, 0), line, 40 * 1024);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_UPSTREAM_PROTOCOL);
    free(line);

    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    struct fake_connection *peer = stage_request_at(&s, 1);
    fake_send(peer, "HTTP/1.1 200 OK\r\n");
    for (unsigned i = 0; i < 101; i++)
        fake_send(peer, "A: b\r\n");
    fake_send(peer, "\r\n");
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_UPSTREAM_PROTOCOL);
}

Test(response, bytes_behind_an_answer_close_the_connection)
{
    static const char *const answers[] = {
        OK_ANSWER "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 204 No Content\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n\r\n",
    };

    for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct client c;

        exchange(&c, GET_TEXT, answers[i], false);
        cr_assert(c.ended);
        cr_assert_eq(stage_stats(&s).open, 0, "answer %u", i);
    }
}

Test(response, a_stream_that_ends_early_is_truncated)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
    };

    for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct client c;

        exchange(&c, GET_TEXT, answers[i], true);
        cr_assert_eq(c.code, EG_E_UPSTREAM_TRUNCATED, "answer %u: %s", i, error_name(c.code));
        cr_assert_str_eq(c.body, "abc");
        cr_assert_eq(stage_stats(&s).open, 0);
    }
}

Test(response, a_backend_that_hangs_up_instead_of_answering_is_a_reset)
{
    struct client c;

    exchange(&c, GET_TEXT, "", true);
    cr_assert_eq(c.code, EG_E_UPSTREAM_RESET);
    exchange(&c, GET_TEXT, "HTTP/1.1 200 OK\r\nX", true);
    cr_assert_eq(c.code, EG_E_UPSTREAM_RESET);
    exchange(&c, GET_TEXT, "HTTP/1.1 103 Early Hints\r\n\r\n", true);
    cr_assert_eq(c.code, EG_E_UPSTREAM_RESET);
    cr_assert_eq(c.informational, 1);
}

Test(response, interim_answers_are_told)
{
    struct client c;

    exchange(
        &c, GET_TEXT,
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK_ANSWER,
        false);
    cr_assert_eq(c.informational, 2);
    cr_assert_eq(c.last_informational, 103);
    cr_assert_eq(c.status, 200);
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(response, endless_interim_answers_are_refused)
{
    struct client c;

    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    struct fake_connection *peer = stage_request_at(&s, 0);
    for (unsigned i = 0; i < 17; i++)
        fake_send(peer, "HTTP/1.1 102 Processing\r\n\r\n");
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.informational, 16);
    cr_assert_eq(c.code, EG_E_UPSTREAM_PROTOCOL);
}

Test(response, a_paused_client_holds_the_backend_back)
{
    enum { BODY_BYTES = 32 * 1024 * 1024 };
    struct client c;

    client_init(&c, &s, GET_TEXT);
    c.pause_on_data = true;
    client_go(&c);
    struct fake_connection *peer = stage_request_at(&s, 0);
    fake_send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 33554432\r\n\r\n");
    fake_send_bulk(peer, BODY_BYTES);
    RUN_UNTIL(&s.loop, c.body_size > 0);
    size_t sent = 0;
    do { /* until the backend's socket is full */
        sent = peer->bulk_sent;
        run_turns(&s.loop, 50);
    } while (peer->bulk_sent != sent);
    cr_assert_leq(c.body_size, LOOP_READ_BYTES);
    cr_assert_lt(peer->bulk_sent, BODY_BYTES);
    cr_assert_leq(c.attempt.connection->transport.in.size, UPSTREAM_IN_BYTES);

    c.pause_on_data = false;
    IN_TURN(&s.loop, upstream_attempt_resume(&c.attempt));
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.body_size, BODY_BYTES);
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(response, the_end_is_told_to_a_paused_client_when_no_byte_is_missing)
{
    struct client c;

    client_init(&c, &s, GET_TEXT);
    c.pause_on_data = true;
    client_go(&c);
    fake_send(stage_request_at(&s, 0), OK_ANSWER);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_str_eq(c.body, "ok");
    cr_assert_eq(stage_stats(&s).idle, 1);
    /* The connection hears its backend although its last attempt was paused. */
    fake_close(s.backends[0].connections[0]);
    RUN_UNTIL(&s.loop, stage_stats(&s).open == 0);
}

Test(response, a_paused_client_gets_all_that_came_before_the_end_of_the_stream)
{
    struct client c;

    client_init(&c, &s, GET_TEXT);
    c.pause_on_data = true;
    client_go(&c);
    struct fake_connection *peer = stage_request_at(&s, 0);
    fake_send(peer, "HTTP/1.1 200 OK\r\n\r\nabc");
    RUN_UNTIL(&s.loop, c.body_size == 3);
    fake_send(peer, "def");
    fake_finish(peer);
    run_turns(&s.loop, 20);
    cr_assert_eq(c.body_size, 3);
    cr_assert_not(client_done(&c));
    c.pause_on_data = false;
    IN_TURN(&s.loop, upstream_attempt_resume(&c.attempt));
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_str_eq(c.body, "abcdef");
    cr_assert(c.ended);
}

Test(response, a_reset_that_comes_together_with_bytes_is_not_waited_for)
{
    struct client c;

    client_init(&c, &s, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    client_start(&c);
    struct fake_connection *peer = stage_request_at(&s, 0);
    fake_read_stop(peer);
    client_send(&c, "unread");
    fake_send(peer, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    fake_close(peer);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_UPSTREAM_TRUNCATED);
    cr_assert_str_eq(c.body, "abc");
}
