/* When whom is asked. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "tests/unit/checks/played.h"

enum { MANY = 5000 };

static struct stage s;

static unsigned place_of_last_endpoint; /* which start was that of the one with the highest index */
static uint64_t begun_us[4 * MANY];

static void note_start(struct probe *probe)
{
    const struct config_pool *pool = &s.config->pools[0];

    if (played.starts <= sizeof(begun_us) / sizeof(begun_us[0]))
        begun_us[played.starts - 1] = s.loop.now_us;
    if (probe->target.backend == &pool->backends[pool->backend_count - 1])
        place_of_last_endpoint = played.starts;
}

static void start(const char *health, unsigned endpoints, const char *top)
{
    char *backends = NULL;
    size_t size;
    FILE *out = open_memstream(&backends, &size);

    for (unsigned i = 0; i < endpoints; i++)
        fprintf(out, "%s{ id = \"e%u\"; address = \"127.0.0.1:%u\"; }", i > 0 ? ", " : "", i,
                1 + i);
    fclose(out);
    char *pool = xasprintf("health = { type = \"tcp\"; %s }; backends = ( %s );", health, backends);
    stage_init(&s, pool, top);
    stage_start(&s);
    played_take_over(&s, 0);
    played.on_start = note_start;
    free(pool);
    free(backends);
}

static struct checks_endpoint *endpoint(unsigned index)
{
    return stage_checked(&s, index);
}

/* ---- tests ---- */

Test(schedule, the_first_checks_come_soon_and_not_together)
{
    enum { COUNT = 200 };
    uint64_t started_us, first = UINT64_MAX, latest = 0;

    start("interval = \"1h\";", COUNT, "");
    started_us = s.loop.now_us;
    for (unsigned i = 0; i < COUNT; i++) {
        cr_assert_eq(endpoint(i)->phase, SCHEDULE_WAITING);
        cr_assert_leq(endpoint(i)->due_us, started_us + 1000000);
        first = endpoint(i)->due_us < first ? endpoint(i)->due_us : first;
        latest = endpoint(i)->due_us > latest ? endpoint(i)->due_us : latest;
    }
    cr_expect_gt(latest - first, 800000);
    stage_fini(&s);
}

Test(schedule, jitter_goes_to_both_sides_and_keeps_the_mean)
{
    enum { COUNT = 2000 };
    uint64_t sum = 0, least = UINT64_MAX, most = 0;

    played.answers_at_once = played.healthy = true;
    start("interval = \"100s\"; jitter = \"10%\";", COUNT,
          "supervision = { checks_per_second = 100000; };");
    for (unsigned i = 0; i < COUNT; i++)
        IN_TURN(&s.loop, checks_now(s.checks, s.pool, stage_endpoint(&s, i)));
    STAGE_UNTIL(&s, played.starts >= COUNT);
    run_turns(&s.loop, 5);
    for (unsigned i = 0; i < COUNT; i++) {
        uint64_t after = endpoint(i)->due_us - endpoint(i)->began_us;

        sum += after;
        least = after < least ? after : least;
        most = after > most ? after : most;
    }
    cr_expect_geq(least, 90000000);
    cr_expect_leq(most, 110000000);
    cr_expect_lt(least, 90500000);
    cr_expect_gt(most, 109500000);
    cr_expect(sum / COUNT > 99000000 && sum / COUNT < 101000000);
    stage_fini(&s);
}

Test(schedule, five_thousand_endpoints_are_asked_at_the_pace_that_is_set)
{
    enum { PACE = 5000 };

    played.answers_at_once = played.healthy = true;
    start("interval = \"1h\";", MANY, "supervision = { checks_per_second = 5000; };");
    STAGE_UNTIL(&s, played.starts >= MANY);
    cr_expect_eq(played.starts, MANY);
    /* In no second more than the pace, but for the 5 ms that may be made up for. */
    for (unsigned i = PACE / 10; i < played.starts; i++) {
        uint64_t span_us = begun_us[i] - begun_us[i - PACE / 10];
        cr_assert_geq(span_us + PACER_BURST_US + 1000, 100000, "%u: %zu", i, (size_t)span_us);
    }
    STAGE_UNTIL(&s, stage_status(&s, MANY - 1) == ENDPOINT_HEALTHY);
    stage_fini(&s);
}

