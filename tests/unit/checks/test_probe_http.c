/* http: what an answer says about an endpoint, byte by byte. */
#include <stdlib.h>

#include "base/alloc.h"
#include "client/http_client.h"
#include "tests/unit/checks/stage.h"

static struct stage s;
static struct fake_backend backend;

/* One check of one endpoint, with these keys beside type = "http". */
static void start(const char *keys, const char *answer)
{
    struct loop own;

    cr_assert_eq(loop_init(&own), 0);
    fake_backend_start(&backend, &own, "127.0.0.1:0");
    char *pool = xasprintf("health = { type = \"http\"; interval = \"5s\"; fall = 1; %s };"
                           "backends = ( { id = \"a\"; address = \"%s\"; } );",
                           keys, backend.text);
    fake_backend_stop(&backend);
    loop_fini(&own);
    stage_init(&s, pool, "");
    free(pool);
    fake_backend_start(&backend, &s.loop, s.config->pools[0].backends[0].address);
    backend.answer = answer;
    stage_start(&s);
}

static void finish(void)
{
    fake_backend_stop(&backend);
    stage_fini(&s);
}

static void expect(const char *keys, const char *answer, enum endpoint_status status,
                   const char *why)
{
    start(keys, answer);
    STAGE_UNTIL(&s, stage_status(&s, 0) != ENDPOINT_UNKNOWN);
    cr_expect_eq(stage_status(&s, 0), status, "%s: %s", keys, stage_why(&s, 0));
    cr_expect(strstr(stage_why(&s, 0), why), "\"%s\" instead of \"%s\"", stage_why(&s, 0), why);
    finish();
}

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Test(probe_http, asks_as_the_configuration_says)
{
    start("path = \"/health?deep=1\"; method = \"POST\"; body = \"{}\";"
          "headers = ( { name = \"X-Key\"; value = \"v\"; } );",
          OK_ANSWER);
    STAGE_UNTIL(&s, stage_status(&s, 0) == ENDPOINT_HEALTHY);
    char *wanted =
        xasprintf("POST /health?deep=1 HTTP/1.1\r\nHost: %s\r\nUser-Agent: evergate-health/%s\r\n"
                  "Accept: */*\r\nX-Key: v\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
                  s.config->pools[0].backends[0].address, EVERGATE_VERSION);
    cr_expect_str_eq(backend.connections[0]->record, wanted);
    free(wanted);
    finish();
}

Test(probe_http, a_configured_host_and_user_agent_replace_ours)
{
    start("headers = ( { name = \"host\"; value = \"app.test\"; }, { name = \"User-Agent\"; value "
          "= \"me\"; } );",
          OK_ANSWER);
    STAGE_UNTIL(&s, stage_status(&s, 0) == ENDPOINT_HEALTHY);
    cr_expect_str_eq(backend.connections[0]->record,
                     "GET / HTTP/1.1\r\nAccept: */*\r\nhost: app.test\r\nUser-Agent: me\r\n"
                     "Connection: close\r\n\r\n");
    finish();
}

Test(probe_http, judges_the_status)
{
    expect("", OK_ANSWER, ENDPOINT_HEALTHY, "");
    expect("", "HTTP/1.1 204 No Content\r\n\r\n", ENDPOINT_HEALTHY, "");
}

Test(probe_http, says_which_status_it_expected)
{
    expect("", "HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n", ENDPOINT_UNHEALTHY,
           "status 503, expected 200-299");
    expect("expect_status = \"200, 301-302\";", "HTTP/1.1 204 No Content\r\n\r\n",
           ENDPOINT_UNHEALTHY, "status 204, expected 200, 301-302");
}

Test(probe_http, a_status_may_degrade)
{
    expect("degraded_status = \"429\";", "HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\n\r\n",
           ENDPOINT_DEGRADED, "status 429");
}

Test(probe_http, looks_for_text_in_the_body)
{
    expect("expect_body = \"ok\";", OK_ANSWER, ENDPOINT_HEALTHY, "");
    expect("expect_body = \"ok\";",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
           ENDPOINT_HEALTHY, "");
    expect("expect_body = \"ready\";", OK_ANSWER, ENDPOINT_UNHEALTHY,
           "body does not contain \"ready\"");
    expect("expect_body = \"ready\";", "HTTP/1.1 204 No Content\r\n\r\n", ENDPOINT_UNHEALTHY,
           "body does not contain \"ready\"");
}

Test(probe_http, looks_for_an_expression_in_the_body)
{
    expect("expect_body = \"~^o[kK]$\";", OK_ANSWER, ENDPOINT_HEALTHY, "");
    expect("expect_body = \"~^k\";", OK_ANSWER, ENDPOINT_UNHEALTHY, "body does not match \"^k\"");
}

