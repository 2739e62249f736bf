/* Asking a source: what comes of every way in which that can go. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "discovery/fetch.h"
#include "tests/lib/fake_backend.h"
#include "tests/lib/run_until.h"

static struct {
    struct loop loop;
    struct fake_backend backends[2];
    struct resolver *resolver;
    struct fetch_server *server;
    struct fetch *fetch;
    unsigned ends, texts;
    long sum;           /* of "n" of each text of a stream */
    bool stop_at_once;  /* in on_json */
    char request[4096]; /* what the first backend got */
} f;

static void setup(void)
{
    memset(&f, 0, sizeof(f));
    cr_assert_eq(loop_init(&f.loop), 0);
    for (unsigned i = 0; i < 2; i++)
        fake_backend_start(&f.backends[i], &f.loop, "127.0.0.1:0");
}

static void teardown(void)
{
    IN_TURN(&f.loop, {
        fetch_stop(&f.fetch);
        fetch_server_free(&f.server);
        resolver_free(f.resolver);
    });
    for (unsigned i = 0; i < 2; i++)
        fake_backend_stop(&f.backends[i]);
    loop_fini(&f.loop);
}

TestSuite(fetch, .init = setup, .fini = teardown);

static void on_json(struct fetch *fetch, json_t *json)
{
    cr_assert_eq(f.ends, 0u);
    f.texts++;
    f.sum += (long)json_integer_value(json_object_get(json, "n"));
    if (f.stop_at_once)
        fetch_stop(&f.fetch);
}

static void on_end(struct fetch *fetch)
{
    cr_assert_eq(fetch, f.fetch);
    f.ends++;
}

static const struct fetch_ops ops = {.on_json = on_json, .on_end = on_end};

static void start_at(const struct fetch_server_params *params, const struct fetch_request *request)
{
    IN_TURN(&f.loop, {
        if (!f.server)
            f.server = fetch_server_new(&f.loop, f.resolver, params);
        f.ends = f.texts = 0;
        f.fetch = fetch_start(f.server, request, &ops, NULL);
        cr_assert_eq(f.ends, 0u);
    });
}

/* Asks the two backends in turn. */
static void start(const struct fetch_request *request)
{
    const char *const addresses[] = {f.backends[0].text, f.backends[1].text, NULL};
    const struct fetch_server_params params = {.addresses = addresses};

    start_at(&params, request);
}

static const struct fetch_request plain = {.method = "GET", .target = "/v1"};
static const struct fetch_request lines = {.method = "GET", .target = "/v1", .lines = true};

static void finish(const struct fetch_request *request)
{
    start(request);
    RUN_UNTIL(&f.loop, f.ends > 0);
}

static void restart(void)
{
    IN_TURN(&f.loop, fetch_stop(&f.fetch));
    f.ends = f.texts = 0;
}

#define ANSWER(status, body_size, body)                                                            \
    "HTTP/1.1 " status "\r\nContent-Length: " body_size "\r\nX-Index: 7\r\n\r\n" body

Test(fetch, a_whole_body_is_parsed)
{
    const struct http_header_edit token = {SLICE_LIT("X-Token"), SLICE_LIT("t")};
    const struct fetch_request request = {
        .method = "PUT",
        .target = "/v1?a=b",
        .headers = &token,
        .header_count = 1,
        .body = "{}",
        .content_type = "application/json",
        .wanted_header = "x-index",
        .second_header = "content-length",
    };

    f.backends[0].answer = ANSWER("200 OK", "7", "{\"n\":5}");
    finish(&request);
    cr_expect_eq(f.fetch->status, 200);
    cr_expect_eq(json_integer_value(json_object_get(f.fetch->json, "n")), 5);
    cr_expect_str_eq(f.fetch->header, "7");
    cr_expect_str_eq(f.fetch->second, "7");
    char *wanted = xasprintf("PUT /v1?a=b HTTP/1.1\r\nHost: %s\r\nUser-Agent: evergate/%s\r\n"
                             "Accept: */*\r\nContent-Type: application/json\r\nX-Token: t\r\n"
                             "Content-Length: 2\r\nConnection: close\r\n\r\n{}",
                             f.backends[0].text, EVERGATE_VERSION);
    cr_expect_str_eq(f.backends[0].connections[0]->record, wanted);
    free(wanted);
}

