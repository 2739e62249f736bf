/* The exchange's rare orders of events, one turn at a time. */
#include "tests/unit/proxy/exchange_scene.h"

#include <stdio.h>
#include <string.h>

#define NO_JUDGES                                                                                  \
    "outlier = { consecutive_5xx = 0; error_percent = 0; stall_factor = 0; };"                     \
    "breaker = { failure_threshold = 100; error_percent = 0; };"
#define RETRY_SOON  "retry = { attempts = 3; backoff = \"1ms\"; max_backoff = \"1ms\"; };"
#define RETRY_LATE  "retry = { attempts = 3; backoff = \"1h\"; max_backoff = \"1h\"; };"
#define ONE_AT_ONCE "max_connections = 1; pending_timeout = \"1h\";"

/* The backend that was asked first. */
static unsigned asked(struct scene *s)
{
    SCENE_UNTIL(s, s->backends[0].count + s->backends[1].count > 0);
    return s->backends[0].count > 0 ? 0 : 1;
}

Test(exchange, a_client_that_leaves_in_the_backoff_gives_the_chosen_endpoint_back)
{
    struct scene s;
    struct scene_client c;

    scene_init(&s, NO_JUDGES RETRY_LATE);
    client_start(&c, &s, 0, GET_TEXT);
    fake_reset(scene_request(&s, asked(&s)));
    SCENE_UNTIL(&s, c.x->waiting == EXCHANGE_WAITS_FOR_BACKOFF);
    cr_assert_eq(atomic_load(&c.x->chosen->active), 1);
    client_leave(&c);
    scene_turn(&s);
    cr_assert_eq(c.heads + c.ends + c.aborts, 0u, "a client that left is told nothing");
    scene_fini(&s);
}

Test(exchange, what_was_picked_before_a_breaker_closed_says_nothing_after_its_backoff)
{
    struct scene s;
    struct scene_client c;
    struct health_view view;
    struct endpoint *other;
    unsigned first;

    scene_init(&s, NO_JUDGES RETRY_LATE);
    client_start(&c, &s, 0, GET_TEXT);
    first = asked(&s);
    fake_reset(scene_request(&s, first));
    SCENE_UNTIL(&s, c.x->waiting == EXCHANGE_WAITS_FOR_BACKOFF);
    other = c.x->chosen;
    cr_assert_eq(other->index, 1 - first);
    fake_backend_refuse(&s.backends[other->index]);
    health_trip(s.runtime->health, other, "test", c.x->picked_us + 1);
    health_reset(s.runtime->health, other, "test", c.x->picked_us + 2);
    IN_TURN(&c.worker->loop, exchange_on_wait_timer(&c.x->wait_timer));
    SCENE_UNTIL(&s, c.x->attempts_unsent == 1);
    health_view(s.runtime->health, other, clock_monotonic_us(), &view);
    cr_assert_eq(view.consecutive_failures, 0u);
    client_leave(&c);
    scene_fini(&s);
}

Test(exchange, of_two_attempts_that_answer_at_once_the_client_gets_one)
{
    struct scene s;
    struct scene_client c;
    struct fake_connection *one, *two;
    unsigned first;

    scene_init(&s, NO_JUDGES RETRY_SOON);
    client_start(&c, &s, 0, GET_TEXT);
    first = asked(&s);
    one = scene_request(&s, first);
    IN_TURN(&c.worker->loop, exchange_on_stalled(c.x->leader));
    two = scene_request(&s, 1 - first);
    fake_send(one, OK_ANSWER);
    fake_send(two, OK_ANSWER);
    SCENE_UNTIL(&s, c.x == NULL);
    scene_turn(&s);
    cr_assert_eq(c.heads, 1u);
    cr_assert_eq(c.ends, 1u);
    cr_assert_eq(c.body_size, 2u);
    scene_fini(&s);
}

Test(exchange, a_client_that_leaves_two_attempts_ends_both)
{
    struct scene s;
    struct scene_client c;
    struct fake_connection *one, *two;
    unsigned first;

    scene_init(&s, NO_JUDGES RETRY_SOON);
    client_start(&c, &s, 0, GET_TEXT);
    first = asked(&s);
    one = scene_request(&s, first);
    IN_TURN(&c.worker->loop, exchange_on_stalled(c.x->leader));
    two = scene_request(&s, 1 - first);
    client_leave(&c);
    SCENE_UNTIL(&s, one->eof && two->eof);
    scene_fini(&s);
}

Test(exchange, an_error_that_was_dropped_for_an_attempt_that_fails_is_one_answer)
{
    struct scene s;
    struct scene_client c;
    unsigned first;

    scene_init(&s, NO_JUDGES "retry = { attempts = 2; backoff = \"1ms\"; };");
    client_start(&c, &s, 0, GET_TEXT);
    first = asked(&s);
    scene_request(&s, first);
    fake_backend_refuse(&s.backends[1 - first]);
    fake_send(scene_request(&s, first), "HTTP/1.1 503 Sorry\r\nContent-Length: 0\r\n\r\n");
    SCENE_UNTIL(&s, c.x == NULL);
    cr_assert_eq(c.status, 502);
    cr_assert_eq(c.heads, 1u);
    cr_assert_eq(c.ends, 1u);
    scene_fini(&s);
}

