/* Recovery from end to end: real commands, webhooks at a played server, events as an operator reads
 * them. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "tests/unit/checks/stage.h"

static struct stage s;
static char directory[64], up[96];

/* The endpoint is up when a file exists. */
static void start(const char *recovery, const char *top)
{
    snprintf(directory, sizeof(directory), "/tmp/evergate-recovery-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    snprintf(up, sizeof(up), "%s/up", directory);
    setenv("DIRECTORY", directory, 1);
    char *pool = xasprintf("health = { type = \"exec\"; command = \"sh -c 'test -e %s || exit 2'\";"
                           "  interval = \"5s\"; fast_interval = \"20ms\"; fall = 2; };"
                           "recovery = { %s };"
                           "backends = ( { id = \"a\"; address = \"127.0.0.1:81\"; } );",
                           up, recovery);
    stage_init(&s, pool, top);
    stage_start(&s);
    free(pool);
}

static void finish(void)
{
    char *command = xasprintf("rm -r %s", directory);

    stage_fini(&s);
    cr_expect_eq(system(command), 0);
    free(command);
}

static unsigned events(const char *to)
{
    return stage_count_events(&s, EVENT_RECOVERY, to);
}

static struct health_event event(const char *to)
{
    struct health_event found;

    STAGE_UNTIL(&s, stage_event(&s, EVENT_RECOVERY, to, &found));
    return found;
}

Test(recovery, a_command_that_helps_is_verified_by_a_check)
{
    start("command = \"sh -c 'echo restarted $EG_ENDPOINT_ID; touch $DIRECTORY/up'\";", "");
    struct health_event e = event("started");
    cr_expect_str_eq(e.from, "attempt 1 of 3");
    cr_expect_str_eq(e.endpoint, "a");
    e = event("ended");
    cr_expect(strncmp(e.why, "exit status 0 after ", 20) == 0, "%s", e.why);
    cr_expect(strstr(e.why, ": restarted a"), "%s", e.why);
    event("verified");
    STAGE_UNTIL(&s, stage_status(&s, 0) == ENDPOINT_HEALTHY);
    cr_expect_eq(checks_stats(s.checks).recoveries_started, 1);
    cr_expect_eq(checks_stats(s.checks).recoveries_failed, 0);
    finish();
}

Test(recovery, what_does_not_help_is_given_up)
{
    start("command = \"true\"; max_attempts = 2; interval = \"100ms\";", "");
    struct health_event e = event("not verified");
    cr_expect(strstr(e.why, "exit status 2"), "%s", e.why);
    cr_expect(strstr(e.next, "attempt 2 of 2 in "), "%s", e.next);
    e = event("given up");
    cr_expect_str_eq(e.why, "it is still unhealthy after 2 attempts");
    cr_expect_eq(e.severity, EVENT_ERROR);
    cr_expect_eq(events("started"), 2);
    cr_expect_eq(events("not verified"), 2);
    cr_expect_eq(checks_stats(s.checks).recoveries_failed, 2);
    finish();
}

Test(recovery, a_command_that_fails_is_told_with_its_last_line)
{
    start("command = \"sh -c 'echo no such unit >&2; exit 5'\";", "");
    struct health_event e = event("failed");
    cr_expect(strncmp(e.why, "exit status 5 after ", 20) == 0, "%s", e.why);
    cr_expect(strstr(e.why, ": no such unit"), "%s", e.why);
    event("not verified");
    cr_expect_eq(checks_stats(s.checks).recoveries_failed, 1); /* not twice */
    finish();
}

Test(recovery, a_command_that_hangs_is_killed)
{
    start("command = \"sleep 1000\"; timeout = \"50ms\";", "");
    struct health_event e = event("failed");
    cr_expect_str_eq(e.why, "killed, it had not ended within 50 ms");
    finish();
}

Test(recovery, the_command_learns_what_is_the_matter)
{
    char *path, content[512] = "";

    start("command = \"sh -c 'echo \\\"$EG_POOL $EG_ENDPOINT_ID $EG_ADDRESS $EG_ATTEMPT $EG_STATUS "
          "$EG_SINCE|$EG_REASON\\\" >$DIRECTORY/told'\";",
          "");
    event("ended");
    path = xasprintf("%s/told", directory);
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f);
    cr_assert_not_null(fgets(content, sizeof(content), f));
    fclose(f);
    free(path);
    cr_expect(strncmp(content, "api a 127.0.0.1:81 1 unhealthy 20", 33) == 0, "%s", content);
    cr_expect(strstr(content, "Z|"), "%s", content);
    cr_expect(strstr(content, "exit status 2"), "%s", content);
    finish();
}

