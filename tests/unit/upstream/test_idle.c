/* Connections that serve again, and those that must not. */
#include <sys/resource.h>
#include <unistd.h>

#include "tests/unit/upstream/harness.h"

static struct stage s;

static void setup(void)
{
    stage_init(&s);
    s.backends[0].answer = OK_ANSWER;
}

static void teardown(void)
{
    stage_fini(&s);
}

TestSuite(idle, .init = setup, .fini = teardown);

Test(idle, a_connection_serves_one_request_after_the_other)
{
    stage_open_cluster(&s);
    for (unsigned i = 0; i < 5; i++)
        client_round_trip(&s, 200);
    cr_assert_eq(s.backends[0].count, 1);
    cr_assert_eq(stage_stats(&s).connects, 1);
    cr_assert_eq(stage_stats(&s).reuses, 4);
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(idle, the_latest_used_connection_is_taken_first)
{
    struct client first, second;

    s.backends[0].answer = NULL;
    stage_open_cluster(&s);
    client_init(&first, &s, GET_TEXT);
    client_init(&second, &s, GET_TEXT);
    client_go(&first);
    stage_request_at(&s, 0);
    client_go(&second);
    stage_request_at(&s, 1);
    fake_send(s.backends[0].connections[0], OK_ANSWER);
    RUN_UNTIL(&s.loop, first.ended);
    fake_send(s.backends[0].connections[1], OK_ANSWER);
    RUN_UNTIL(&s.loop, second.ended);

    size_t before = s.backends[0].connections[1]->received;
    client_init(&first, &s, GET_TEXT);
    client_go(&first);
    RUN_UNTIL(&s.loop, s.backends[0].connections[1]->received > before);
    cr_assert(first.attempt.reused);
    client_release(&first);
}

Test(idle, more_than_the_limit_are_not_kept)
{
    struct client clients[3];

    s.config.keepalive.idle = 2;
    stage_open_cluster(&s);
    for (unsigned i = 0; i < 3; i++) {
        client_init(&clients[i], &s, GET_TEXT);
        client_go(&clients[i]);
    }
    for (unsigned i = 0; i < 3; i++)
        RUN_UNTIL(&s.loop, clients[i].ended);
    cr_assert_eq(stage_stats(&s).idle, 2);
    cr_assert_eq(stage_stats(&s).open, 2);
}

Test(idle, a_limit_of_none_means_no_reuse)
{
    s.config.keepalive.idle = 0;
    stage_open_cluster(&s);
    client_round_trip(&s, 200);
    client_round_trip(&s, 200);
    cr_assert_eq(stage_stats(&s).connects, 2);
    cr_assert_eq(stage_stats(&s).open, 0);
}

Test(idle, max_requests_retires_a_connection)
{
    s.config.keepalive.max_requests = 2;
    stage_open_cluster(&s);
    for (unsigned i = 0; i < 4; i++)
        client_round_trip(&s, 200);
    cr_assert_eq(stage_stats(&s).connects, 2);
}

Test(idle, the_keep_alive_timeout_closes)
{
    s.config.keepalive.timeout_ms = 30;
    stage_open_cluster(&s);
    client_round_trip(&s, 200);
    cr_assert_eq(stage_stats(&s).idle, 1);
    RUN_UNTIL(&s.loop, stage_stats(&s).open == 0);
    RUN_UNTIL(&s.loop, s.backends[0].connections[0]->eof);
}

Test(idle, a_backend_that_hangs_up_is_noticed)
{
    stage_open_cluster(&s);
    client_round_trip(&s, 200);
    fake_close(s.backends[0].connections[0]);
    RUN_UNTIL(&s.loop, stage_stats(&s).open == 0);
    client_round_trip(&s, 200);
    cr_assert_eq(stage_stats(&s).silent_repeats, 0);
}

Test(idle, a_reset_is_noticed)
{
    stage_open_cluster(&s);
    client_round_trip(&s, 200);
    fake_reset(s.backends[0].connections[0]);
    RUN_UNTIL(&s.loop, stage_stats(&s).open == 0);
}

Test(idle, bytes_nobody_asked_for_close_it)
{
    stage_open_cluster(&s);
    client_round_trip(&s, 200);
    fake_send(s.backends[0].connections[0], OK_ANSWER);
    RUN_UNTIL(&s.loop, stage_stats(&s).open == 0);
}

Test(idle, a_get_on_a_connection_that_died_is_sent_again)
{
    struct client c;

    stage_open_cluster(&s);
    client_round_trip(&s, 200);
    fake_close(s.backends[0].connections[0]); /* unnoticed: no turn in between */
    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.status, 200);
    cr_assert_not(c.attempt.reused);
    cr_assert_eq(stage_stats(&s).silent_repeats, 1);
}

Test(idle, a_get_is_sent_again_only_once)
{
    struct client c;

    stage_open_cluster(&s);
    client_round_trip(&s, 200);
    s.backends[0].answer = NULL;
    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    fake_close(s.backends[0].connections[0]);
    fake_close(stage_request_at(&s, 1));
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_UPSTREAM_RESET);
    cr_assert_eq(stage_stats(&s).silent_repeats, 1);
    cr_assert_eq(s.backends[0].count, 2);
}

