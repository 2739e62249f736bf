/* What an operator reads at night: the lines of every transition, in whole sentences. */
#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"

enum { S = 1000000 };

/* The line of the latest event must contain `text`. */
static void reads(struct fixture *f, enum event_type type, const char *text)
{
    const char *line = fixture_line(f, type);

    cr_assert_not_null(strstr(line, text), "\"%s\" is not in \"%s\"", text, line);
}

Test(words, a_breaker_says_what_opened_it_and_for_how_long)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.slow_start_ms = 30000;
    fixture_start(&f);
    fixture_pass(&f, 11520ull * S);
    fixture_errors(&f, 0, 5);
    reads(
        &f, EVENT_BREAKER,
        "pool \"api\": endpoint \"a\" (10.0.0.1:80): breaker closed -> open: 5 failures in a row, "
        "the last: backend refused the connection; was closed for 3 h 12 m; no requests for ");
    reads(&f, EVENT_BREAKER, " s, then 3 at a time find out");
    fixture_pass(&f, 12 * S);
    reads(&f, EVENT_BREAKER, "breaker open -> half_open: the time to try again has come; was open");
    reads(&f, EVENT_BREAKER, "; at most 3 requests at once find out; 2 successes close it");
    fixture_status(&f, 0, 502);
    reads(&f, EVENT_BREAKER, "half_open -> open: a probe failed: status 502; was half_open for");
    fixture_pass(&f, 25 * S);
    fixture_success(&f, 0);
    fixture_success(&f, 0);
    reads(&f, EVENT_BREAKER, "half_open -> closed: 2 probes succeeded; was half_open for ");
    reads(&f, EVENT_BREAKER, "; it serves again, its share growing for 30 s");
    fixture_fini(&f);
}

Test(words, a_breaker_that_opened_for_its_rate_says_the_numbers)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    for (unsigned i = 0; i < 10; i++) {
        fixture_success(&f, 0);
        fixture_status(&f, 0, 503);
    }
    reads(&f, EVENT_BREAKER, "10 of 20 requests in 10 s failed (50 %), the last: status 503");
    fixture_fini(&f);
}

Test(words, the_last_usable_endpoint_is_an_error_and_the_others_are_warnings)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    fixture_errors(&f, 0, 5);
    cr_assert_eq(fixture_event(&f, EVENT_BREAKER).severity, EVENT_WARN);
    fixture_errors(&f, 1, 5);
    cr_assert_eq(fixture_event(&f, EVENT_BREAKER).severity, EVENT_ERROR);
    fixture_fini(&f);
}

Test(words, operators_read_their_own_reasons)
{
    struct fixture f;

    fixture_init(&f, 2);
    fixture_start(&f);
    health_trip(f.pool, fixture_endpoint(&f, 0), "deploy 1.4", f.now_us);
    reads(&f, EVENT_BREAKER, "closed -> open: by hand: deploy 1.4; no requests until it is reset");
    health_reset(f.pool, fixture_endpoint(&f, 0), "deployed", f.now_us);
    reads(&f, EVENT_BREAKER, "open -> closed: by hand: deployed; it serves again");
    atomic_store(&fixture_endpoint(&f, 0)->active, 12);
    health_set_draining(f.pool, fixture_endpoint(&f, 0), true, "by the API", f.now_us);
    reads(&f, EVENT_DRAIN, "drain healthy -> draining: by the API; ");
    reads(&f, EVENT_DRAIN, "; no new requests; 12 in flight go on");
    atomic_store(&fixture_endpoint(&f, 0)->active, 0);
    health_set_draining(f.pool, fixture_endpoint(&f, 0), false, "by the API", f.now_us);
    reads(&f, EVENT_DRAIN, "drain draining -> healthy: by the API; ");
    fixture_fini(&f);
}

