/* Endpoints that come and go while the pool serves. */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"

enum { S = 1000000 };

/* In hundredths; what the balancer gives it now. */
static unsigned share(struct fixture *f, unsigned index)
{
    fixture_keep(f);
    return atomic_load(&fixture_endpoint(f, index)->share);
}

static unsigned all_events(struct fixture *f)
{
    fixture_keep(f);
    return (unsigned)events_last_id(health_events(f->health));
}

static void report(struct fixture *f, struct endpoint *e, enum health_result result)
{
    struct health_report r = {.result = result,
                              .error = result == HEALTH_FAILURE ? EG_E_UPSTREAM_RESET : EG_OK,
                              .status = result == HEALTH_SUCCESS ? 200 : 0,
                              .picked_us = f->now_us,
                              .latency_us = 1000};

    f->now_us += 1000;
    health_report(f->pool, e, &r, f->now_us);
}

static struct health_view view_of(struct fixture *f, struct endpoint *e)
{
    struct health_view view;

    health_view(f->pool, e, f->now_us, &view);
    return view;
}

/* Two members of three backends. */
static void start(struct fixture *f)
{
    fixture_init(f, 3);
    f->config.backend_count = 2;
    f->config.slow_start_ms = 30000;
}

/* ---- Joining ---- */

Test(member, of_the_start_nothing_is_told_and_nobody_starts_slowly)
{
    struct fixture f;

    start(&f);
    f.config.health = &f.checks;
    fixture_start(&f);
    cr_assert_eq(all_events(&f), 0);
    fixture_checks(&f, 0, CHECK_PASS, 1);
    cr_assert_eq(share(&f, 0), 100);
    fixture_fini(&f);
}

Test(member, who_joins_is_told_and_starts_slowly_once_it_can_be_reached)
{
    struct fixture f;

    start(&f);
    fixture_start(&f);
    fixture_join(&f, 2);
    cr_assert_str_eq(fixture_line(&f, EVENT_ENDPOINT),
                     "pool \"api\": endpoint \"c\" (10.0.0.3:80): registered: test; it serves, its "
                     "share growing for 30 s");
    cr_assert_eq(fixture_view(&f, 2).status, ENDPOINT_HEALTHY);
    cr_assert_not(fixture_usable(&f, 2), "workers do not know it yet");
    fixture_pass(&f, 60 * S);
    fixture_open(&f, 2);
    cr_assert(fixture_usable(&f, 2));
    cr_assert_lt(share(&f, 2), 100, "a minute ago nobody could have reached it");
    fixture_pass(&f, 31 * S);
    cr_assert_eq(share(&f, 2), 100);
    cr_assert_eq(f.statuses, 0, "its first status is no change");
    fixture_fini(&f);
}

Test(member, with_checks_its_slow_start_waits_for_the_first_verdict)
{
    struct fixture f;

    start(&f);
    f.config.health = &f.checks;
    fixture_start(&f);
    fixture_join(&f, 2);
    fixture_open(&f, 2);
    cr_assert_str_eq(fixture_event(&f, EVENT_ENDPOINT).next,
                     "used when nothing else can serve, until a check says more");
    cr_assert_eq(fixture_view(&f, 2).status, ENDPOINT_UNKNOWN);
    fixture_pass(&f, 60 * S);
    fixture_checks(&f, 2, CHECK_PASS, 1);
    cr_assert_lt(share(&f, 2), 100);
    fixture_fini(&f);
}

Test(member, a_weight_of_0_puts_the_slow_start_off)
{
    struct fixture f;

    start(&f);
    f.backends[2].weight = 0;
    fixture_start(&f);
    fixture_join(&f, 2);
    fixture_open(&f, 2);
    cr_assert_str_eq(fixture_event(&f, EVENT_ENDPOINT).next, "its weight is 0: no requests");
    fixture_pass(&f, 60 * S);
    health_set_weight(f.pool, fixture_endpoint(&f, 2), 1);
    cr_assert_lt(share(&f, 2), 100);
    fixture_fini(&f);
}

Test(member, who_joins_drained_stays_so_until_somebody_ends_it)
{
    struct fixture f;

    start(&f);
    f.backends[2].drain = true;
    fixture_start(&f);
    fixture_join(&f, 2);
    fixture_open(&f, 2);
    cr_assert_eq(fixture_view(&f, 2).status, ENDPOINT_DRAINING);
    cr_assert_str_eq(fixture_view(&f, 2).why, "drained by the configuration");
    cr_assert_str_eq(fixture_event(&f, EVENT_ENDPOINT).next, "no new requests; none is in flight");
    cr_assert(health_set_draining(f.pool, fixture_endpoint(&f, 2), false, "test", f.now_us));
    cr_assert(fixture_usable(&f, 2));
    cr_assert_lt(share(&f, 2), 100);
    fixture_fini(&f);
}