Test(fetch, a_body_may_have_any_status_and_be_any_json)
{
    char problem[FETCH_WHY_BYTES];

    f.backends[0].answer = ANSWER("403 Forbidden", "23", "{\"message\":\"forbidden\"}");
    finish(&plain);
    cr_expect_eq(f.fetch->status, 403);
    cr_expect_str_eq(fetch_problem(f.fetch, problem, sizeof(problem)), "status 403: forbidden");
    restart();
    f.backends[0].answer = ANSWER("200 OK", "4", "null");
    finish(&plain);
    cr_expect(json_is_null(f.fetch->json));
}

Test(fetch, what_is_no_json_is_quoted)
{
    char problem[FETCH_WHY_BYTES];

    f.backends[0].answer = ANSWER("500 Oops", "12", "no\x01leader\xff\r\n");
    finish(&plain);
    cr_expect_eq(f.fetch->status, 500);
    cr_expect_null(f.fetch->json);
    cr_expect_str_eq(fetch_problem(f.fetch, problem, sizeof(problem)), "status 500: no leader?");
    restart();
    f.backends[1].answer = ANSWER("200 OK", "7", "a < b\n\n");
    finish(&plain);
    cr_expect_str_eq(fetch_problem(f.fetch, problem, sizeof(problem)),
                     "the answer is not JSON: \"a < b\"");
}

Test(fetch, of_a_page_its_words_are_quoted)
{
    static const char *const page = "\r\n<!DOCTYPE html>\r\n<html><head>\n<title>404 Not Found"
                                    "</title></head><body>\n\t<p>nginx</p>\n</body>";
    char problem[FETCH_WHY_BYTES];
    char *answer =
        xasprintf("HTTP/1.1 404 Not Found\r\nContent-Length: %zu\r\n\r\n%s", strlen(page), page);

    f.backends[0].answer = answer;
    finish(&plain);
    cr_expect_str_eq(fetch_problem(f.fetch, problem, sizeof(problem)),
                     "status 404: 404 Not Found nginx");
    restart();
    f.backends[0].answer = ANSWER("404 Not Found", "6", "<html ");
    finish(&plain);
    cr_expect_str_eq(fetch_problem(f.fetch, problem, sizeof(problem)), "status 404");
    free(answer);
}

Test(fetch, a_redirect_is_told_and_not_followed)
{
    char problem[FETCH_WHY_BYTES];

    f.backends[0].answer = "HTTP/1.1 301 Moved Permanently\r\nLocation: https://b.test/v1\r\n"
                           "Content-Length: 2\r\n\r\n{}";
    finish(&plain);
    cr_expect_str_eq(fetch_problem(f.fetch, problem, sizeof(problem)),
                     "status 301: it sends to \"https://b.test/v1\", and redirects are not "
                     "followed");
    cr_expect_eq(f.backends[0].count + f.backends[1].count, 1u);
}

Test(fetch, an_address_that_refuses_makes_room_for_the_next_which_is_asked_first_then)
{
    fake_backend_refuse(&f.backends[0]);
    f.backends[1].answer = ANSWER("200 OK", "2", "{}");
    finish(&plain);
    cr_expect_eq(f.fetch->status, 200);
    restart();
    finish(&plain);
    cr_expect_eq(f.fetch->status, 200);
    cr_expect_eq(f.backends[1].count, 2u);
}

Test(fetch, nobody_can_be_reached)
{
    fake_backend_refuse(&f.backends[0]);
    fake_backend_refuse(&f.backends[1]);
    finish(&plain);
    char *why = xasprintf("connect to %s: connection refused (and 1 more)", f.backends[1].text);
    cr_expect_eq(f.fetch->status, 0);
    cr_expect_str_eq(f.fetch->why, why);
    free(why);
}

