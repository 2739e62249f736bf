/* Stalls, as the traffic brings them about. */
#include <criterion/criterion.h>

#include "fixture.h"

enum { S = 1000000, MS = 1000 };

static struct endpoint *start(struct fixture *f)
{
    fixture_init(f, 2);
    fixture_start(f);
    for (unsigned i = 0; i < 10; i++)
        fixture_success(f, 0);
    return fixture_endpoint(f, 0);
}

static void answer(struct fixture *f, uint64_t picked_us)
{
    struct health_report r = {.result = HEALTH_SUCCESS,
                              .status = 200,
                              .picked_us = picked_us,
                              .latency_us = f->now_us - picked_us};

    health_report(f->pool, fixture_endpoint(f, 0), &r, f->now_us);
}

static void fail(struct fixture *f, uint64_t picked_us)
{
    struct health_report r = {
        .result = HEALTH_FAILURE, .error = EG_E_RESPONSE_TIMEOUT, .picked_us = picked_us};

    health_report(f->pool, fixture_endpoint(f, 0), &r, f->now_us);
}

/* Silent until the limit, noticed then. Returns when the request was picked. */
static uint64_t stall(struct fixture *f)
{
    uint64_t picked_us = f->now_us;

    f->now_us += health_stall_limit_us(f->pool, fixture_endpoint(f, 0));
    health_stalled(f->pool, fixture_endpoint(f, 0), picked_us, f->now_us);
    return picked_us;
}

static enum stall_state state(struct fixture *f)
{
    cr_assert_eq(atomic_load(&fixture_endpoint(f, 0)->stall), fixture_view(f, 0).stall);
    return fixture_view(f, 0).stall;
}

Test(health_stall, silence_over_the_limit_stalls_and_any_answer_clears)
{
    struct fixture f;
    struct endpoint *e = start(&f);
    uint64_t picked_us;

    cr_assert_eq(health_stall_limit_us(f.pool, e), 50 * MS);
    cr_assert_eq(health_stall_limit_us(f.pool, fixture_endpoint(&f, 1)), 0);
    picked_us = stall(&f);
    cr_assert_eq(state(&f), STALL_STALLED);
    cr_assert(endpoint_usable(e), "when there is nothing better");
    f.now_us += 20 * MS;
    answer(&f, picked_us);
    cr_assert_eq(state(&f), STALL_CLEAR);
    cr_assert_eq(fixture_view(&f, 0).stalls, 1);
    fixture_fini(&f);
}

Test(health_stall, who_never_answered_has_a_tenth_of_the_response_timeout)
{
    struct fixture f;
    struct endpoint *e = start(&f), *silent = fixture_endpoint(&f, 1);

    f.config.timeouts.response_ms = 30000;
    fixture_change(&f);
    cr_assert_eq(health_stall_limit_us(f.pool, silent), 3 * S);
    cr_assert_eq(health_stall_limit_us(f.pool, e), 50 * MS, "its own is known");
    f.config.timeouts.response_ms = 100;
    fixture_change(&f);
    cr_assert_eq(health_stall_limit_us(f.pool, silent), 50 * MS, "at least stall_min");
    f.config.timeouts.response_ms = 30000;
    f.config.outlier.stall_factor = 0;
    fixture_change(&f);
    cr_assert_eq(health_stall_limit_us(f.pool, silent), 0, "switched off");
    fixture_fini(&f);
}

Test(health_stall, an_answer_that_began_before_is_no_sign_of_life)
{
    struct fixture f;
    struct endpoint *e = start(&f);
    struct health_report lasting = {
        .result = HEALTH_SUCCESS, .status = 200, .picked_us = f.now_us, .told = true};

    health_answered(f.pool, e, f.now_us, 1000, f.now_us);
    stall(&f);
    health_report(f.pool, e, &lasting, f.now_us);
    cr_assert_eq(state(&f), STALL_STALLED);
    health_answered(f.pool, e, f.now_us - 60 * MS, 60 * MS, f.now_us);
    cr_assert_eq(state(&f), STALL_CLEAR);
    fixture_fini(&f);
}

