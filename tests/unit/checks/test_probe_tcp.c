/* tcp: whether somebody accepts. */
#include <stdlib.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "tests/unit/checks/stage.h"

static struct stage s;
static struct fake_backend backend;

/* The backend listens, or has just stopped to. */
static void start(bool listens)
{
    struct loop own;
    char *pool;

    cr_assert_eq(loop_init(&own), 0);
    fake_backend_start(&backend, &own, "127.0.0.1:0");
    pool = xasprintf("health = { type = \"tcp\"; interval = \"20ms\"; };"
                     "backends = ( { id = \"a\"; address = \"%s\"; } );",
                     backend.text);
    fake_backend_stop(&backend);
    loop_fini(&own);
    stage_init(&s, pool, "");
    if (listens)
        fake_backend_start(&backend, &s.loop, s.config->pools[0].backends[0].address);
    stage_start(&s);
    free(pool);
}

static void finish(void)
{
    fake_backend_stop(&backend);
    stage_fini(&s);
}

Test(probe_tcp, whoever_accepts_is_healthy)
{
    start(true);
    STAGE_UNTIL(&s, stage_status(&s, 0) == ENDPOINT_HEALTHY);
    RUN_UNTIL(&s.loop, backend.count > 0 && backend.connections[0]->eof);
    cr_expect_eq(backend.connections[0]->received, 0);
    finish();
}

Test(probe_tcp, whoever_refuses_is_not)
{
    start(false);
    STAGE_UNTIL(&s, stage_status(&s, 0) == ENDPOINT_UNHEALTHY);
    cr_expect(strstr(stage_why(&s, 0), "connection refused"), "%s", stage_why(&s, 0));
    finish();
}

/* Out of descriptors is this process's trouble. */
Test(probe_tcp, what_cannot_be_asked_is_no_failure)
{
    struct rlimit usual, none;

    start(true);
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = usual.rlim_max};
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct checks_endpoint *e = stage_checked(&s, 0);
    STAGE_UNTIL(&s, e->began_us != 0);
    uint64_t first_us = e->began_us;
    STAGE_UNTIL(&s, e->began_us != first_us);
    cr_expect_eq(stage_status(&s, 0), ENDPOINT_UNKNOWN);
    cr_expect_eq(checks_stats(s.checks).failed, 0);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
    STAGE_UNTIL(&s, stage_status(&s, 0) == ENDPOINT_HEALTHY);
    finish();
}
