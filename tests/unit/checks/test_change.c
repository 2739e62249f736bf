/* Another configuration while checks run: what goes on, what begins anew, what ends. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/alloc.h"
#include "checks/recovery_internal.h"
#include "tests/unit/checks/played.h"

/* Of endpoints that answer nobody by themselves. */
#define HEALTH "health = { type = \"tcp\"; interval = \"1h\"; timeout = \"1h\"; }; "
#define SLOWER "health = { type = \"tcp\"; interval = \"2h\"; timeout = \"1h\"; }; "
#define A      "{ id = \"a\"; address = \"127.0.0.1:1\"; }"
#define B      "{ id = \"b\"; address = \"127.0.0.1:2\"; }"
#define ONLY_A "backends = ( " A " );"
#define ONLY_B "backends = ( " B " );"
#define BOTH   "backends = ( " A ", " B " );"

static struct stage s;

static void start(const char *pool)
{
    stage_init(&s, pool, "");
    stage_start(&s);
    played_take_over(&s, 0);
}

static void change(const char *pool)
{
    char *why = stage_change(&s, pool, NULL, "");

    cr_assert_null(why, "%s", why);
}

static void answer(enum check_verdict verdict)
{
    struct probe *probe = played.last;

    cr_assert_not_null(probe);
    if (verdict == CHECK_PASS)
        IN_TURN(&s.loop, probe_pass(probe));
    else
        IN_TURN(&s.loop, probe_fail(probe, "played"));
    stage_keep(&s);
}

static struct checks_endpoint *checked(const char *id)
{
    struct endpoint *endpoint = stage_endpoint_named(&s, id);

    return endpoint ? checks_pool_find(s.checks->pools[0], endpoint) : NULL;
}

static enum endpoint_status status_of(const char *id)
{
    return atomic_load(&stage_endpoint_named(&s, id)->status);
}

/* ---- what is equal ---- */

Test(change, a_check_under_way_goes_on)
{
    start(HEALTH "backends = ( { id = \"a\"; address = \"127.0.0.1:1\"; weight = 3; } );");
    STAGE_UNTIL(&s, played.starts == 1);
    struct probe *probe = played.last;
    change(HEALTH "algorithm = \"random\";" ONLY_A);
    change(HEALTH ONLY_A); /* it may take longer than a change */
    cr_expect_eq(checked("a")->probe, probe);
    cr_expect_eq(played.stops, 0);
    cr_expect_str_eq(probe->target.backend->address, "127.0.0.1:1");
    answer(CHECK_PASS);
    cr_expect_eq(status_of("a"), ENDPOINT_HEALTHY);
    cr_expect_eq(played.starts, 1);
    cr_expect_eq(played.forgotten, 0);
    stage_fini(&s);
}

/* Health learns of a change before checks do. */
Test(change, a_verdict_that_comes_when_checks_have_just_ended_hurries_nothing)
{
    start(HEALTH ONLY_A);
    STAGE_UNTIL(&s, played.starts == 1);
    struct checks_pool *pool = s.checks->pools[0];
    struct config_pool without = *pool->config;

    without.health = NULL;
    health_pool_change(pool->health, &without, s.loop.now_us);
    answer(CHECK_PASS);
    cr_expect_eq(checked("a")->phase, SCHEDULE_WAITING);
    cr_expect_gt(checked("a")->due_us, s.loop.now_us + 60 * 1000000);
    health_pool_change(pool->health, pool->config, s.loop.now_us);
    stage_fini(&s);
}

Test(change, the_next_check_comes_when_it_would_have_come)
{
    played.answers_at_once = played.healthy = true;
    start(HEALTH ONLY_A);
    STAGE_UNTIL(&s, status_of("a") == ENDPOINT_HEALTHY);
    uint64_t due_us = checked("a")->due_us;
    change(HEALTH BOTH);
    cr_expect_eq(checked("a")->due_us, due_us);
    cr_expect_eq(checked("a")->phase, SCHEDULE_WAITING);
    cr_expect_eq(checked("a")->backend, &s.config->pools[0].backends[0]);
    stage_fini(&s);
}