Test(probe_http, an_interim_answer_is_not_the_answer)
{
    expect("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK_ANSWER, ENDPOINT_HEALTHY, "");
    expect("", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
           ENDPOINT_UNHEALTHY, "switched protocols");
}

Test(probe_http, garbage_is_no_answer)
{
    expect("", "SSH-2.0-OpenSSH_9.2\r\n", ENDPOINT_UNHEALTHY, "not proper HTTP: malformed status");
    expect("", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", ENDPOINT_UNHEALTHY, "not proper HTTP");
    expect("", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
           ENDPOINT_UNHEALTHY, "not proper HTTP");
    expect("", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ENDPOINT_UNHEALTHY,
           "malformed chunk");
}

Test(probe_http, no_answer_is_told_as_such)
{
    expect("timeout = \"50ms\";", NULL, ENDPOINT_UNHEALTHY, "no answer within 50 ms");
    expect("timeout = \"50ms\";", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
           ENDPOINT_UNHEALTHY, "no complete answer within 50 ms");
}

Test(probe_http, a_connection_that_ends_early_is_told_as_such)
{
    start("", NULL);
    RUN_UNTIL(&s.loop, backend.count > 0 && backend.connections[0]->received > 0);
    fake_send(backend.connections[0], "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok");
    run_turns(&s.loop, 5);
    fake_finish(backend.connections[0]);
    STAGE_UNTIL(&s, stage_status(&s, 0) != ENDPOINT_UNKNOWN);
    cr_expect(strstr(stage_why(&s, 0), "closed in the middle of the answer"), "%s",
              stage_why(&s, 0));
    finish();
}

Test(probe_http, an_answer_may_come_one_byte_at_a_time_and_end_with_the_connection)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nServer: x\r\n\r\nall is ok";

    start("expect_body = \"is ok\";", NULL);
    RUN_UNTIL(&s.loop, backend.count > 0 && backend.connections[0]->received > 0);
    for (size_t i = 0; i < sizeof(answer) - 1; i++) {
        fake_send_bytes(backend.connections[0], &answer[i], 1);
        run_turns(&s.loop, 3);
    }
    fake_finish(backend.connections[0]);
    STAGE_UNTIL(&s, stage_status(&s, 0) == ENDPOINT_HEALTHY);
    finish();
}

Test(probe_http, only_the_first_64_kib_of_a_body_are_read)
{
    start("expect_body = \"needle\";", NULL);
    RUN_UNTIL(&s.loop, backend.count > 0 && backend.connections[0]->received > 0);
    /* The rest of it never comes. */
    fake_send(backend.connections[0], "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
    fake_send_bulk(backend.connections[0], HTTP_CLIENT_BODY_BYTES);
    STAGE_UNTIL(&s, stage_status(&s, 0) != ENDPOINT_UNKNOWN);
    cr_expect(strstr(stage_why(&s, 0), "does not contain \"needle\""), "%s", stage_why(&s, 0));
    finish();
}

Test(probe_http, what_is_slow_is_degraded)
{
    start("degraded_latency = \"1ms\";", NULL);
    RUN_UNTIL(&s.loop, backend.count > 0 && backend.connections[0]->received > 0);
    uint64_t asked_us = stage_checked(&s, 0)->began_us;
    RUN_UNTIL(&s.loop, clock_monotonic_us() > asked_us + 3000);
    fake_send(backend.connections[0], OK_ANSWER);
    STAGE_UNTIL(&s, stage_status(&s, 0) != ENDPOINT_UNKNOWN);
    cr_expect_eq(stage_status(&s, 0), ENDPOINT_DEGRADED);
    cr_expect(strstr(stage_why(&s, 0), "degraded above 1 ms"), "%s", stage_why(&s, 0));
    finish();
}

Test(probe_http, another_address_can_be_asked_instead)
{
    struct fake_backend other;

    cr_assert_eq(loop_init(&s.loop), 0);
    fake_backend_start(&other, &s.loop, "127.0.0.1:0");
    char *address = xstrdup(other.text);
    fake_backend_stop(&other);
    loop_fini(&s.loop);
    char *pool = xasprintf("health = { type = \"http\"; };"
                           "backends = ( { id = \"a\"; address = \"127.0.0.1:9\"; check_address = "
                           "\"%s\"; } );",
                           address);
    stage_init(&s, pool, "");
    fake_backend_start(&backend, &s.loop, address);
    backend.answer = OK_ANSWER;
    stage_start(&s);
    STAGE_UNTIL(&s, stage_status(&s, 0) == ENDPOINT_HEALTHY);
    cr_expect(strstr(backend.connections[0]->record, "Host: 127.0.0.1:9\r\n"));
    free(address);
    free(pool);
    finish();
}
