/* What the backend receives: heads, framing, what is held back, early answers. */
#include "tests/unit/upstream/harness.h"
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

TestSuite(request, .init = setup, .fini = teardown);

#define POST_CHUNKED "POST /u HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
#define POST_9       "POST /u HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
#define POST_HUGE    "POST /u HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n"

Test(request, the_head_is_written_from_its_parsed_form)
{
    struct client c;

    s.backends[0].answer = OK_ANSWER;
    client_init(&c, &s,
                "GET http://a.example/p?q HTTP/1.1\r\nHost: b\r\nConnection: x\r\nX: y\r\n\r\n");
    client_go(&c);
    RUN_UNTIL(&s.loop, client_done(&c));
    const char *head = s.backends[0].connections[0]->record;
    cr_assert_eq(strncmp(head, "GET /p?q HTTP/1.1\r\n", 19), 0, "%s", head);
    cr_assert(strstr(head, "a.example\r\n"), "%s", head);
    cr_assert_null(strstr(head, "X: y"), "%s", head);
}

Test(request, a_body_with_a_length_passes_as_it_is)
{
    struct client c;

    client_init(&c, &s, POST_9);
    client_start(&c);
    client_send(&c, "while"); /* not connected yet */
    struct fake_connection *peer = stage_request_at(&s, 0);
    client_send(&c, "then");
    client_end(&c);
    RUN_UNTIL(&s.loop, strstr(peer->record, "\r\n\r\nwhilethen"));
    fake_send(peer, OK_ANSWER);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(request, a_body_without_length_is_chunked_piece_by_piece)
{
    struct client c;

    client_init(&c, &s, POST_CHUNKED);
    client_start(&c);
    client_send(&c, "while");
    client_send(&c, "");
    struct fake_connection *peer = stage_request_at(&s, 0);
    client_send(&c, "and sixteen byte");
    client_end(&c);
    RUN_UNTIL(&s.loop, strstr(peer->record, "\r\n\r\n5\r\nwhile\r\n10\r\nand sixteen byte\r\n"
                                            "0\r\n\r\n"));
    fake_send(peer, OK_ANSWER);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(request, trailers_are_sent_behind_the_last_chunk)
{
    struct http_field field = {.name = SLICE_LIT("X-Sum"), .value = SLICE_LIT("42")};
    struct http_fields trailers = {.v = &field, .count = 1, .capacity = 1};
    struct client c;

    client_init(&c, &s, POST_CHUNKED);
    client_start(&c);
    IN_TURN(&s.loop, upstream_attempt_send_end(&c.attempt, &trailers));
    struct fake_connection *peer = stage_request_at(&s, 0);
    RUN_UNTIL(&s.loop, strstr(peer->record, "\r\n\r\n0\r\nX-Sum: 42\r\n\r\n"));
    client_release(&c);
}

Test(request, connecting_is_congestion_and_ends_in_drained)
{
    struct client c;

    client_init(&c, &s, POST_9);
    client_start(&c);
    cr_assert(upstream_attempt_congested(&c.attempt));
    client_send(&c, "piece");
    RUN_UNTIL(&s.loop, c.drains == 1);
    cr_assert_not(upstream_attempt_congested(&c.attempt));
    client_release(&c);
}

Test(request, a_caller_that_does_not_pause_while_connecting_is_stopped)
{
    static char piece[LOOP_READ_BYTES];
    struct client c;

    client_init(&c, &s, POST_HUGE);
    client_start(&c);
    for (unsigned i = 0; i < 4; i++)
        IN_TURN(&s.loop, upstream_attempt_send_body(&c.attempt, slice_from(piece, sizeof(piece))));
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_OVERLOAD);
}

Test(request, a_slow_backend_holds_the_client_back)
{
    enum { PIECE = 16 * 1024, TOTAL = 32 * 1024 * 1024 };
    static char piece[PIECE];
    struct client c;
    size_t given = 0;

    client_init(&c, &s, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 33554432\r\n\r\n");
    client_start(&c);
    struct fake_connection *peer = stage_request_at(&s, 0);
    size_t head = peer->received;
    fake_read_stop(peer);
    while (!upstream_attempt_congested(&c.attempt)) {
        IN_TURN(&s.loop, upstream_attempt_send_body(&c.attempt, slice_from(piece, PIECE)));
        given += PIECE;
        run_turn(&s.loop);
        cr_assert_lt(given, TOTAL);
    }
    cr_assert_leq(transport_pending_out(&c.attempt.connection->transport),
                  TRANSPORT_HIGH_WATER + LOOP_READ_BYTES);
    unsigned drains = c.drains;
    run_turns(&s.loop, 50);
    cr_assert_eq(c.drains, drains);

    fake_read_start(peer);
    RUN_UNTIL(&s.loop, c.drains == drains + 1);
    while (given < TOTAL) {
        if (!upstream_attempt_congested(&c.attempt)) {
            IN_TURN(&s.loop, upstream_attempt_send_body(&c.attempt, slice_from(piece, PIECE)));
            given += PIECE;
        }
        run_turn(&s.loop);
    }
    client_end(&c);
    RUN_UNTIL(&s.loop, peer->received == head + TOTAL);
    fake_send(peer, OK_ANSWER);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.status, 200);
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(request, an_early_answer_is_told_and_the_connection_closed)
{
    struct client c;

    client_init(&c, &s, POST_HUGE);
    c.release_on = CLIENT_NEVER;
    client_start(&c);
    client_send(&c, "some of it");
    struct fake_connection *peer = stage_request_at(&s, 0);
    fake_send(peer, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.status, 413);
    cr_assert_str_eq(c.body, "no");
    cr_assert(c.ended);
    size_t received = peer->received;
    client_send(&c, "more that nobody wants");
    cr_assert_not(upstream_attempt_congested(&c.attempt));
    run_turns(&s.loop, 5);
    cr_assert_eq(peer->received, received);
    client_release(&c);
    cr_assert_eq(stage_stats(&s).open, 0);
}

Test(request, an_early_answer_survives_the_reset_behind_it)
{
    static char piece[16 * 1024];
    struct client c;

    client_init(&c, &s, POST_HUGE);
    client_start(&c);
    struct fake_connection *peer = stage_request_at(&s, 0);
    fake_read_stop(peer);
    for (unsigned i = 0; i < 8; i++) {
        IN_TURN(&s.loop, upstream_attempt_send_body(&c.attempt, slice_from(piece, sizeof(piece))));
        run_turn(&s.loop);
    }
    fake_send(peer, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
    fake_close(peer); /* unread bytes: the kernel resets */
    IN_TURN(&s.loop, upstream_attempt_send_body(&c.attempt, slice_from(piece, sizeof(piece))));
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.status, 413, "%s", c.detail);
    cr_assert(c.ended);
}

Test(request, an_early_head_does_not_stop_the_upload)
{
    struct client c;

    client_init(&c, &s, POST_9);
    client_start(&c);
    client_send(&c, "half");
    struct fake_connection *peer = stage_request_at(&s, 0);
    fake_send(peer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    RUN_UNTIL(&s.loop, c.body_size == 4);
    client_send(&c, "-rest");
    client_end(&c);
    RUN_UNTIL(&s.loop, strstr(peer->record, "half-rest"));
    fake_send(peer, "5\r\n-rest\r\n0\r\n\r\n");
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_str_eq(c.body, "half-rest");
    cr_assert_eq(stage_stats(&s).idle, 1);
}