Test(change, a_new_endpoint_is_asked_soon_and_no_other)
{
    played.answers_at_once = played.healthy = true;
    start(HEALTH ONLY_A);
    STAGE_UNTIL(&s, status_of("a") == ENDPOINT_HEALTHY);
    change(HEALTH BOTH);
    STAGE_UNTIL(&s, status_of("b") == ENDPOINT_HEALTHY);
    cr_expect_eq(played.starts, 2);
    stage_fini(&s);
}

/* ---- who leaves ---- */

Test(change, a_check_of_one_that_leaves_is_given_up_without_a_verdict)
{
    start(HEALTH BOTH);
    STAGE_UNTIL(&s, played.starts == 2);
    struct checks_endpoint *b = checked("b");
    cr_assert(b);
    change(HEALTH ONLY_B);
    run_turns(&s.loop, 5);
    cr_expect_eq(played.stops, 1);
    cr_expect_eq(played.forgotten, 1);
    cr_expect_eq(checks_stats(s.checks).failed, 0);
    cr_expect_eq(checked("b"), b);
    cr_expect_eq(b->phase, SCHEDULE_ASKING);
    stage_fini(&s);
}

Test(change, the_same_id_elsewhere_is_another_endpoint)
{
    start(HEALTH ONLY_A);
    STAGE_UNTIL(&s, played.starts == 1);
    change(HEALTH "backends = ( { id = \"a\"; address = \"127.0.0.1:9\"; } );");
    cr_expect_eq(played.stops, 1);
    STAGE_UNTIL(&s, played.starts == 2);
    cr_expect_eq(address_port(&played.last_address), 9);
    answer(CHECK_PASS);
    cr_expect_eq(status_of("a"), ENDPOINT_HEALTHY);
    cr_expect_eq(checks_stats(s.checks).passed, 1);
    stage_fini(&s);
}

Test(change, orders_for_one_that_left_are_ignored)
{
    struct address address;

    cr_assert_eq(address_parse(&address, SLICE_LIT("127.0.0.1:1")), 0);
    start(HEALTH BOTH);
    STAGE_UNTIL(&s, played.starts == 2);
    struct endpoint gone = *stage_endpoint_named(&s, "a"); /* the slot is free, or another's */
    change(HEALTH ONLY_B);
    checks_now(s.checks, s.pool, &gone);
    checks_set_addresses(s.checks, s.pool, &gone, &address, 1);
    checks_on_status(s.checks, s.pool, &gone, ENDPOINT_DRAINING, ENDPOINT_UNKNOWN);
    run_turns(&s.loop, 5);
    cr_expect_eq(played.starts, 2);
    stage_fini(&s);
}

Test(change, endpoints_may_come_and_go_all_the_time)
{
    played.answers_at_once = played.healthy = true;
    start(HEALTH BOTH);
    for (unsigned i = 0; i < 30; i++) {
        char *pool = xasprintf(HEALTH "backends = ( " B ", { id = \"x\"; address = "
                                      "\"127.0.0.1:%u\"; } );",
                               10 + i);
        change(pool);
        IN_TURN(&s.loop, checks_now(s.checks, s.pool, stage_endpoint_named(&s, "x")));
        STAGE_UNTIL(&s, status_of("x") == ENDPOINT_HEALTHY);
        cr_expect_eq(address_port(checked("x")->addresses.v), 10 + i);
        free(pool);
    }
    stage_fini(&s);
    cr_expect_eq(played.running, 0);
}

/* ---- settings of health ---- */

Test(change, other_settings_of_health_begin_anew_and_keep_the_status)
{
    start(HEALTH ONLY_A);
    STAGE_UNTIL(&s, played.starts == 1);
    answer(CHECK_PASS);
    IN_TURN(&s.loop, checks_now(s.checks, s.pool, stage_endpoint(&s, 0)));
    STAGE_UNTIL(&s, played.starts == 2);
    change(SLOWER ONLY_A);
    played_take_over(&s, 0);
    cr_expect_eq(played.stops, 2);
    cr_expect_eq(played.forgotten, 1);
    cr_expect_eq(status_of("a"), ENDPOINT_HEALTHY);
    cr_expect_leq(checked("a")->due_us, s.loop.now_us + 1000000);
    STAGE_UNTIL(&s, played.starts == 3);
    answer(CHECK_PASS);
    cr_expect_gt(checked("a")->due_us, s.loop.now_us + 3600000000);
    stage_fini(&s);
}