Test(health_stall, an_answer_to_somebody_else_in_time_prevents_it)
{
    struct fixture f;
    struct endpoint *e = start(&f);
    uint64_t picked_us = f.now_us;

    f.now_us += 40 * MS;
    fixture_success(&f, 0);
    f.now_us += 20 * MS;
    health_stalled(f.pool, e, picked_us, f.now_us);
    cr_assert_eq(state(&f), STALL_CLEAR);
    fixture_fini(&f);
}

Test(health_stall, one_request_at_a_time_finds_out_and_the_next_one_later)
{
    struct fixture f;
    struct endpoint *e = start(&f);
    uint64_t probe_us;

    stall(&f);
    fixture_pass(&f, 1200 * MS);
    cr_assert_eq(state(&f), STALL_PROBING);
    cr_assert_eq(atomic_load(&e->probes), 1);
    atomic_fetch_sub(&e->probes, 1); /* as a pick does */
    probe_us = f.now_us;
    f.now_us += 60 * MS;
    health_stalled(f.pool, e, probe_us, f.now_us);
    cr_assert_eq(state(&f), STALL_STALLED);
    fixture_pass(&f, 1500 * MS);
    cr_assert_eq(state(&f), STALL_STALLED, "two seconds this time");
    fixture_pass(&f, 800 * MS);
    cr_assert_eq(state(&f), STALL_PROBING);
    cr_assert_eq(atomic_load(&e->probes), 1);
    fail(&f, f.now_us);
    cr_assert_eq(state(&f), STALL_STALLED);
    fixture_pass(&f, 5 * S);
    cr_assert_eq(state(&f), STALL_PROBING);
    f.now_us += 2 * MS;
    answer(&f, f.now_us - 2 * MS);
    cr_assert_eq(state(&f), STALL_CLEAR);
    cr_assert_eq(atomic_load(&e->probes), 0, "a clear endpoint needs none");
    fixture_fini(&f);
}

Test(health_stall, nobody_waits_for_a_probe_while_the_breaker_lets_none_through)
{
    struct fixture f;

    start(&f);
    stall(&f);
    health_trip(f.pool, fixture_endpoint(&f, 0), "deploy", f.now_us);
    fixture_pass(&f, 1200 * MS);
    cr_assert_eq(state(&f), STALL_PROBING);
    for (unsigned i = 0; i < 4; i++) {
        fixture_pass(&f, 31 * S);
        cr_assert_eq(state(&f), STALL_PROBING, "there was no probe to be given up");
    }
    health_reset(f.pool, fixture_endpoint(&f, 0), "deployed", f.now_us);
    cr_assert_eq(state(&f), STALL_CLEAR);
    fixture_fini(&f);
}

Test(health_stall, a_probe_of_a_worker_whose_clock_is_behind_is_one)
{
    struct fixture f;
    struct endpoint *e = start(&f);

    stall(&f);
    while (state(&f) != STALL_PROBING)
        fixture_pass(&f, 1 * MS);
    fail(&f, f.now_us - 30 * MS);
    cr_assert_eq(state(&f), STALL_PROBING, "an old one is none");
    atomic_fetch_sub(&e->probes, 1); /* as a pick does, in a turn that began before */
    fail(&f, f.now_us - 3 * MS);
    cr_assert_eq(state(&f), STALL_STALLED);
    fixture_fini(&f);
}

Test(health_stall, a_probe_that_was_given_up_leaves_its_place)
{
    struct fixture f;
    struct endpoint *e = start(&f);
    struct health_report cancelled = {.result = HEALTH_CANCELLED};

    stall(&f);
    fixture_pass(&f, 1200 * MS);
    atomic_fetch_sub(&e->probes, 1);
    cancelled.picked_us = f.now_us;
    health_report(f.pool, e, &cancelled, f.now_us);
    cr_assert_eq(state(&f), STALL_PROBING);
    cr_assert_eq(atomic_load(&e->probes), 1);
    fixture_fini(&f);
}

Test(health_stall, standing_still_for_ten_seconds_does_not_become_usual)
{
    struct fixture f;
    struct endpoint *e = start(&f);
    uint64_t picked_us = stall(&f);

    f.now_us += 10 * S;
    for (unsigned i = 0; i < 8; i++)
        answer(&f, picked_us);
    cr_assert_leq(health_stall_limit_us(f.pool, e), 4 * 50 * MS);
    fixture_fini(&f);
}