Test(recovery, the_brake_holds_back_and_says_so_once)
{
    start("command = \"true\"; interval = \"50ms\"; max_attempts = 5;",
          "supervision = { recoveries_per_minute = 2; };");
    struct health_event e = event("held back");
    cr_expect_str_eq(e.from, "attempt 3 of 5");
    cr_expect(strstr(e.why, "supervision.recoveries_per_minute = 2"), "%s", e.why);
    uint64_t passed = checks_stats(s.checks).failed;
    STAGE_UNTIL(&s, checks_stats(s.checks).failed > passed + 5);
    cr_expect_eq(events("held back"), 1);
    cr_expect_eq(events("started"), 2);
    finish();
}

Test(recovery, none_is_begun_for_what_is_being_drained)
{
    start("command = \"true\";", "");
    health_set_draining(s.pool, stage_endpoint(&s, 0), true, "test", s.loop.now_us);
    STAGE_UNTIL(&s, checks_stats(s.checks).failed > 5);
    cr_expect_eq(events("started"), 0);
    finish();
}

/* ---- webhooks ---- */

static struct fake_backend hook;

static void start_webhook(const char *answer)
{
    struct loop own;

    cr_assert_eq(loop_init(&own), 0);
    fake_backend_start(&hook, &own, "127.0.0.1:0");
    char *address = xstrdup(hook.text);
    fake_backend_stop(&hook);
    loop_fini(&own);
    char *recovery = xasprintf("webhook = \"http://%s/repair?x=1\";", address);
    start(recovery, "");
    fake_backend_start(&hook, &s.loop, address);
    hook.answer = answer;
    free(recovery);
    free(address);
}

static void finish_webhook(void)
{
    fake_backend_stop(&hook);
    finish();
}

Test(recovery, a_webhook_is_told_what_is_the_matter)
{
    start_webhook("HTTP/1.1 204 No Content\r\n\r\n");
    struct health_event e = event("ended");
    cr_expect_str_eq(e.why, "webhook: status 204");
    const char *text = hook.connections[0]->record;
    cr_expect(strncmp(text, "POST /repair?x=1 HTTP/1.1\r\nHost: 127.0.0.1:", 43) == 0, "%s", text);
    cr_expect(strstr(text, "\r\nContent-Type: application/json\r\n"), "%s", text);
    cr_expect(strstr(text,
                     "\r\n\r\n{\"pool\":\"api\",\"endpoint\":\"a\",\"address\":\"127.0.0.1:81\","
                     "\"status\":\"unhealthy\",\"reason\":\""),
              "%s", text);
    cr_expect(strstr(text, ",\"attempt\":1}"), "%s", text);
    finish_webhook();
}

Test(recovery, a_webhook_that_refuses_has_failed)
{
    start_webhook("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
    struct health_event e = event("failed");
    cr_expect_str_eq(e.why, "webhook: status 500");
    finish_webhook();
}

Test(recovery, a_webhook_that_is_not_there_has_failed)
{
    start("webhook = \"http://127.0.0.1:9/\";", "");
    struct health_event e = event("failed");
    cr_expect_str_eq(e.why, "webhook: connection refused");
    finish();
}

Test(recovery, a_command_and_a_webhook_are_one_attempt)
{
    start("webhook = \"http://127.0.0.1:9/\"; command = \"sh -c 'exit 3'\";", "");
    struct health_event e = event("failed");
    cr_expect(strstr(e.why, "webhook: connection refused"), "%s", e.why);
    cr_expect(strstr(e.why, "exit status 3"), "%s", e.why);
    finish();
}

Test(recovery, a_program_that_is_missing_is_a_mistake_at_the_start)
{
    stage_init(&s,
               "health = { type = \"tcp\"; }; recovery = { command = \"no-such-program\"; };"
               "backends = ( { id = \"a\"; address = \"127.0.0.1:81\"; } );",
               "");
    char *why = stage_refuse(&s);
    cr_expect_str_eq(why, "pool \"api\": recovery: no program \"no-such-program\" that can be run");
    free(why);
    stage_fini(&s);
}