Test(words, checks_say_how_many_and_what_the_last_one_found)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.health = &f.checks;
    fixture_start(&f);
    fixture_check(&f, 0, CHECK_PASS, "");
    reads(&f, EVENT_HEALTH,
          "health unknown -> healthy: a check passed; was unknown for 1 ms; it "
          "serves");
    for (unsigned i = 0; i < 3; i++)
        fixture_check(&f, 0, CHECK_DEGRADED, "answered in 812 ms, slower than 500 ms");
    reads(&f, EVENT_HEALTH,
          "healthy -> degraded: 3 checks in a row did not pass, the last: "
          "answered in 812 ms, slower than 500 ms; ");
    reads(&f, EVENT_HEALTH, "; used when no healthy one can serve");
    for (unsigned i = 0; i < 3; i++)
        fixture_check(&f, 0, CHECK_FAIL, "status 503, expected 200-299");
    reads(&f, EVENT_HEALTH,
          "degraded -> unhealthy: 3 checks in a row failed, the last: status "
          "503, expected 200-299; ");
    reads(&f, EVENT_HEALTH, "; no requests; checked every 1 s, 2 passed in a row bring it back");
    fixture_check(&f, 0, CHECK_PASS, "");
    fixture_check(&f, 0, CHECK_DEGRADED, "slow");
    reads(&f, EVENT_HEALTH,
          "unhealthy -> degraded: 2 checks in a row did not fail, the last: slow");
    fixture_fini(&f);
}

Test(words, what_still_keeps_an_endpoint_out_is_said)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.health = &f.checks;
    fixture_start(&f);
    fixture_check(&f, 0, CHECK_PASS, "");
    health_trip(f.pool, fixture_endpoint(&f, 0), "x", f.now_us);
    for (unsigned i = 0; i < 3; i++)
        fixture_check(&f, 0, CHECK_FAIL, "x");
    health_reset(f.pool, fixture_endpoint(&f, 0), "x", f.now_us);
    reads(&f, EVENT_BREAKER, "; checks still find it unhealthy: no requests");
    health_trip(f.pool, fixture_endpoint(&f, 0), "x", f.now_us);
    for (unsigned i = 0; i < 2; i++)
        fixture_check(&f, 0, CHECK_PASS, "");
    reads(&f, EVENT_HEALTH, "; its breaker was opened by hand: no requests until it is reset");
    fixture_fini(&f);
}

Test(words, an_ejection_says_how_many_are_out)
{
    struct fixture f;

    fixture_init(&f, 3);
    f.config.breaker.failure_threshold = 0;
    f.config.breaker.error_percent = 0;
    fixture_start(&f);
    for (unsigned i = 0; i < 5; i++)
        fixture_status(&f, 1, 500);
    reads(&f, EVENT_OUTLIER,
          "endpoint \"b\" (10.0.0.2:80): outlier serving -> ejected: 5 failures "
          "in a row, the last: status 500; ");
    reads(&f, EVENT_OUTLIER, "; no requests for 30 s; 1 of 3 endpoints ejected now");
    fixture_pass(&f, 31 * S);
    reads(&f, EVENT_OUTLIER,
          "outlier ejected -> returned: its time is over; was ejected for 30 s; "
          "it serves again");
    fixture_fini(&f);
}

Test(words, a_stall_says_how_long_it_was_silent_and_what_was_usual)
{
    struct fixture f;
    struct endpoint *e;

    fixture_init(&f, 2);
    fixture_start(&f);
    e = fixture_endpoint(&f, 0);
    for (unsigned i = 0; i < 9; i++)
        fixture_success(&f, 0);
    f.now_us += 90000;
    health_stalled(f.pool, e, f.now_us - 81000, f.now_us);
    reads(&f, EVENT_STALL,
          "stall clear -> stalled: no answer for 81 ms with a request waiting; "
          "usually at most 1 ms; ");
    reads(&f, EVENT_STALL, "; new requests go elsewhere; after ");
    reads(&f, EVENT_STALL, " one finds out, any answer clears it");
    fixture_pass(&f, 1200000);
    reads(&f, EVENT_STALL, "stalled -> probing: the time to try again has come; ");
    fixture_error(&f, 0, EG_E_UPSTREAM_RESET);
    reads(&f, EVENT_STALL,
          "probing -> stalled: its probe failed: backend closed the connection before answering");
    fixture_success(&f, 0);
    reads(&f, EVENT_STALL, "stalled -> clear: it answered again, ");
    reads(&f, EVENT_STALL, "; it serves again");
    fixture_fini(&f);
}