Test(exchange, two_attempts_without_a_host_name_each_their_own)
{
    struct scene s;
    struct scene_client c;
    char wanted[ADDRESS_TEXT_BYTES + 16];

    scene_init(&s, NO_JUDGES RETRY_SOON);
    client_start(&c, &s, 0, "GET /x HTTP/1.0\r\n\r\n");
    IN_TURN(&c.worker->loop, exchange_on_stalled(c.x->leader)); /* before either is connected */
    for (unsigned i = 0; i < SCENE_BACKENDS; i++) {
        snprintf(wanted, sizeof(wanted), "Host: %s\r\n", s.backends[i].text);
        cr_assert(strcasestr(scene_request(&s, i)->record, wanted), "%s",
                  s.backends[i].connections[0]->record);
    }
    client_leave(&c);
    scene_fini(&s);
}

/* ---- The body ---- */

Test(exchange, a_body_that_comes_byte_by_byte_is_kept_in_few_pieces_and_replayed_whole)
{
    enum { SIZE = 3000 };
    struct scene s;
    struct scene_client c;
    struct fake_connection *again;
    unsigned first, pieces = 0;
    char body[SIZE], *received;

    for (int i = 0; i < SIZE; i++)
        body[i] = (char)('a' + i % 23);
    scene_init(&s, NO_JUDGES RETRY_SOON);
    client_start(&c, &s, 0, "PUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n");
    cr_assert_not(exchange_wants_body(c.x), "nobody is connected yet");
    SCENE_UNTIL(&s, c.wanted == 1);
    first = asked(&s);
    for (int i = 0; i < SIZE; i++) {
        SCENE_UNTIL(&s, exchange_wants_body(c.x));
        client_body(&c, body + i, 1);
    }
    IN_TURN(&c.worker->loop, exchange_body_end(c.x, NULL));
    for (struct exchange_piece *p = c.x->body.first; p != NULL; p = p->next)
        pieces++;
    cr_assert_leq(pieces, 4u);
    SCENE_UNTIL(&s, s.backends[first].connections[0]->received > SIZE);
    fake_reset(s.backends[first].connections[0]);
    again = scene_request(&s, 1 - first);
    SCENE_UNTIL(&s, (received = strstr(again->record, "\r\n\r\n")) != NULL &&
                        strlen(received + 4) == SIZE);
    cr_assert_eq(memcmp(received + 4, body, SIZE), 0);
    fake_send(again, OK_ANSWER);
    SCENE_UNTIL(&s, c.x == NULL);
    cr_assert_eq(c.status, 200);
    scene_fini(&s);
}

/* ---- The queue ---- */

Test(exchange, a_place_that_was_offered_to_one_who_left_goes_to_another_worker)
{
    struct scene s;
    struct scene_client busy, leaver, waiter;

    scene_init(&s, NO_JUDGES ONE_AT_ONCE);
    client_start(&busy, &s, 0, GET_TEXT);
    asked(&s);
    client_start(&leaver, &s, 1, GET_TEXT);
    client_start(&waiter, &s, 2, GET_TEXT);
    scene_turn(&s);
    cr_assert_eq(atomic_load(&s.runtime->pending), 2u);
    client_leave(&busy); /* wakes the leaver's worker, which has not run yet */
    client_leave(&leaver);
    SCENE_UNTIL(&s, waiter.x->waiting == EXCHANGE_WAITS_FOR_NOTHING);
    client_leave(&waiter);
    scene_fini(&s);
}

Test(exchange, who_came_first_is_served_first_whatever_the_worker)
{
    struct scene s;
    struct scene_client busy, early, late;

    scene_init(&s, NO_JUDGES ONE_AT_ONCE);
    client_start(&busy, &s, 0, GET_TEXT);
    asked(&s);
    client_start(&early, &s, 1, GET_TEXT);
    client_start(&late, &s, 0, GET_TEXT);
    scene_turn(&s);
    client_leave(&busy);
    SCENE_UNTIL(&s, early.x->waiting == EXCHANGE_WAITS_FOR_NOTHING);
    cr_assert_eq(late.x->waiting, EXCHANGE_WAITS_IN_QUEUE);
    client_leave(&early);
    SCENE_UNTIL(&s, late.x->waiting == EXCHANGE_WAITS_FOR_NOTHING);
    client_leave(&late);
    scene_fini(&s);
}

Test(exchange, an_answer_that_begins_before_the_upload_ends_took_no_age)
{
    struct scene s;
    struct scene_client c;
    struct fake_connection *one;
    unsigned first;

    scene_init(&s, NO_JUDGES "algorithm = \"least_latency\";");
    client_start(&c, &s, 0, "POST /x HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\n\r\n");
    first = asked(&s);
    one = scene_request(&s, first);
    fake_send(one, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    SCENE_UNTIL(&s, c.heads == 1);
    client_body(&c, "body", 4);
    IN_TURN(&c.worker->loop, exchange_body_end(c.x, NULL));
    fake_send(one, "ok");
    SCENE_UNTIL(&s, c.x == NULL);
    cr_assert_lt(endpoint_latency_us(scene_endpoint(&s, first), clock_monotonic_us()),
                 (uint64_t)RUN_UNTIL_LIMIT_US);
    scene_fini(&s);
}

Test(exchange, refusals_of_a_worker_whose_clock_is_behind_are_no_news)
{
    struct scene s;
    struct scene_client one, two;
    struct events *events;

    scene_init(&s, NO_JUDGES "max_connections = 1; max_pending = 0;");
    events = health_events(s.server->health);
    client_start(&one, &s, 0, GET_TEXT);
    asked(&s);
    atomic_store(&s.runtime->overload_us, clock_monotonic_us() + 1000000);
    client_start(&two, &s, 1, GET_TEXT);
    SCENE_UNTIL(&s, two.x == NULL);
    cr_assert_eq(two.status, 503);
    cr_assert_eq(events_count(events, EVENT_OVERLOAD), 0u);
    client_leave(&one);
    scene_fini(&s);
}