Test(change, other_tls_settings_begin_anew)
{
    start(HEALTH "tls = { verify = false; };" ONLY_A);
    struct tls_context *before = s.checks->pools[0]->method->shared.tls;
    cr_assert_not_null(before);
    STAGE_UNTIL(&s, played.starts == 1);
    change(HEALTH "tls = { verify = false; sni = \"name.test\"; };" ONLY_A);
    played_take_over(&s, 0);
    cr_expect_str_eq(checked("a")->server_name, "name.test");
    cr_expect_eq(played.stops, 1);
    change(HEALTH ONLY_A);
    cr_expect_null(s.checks->pools[0]->method->shared.tls);
    cr_expect_null(checked("a")->server_name);
    stage_fini(&s);
}

Test(change, another_check_address_concerns_its_endpoint_only)
{
    start(HEALTH BOTH);
    STAGE_UNTIL(&s, played.starts == 2);
    change(HEALTH "backends = ( { id = \"a\"; address = \"127.0.0.1:1\"; check_address = "
                  "\"127.0.0.1:7\"; }, " B " );");
    cr_expect_eq(played.stops, 1);
    STAGE_UNTIL(&s, played.starts == 3);
    cr_expect_eq(address_port(&played.last_address), 7);
    stage_fini(&s);
}

Test(change, checks_may_end_and_begin)
{
    start(HEALTH ONLY_A);
    STAGE_UNTIL(&s, played.starts == 1);
    change(ONLY_A);
    run_turns(&s.loop, 5);
    cr_expect_eq(played.stops, 1);
    cr_expect_null(checked("a"));
    change(HEALTH ONLY_A);
    played_take_over(&s, 0);
    STAGE_UNTIL(&s, played.starts == 2);
    stage_fini(&s);
}

Test(change, one_endpoint_may_be_left_out)
{
#define LEFT_OUT                                                                                   \
    "backends = ( { id = \"a\"; address = \"127.0.0.1:1\"; health_check = false; }, " B " );"
    played.answers_at_once = played.healthy = true;
    start(HEALTH LEFT_OUT);
    STAGE_UNTIL(&s, status_of("b") == ENDPOINT_HEALTHY);
    cr_expect_null(checked("a"));
    change(HEALTH BOTH);
    STAGE_UNTIL(&s, played.starts == 2);
    change(HEALTH LEFT_OUT);
    cr_expect_null(checked("a"));
    stage_fini(&s);
}

Test(change, addresses_of_a_name_are_kept_through_all_of_that)
{
#define NAMED(more) "backends = ( { id = \"a\"; address = \"name.test:1\"; " more " } );"
    struct address address;

    cr_assert_eq(address_parse(&address, SLICE_LIT("127.0.0.5:1")), 0);
    start(HEALTH NAMED(""));
    IN_TURN(&s.loop, checks_set_addresses(s.checks, s.pool, stage_endpoint(&s, 0), &address, 1));
    STAGE_UNTIL(&s, played.starts == 1);
    change(SLOWER NAMED(""));
    played_take_over(&s, 0);
    STAGE_UNTIL(&s, played.starts == 2);
    change(SLOWER NAMED("check_address = \"127.0.0.1:7\";"));
    STAGE_UNTIL(&s, played.starts == 3);
    cr_expect_eq(address_port(&played.last_address), 7);
    change(SLOWER NAMED(""));
    STAGE_UNTIL(&s, played.starts == 4);
    cr_expect(address_equal(&played.last_address, &address));
    stage_fini(&s);
}

Test(change, the_pace_is_another_at_once)
{
    start(HEALTH ONLY_A);
    cr_expect_eq(s.checks->schedule.pacer.gap_ns, 1000000);
    char *why = stage_change(&s, HEALTH ONLY_A, NULL,
                             "supervision = { checks_per_second = 10; recoveries_per_minute = 77; "
                             "};");
    cr_assert_null(why);
    cr_expect_eq(s.checks->schedule.pacer.gap_ns, 100000000);
    stage_fini(&s);
}