Test(idle, a_post_never_goes_onto_a_dead_connection)
{
    struct client c;

    stage_open_cluster(&s);
    client_round_trip(&s, 200);
    fake_close(s.backends[0].connections[0]);
    client_init(&c, &s, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    client_start(&c);
    client_send(&c, "hi");
    client_end(&c);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.status, 200);
    cr_assert_not(c.attempt.reused);
    cr_assert_eq(stage_stats(&s).silent_repeats, 0);
}

Test(idle, a_post_that_was_lost_is_not_sent_again)
{
    struct client c;

    stage_open_cluster(&s);
    client_round_trip(&s, 200);
    s.backends[0].answer = NULL;
    client_init(&c, &s, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    client_start(&c);
    client_send(&c, "hi");
    client_end(&c);
    cr_assert(c.attempt.reused);
    RUN_UNTIL(&s.loop, strstr(s.backends[0].connections[0]->record, "\r\n\r\nhi"));
    fake_close(s.backends[0].connections[0]);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_UPSTREAM_RESET);
    cr_assert(c.attempt.sent);
    cr_assert_eq(s.backends[0].count, 1);
}

Test(idle, a_get_whose_answer_had_begun_is_not_sent_again)
{
    struct client c;

    stage_open_cluster(&s);
    client_round_trip(&s, 200);
    s.backends[0].answer = NULL;
    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    fake_send(s.backends[0].connections[0], "HTTP/1.1 2");
    fake_close(s.backends[0].connections[0]);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_UPSTREAM_RESET);
    cr_assert_eq(stage_stats(&s).silent_repeats, 0);
}

Test(idle, close_and_http_1_0_are_not_reused)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    };

    stage_open_cluster(&s);
    for (unsigned i = 0; i < 2; i++) {
        s.backends[0].answer = answers[i];
        client_round_trip(&s, 200);
        cr_assert_eq(stage_stats(&s).open, 0);
    }
}

Test(idle, addresses_that_vanish_take_their_connections_with_them)
{
    stage_open_cluster(&s);
    client_round_trip(&s, 200);
    IN_TURN(&s.loop,
            upstream_cluster_set_addresses(s.cluster, &s.endpoints[0], &s.backends[0].address, 1));
    cr_assert_eq(stage_stats(&s).idle, 1);
    IN_TURN(&s.loop,
            upstream_cluster_set_addresses(s.cluster, &s.endpoints[0], &s.backends[1].address, 1));
    cr_assert_eq(stage_stats(&s).idle, 0);
}

Test(idle, a_busy_connection_to_a_vanished_address_is_not_kept)
{
    struct client c;

    s.backends[0].answer = NULL;
    stage_open_cluster(&s);
    client_init(&c, &s, GET_TEXT);
    client_go(&c);
    struct fake_connection *peer = stage_request_at(&s, 0);
    IN_TURN(&s.loop,
            upstream_cluster_set_addresses(s.cluster, &s.endpoints[0], &s.backends[1].address, 1));
    fake_send(peer, OK_ANSWER);
    RUN_UNTIL(&s.loop, c.ended);
    cr_assert_eq(stage_stats(&s).open, 0);
}

/* ---- descriptors ---- */

static struct rlimit usual;

/* From now on no other descriptor can be had. */
static void exhaust_descriptors(void)
{
    int lowest_free = dup(STDIN_FILENO);

    cr_assert_geq(lowest_free, 0);
    close(lowest_free);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    const struct rlimit none = {.rlim_cur = (rlim_t)lowest_free, .rlim_max = usual.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
}

static void allow_descriptors(void)
{
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
}

Test(idle, the_oldest_of_all_gives_its_descriptor_to_a_new_connection)
{
    struct client clients[3], c;

    s.backends[0].answer = NULL;
    s.backends[1].answer = OK_ANSWER;
    stage_open_cluster(&s);
    for (unsigned i = 0; i < 3; i++) {
        client_init(&clients[i], &s, GET_TEXT);
        client_go(&clients[i]);
        stage_request_at(&s, i);
    }
    for (unsigned i = 0; i < 3; i++) {
        fake_send(s.backends[0].connections[i], OK_ANSWER);
        RUN_UNTIL(&s.loop, clients[i].ended);
    }
    exhaust_descriptors();
    client_init(&c, &s, GET_TEXT);
    c.endpoint = 1;
    client_go(&c);
    allow_descriptors();
    cr_assert_eq(stage_stats(&s).idle, 2);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.status, 200, "%s", c.detail);
    RUN_UNTIL(&s.loop, s.backends[0].connections[0]->eof);
    cr_assert_not(s.backends[0].connections[1]->eof);
}

Test(idle, one_that_serves_again_does_not_give_its_descriptor)
{
    struct client busy, c;

    stage_open_cluster(&s);
    client_round_trip(&s, 200);
    s.backends[0].answer = NULL;
    client_init(&busy, &s, GET_TEXT);
    client_go(&busy);
    cr_assert(busy.attempt.reused);
    exhaust_descriptors();
    client_init(&c, &s, GET_TEXT);
    c.endpoint = 1;
    client_go(&c);
    run_turn(&s.loop);
    allow_descriptors();
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_OVERLOAD);
    client_release(&busy);
}