Test(health_stall, one_that_became_slower_is_suspected_a_few_times_and_then_known)
{
    struct fixture f;
    unsigned stalls = 0;

    start(&f);
    for (unsigned i = 0; i < 20; i++) {
        uint64_t picked_us = f.now_us;
        uint64_t limit_us = health_stall_limit_us(f.pool, fixture_endpoint(&f, 0));

        if (limit_us < 700 * MS) {
            stall(&f);
            stalls++;
        }
        f.now_us = picked_us + 700 * MS;
        answer(&f, picked_us);
    }
    cr_assert_leq(stalls, 3);
    cr_assert_eq(state(&f), STALL_CLEAR);
    fixture_fini(&f);
}

Test(health_stall, while_the_breaker_probes_one_place_serves_both)
{
    struct fixture f;
    struct endpoint *e = start(&f);

    stall(&f);
    for (unsigned i = 0; i < 5; i++) {
        f.now_us += MS;
        fail(&f, f.now_us);
    }
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_OPEN);
    fixture_pass(&f, 12 * S);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_HALF_OPEN);
    cr_assert_eq(state(&f), STALL_PROBING);
    cr_assert_eq(atomic_load(&e->probes), 1);
    atomic_fetch_sub(&e->probes, 1);
    f.now_us += MS;
    answer(&f, f.now_us - MS);
    cr_assert_eq(state(&f), STALL_CLEAR);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_HALF_OPEN);
    cr_assert_eq(atomic_load(&e->probes), 3, "all places of half_open, none of them out");
    f.now_us += MS;
    answer(&f, f.now_us - MS);
    cr_assert_eq(fixture_view(&f, 0).breaker, BREAKER_CLOSED);
    fixture_fini(&f);
}

Test(health_stall, places_that_became_fewer_are_owed_by_those_that_come_back)
{
    struct fixture f;
    struct endpoint *e = start(&f);
    struct health_report cancelled = {.result = HEALTH_CANCELLED};

    for (unsigned i = 0; i < 5; i++) {
        f.now_us += MS;
        fail(&f, f.now_us);
    }
    fixture_pass(&f, 12 * S);
    cr_assert_eq(atomic_load(&e->probes), 3);
    atomic_store(&e->probes, 0); /* three picks */
    cancelled.picked_us = stall(&f);
    fixture_pass(&f, 1200 * MS);
    cr_assert_eq(state(&f), STALL_PROBING);
    for (unsigned i = 0; i < 2; i++) {
        health_report(f.pool, e, &cancelled, f.now_us);
        cr_assert_eq(atomic_load(&e->probes), 0, "there are still as many as there may be");
    }
    health_report(f.pool, e, &cancelled, f.now_us);
    cr_assert_eq(atomic_load(&e->probes), 1);
    fixture_fini(&f);
}

Test(health_stall, places_that_became_more_are_less_those_that_are_out)
{
    struct fixture f;
    struct endpoint *e = start(&f);
    uint64_t picked_us;

    for (unsigned i = 0; i < 5; i++) {
        f.now_us += MS;
        fail(&f, f.now_us);
    }
    fixture_pass(&f, 12 * S);
    atomic_store(&e->probes, 0);
    picked_us = stall(&f);
    fixture_pass(&f, 1200 * MS);
    health_answered(f.pool, e, picked_us, 1200 * MS, f.now_us);
    cr_assert_eq(state(&f), STALL_CLEAR);
    cr_assert_eq(atomic_load(&e->probes), 0, "all three are out");
    fixture_fini(&f);
}

Test(health_stall, those_who_waited_through_it_do_not_make_it_patient)
{
    struct fixture f;
    struct endpoint *e = start(&f);
    uint64_t picked_us = stall(&f);

    f.now_us += 10 * S;
    for (unsigned i = 0; i < 200; i++)
        answer(&f, picked_us);
    fixture_pass(&f, 2 * S);
    cr_assert_gt(fixture_view(&f, 0).p99_us, 5 * S, "that is what they had");
    cr_assert_leq(health_stall_limit_us(f.pool, e), 4 * 50 * MS);
    fixture_fini(&f);
}