Test(fetch, one_that_does_not_answer_in_time_is_asked_last_the_next_time)
{
    const struct fetch_request request = {.method = "GET", .target = "/", .answer_ms = 30};

    f.backends[1].answer = ANSWER("200 OK", "2", "{}");
    finish(&request);
    char *why = xasprintf("%s: no answer within 30 ms", f.backends[0].text);
    cr_expect_eq(f.fetch->status, 0);
    cr_expect_str_eq(f.fetch->why, why);
    free(why);
    restart();
    finish(&request);
    cr_expect_eq(f.fetch->status, 200);
    cr_expect_eq(f.backends[0].count, 1u);
}

Test(fetch, one_that_answers_5xx_is_asked_last_the_next_time)
{
    f.backends[0].answer = ANSWER("503 Unavailable", "2", "{}");
    f.backends[1].answer = ANSWER("200 OK", "2", "{}");
    finish(&plain);
    cr_expect_eq(f.fetch->status, 503);
    restart();
    finish(&plain);
    cr_expect_eq(f.fetch->status, 200);
}

static void expect_failure(const char *answer, bool close, const struct fetch_request *request,
                           const char *why)
{
    start(request);
    RUN_UNTIL(&f.loop, f.backends[0].count > 0 && f.backends[0].connections[0]->recorded > 0);
    fake_send(f.backends[0].connections[0], answer);
    if (close)
        fake_close(f.backends[0].connections[0]);
    RUN_UNTIL(&f.loop, f.ends > 0);
    cr_expect_eq(f.fetch->status, 0);
    cr_expect_null(f.fetch->json);
    cr_expect(strstr(f.fetch->why, why), "%s", f.fetch->why);
}

Test(fetch, an_answer_that_breaks_off)
{
    expect_failure("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", true, &plain,
                   ": closed in the middle of the answer");
}

Test(fetch, no_answer_at_all)
{
    expect_failure("", true, &plain, ": closed without a complete answer");
}

Test(fetch, an_answer_that_is_not_http)
{
    expect_failure("SSH-2.0\r\n", false, &plain, ": the answer is not proper HTTP");
}

Test(fetch, a_body_over_the_limit)
{
    const struct fetch_request request = {.method = "GET", .target = "/", .max_bytes = 4};

    expect_failure(ANSWER("200 OK", "5", "[1,2]"), false, &request,
                   ": the answer has more than 4 bytes");
}

Test(fetch, a_body_that_stops)
{
    const struct fetch_request request = {.method = "GET", .target = "/", .idle_ms = 30};

    expect_failure("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", false, &request,
                   ": nothing more of the answer within 30 ms");
}

