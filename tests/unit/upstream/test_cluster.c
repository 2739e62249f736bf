/* Endpoints that come and go, and settings that change, while connections to them are in use. */
#include <stdlib.h>

#include "tests/unit/upstream/harness.h"

static struct stage s;
static struct config_pool other; /* the settings after a change */

static void setup(void)
{
    stage_init(&s);
    other = s.config;
    s.backends[0].answer = s.backends[1].answer = OK_ANSWER;
}

static void teardown(void)
{
    stage_fini(&s);
}

TestSuite(cluster, .init = setup, .fini = teardown);

static void change(void)
{
    IN_TURN(&s.loop, upstream_cluster_change(s.cluster, &other, NULL, false));
    memset(&s.config, 0xa5, sizeof(s.config)); /* nobody may look at it any more */
}

static void ask(struct client *c, unsigned endpoint)
{
    client_init(c, &s, GET_TEXT);
    c->endpoint = endpoint;
    client_go(c);
}

static void round_trip(unsigned endpoint)
{
    struct client c;

    ask(&c, endpoint);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.status, 200, "%s", c.detail);
}

static void remove_endpoint(unsigned index)
{
    IN_TURN(&s.loop, upstream_cluster_remove(s.cluster, &s.endpoints[index]));
}

/* ---- endpoints ---- */

Test(cluster, an_endpoint_that_goes_takes_its_idle_connections_along_and_no_others)
{
    stage_open_cluster(&s);
    round_trip(0);
    round_trip(1);
    cr_assert_eq(stage_stats(&s).idle, 2);
    remove_endpoint(1);
    cr_assert_not(upstream_cluster_has(s.cluster, &s.endpoints[1]));
    cr_assert_eq(stage_stats(&s).idle, 1);
    RUN_UNTIL(&s.loop, s.backends[1].connections[0]->eof);
    round_trip(0);
    cr_assert_eq(stage_stats(&s).reuses, 1);
}

Test(cluster, requests_in_flight_go_on_while_others_come_and_go)
{
    enum { FAR = 200 };
    static struct endpoint far; /* so far behind that the slots must move */
    struct client c;

    s.backends[0].answer = NULL;
    stage_open_cluster(&s);
    ask(&c, 0);
    struct fake_connection *peer = stage_request_at(&s, 0);
    far = (struct endpoint){.id = "far", .index = FAR, .backend = &s.config_backends[1]};
    IN_TURN(&s.loop, upstream_cluster_add(s.cluster, &far, &s.config_backends[1]));
    remove_endpoint(1);
    cr_assert(upstream_cluster_has(s.cluster, &far));
    fake_send(peer, OK_ANSWER);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.status, 200);
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(cluster, another_endpoint_in_the_same_slot_is_another_one)
{
    struct endpoint next = s.endpoints[0];
    struct client c;

    stage_open_cluster(&s);
    round_trip(0);
    remove_endpoint(0);
    next.backend = &s.config_backends[1];
    IN_TURN(&s.loop, upstream_cluster_add(s.cluster, &next, &s.config_backends[1]));
    cr_assert(upstream_cluster_has(s.cluster, &next));
    cr_assert_not(upstream_cluster_has(s.cluster, &s.endpoints[0]));
    client_init(&c, &s, GET_TEXT);
    IN_TURN(&s.loop, upstream_attempt_start(&c.attempt, s.cluster, &next, &c.request, &s.loop));
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.status, 200);
    cr_assert_eq(s.backends[1].count, 1);
    cr_assert_eq(stage_stats(&s).reuses, 0);
}

Test(cluster, addresses_of_an_endpoint_that_is_gone_are_ignored)
{
    stage_open_cluster(&s);
    remove_endpoint(1);
    IN_TURN(&s.loop,
            upstream_cluster_set_addresses(s.cluster, &s.endpoints[1], &s.backends[1].address, 1));
    cr_assert_not(upstream_cluster_has(s.cluster, &s.endpoints[1]));
}