/* ---- Leaving ---- */

Test(member, who_leaves_drains_and_nothing_more_is_told_of_it)
{
    struct fixture f;
    struct endpoint *e;
    unsigned told;

    start(&f);
    f.config.health = &f.checks;
    fixture_start(&f);
    fixture_checks(&f, 0, CHECK_PASS, 1);
    fixture_keep(&f);
    e = fixture_leave(&f, 0);
    cr_assert_str_eq(fixture_line(&f, EVENT_ENDPOINT),
                     "pool \"api\": endpoint \"a\" (10.0.0.1:80): deregistered: test; no new "
                     "requests; none is in flight");
    told = all_events(&f);
    f.statuses = 0;
    cr_assert_not(endpoint_usable(e));
    cr_assert_eq(view_of(&f, e).status, ENDPOINT_DRAINING);
    cr_assert_str_eq(view_of(&f, e).why, "test");
    for (unsigned i = 0; i < 10; i++)
        report(&f, e, HEALTH_FAILURE);
    report(&f, e, HEALTH_SUCCESS);
    cr_assert_eq(view_of(&f, e).failures, 10, "late outcomes are taken");
    cr_assert_eq(view_of(&f, e).successes, 1);
    cr_assert_eq(view_of(&f, e).breaker, BREAKER_OPEN);
    cr_assert_not(health_set_draining(f.pool, e, false, "test", f.now_us), "it goes");
    health_trip(f.pool, e, "test", f.now_us);
    health_reset(f.pool, e, "test", f.now_us);
    health_check_result(f.pool, e, &(struct check_result){.verdict = CHECK_FAIL, .why = "x"},
                        f.now_us);
    fixture_pass(&f, 60 * S);
    cr_assert_not(endpoint_usable(e));
    cr_assert_eq(f.statuses, 0);
    fixture_forget(&f, e);
    fixture_pass(&f, 60 * S);
    cr_assert_eq(all_events(&f), told);
    fixture_fini(&f);
}

Test(member, who_left_with_requests_is_told_to_be_gone_when_they_have_ended)
{
    struct fixture f;
    struct balancer_tried tried;
    struct balancer_request request = {.random = 1, .now_us = FIXTURE_START_US};
    struct endpoint *e;
    int error;

    fixture_init(&f, 1);
    fixture_start(&f);
    balancer_tried_init(&tried);
    e = balancer_pick(f.balancer, &request, &tried, &error);
    balancer_tried_fini(&tried);
    cr_assert_eq(e, fixture_leave(&f, 0));
    cr_assert_str_eq(fixture_event(&f, EVENT_ENDPOINT).next,
                     "no new requests; 1 in flight goes on");
    fixture_pass(&f, 3 * S);
    report(&f, e, HEALTH_SUCCESS);
    balancer_done(f.balancer, e, BALANCER_SUCCESS, 1000, f.now_us);
    fixture_forget(&f, e);
    cr_assert_str_eq(fixture_line(&f, EVENT_ENDPOINT),
                     "pool \"api\": endpoint \"a\" (10.0.0.1:80): draining -> gone: its last "
                     "request has ended; was draining for 3 s");
    fixture_fini(&f);
}

Test(member, who_returns_under_the_same_id_is_not_held_to_its_past)
{
    struct fixture f;
    struct endpoint *old;

    start(&f);
    fixture_start(&f);
    fixture_errors(&f, 0, 5);
    old = fixture_leave(&f, 0);
    f.backends[0].address = "10.0.9.9:80";
    fixture_join(&f, 0); /* while the old one is still there */
    fixture_open(&f, 0);
    cr_assert_neq(fixture_endpoint(&f, 0), old);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_CLOSED);
    cr_assert_eq(fixture_view(&f, 0).failures, 0);
    cr_assert_eq(view_of(&f, old).failures, 5);
    fixture_forget(&f, old);
    fixture_errors(&f, 0, 5);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_OPEN);
    cr_assert_str_eq(fixture_event(&f, EVENT_BREAKER).address, "10.0.9.9:80");
    fixture_fini(&f);
}

