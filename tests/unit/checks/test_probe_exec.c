/* exec: what a command's end says about an endpoint. */
#include <stdlib.h>

#include "base/alloc.h"
#include "tests/unit/checks/stage.h"

static struct stage s;

static void start(const char *keys)
{
    char *pool = xasprintf("health = { type = \"exec\"; interval = \"5s\"; fall = 1; %s };"
                           "backends = ( { id = \"a\"; address = \"[::1]:81\"; } );",
                           keys);

    stage_init(&s, pool, "");
    free(pool);
}

static void expect(const char *keys, enum endpoint_status status, const char *why)
{
    start(keys);
    stage_start(&s);
    STAGE_UNTIL(&s, stage_status(&s, 0) != ENDPOINT_UNKNOWN);
    cr_expect_eq(stage_status(&s, 0), status, "%s: %s", keys, stage_why(&s, 0));
    cr_expect(strstr(stage_why(&s, 0), why), "\"%s\" instead of \"%s\"", stage_why(&s, 0), why);
    stage_fini(&s);
}

Test(probe_exec, judges_by_the_exit_status)
{
    expect("command = \"true\";", ENDPOINT_HEALTHY, "");
    expect("command = \"sh -c 'echo replication lags; exit 1'\";", ENDPOINT_DEGRADED,
           "exit status 1: replication lags");
    expect("command = \"sh -c 'echo down >&2; exit 2'\";", ENDPOINT_UNHEALTHY,
           "exit status 2: down");
    expect("command = \"sh -c 'kill -KILL $$$$'\";", ENDPOINT_UNHEALTHY, "killed by signal 9");
}

Test(probe_exec, kills_what_hangs)
{
    expect("command = \"sleep 1000\"; timeout = \"50ms\";", ENDPOINT_UNHEALTHY,
           "killed, it had not ended within 50 ms");
}

Test(probe_exec, tells_the_command_whom_it_is_for)
{
    expect(
        "command = \"sh -c 'echo $EG_POOL $EG_ENDPOINT_ID $EG_ADDRESS $EG_HOST $EG_PORT $$1; exit "
        "2' x ${EG_PORT}\";",
        ENDPOINT_UNHEALTHY, "exit status 2: api a [::1]:81 ::1 81 81");
}

Test(probe_exec, a_program_that_is_missing_is_a_mistake_at_the_start)
{
    start("command = \"no-such-program --x\";");
    char *why = stage_refuse(&s);
    cr_expect_str_eq(why, "pool \"api\": health: no program \"no-such-program\" that can be run");
    free(why);
    stage_fini(&s);
}

Test(probe_exec, an_end_in_the_middle_of_a_check_leaves_nothing)
{
    start("command = \"sleep 1000\";");
    stage_start(&s);
    RUN_UNTIL(&s.loop, stage_checked(&s, 0)->phase == SCHEDULE_ASKING);
    run_turns(&s.loop, 5);
    stage_fini(&s);
}