Test(cluster, an_endpoint_goes_in_the_turn_in_which_its_last_request_ends)
{
    struct client c;

    s.backends[0].answer = NULL;
    stage_open_cluster(&s);
    ask(&c, 0);
    c.release_on = CLIENT_NEVER;
    fake_send(stage_request_at(&s, 0), OK_ANSWER);
    RUN_UNTIL(&s.loop, c.ended);
    IN_TURN(&s.loop, (upstream_attempt_release(&c.attempt),
                      upstream_cluster_remove(s.cluster, &s.endpoints[0])));
    cr_assert_eq(stage_stats(&s).open, 0);
}

Test(cluster, none_at_all_is_a_cluster_too)
{
    stage_open_cluster(&s);
    remove_endpoint(0);
    remove_endpoint(1);
    cr_assert_not(upstream_cluster_has(s.cluster, &s.endpoints[0]));
    change();
}

/* ---- settings ---- */

Test(cluster, connections_survive_a_change_that_is_none_of_theirs)
{
    struct client c;

    s.backends[1].answer = NULL;
    stage_open_cluster(&s);
    round_trip(0);
    ask(&c, 1);
    RUN_UNTIL(&s.loop, s.backends[1].count == 1 && s.backends[1].connections[0]->recorded > 0);
    change();
    cr_assert_eq(stage_stats(&s).idle, 1);
    fake_send(s.backends[1].connections[0], OK_ANSWER);
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.status, 200);
    round_trip(0);
    cr_assert_eq(stage_stats(&s).reuses, 1);
    cr_assert_eq(stage_stats(&s).idle, 2);
}

Test(cluster, fewer_idle_connections_are_kept_at_once_the_latest_ones)
{
    struct client clients[3];

    s.backends[0].answer = NULL;
    stage_open_cluster(&s);
    for (unsigned i = 0; i < 3; i++)
        ask(&clients[i], 0);
    for (unsigned i = 0; i < 3; i++)
        stage_request_at(&s, i);
    for (unsigned i = 0; i < 3; i++) {
        fake_send(s.backends[0].connections[i], OK_ANSWER);
        RUN_UNTIL(&s.loop, client_done(&clients[i]));
    }
    cr_assert_eq(stage_stats(&s).idle, 3);
    other.keepalive.idle = 1;
    change();
    cr_assert_eq(stage_stats(&s).idle, 1);
    RUN_UNTIL(&s.loop, s.backends[0].connections[0]->eof && s.backends[0].connections[1]->eof);
    cr_assert_not(s.backends[0].connections[2]->eof);
}

Test(cluster, none_are_kept_when_keepalive_is_switched_off)
{
    stage_open_cluster(&s);
    round_trip(0);
    other.keepalive.idle = 0;
    change();
    cr_assert_eq(stage_stats(&s).open, 0);
    round_trip(0);
    cr_assert_eq(stage_stats(&s).open, 0);
}

Test(cluster, a_shorter_keep_alive_timeout_holds_for_those_that_wait)
{
    stage_open_cluster(&s);
    round_trip(0);
    other.keepalive.timeout_ms = 30;
    change();
    RUN_UNTIL(&s.loop, stage_stats(&s).open == 0);
}

Test(cluster, connections_that_served_too_often_by_the_new_rule_go)
{
    stage_open_cluster(&s);
    round_trip(0);
    round_trip(0);
    round_trip(1);
    other.keepalive.max_requests = 2;
    change();
    cr_assert_eq(stage_stats(&s).idle, 1);
}

Test(cluster, a_request_in_flight_gets_the_new_time_limit_with_its_next_sign_of_life)
{
    struct client c;

    s.backends[0].answer = NULL;
    s.config.timeouts.idle_ms = 0;
    stage_open_cluster(&s);
    ask(&c, 0);
    fake_send(stage_request_at(&s, 0), "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
    RUN_UNTIL(&s.loop, c.body_size == 4);
    other.timeouts.idle_ms = 30;
    change();
    fake_send(s.backends[0].connections[0], "more");
    RUN_UNTIL(&s.loop, client_done(&c));
    cr_assert_eq(c.code, EG_E_IDLE_TIMEOUT, "%s", c.detail);
    cr_assert_eq(c.body_size, 8);
}