/* ---- pools ---- */

Test(change, pools_come_and_go)
{
    start(HEALTH ONLY_A);
    STAGE_UNTIL(&s, played.starts == 1);
    cr_assert_null(stage_change(&s, HEALTH ONLY_A, HEALTH BOTH, ""));
    played_take_over(&s, 1);
    STAGE_UNTIL(&s, played.starts == 3);
    cr_assert_null(stage_change(&s, HEALTH ONLY_A, NULL, ""));
    run_turns(&s.loop, 5);
    cr_expect_eq(s.checks->pool_count, 1);
    cr_expect_eq(played.stops, 2);
    cr_expect_eq(played.running, 1);
    stage_fini(&s);
}

/* ---- what cannot be ---- */

Test(change, one_that_fails_changes_nothing)
{
    start(HEALTH ONLY_A);
    STAGE_UNTIL(&s, played.starts == 1);
    struct checks_method *method = s.checks->pools[0]->method;
    struct config *config = s.config;
    char *why =
        stage_change(&s, SLOWER BOTH,
                     "health = { type = \"exec\"; command = \"no-such-program\"; }; " ONLY_A, "");
    cr_expect_str_eq(why, "pool \"other\": health: no program \"no-such-program\" that can be run");
    free(why);
    why = stage_change(&s,
                       HEALTH "recovery = { webhook = \"http://127.0.0.1:9/\"; command = "
                              "\"no-such-program\"; };" ONLY_A,
                       NULL, "");
    cr_expect_str_eq(why, "pool \"api\": recovery: no program \"no-such-program\" that can be run");
    free(why);
    run_turns(&s.loop, 5);
    cr_expect_eq(s.checks->config, config);
    cr_expect_eq(s.checks->pools[0]->method, method);
    cr_expect_eq(played.stops, 0);
    answer(CHECK_PASS);
    cr_expect_eq(status_of("a"), ENDPOINT_HEALTHY);
    stage_fini(&s);
}

Test(change, one_that_is_discarded_changes_nothing)
{
    struct checks_change *prepared = NULL;
    char *why = NULL;

    start(HEALTH ONLY_A);
    STAGE_UNTIL(&s, played.starts == 1);
    cr_assert_eq(checks_prepare(s.checks, s.config, &prepared, &why), EG_OK);
    checks_discard(&prepared);
    cr_expect_null(prepared);
    checks_discard(&prepared);
    cr_expect_eq(played.running, 1);
    stage_fini(&s);
}

/* ---- recovery ---- */

static char directory[64];

/* A file by that name in the directory. */
static bool there_is(const char *name)
{
    char *path = xasprintf("%s/%s", directory, name);
    bool is = access(path, F_OK) == 0;

    free(path);
    return is;
}

static void make(const char *name)
{
    char *path = xasprintf("%s/%s", directory, name);
    FILE *f = fopen(path, "w");

    cr_assert_not_null(f);
    fclose(f);
    free(path);
}

/* An action that says when it has begun, and ends, saying so, when it is let go. */
#define ACTION                                                                                     \
    "command = \"sh -c 'touch $DIRECTORY/begun; until test -e $DIRECTORY/go; do sleep 0.01; "      \
    "done; "                                                                                       \
    "touch $DIRECTORY/ended'\"; interval = \"1h\"; timeout = \"1m\"; "
#define RECOVERY(more) "recovery = { " ACTION more " }; "
#define DYING          "health = { type = \"tcp\"; interval = \"10ms\"; timeout = \"10ms\"; fall = 1; }; "