Test(member, a_probe_that_is_out_when_its_endpoint_leaves_gives_its_place_back)
{
    struct fixture f;
    struct endpoint *e;

    fixture_init(&f, 1);
    fixture_start(&f);
    e = fixture_endpoint(&f, 0);
    fixture_errors(&f, 0, 5);
    fixture_pass(&f, 12 * S);
    cr_assert_eq(atomic_load(&e->probes), 3);
    atomic_fetch_sub(&e->probes, 1); /* a pick */
    fixture_leave(&f, 0);
    report(&f, e, HEALTH_CANCELLED);
    cr_assert_eq(atomic_load(&e->probes), 3);
    fixture_forget(&f, e);
    fixture_fini(&f);
}

/* ---- Comparisons are among members ---- */

static void only_outlier(struct fixture *f, unsigned size)
{
    fixture_init(f, size);
    f->config.breaker.failure_threshold = 0;
    f->config.breaker.error_percent = 0;
}

static void fail_5xx(struct fixture *f, unsigned index)
{
    for (unsigned i = 0; i < 5; i++)
        fixture_status(f, index, 500);
}

Test(member, an_ejected_one_that_leaves_makes_room_for_another)
{
    struct fixture f;
    struct endpoint *e;

    only_outlier(&f, 5);
    fixture_start(&f);
    fail_5xx(&f, 0);
    fail_5xx(&f, 1);
    fail_5xx(&f, 2);
    cr_assert(fixture_view(&f, 1).ejected);
    cr_assert_not(fixture_view(&f, 2).ejected, "half of five is two");
    e = fixture_leave(&f, 0);
    fixture_status(&f, 2, 500);
    cr_assert(fixture_view(&f, 2).ejected, "half of four is two");
    cr_assert_str_eq(fixture_event(&f, EVENT_OUTLIER).next,
                     "no requests for 30 s; 2 of 4 endpoints ejected now");
    fixture_pass(&f, 31 * S);
    cr_assert_not(view_of(&f, e).ejected, "its time passes, too");
    fail_5xx(&f, 1);
    fail_5xx(&f, 2);
    cr_assert(fixture_view(&f, 2).ejected, "and is nobody else's");
    fixture_forget(&f, e);
    fixture_fini(&f);
}

Test(member, the_last_usable_one_is_not_ejected_for_the_sake_of_one_that_leaves)
{
    struct fixture f;

    only_outlier(&f, 2);
    fixture_start(&f);
    fixture_leave(&f, 1);
    fail_5xx(&f, 0);
    cr_assert(fixture_usable(&f, 0));
    fixture_fini(&f);
}

static void by_rate(struct fixture *f)
{
    only_outlier(f, 3);
    f->config.outlier.consecutive_5xx = 0;
    f->config.outlier.error_percent = 20;
    fixture_start(f);
}

Test(member, what_a_leaving_one_had_is_no_measure_for_the_others)
{
    struct fixture f;

    by_rate(&f);
    for (unsigned i = 0; i < 19; i++)
        fixture_status(&f, 1, 500);
    fixture_successes(&f, 2, 20);
    fixture_successes(&f, 0, 10);
    fixture_pass(&f, 2 * S);
    for (unsigned i = 0; i < 10; i++)
        fixture_status(&f, 0, 500);
    cr_assert(fixture_usable(&f, 0), "the rest is as bad");
    fixture_leave(&f, 1);
    fixture_status(&f, 0, 500);
    cr_assert_not(fixture_usable(&f, 0), "who is left is well");
    fixture_fini(&f);
}

Test(member, nor_is_what_comes_of_it_late)
{
    struct fixture f;
    struct endpoint *e;

    by_rate(&f);
    e = fixture_leave(&f, 1);
    for (unsigned i = 0; i < 15; i++)
        report(&f, e, HEALTH_FAILURE);
    fixture_successes(&f, 2, 20);
    fixture_successes(&f, 0, 10);
    fixture_pass(&f, 2 * S);
    for (unsigned i = 0; i < 10; i++)
        fixture_status(&f, 0, 500);
    cr_assert_not(fixture_usable(&f, 0), "its late failures excuse nobody");
    fixture_fini(&f);

    by_rate(&f);
    e = fixture_leave(&f, 1);
    for (unsigned i = 0; i < 200; i++)
        report(&f, e, HEALTH_SUCCESS);
    fixture_successes(&f, 2, 10);
    fixture_successes(&f, 0, 10);
    fixture_pass(&f, 2 * S);
    for (unsigned i = 0; i < 10; i++) {
        fixture_status(&f, 2, 500);
        fixture_status(&f, 0, 500);
    }
    cr_assert(fixture_usable(&f, 0) && fixture_usable(&f, 2), "its late successes accuse nobody");
    fixture_fini(&f);
}

