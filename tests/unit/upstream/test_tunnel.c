/* Upgrade and CONNECT: raw bytes both ways, each direction ending for itself. */
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

TestSuite(tunnel, .init = setup, .fini = teardown);

#define UPGRADE_TEXT                                                                               \
    "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
#define CONNECT_TEXT "CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n"
#define SWITCHING                                                                                  \
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"

static struct fake_connection *open_tunnel(struct client *c, const char *request,
                                           const char *answer)
{
    client_init(c, &s, request);
    c->release_on = CLIENT_NEVER;
    client_go(c); /* the request's end is not the tunnel's */
    struct fake_connection *peer = stage_request_at(&s, s.backends[0].count);
    fake_send(peer, answer);
    RUN_UNTIL(&s.loop, c->status != 0 || client_done(c));
    return peer;
}

Test(tunnel, an_upgrade_carries_raw_bytes_both_ways)
{
    struct client c;
    struct fake_connection *peer = open_tunnel(&c, UPGRADE_TEXT, SWITCHING "first\r\n");

    cr_assert_eq(c.status, 101);
    RUN_UNTIL(&s.loop, c.body_size == 7);
    client_send(&c, "0\r\n\r\nraw");
    RUN_UNTIL(&s.loop, strstr(peer->record, "\r\n\r\n0\r\n\r\nraw"));
    fake_send(peer, "HTTP/1.1 200 OK\r\n\r\n");
    RUN_UNTIL(&s.loop, c.body_size == 7 + 19);
    client_release(&c);
    cr_assert_eq(stage_stats(&s).open, 0);
    RUN_UNTIL(&s.loop, peer->eof);
}

Test(tunnel, connect_opens_one_on_2xx)
{
    struct client c;
    struct fake_connection *peer =
        open_tunnel(&c, CONNECT_TEXT, "HTTP/1.1 200 Established\r\n\r\nhello");

    cr_assert_eq(c.status, 200);
    RUN_UNTIL(&s.loop, c.body_size == 5);
    client_send(&c, "there");
    RUN_UNTIL(&s.loop, strstr(peer->record, "there"));
    client_release(&c);
}

Test(tunnel, an_ordinary_answer_to_an_upgrade_is_an_ordinary_answer)
{
    struct client c;

    open_tunnel(&c, UPGRADE_TEXT, OK_ANSWER);
    RUN_UNTIL(&s.loop, c.ended);
    cr_assert_str_eq(c.body, "ok");
    client_release(&c);
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(tunnel, a_refused_connect_is_an_ordinary_answer)
{
    struct client c;

    open_tunnel(&c, CONNECT_TEXT, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    RUN_UNTIL(&s.loop, c.ended);
    cr_assert_eq(c.status, 403);
    client_release(&c);
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(tunnel, the_clients_end_reaches_the_backend_which_may_go_on)
{
    struct client c;
    struct fake_connection *peer = open_tunnel(&c, UPGRADE_TEXT, SWITCHING);

    client_send(&c, "last words");
    client_end(&c);
    RUN_UNTIL(&s.loop, peer->eof);
    cr_assert(strstr(peer->record, "last words"));
    fake_send(peer, "still here");
    RUN_UNTIL(&s.loop, c.body_size == 10);
    cr_assert_not(client_done(&c));
    client_release(&c);
}

Test(tunnel, the_backends_end_is_told_and_sending_may_go_on)
{
    struct client c;
    struct fake_connection *peer = open_tunnel(&c, UPGRADE_TEXT, SWITCHING);

    fake_finish(peer);
    RUN_UNTIL(&s.loop, c.ended);
    client_send(&c, "one more thing");
    RUN_UNTIL(&s.loop, strstr(peer->record, "one more thing"));
    client_release(&c);
}

Test(tunnel, a_reset_fails_it)
{
    struct client c;
    struct fake_connection *peer = open_tunnel(&c, UPGRADE_TEXT, SWITCHING);

    fake_reset(peer);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_UPSTREAM_RESET);
    client_release(&c);
}

Test(tunnel, a_reset_behind_the_backends_end_frees_a_congested_client)
{
    static char piece[64 * 1024];
    struct client c;
    struct fake_connection *peer = open_tunnel(&c, UPGRADE_TEXT, SWITCHING);

    fake_read_stop(peer);
    fake_finish(peer);
    RUN_UNTIL(&s.loop, c.ended);
    while (!upstream_attempt_congested(&c.attempt)) {
        IN_TURN(&s.loop, upstream_attempt_send_body(&c.attempt, slice_from(piece, sizeof(piece))));
        run_turn(&s.loop);
    }
    unsigned drains = c.drains;
    fake_reset(peer);
    RUN_UNTIL(&s.loop, c.drains > drains);
    cr_assert_not(upstream_attempt_congested(&c.attempt));
    cr_assert_eq(c.failures, 0);
    client_send(&c, "into the void");
    client_release(&c);
}

Test(tunnel, it_has_no_timeout_of_its_own)
{
    struct client c;

    s.config.timeouts.response_ms = s.config.timeouts.idle_ms = 30;
    open_tunnel(&c, UPGRADE_TEXT, SWITCHING);
    uint64_t start_us = clock_monotonic_us();
    RUN_UNTIL(&s.loop, clock_monotonic_us() > start_us + 150000);
    cr_assert_not(client_done(&c));
    client_release(&c);
}

Test(tunnel, pausing_holds_the_backend_back)
{
    struct client c;
    struct fake_connection *peer = open_tunnel(&c, UPGRADE_TEXT, SWITCHING);

    IN_TURN(&s.loop, upstream_attempt_pause(&c.attempt));
    fake_send(peer, "waits");
    run_turns(&s.loop, 20);
    cr_assert_eq(c.body_size, 0);
    IN_TURN(&s.loop, upstream_attempt_resume(&c.attempt));
    RUN_UNTIL(&s.loop, c.body_size == 5);
    client_release(&c);
}
