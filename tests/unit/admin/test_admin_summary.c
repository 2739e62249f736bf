#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin_summary.h"

/* 2026-11-21 10:26:00 UTC */
static const uint64_t wall_us = 1795256760000000;

static struct config_health checks = {.interval_ms = 5000, .fast_interval_ms = 1000, .rise = 2};
static struct config_recovery recovery;

/* A pool whose policies are the defaults, an endpoint that is healthy for a day. */
static void begin(struct config_pool *config, struct health_view *view, struct admin_facts *facts)
{
    *config = (struct config_pool){
        .health = &checks,
        .breaker = {.half_open_max = 3, .success_threshold = 2},
    };
    *view = (struct health_view){
        .status = ENDPOINT_HEALTHY,
        .status_for_us = 86400ULL * 1000000,
        .breaker_for_us = 86400ULL * 1000000,
    };
    *facts = (struct admin_facts){
        .view = view,
        .config = config,
        .wall_us = wall_us,
        .weight = 1,
        .share_percent = 100,
        .resolved = true,
    };
}

static void says(const struct admin_facts *facts, const char *want)
{
    char *text = admin_endpoint_summary(facts);

    cr_assert_str_eq(text, want);
    free(text);
}

#define BEGIN                                                                                      \
    struct config_pool config;                                                                     \
    struct health_view view;                                                                       \
    struct admin_facts facts;                                                                      \
    begin(&config, &view, &facts)

static void set_why(char *why, const char *text)
{
    snprintf(why, HEALTH_WHY_BYTES, "%s", text);
}

Test(admin_summary, a_healthy_endpoint_is_said_to_serve)
{
    BEGIN;

    says(&facts, "Healthy since 10:26:00 UTC (1 d). It gets its share of the requests.");
    facts.share_percent = 34;
    says(&facts, "Healthy since 10:26:00 UTC (1 d). It starts slowly: 34 % of its share by now.");
}

Test(admin_summary, one_that_is_reported_unhealthy_waits_for_another_report)
{
    BEGIN;

    view.status = ENDPOINT_UNHEALTHY;
    view.by_report = true;
    view.status_for_us = 252 * 1000000;
    set_why(view.why, "reported unhealthy by discovery");
    says(&facts, "Unhealthy since 10:21:48 UTC (4 m 12 s): reported unhealthy by discovery. It "
                 "gets no requests until discovery reports it better.");
}

Test(admin_summary, an_unhealthy_one_with_what_failed_since_when_and_what_brings_it_back)
{
    BEGIN;

    view.status = ENDPOINT_UNHEALTHY;
    view.status_for_us = 252 * 1000000;
    set_why(view.why, "status 503, expected 200-299");
    says(&facts,
         "Unhealthy since 10:21:48 UTC (4 m 12 s): status 503, expected 200-299. It gets no "
         "requests and is checked every 1 s: 2 good checks in a row bring it back.");
    config.recovery = &recovery;
    says(&facts,
         "Unhealthy since 10:21:48 UTC (4 m 12 s): status 503, expected 200-299. It gets no "
         "requests and is checked every 1 s: 2 good checks in a row bring it back, and its "
         "recovery action is tried.");
}

Test(admin_summary, an_unhealthy_one_with_what_was_found_since_then)
{
    BEGIN;

    view.status = ENDPOINT_UNHEALTHY;
    view.status_for_us = 5 * 1000000;
    set_why(view.why, "3 checks in a row failed, the last: connection refused");
    set_why(view.check_why, "connection refused");
    says(&facts,
         "Unhealthy since 10:25:55 UTC (5 s): 3 checks in a row failed, the last: connection "
         "refused. It gets no requests and is checked every 1 s: 2 good checks in a row bring it "
         "back.");
    set_why(view.check_why, "FATAL: the database system is starting up");
    says(&facts,
         "Unhealthy since 10:25:55 UTC (5 s): 3 checks in a row failed, the last: connection "
         "refused. The last bad check: FATAL: the database system is starting up. It gets no "
         "requests and is checked every 1 s: 2 good checks in a row bring it back.");
}

Test(admin_summary, an_open_breaker_with_why_and_when_it_is_tried_again)
{
    BEGIN;

    view.breaker = BREAKER_OPEN;
    view.breaker_for_us = 7000000;
    view.retry_in_us = 3000000;
    set_why(view.breaker_why, "5 failures in a row, the last: backend refused the connection");
    says(&facts, "Breaker open since 10:25:53 UTC (7 s): 5 failures in a row, the last: backend "
                 "refused the connection. It gets no requests; in 3 s up to 3 at a time find out "
                 "whether it is well again.");
    view.tripped = true;
    view.retry_in_us = 0;
    set_why(view.breaker_why, "asked by an operator");
    says(&facts, "Breaker open since 10:25:53 UTC (7 s): asked by an operator. It gets no requests "
                 "until its breaker is reset.");
    view.breaker = BREAKER_HALF_OPEN;
    says(&facts,
         "Breaker half open since 10:25:53 UTC (7 s): asked by an operator. Up to 3 requests at a "
         "time find out: 2 good answers close it, a failure opens it for longer.");
}