/* ---- Tiers and panic ---- */

Test(member, load_that_moves_by_a_change_of_members_is_told_once)
{
    struct fixture f;

    start(&f);
    f.backends[0].priority = f.backends[1].priority = 2;
    fixture_start(&f);
    fixture_join(&f, 2);
    cr_assert_eq(fixture_events(&f, EVENT_FAILBACK), 0, "nobody can reach it yet");
    fixture_open(&f, 2);
    fixture_settle(&f);
    cr_assert_str_eq(fixture_line(&f, EVENT_FAILBACK),
                     "pool \"api\": failback priority 2 -> priority 1: priority 1 has 100 % of its "
                     "capacity (1 of 1 endpoints healthy); priority 1 takes 100 % of the requests");
    fixture_settle(&f);
    fixture_pass(&f, 60 * S);
    cr_assert_eq(fixture_events(&f, EVENT_FAILBACK), 1);
    fixture_forget(&f, fixture_leave(&f, 2));
    cr_assert_str_eq(fixture_event(&f, EVENT_FAILOVER).from, "priority 1");
    cr_assert_str_eq(fixture_event(&f, EVENT_FAILOVER).to, "priority 2");
    cr_assert_str_eq(fixture_event(&f, EVENT_FAILOVER).why, "priority 1 has no endpoints");
    fixture_pass(&f, 60 * S);
    cr_assert_eq(fixture_events(&f, EVENT_FAILOVER), 1);
    cr_assert_eq(fixture_events(&f, EVENT_FAILBACK), 1);
    fixture_fini(&f);
}

Test(member, load_that_moves_by_another_priority_is_told_once)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    f.backends[0].priority = 2;
    f.backends[1].priority = 2;
    fixture_change(&f);
    cr_assert_str_eq(fixture_event(&f, EVENT_FAILOVER).why, "priority 1 has no endpoints");
    f.backends[1].priority = 3;
    fixture_change(&f);
    fixture_pass(&f, 60 * S);
    cr_assert_eq(all_events(&f), 1, "who is behind the others carries nothing");
    fixture_fini(&f);
}

Test(member, the_last_one_that_leaves_is_a_failover_to_nobody)
{
    struct fixture f;

    fixture_init(&f, 1);
    fixture_start(&f);
    fixture_leave(&f, 0);
    cr_assert_str_eq(fixture_event(&f, EVENT_FAILOVER).to, "nobody");
    cr_assert_eq(fixture_event(&f, EVENT_FAILOVER).severity, EVENT_ERROR);
    fixture_join(&f, 0);
    fixture_open(&f, 0);
    fixture_settle(&f);
    cr_assert_eq(fixture_events(&f, EVENT_FAILBACK), 0, "a pool begins anew");
    fixture_fini(&f);
}

Test(member, an_empty_pool_that_is_filled_has_not_failed_back)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.backend_count = 0;
    fixture_start(&f);
    fixture_join(&f, 0);
    fixture_open(&f, 0);
    fixture_settle(&f);
    cr_assert_eq(all_events(&f), 1, "but for its registration");
    fixture_fini(&f);
}

Test(member, panic_counts_members_only)
{
    struct fixture f;
    struct endpoint *e;

    fixture_init(&f, 3);
    f.config.failover.panic_percent = 60;
    fixture_start(&f);
    fixture_errors(&f, 0, 5);
    fixture_keep(&f);
    cr_assert_not(balancer_pool_panicking(f.balancer), "two of three are well");
    e = fixture_leave(&f, 1);
    cr_assert(balancer_pool_panicking(f.balancer), "one of two");
    cr_assert_eq(fixture_events(&f, EVENT_PANIC), 1);
    fixture_settle(&f);
    cr_assert_eq(fixture_events(&f, EVENT_PANIC), 1);
    fixture_forget(&f, e);
    fixture_fini(&f);
}

Test(member, panic_does_not_override_an_operators_trip)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.failover.panic_percent = 100;
    fixture_start(&f);
    fixture_errors(&f, 0, 5);
    fixture_keep(&f);
    cr_assert(balancer_pool_panicking(f.balancer));
    cr_assert(fixture_usable(&f, 0), "traffic opened it: panic knows better");
    health_trip(f.pool, fixture_endpoint(&f, 0), "test", f.now_us);
    cr_assert_not(fixture_usable(&f, 0), "an operator did");
    health_trip(f.pool, fixture_endpoint(&f, 1), "test", f.now_us);
    fixture_keep(&f);
    cr_assert_not(fixture_usable(&f, 1));
    health_reset(f.pool, fixture_endpoint(&f, 1), "test", f.now_us);
    cr_assert(fixture_usable(&f, 1));
    fixture_fini(&f);
}