Test(schedule, checks_that_the_pace_delays_are_counted)
{
    played.answers_at_once = played.healthy = true;
    start("interval = \"10ms\";", 100, "supervision = { checks_per_second = 100; };");
    STAGE_UNTIL(&s, checks_stats(s.checks).late > 0);
    cr_expect_gt(checks_stats(s.checks).passed, 0);
    stage_fini(&s);
}

static void come_due(unsigned index)
{
    IN_TURN(&s.loop, endpoint(index)->due.on_timer(&endpoint(index)->due));
}

static void give_verdict(unsigned index, enum check_verdict verdict)
{
    const struct check_result result = {.verdict = verdict, .why = "given"};

    IN_TURN(&s.loop,
            health_check_result(s.pool, stage_endpoint(&s, index), &result, s.loop.now_us));
}

Test(schedule, many_that_fail_do_not_keep_one_that_is_well_waiting)
{
    enum { COUNT = 300, WELL = COUNT - 1 };

    played.answers_at_once = true;
    start("interval = \"2h\"; fast_interval = \"1h\"; timeout = \"1s\"; fall = 1;", COUNT,
          "supervision = { checks_per_second = 1000; };");
    loop_timer_cancel(&endpoint(WELL)->due); /* not by itself meanwhile */
    give_verdict(WELL, CHECK_PASS);
    for (unsigned i = 0; i < WELL; i++) {
        give_verdict(i, CHECK_FAIL);
        come_due(i);
    }
    unsigned before = played.starts;
    cr_assert_lt(before, WELL); /* the pace holds some of them */
    come_due(WELL);
    STAGE_UNTIL(&s, endpoint(WELL)->began_us != 0);
    cr_expect_leq(place_of_last_endpoint - before, 2);
    STAGE_UNTIL(&s, played.starts == COUNT);
    stage_fini(&s);
}

Test(schedule, an_endpoint_is_asked_once_at_a_time)
{
    start("interval = \"10ms\"; fast_interval = \"10ms\"; timeout = \"10ms\";", 1, "");
    played.answers_at_once = false;
    STAGE_UNTIL(&s, played.starts >= 20);
    cr_expect_eq(played.most_running, 1);
    stage_fini(&s);
    cr_expect_eq(played.starts, played.stops);
}

Test(schedule, asking_now_begins_a_check_of_its_own)
{
    played.answers_at_once = false;
    start("interval = \"1h\"; timeout = \"1h\";", 1, "");
    checks_now(s.checks, s.pool, stage_endpoint(&s, 0));
    STAGE_UNTIL(&s, played.starts == 1);
    checks_now(s.checks, s.pool, stage_endpoint(&s, 0)); /* while one runs */
    checks_now(s.checks, s.pool, stage_endpoint(&s, 0));
    run_turns(&s.loop, 5);
    cr_expect_eq(played.starts, 1);
    IN_TURN(&s.loop, probe_pass(played.last));
    STAGE_UNTIL(&s, played.starts == 2);
    IN_TURN(&s.loop, probe_pass(played.last));
    run_turns(&s.loop, 5);
    cr_expect_eq(played.starts, 2);
    stage_fini(&s);
}

Test(schedule, only_the_first_verdict_counts)
{
    played.answers_at_once = false;
    start("interval = \"1h\"; timeout = \"1h\";", 1, "");
    STAGE_UNTIL(&s, played.starts == 1);
    struct probe *probe = played.last;
    IN_TURN(&s.loop, (probe_pass(probe), probe_fail(probe, "later")));
    STAGE_UNTIL(&s, stage_status(&s, 0) == ENDPOINT_HEALTHY);
    cr_expect_eq(played.stops, 1);
    cr_expect_eq(checks_stats(s.checks).failed, 0);
    stage_fini(&s);
}

Test(schedule, what_this_process_could_not_ask_is_no_failure)
{
    played.answers_at_once = false;
    start("interval = \"10ms\"; timeout = \"10ms\";", 1, "");
    STAGE_UNTIL(&s, played.starts == 1);
    IN_TURN(&s.loop, probe_skip(played.last, "no descriptors"));
    STAGE_UNTIL(&s, played.starts == 2);
    cr_expect_eq(stage_status(&s, 0), ENDPOINT_UNKNOWN);
    cr_expect_eq(checks_stats(s.checks).failed, 0);
    stage_fini(&s);
}