Test(fetch, a_body_that_trickles)
{
    const struct fetch_request request = {.method = "GET", .target = "/", .idle_ms = 20};

    start(&request);
    RUN_UNTIL(&f.loop, f.backends[0].count > 0 && f.backends[0].connections[0]->recorded > 0);
    fake_send(f.backends[0].connections[0], "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
    RUN_UNTIL(&f.loop, f.ends > 0 || (fake_send(f.backends[0].connections[0], " "), false));
    cr_expect(strstr(f.fetch->why, ": the answer is not complete within 200 ms"), "%s",
              f.fetch->why);
}

Test(fetch, a_stream_tells_each_text)
{
    start(&lines);
    RUN_UNTIL(&f.loop, f.backends[0].count > 0 && f.backends[0].connections[0]->recorded > 0);
    struct fake_connection *c = f.backends[0].connections[0];
    fake_send(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    fake_send(c, "8\r\n{\"n\":1}\n\r\n");
    RUN_UNTIL(&f.loop, f.texts == 1);
    fake_send(c, "9\r\n{\"n\":2}{\"\r\n5\r\nn\":3}\r\n");
    RUN_UNTIL(&f.loop, f.texts == 3);
    cr_expect_eq(f.ends, 0u);
    fake_send(c, "0\r\n\r\n");
    RUN_UNTIL(&f.loop, f.ends == 1);
    cr_expect_eq(f.sum, 6);
    cr_expect_eq(f.fetch->status, 200);
    cr_expect_null(f.fetch->json);
}

Test(fetch, a_stream_that_ends_within_a_text_broke_off)
{
    expect_failure("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{\"n\":", false, &lines,
                   ": closed in the middle of an object");
}

Test(fetch, a_stream_of_something_else)
{
    expect_failure(ANSWER("200 OK", "6", "<html>"), false, &lines, ": what it sends is not JSON");
}

Test(fetch, a_stream_that_was_refused_has_a_body)
{
    f.backends[0].answer = ANSWER("410 Gone", "15", "{\"error\":\"old\"}");
    finish(&lines);
    cr_expect_eq(f.fetch->status, 410);
    cr_expect_eq(f.texts, 0u);
    cr_expect(json_is_object(f.fetch->json));
}

Test(fetch, may_be_stopped_by_a_text_of_its_own)
{
    f.stop_at_once = true;
    f.backends[0].answer = ANSWER("200 OK", "14", "{\"n\":1}{\"n\":2}");
    start(&lines);
    RUN_UNTIL(&f.loop, f.texts > 0);
    run_turns(&f.loop, 10);
    cr_expect_null(f.fetch);
    cr_expect_eq(f.texts, 1u);
    cr_expect_eq(f.ends, 0u);
}

Test(fetch, may_be_stopped_before_it_began)
{
    loop_enter(&f.loop);
    start(&plain);
    fetch_stop(&f.fetch);
    loop_leave(&f.loop);
    run_turns(&f.loop, 10);
    cr_expect_eq(f.ends, 0u);
    cr_expect_eq(f.backends[0].count, 0u);
}

Test(fetch, over_a_unix_socket_the_host_is_localhost)
{
    char *address = xasprintf("unix:/tmp/evergate-fetch-%d.sock", (int)getpid());
    struct fake_backend local;
    const char *const addresses[] = {address, NULL};
    const struct fetch_server_params params = {.addresses = addresses};

    fake_backend_start(&local, &f.loop, address);
    local.answer = ANSWER("200 OK", "2", "{}");
    start_at(&params, &plain);
    RUN_UNTIL(&f.loop, f.ends > 0);
    cr_expect_eq(f.fetch->status, 200, "%s", f.fetch->why);
    cr_expect(strstr(local.connections[0]->record, "\r\nHost: localhost\r\n"));
    fake_backend_stop(&local);
    unlink(address + strlen("unix:"));
    free(address);
}

Test(fetch, a_line_break_in_a_header_is_refused)
{
    const struct http_header_edit token = {SLICE_LIT("X-Token"), SLICE_LIT("t\r\nX-Evil: 1")};
    const struct fetch_request request = {
        .method = "GET", .target = "/", .headers = &token, .header_count = 1};

    finish(&request);
    cr_expect_str_eq(f.fetch->why,
                     "there is a line break in what would be sent; look at the token");
    cr_expect_eq(f.backends[0].count, 0u);
}

Test(fetch, certificates_that_cannot_be_read_fail_each_request)
{
    const char *const addresses[] = {f.backends[0].text, NULL};
    const struct config_pool_tls tls = {.verify = true, .ca_path = "/no/such.pem"};
    const struct fetch_server_params params = {.addresses = addresses, .tls = &tls};

    for (unsigned i = 0; i < 2; i++) {
        start_at(&params, &plain);
        RUN_UNTIL(&f.loop, f.ends > 0);
        cr_expect_eq(f.fetch->status, 0);
        cr_expect(strstr(f.fetch->why, "TLS: /no/such.pem: cannot load the CA"), "%s",
                  f.fetch->why);
        restart();
    }
}

/* They accept, and say nothing of TLS. */
Test(fetch, many_addresses_where_nobody_is_cost_no_more_than_the_search_may_take)
{
    const char *const addresses[] = {f.backends[0].text, f.backends[0].text, f.backends[1].text,
                                     f.backends[1].text, NULL};
    const struct config_pool_tls tls = {.verify = false};
    const struct fetch_server_params params = {.addresses = addresses, .tls = &tls};
    const struct fetch_request request = {
        .method = "GET", .target = "/", .connect_ms = 50, .search_ms = 60};
    const char *why = "of 2 within 60 ms; the last: connect to ";

    start_at(&params, &request);
    RUN_UNTIL(&f.loop, f.ends > 0);
    cr_expect_eq(f.fetch->status, 0);
    if (f.backends[0].count == 2) /* one, where the machine was slow */
        cr_expect(strstr(f.fetch->why, why), "%s", f.fetch->why);
    cr_expect_eq(f.backends[1].count, 0u, "that comes too late");
    for (unsigned i = 0; i < 3 && f.backends[1].count == 0; i++) {
        restart();
        start_at(&params, &request);
        RUN_UNTIL(&f.loop, f.ends > 0);
    }
    cr_expect_gt(f.backends[1].count, 0u, "those without a turn are asked first the next time");
}

/* ---- names ---- */

/* Asks NAME at the first backend's port, then the second backend. */
static void start_at_name(const char *name, const struct fetch_request *request)
{
    const char *port = strrchr(f.backends[0].text, ':');
    char *address = xasprintf("%s%s", name, port);
    const char *const addresses[] = {address, f.backends[1].text, NULL};
    const struct fetch_server_params params = {.addresses = addresses};

    if (!f.resolver)
        cr_assert_eq(resolver_new(&f.resolver, &f.loop), EG_OK);
    cr_assert_eq(resolver_set_servers(f.resolver, "127.0.0.1:9"), EG_OK); /* there is none */
    start_at(&params, request);
    RUN_UNTIL(&f.loop, f.ends > 0);
    free(address);
}

Test(fetch, a_name_is_looked_up_and_is_the_host)
{
    f.backends[0].answer = ANSWER("200 OK", "2", "{}");
    start_at_name("localhost", &plain);
    cr_expect_eq(f.fetch->status, 200, "%s", f.fetch->why);
    cr_expect(strstr(f.backends[0].connections[0]->record, "\r\nHost: localhost:"));
    cr_expect_eq(f.backends[1].count, 0u);
}

Test(fetch, a_name_that_stands_for_several_addresses_is_told_with_the_one_that_failed)
{
    fake_backend_refuse(&f.backends[0]);
    fake_backend_refuse(&f.backends[1]);
    start_at_name("localhost", &plain);
    cr_expect_eq(f.fetch->status, 0);
    cr_expect(strstr(f.fetch->why, "connection refused (and "), "%s", f.fetch->why);
}

Test(fetch, a_name_that_nobody_knows_makes_room_for_the_next_address)
{
    const struct fetch_request request = {.method = "GET", .target = "/", .connect_ms = 100};

    f.backends[1].answer = ANSWER("200 OK", "2", "{}");
    start_at_name("etcd.invalid", &request);
    cr_expect_eq(f.fetch->status, 200, "%s", f.fetch->why);
}

Test(fetch, a_name_that_nobody_knows_is_told)
{
    const struct fetch_request request = {.method = "GET", .target = "/", .connect_ms = 100};
    const char *const addresses[] = {"etcd.invalid:2379", NULL};
    const struct fetch_server_params params = {.addresses = addresses};

    cr_assert_eq(resolver_new(&f.resolver, &f.loop), EG_OK);
    cr_assert_eq(resolver_set_servers(f.resolver, "127.0.0.1:9"), EG_OK);
    start_at(&params, &request);
    RUN_UNTIL(&f.loop, f.ends > 0);
    cr_expect_eq(f.fetch->status, 0);
    cr_expect(strstr(f.fetch->why, "the name \"etcd.invalid\""), "%s", f.fetch->why);
}