/* ---- The pool itself ---- */

Test(member, a_settled_pool_is_refreshed_whatever_the_pause)
{
    struct balancer_tier tier;
    struct fixture f;

    fixture_init(&f, 100);
    fixture_start(&f);
    fixture_pass(&f, S);
    for (unsigned i = 0; i < 3; i++) {
        health_trip(f.pool, fixture_endpoint(&f, i), "test", f.now_us);
        fixture_settle(&f);
        cr_assert_eq(balancer_pool_tiers(f.balancer, &tier, 1), 1);
        cr_assert_eq(tier.healthy, 99 - i);
    }
    fixture_fini(&f);
}

Test(member, events_outlive_their_pools)
{
    struct fixture f;
    struct health_event event;
    struct balancer_pool *second;
    struct health_pool *pool;
    struct config_pool config;

    fixture_init(&f, 1);
    fixture_start(&f);
    config = f.config;
    config.name = "second";
    config.backend_count = 0;
    second = balancer_pool_new(&config, &(struct config_place){.region = "", .zone = ""});
    pool = health_pool_add(f.health, second, &config, f.now_us);
    health_tell(pool, NULL, EVENT_OVERLOAD, EVENT_WARN, "serving", "refusing", "test", NULL);
    health_pool_remove(f.health, pool);
    balancer_pool_free(second);
    fixture_keep(&f);
    cr_assert_eq(events_read(health_events(f.health), 0, &event, 1), 1);
    cr_assert_str_eq(event.pool, "second");
    cr_assert_eq(fixture_events(&f, EVENT_OVERLOAD), 1);
    fixture_fini(&f);
}

Test(member, a_pool_takes_the_records_of_those_who_are_left_with_it)
{
    struct fixture f;

    fixture_init(&f, 3);
    fixture_start(&f);
    fixture_leave(&f, 1);
    health_pool_remove(f.health, f.pool);
    fixture_keep(&f);
    fixture_fini(&f);
}

Test(member, what_happens_to_the_process_names_no_pool)
{
    struct fixture f;

    fixture_init(&f, 1);
    fixture_start(&f);
    health_tell_process(f.health, EVENT_CONFIG, EVENT_INFO, "3", "4", "2 endpoints added", NULL);
    cr_assert_str_eq(fixture_line(&f, EVENT_CONFIG), "config: 3 -> 4: 2 endpoints added");
    health_tell_process(f.health, EVENT_CONFIG, EVENT_ERROR, NULL, "refused", "edge.conf: 3 errors",
                        "generation 4 serves on");
    cr_assert_str_eq(fixture_line(&f, EVENT_CONFIG),
                     "config: refused: edge.conf: 3 errors; generation 4 serves on");
    health_tell_process(f.health, EVENT_UPGRADE, EVENT_INFO, "serving", "draining", NULL, NULL);
    cr_assert_str_eq(fixture_line(&f, EVENT_UPGRADE), "upgrade: serving -> draining");
    fixture_fini(&f);
}

Test(member, checks_that_are_not_meant_for_it_say_nothing_of_it)
{
    struct config_backend checked;
    struct fixture f;
    struct endpoint *a;

    fixture_init(&f, 2);
    f.config.health = &f.checks;
    checked = f.backends[0];
    f.backends[0].checked = false;
    fixture_start(&f);
    a = f.endpoints[0];
    cr_expect_eq(atomic_load(&a->status), ENDPOINT_HEALTHY);
    cr_expect_eq(atomic_load(&f.endpoints[1]->status), ENDPOINT_UNKNOWN);
    atomic_store(&a->backend, &checked);
    health_endpoint_changed(f.pool, a, f.now_us);
    cr_expect_eq(atomic_load(&a->status), ENDPOINT_HEALTHY, "until they say otherwise");
    fixture_checks(&f, 0, CHECK_FAIL, 10);
    cr_expect_eq(atomic_load(&a->status), ENDPOINT_UNHEALTHY);
    checked.checked = false;
    health_endpoint_changed(f.pool, a, f.now_us);
    cr_expect_eq(atomic_load(&a->status), ENDPOINT_HEALTHY, "no longer checked");
    fixture_fini(&f);
}