Test(schedule, what_fails_is_asked_more_often)
{
    played.answers_at_once = true;
    played.healthy = false;
    start("interval = \"1h\"; fast_interval = \"10ms\"; timeout = \"10ms\";", 1, "");
    STAGE_UNTIL(&s, stage_status(&s, 0) == ENDPOINT_UNHEALTHY);
    STAGE_UNTIL(&s, played.starts >= 5);
    played.healthy = true;
    STAGE_UNTIL(&s, stage_status(&s, 0) == ENDPOINT_HEALTHY);
    cr_expect_gt(endpoint(0)->due_us, s.loop.now_us + 1000000000);
    stage_fini(&s);
}

Test(schedule, a_drained_endpoint_is_asked_too)
{
    played.answers_at_once = played.healthy = true;
    start("interval = \"10ms\"; timeout = \"10ms\";", 1, "");
    health_set_draining(s.pool, stage_endpoint(&s, 0), true, "test", s.loop.now_us);
    STAGE_UNTIL(&s, played.starts >= 3);
    cr_expect_eq(stage_status(&s, 0), ENDPOINT_DRAINING);
    health_set_draining(s.pool, stage_endpoint(&s, 0), false, "test", s.loop.now_us);
    STAGE_UNTIL(&s, stage_status(&s, 0) == ENDPOINT_HEALTHY);
    stage_fini(&s);
}

Test(schedule, a_name_is_asked_while_it_has_addresses_each_in_turn)
{
    struct address addresses[2];

    cr_assert_eq(address_parse(&addresses[0], SLICE_LIT("127.0.0.1:1")), 0);
    cr_assert_eq(address_parse(&addresses[1], SLICE_LIT("127.0.0.2:1")), 0);
    played.answers_at_once = played.healthy = true;
    stage_init(&s,
               "health = { type = \"tcp\"; interval = \"10ms\"; timeout = \"10ms\"; };"
               "backends = ( { id = \"a\"; address = \"name.test:1\"; } );",
               "");
    stage_start(&s);
    played_take_over(&s, 0);
    played.on_start = note_start;
    cr_expect_eq(endpoint(0)->phase, SCHEDULE_IDLE);
    checks_now(s.checks, s.pool, stage_endpoint(&s, 0));
    cr_expect_eq(endpoint(0)->phase, SCHEDULE_IDLE);

    checks_set_addresses(s.checks, s.pool, stage_endpoint(&s, 0), addresses, 2);
    STAGE_UNTIL(&s, played.starts == 1);
    struct address first = played.last_address;
    STAGE_UNTIL(&s, played.starts == 2);
    cr_expect_not(address_equal(&first, &played.last_address));

    checks_set_addresses(s.checks, s.pool, stage_endpoint(&s, 0), NULL, 0);
    cr_expect_eq(endpoint(0)->phase, SCHEDULE_IDLE);
    stage_fini(&s);
}

Test(schedule, an_end_while_all_are_being_asked_stops_all)
{
    played.answers_at_once = false;
    start("interval = \"1h\"; timeout = \"1h\";", 50, "");
    STAGE_UNTIL(&s, played.starts == 50);
    stage_fini(&s);
    cr_expect_eq(played.running, 0);
    cr_expect_eq(played.stops, 50);
}

/* The pace allows one at a time: each look at the queues that may begin nothing changes nothing. */
Test(schedule, a_look_that_may_begin_nothing_takes_nobodys_turn)
{
    enum { COUNT = 60, WELL = COUNT - 1 };

    played.answers_at_once = true;
    start("interval = \"2h\"; fast_interval = \"1h\"; timeout = \"1s\"; fall = 1;", COUNT,
          "supervision = { checks_per_second = 20; };");
    loop_timer_cancel(&endpoint(WELL)->due);
    give_verdict(WELL, CHECK_PASS);
    for (unsigned i = 0; i < WELL; i++) {
        give_verdict(i, CHECK_FAIL);
        come_due(i);
    }
    unsigned before = played.starts;
    come_due(WELL);
    STAGE_UNTIL(&s, endpoint(WELL)->began_us != 0);
    cr_expect_leq(place_of_last_endpoint - before, 2);
    stage_fini(&s);
}