Test(words, a_stall_of_the_only_endpoint_does_not_promise_another_one)
{
    struct fixture f;

    fixture_init(&f, 1);
    fixture_start(&f);
    for (unsigned i = 0; i < 9; i++)
        fixture_success(&f, 0);
    f.now_us += 90000;
    health_stalled(f.pool, fixture_endpoint(&f, 0), f.now_us - 81000, f.now_us);
    reads(&f, EVENT_STALL, "; it still gets requests, there is nothing better; after ");
    cr_assert_eq(fixture_event(&f, EVENT_STALL).severity, EVENT_WARN);
    fixture_fini(&f);
}

Test(words, a_stall_before_anything_is_usual_says_so)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.timeouts.response_ms = 30000;
    fixture_start(&f);
    f.now_us += 4 * S;
    health_stalled(f.pool, fixture_endpoint(&f, 0), f.now_us - 3500000, f.now_us);
    reads(&f, EVENT_STALL,
          "stall clear -> stalled: no answer for 3.5 s with a request waiting; "
          "what is usual is not known yet; ");
    fixture_fini(&f);
}

Test(words, a_failover_says_what_the_tier_has_left_and_who_takes_over)
{
    struct fixture f;

    fixture_init(&f, 4);
    f.backends[3].priority = 2;
    fixture_start(&f);
    fixture_errors(&f, 0, 5);
    fixture_errors(&f, 1, 5);
    reads(&f, EVENT_FAILOVER,
          "pool \"api\": failover priority 1 -> priority 2: priority 1 has 33 "
          "% of its capacity left (1 of 3 endpoints healthy)");
    reads(&f, EVENT_FAILOVER, "; priority 2 takes ");
    fixture_errors(&f, 2, 5);
    fixture_errors(&f, 3, 5);
    reads(&f, EVENT_FAILOVER, " -> nobody: ");
    cr_assert_eq(fixture_event(&f, EVENT_FAILOVER).severity, EVENT_ERROR);
    for (unsigned i = 0; i < 4; i++)
        health_reset(f.pool, fixture_endpoint(&f, i), "x", f.now_us);
    reads(&f, EVENT_FAILBACK,
          "failback nobody -> priority 1: priority 1 has 100 % of its capacity "
          "(3 of 3 endpoints healthy)");
    reads(&f, EVENT_FAILBACK, "; priority 1 takes 100 % of the requests");
    fixture_fini(&f);
}

Test(words, panic_is_said_when_it_begins_and_when_it_ends)
{
    struct fixture f;

    fixture_init(&f, 2);
    f.config.failover.panic_percent = 60;
    fixture_start(&f);
    fixture_errors(&f, 0, 5);
    reads(&f, EVENT_PANIC,
          "pool \"api\": panic off -> on: fewer than 60 % of its endpoints can be "
          "used");
    reads(&f, EVENT_PANIC, "; requests go to every endpoint, well or not");
    health_reset(f.pool, fixture_endpoint(&f, 0), "x", f.now_us);
    reads(&f, EVENT_PANIC, "panic on -> off: no fewer than 60 % of its endpoints can be used");
    fixture_fini(&f);
}

Test(words, what_others_tell_goes_the_same_way)
{
    struct fixture f;

    fixture_init(&f, 1);
    fixture_start(&f);
    health_tell(f.pool, fixture_endpoint(&f, 0), EVENT_RECOVERY, EVENT_INFO, "idle", "running",
                "attempt 1 of 3", "the next check tells");
    cr_assert_str_eq(
        fixture_line(&f, EVENT_RECOVERY),
        "pool \"api\": endpoint \"a\" (10.0.0.1:80): recovery idle -> running: attempt "
        "1 of 3; the next check tells");
    health_tell(f.pool, NULL, EVENT_FALLBACK, EVENT_WARN, NULL, "stale", NULL, NULL);
    cr_assert_str_eq(fixture_line(&f, EVENT_FALLBACK), "pool \"api\": fallback stale");
    health_tell(f.pool, fixture_endpoint(&f, 0), EVENT_ENDPOINT, EVENT_INFO, NULL, "changed",
                "weight 1 -> 3", NULL);
    cr_assert_str_eq(fixture_line(&f, EVENT_ENDPOINT),
                     "pool \"api\": endpoint \"a\" (10.0.0.1:80): changed: weight 1 -> 3");
    fixture_fini(&f);
}