static void start_recovery(void)
{
    snprintf(directory, sizeof(directory), "/tmp/evergate-change-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    setenv("DIRECTORY", directory, 1);
    played.answers_at_once = true;
    played.well = "b";
    start(DYING RECOVERY("") ONLY_A);
    STAGE_UNTIL(&s, there_is("begun"));
}

static void finish_recovery(void)
{
    char *command = xasprintf("rm -r %s", directory);

    stage_fini(&s);
    cr_expect_eq(system(command), 0);
    free(command);
}

static unsigned told(const char *to)
{
    return stage_count_events(&s, EVENT_RECOVERY, to);
}

Test(change, a_recovery_action_runs_on_and_is_counted_on)
{
    start_recovery();
    change(DYING RECOVERY("") BOTH);
    cr_expect_eq(checked("a")->recovery->state.attempts, 1);
    make("go");
    STAGE_UNTIL(&s, told("ended") == 1);
    STAGE_UNTIL(&s, told("not verified") == 1);
    cr_expect_eq(checked("a")->recovery->state.attempts, 1);
    cr_expect_gt(recovery_state_due_us(&checked("a")->recovery->state), s.loop.now_us + 3500000000);
    finish_recovery();
}

Test(change, other_settings_of_recovery_count_anew_and_let_the_action_run)
{
    start_recovery();
    change(DYING RECOVERY("max_attempts = 9; ") ONLY_A);
    cr_expect_eq(checked("a")->recovery->state.max_attempts, 9);
    cr_expect_eq(checked("a")->recovery->state.attempts, 1);
    make("go");
    STAGE_UNTIL(&s, told("ended") == 1);
    change(DYING RECOVERY("max_attempts = 8; ") ONLY_A);
    cr_expect_eq(checked("a")->recovery->state.attempts, 0);
    cr_expect_eq(checked("a")->recovery->state.phase, RECOVERY_DUE);
    cr_expect_gt(recovery_state_due_us(&checked("a")->recovery->state),
                 s.loop.now_us + 3500000000); /* the interval since the last one holds */
    finish_recovery();
}

Test(change, recovery_that_is_new_helps_whoever_is_ill_already)
{
    played.answers_at_once = true;
    start(DYING ONLY_A);
    STAGE_UNTIL(&s, status_of("a") == ENDPOINT_UNHEALTHY);
    change(DYING "recovery = { command = \"true\"; };" ONLY_A);
    STAGE_UNTIL(&s, told("started") == 1);
    stage_fini(&s);
}

/* Its pool is told nothing of the end. */
static void expect_action_left_alone(void)
{
    make("go");
    STAGE_UNTIL(&s, there_is("ended"));
    run_turns(&s.loop, 20);
    cr_expect_eq(told("ended") + told("failed"), 0);
    finish_recovery();
}

Test(change, an_action_for_one_that_leaves_is_left_alone)
{
    start_recovery();
    change(DYING RECOVERY("") ONLY_B);
    expect_action_left_alone();
}

Test(change, an_action_of_a_recovery_that_is_no_more_is_left_alone)
{
    start_recovery();
    change(DYING ONLY_A);
    cr_expect_null(checked("a")->recovery);
    expect_action_left_alone();
}

Test(change, a_webhook_that_is_being_called_is_left_alone)
{
    struct fake_backend hook;
    struct loop own;

    cr_assert_eq(loop_init(&own), 0);
    fake_backend_start(&hook, &own, "127.0.0.1:0");
    char *address = xstrdup(hook.text);
    fake_backend_stop(&hook);
    loop_fini(&own);
    char *pool = xasprintf(DYING "recovery = { webhook = \"http://%s/\"; };" ONLY_A, address);
    played.answers_at_once = true;
    played.well = "b";
    stage_init(&s, pool, "");
    fake_backend_start(&hook, &s.loop, address);
    stage_start(&s);
    played_take_over(&s, 0);
    STAGE_UNTIL(&s, hook.count == 1 && strstr(hook.connections[0]->record, "\"attempt\":1}"));
    change(DYING ONLY_B);
    run_turns(&s.loop, 5);
    cr_expect_not(hook.connections[0]->eof);
    fake_send(hook.connections[0], "HTTP/1.1 204 No Content\r\n\r\n");
    RUN_UNTIL(&s.loop, hook.connections[0]->eof);
    cr_expect_eq(told("ended") + told("failed"), 0);
    fake_backend_stop(&hook);
    stage_fini(&s);
    free(pool);
    free(address);
}

Test(change, an_end_while_actions_are_left_alone_ends_them)
{
    start_recovery();
    change(DYING RECOVERY("") ONLY_B);
    finish_recovery();
}