Test(admin_summary, what_would_have_to_be_cured_first_is_said_first)
{
    static const char *const order[] = {"Draining", "Its weight is 0", "Its name", "Unhealthy",
                                        "Breaker",  "Ejected",         "Stalled",  "Healthy"};
    BEGIN;

    view.status = ENDPOINT_DRAINING;
    view.breaker = BREAKER_OPEN;
    view.stall = STALL_STALLED;
    view.ejected = true;
    facts.weight = 0;
    facts.resolved = false;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        char *text = admin_endpoint_summary(&facts);

        cr_assert_eq(strncmp(text, order[i], strlen(order[i])), 0, "%s", text);
        free(text);
        switch (i) {
        case 0:
            view.status = ENDPOINT_UNHEALTHY;
            break;
        case 1:
            facts.weight = 1;
            break;
        case 2:
            facts.resolved = true;
            break;
        case 3:
            view.status = ENDPOINT_HEALTHY;
            break;
        case 4:
            view.breaker = BREAKER_CLOSED;
            break;
        case 5:
            view.ejected = false;
            break;
        default:
            view.stall = STALL_CLEAR;
        }
    }
}

Test(admin_summary, one_that_was_deregistered_says_what_it_waits_for)
{
    BEGIN;

    facts.leaving = facts.panicking = true;
    facts.active = 2;
    says(&facts, "Deregistered: it gets no new requests, and is forgotten when those in flight (2) "
                 "have ended.");
}

Test(admin_summary, draining_counts_what_is_in_flight)
{
    BEGIN;

    view.status = ENDPOINT_DRAINING;
    view.status_for_us = 300 * 1000000;
    set_why(view.why, "asked by an operator: deploy");
    facts.active = 1;
    says(&facts, "Draining since 10:21:00 UTC (5 m): asked by an operator: deploy. It gets no "
                 "new requests, 1 is still in flight; undrain brings it back.");
    facts.active = 3;
    says(&facts, "Draining since 10:21:00 UTC (5 m): asked by an operator: deploy. It gets no "
                 "new requests, 3 are still in flight; undrain brings it back.");
}

Test(admin_summary, an_ejected_one_returns)
{
    BEGIN;

    view.ejected = true;
    view.ejections = 2;
    view.ejected_for_us = 12000000;
    set_why(view.ejected_why, "5 failures in a row, the last: status 503");
    view.retry_in_us = 18000000;
    says(&facts, "Ejected since 10:25:48 UTC (12 s): 5 failures in a row, the last: status 503. It "
                 "gets no requests and returns in 18 s (ejection number 2).");
}

Test(admin_summary, a_stalled_one_is_measured_by_what_is_usual_for_it)
{
    BEGIN;

    view.stall = STALL_STALLED;
    view.usual_us = 8000;
    says(&facts, "Stalled: requests waited much longer than its usual 8 ms and none was answered. "
                 "It gets new ones only when nothing better can serve; one at a time finds out, "
                 "and any answer clears it.");
    view.stall = STALL_PROBING;
    view.usual_us = 0;
    says(&facts, "Stalled: requests wait for it and none is answered. One more was sent to find "
                 "out, and any answer clears it.");
}

Test(admin_summary, panic_is_said_of_those_that_are_used_in_spite_of_it)
{
    char *text;
    BEGIN;

    facts.panicking = true;
    view.status = ENDPOINT_UNHEALTHY;
    text = admin_endpoint_summary(&facts);
    cr_assert_not_null(strstr(text, "But its pool panics"));
    free(text);
    view.status = ENDPOINT_DRAINING;
    text = admin_endpoint_summary(&facts);
    cr_assert_null(strstr(text, "panics"));
    free(text);
}

static void pool_says(const struct balancer_tier *tiers, unsigned count, unsigned usable,
                      bool panicking, const char *want)
{
    char *text = admin_pool_summary(tiers, count, usable, 3, panicking);

    cr_assert_str_eq(text, want);
    free(text);
}

Test(admin_summary, a_pool_tells_of_load_that_has_moved)
{
    struct balancer_tier tiers[] = {
        {.priority = 1, .where = "zone", .load_percent = 80},
        {.priority = 1, .where = "region", .load_percent = 20},
        {.priority = 2, .where = ""},
        {.priority = 0, .where = ""},
    };

    pool_says(tiers, 1, 3, false, "3 of 3 endpoints can serve");
    pool_says(tiers, 4, 2, false,
              "2 of 3 endpoints can serve; 20 % of the load is on priority 1, region");
    tiers[0].load_percent = 0;
    tiers[0].held_back = true;
    tiers[1].load_percent = 0;
    tiers[2].load_percent = 90;
    tiers[3].load_percent = 10;
    pool_says(tiers, 4, 1, true,
              "Panic, health is ignored: 1 of 3 endpoints can serve; priority 1 could take more, "
              "but the failback policy waits; 90 % of the load is on priority 2; 10 % of the load "
              "is on the backups");
    pool_says(NULL, 0, 0, false, "0 of 3 endpoints can serve");
}
