/* What is on without being asked for: outlier detection, breaker, retries, tiers and their return;
 * limits, places, supervision. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "support.h"

static void check_statuses(const struct config_statuses *set, const char *expected)
{
    char text[4096] = "";
    size_t n = 0;

    for (int status = 0; status < 640; status++) {
        if (config_statuses_have(set, status))
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d", n > 0 ? "," : "", status);
    }
    cr_expect_str_eq(text, expected);
}

static void check_defaults_of_detection(const struct config_pool *p)
{
    cr_expect_eq(p->outlier.consecutive_5xx, 5);
    cr_expect_eq(p->outlier.error_percent, 30);
    cr_expect_eq(p->outlier.min_requests, 20);
    cr_expect_eq(p->outlier.window_ms, 10000);
    cr_expect_eq(p->outlier.base_ejection_ms, 30000);
    cr_expect_eq(p->outlier.max_ejection_ms, 300000);
    cr_expect_eq(p->outlier.max_ejected_percent, 50);
    cr_expect_eq(p->outlier.stall_factor, 4);
    cr_expect_eq(p->outlier.stall_min_ms, 50);
    cr_expect_eq(p->breaker.failure_threshold, 5);
    cr_expect_eq(p->breaker.error_percent, 50);
    cr_expect_eq(p->breaker.window_ms, 10000);
    cr_expect_eq(p->breaker.min_requests, 20);
    cr_expect_eq(p->breaker.recovery_timeout_ms, 10000);
    cr_expect_eq(p->breaker.max_recovery_timeout_ms, 60000);
    cr_expect_eq(p->breaker.half_open_max, 3);
    cr_expect_eq(p->breaker.success_threshold, 2);
}

static void check_defaults_of_answers(const struct config_pool *p)
{
    cr_expect_eq(p->retry.attempts, 2);
    cr_expect_eq(p->retry.on, CONFIG_RETRY_CONNECT | CONFIG_RETRY_RESET | CONFIG_RETRY_TIMEOUT |
                                  CONFIG_RETRY_STALL);
    check_statuses(&p->retry.on_status, "502,503,504");
    cr_expect_eq(p->retry.backoff_ms, 25);
    cr_expect_eq(p->retry.max_backoff_ms, 250);
    cr_expect_eq(p->retry.budget_percent, 20);
    cr_expect_eq(p->retry.budget_min, 3);
    cr_expect_not(p->retry.non_idempotent);
    cr_expect_eq(p->retry.body_buffer_bytes, 65536);
    cr_expect_eq(p->retry.hedge_percentile, 0);
    cr_expect_eq(p->failover.min_healthy_percent, 70);
    cr_expect_eq(p->failover.panic_percent, 0);
    cr_expect_eq(p->failback.mode, CONFIG_FAILBACK_AUTO);
    cr_expect_eq(p->failback.after_ms, 60000);
    cr_expect_eq(p->failback.step_percent, 10);
    cr_expect_eq(p->fallback.stale_ms, 0);
    cr_expect_eq(p->fallback.cache_bytes, 16 << 20);
    cr_expect_eq(p->fallback.cache_entry_bytes, 1 << 20);
    cr_expect_eq(p->fallback.status, 503);
    cr_expect_null(p->fallback.body_file);
    cr_expect_eq(p->fallback.body.n, 0);
    cr_expect_eq(p->fallback.pool, -1);
}

static void check_defaults_of_limits(const struct config_pool *p)
{
    cr_expect_null(p->sticky);
    cr_expect_null(p->health);
    cr_expect_null(p->recovery);
    cr_expect_eq(p->locality, CONFIG_LOCALITY_OFF);
    cr_expect_eq(p->slow_start_ms, 0);
    cr_expect_eq(p->max_connections, 0);
    cr_expect_eq(p->max_pending, 1024);
    cr_expect_eq(p->pending_timeout_ms, 1000);
    cr_expect_eq(p->backends[0].priority, 1);
    cr_expect_not(p->backends[0].backup);
    cr_expect_eq(p->backends[0].max_connections, 0);
    cr_expect_str_eq(p->backends[0].place.region, "");
    cr_expect_str_eq(p->backends[0].place.zone, "");
    cr_expect_null(p->backends[0].check_address);
}

static void check_defaults(const char *text)
{
    struct config *c = support_load(text);

    check_defaults_of_detection(&c->pools[0]);
    check_defaults_of_answers(&c->pools[0]);
    check_defaults_of_limits(&c->pools[0]);
    cr_expect_str_eq(c->place.region, "");
    cr_expect_str_eq(c->place.zone, "");
    cr_expect_eq(c->supervision.checks_per_second, 1000);
    cr_expect_eq(c->supervision.recoveries_per_minute, 10);
    cr_expect_eq(c->supervision.events, 4096);
    config_unref(&c);
}

Test(policies, have_their_defaults_without_being_named)
{
    check_defaults(LISTENER POOL);
}

Test(policies, have_their_defaults_in_empty_groups)
{
    check_defaults(IN_POOL("outlier = { }; breaker = { }; retry = { }; failover = { }; failback = "
                           "{ }; fallback = { };") "supervision = { };");
}

Test(policies, of_detection_are_read)
{
    struct config *c = support_load(
        IN_POOL("outlier = { consecutive_5xx = 0; error_percent = 30; min_requests = 1; window = "
                "\"1s\"; base_ejection = \"1s\"; max_ejection = \"1s\"; max_ejected_percent = 100; "
                "stall_factor = 0; stall_min = \"1ms\"; }; breaker = { failure_threshold = 0; "
                "error_percent = 0; window = \"1h\"; min_requests = 7; recovery_timeout = \"2s\"; "
                "max_recovery_timeout = \"3s\"; half_open_max = 1; success_threshold = 9; };"));
    const struct config_pool *p = &c->pools[0];

    cr_expect_eq(p->outlier.consecutive_5xx, 0);
    cr_expect_eq(p->outlier.error_percent, 30);
    cr_expect_eq(p->outlier.min_requests, 1);
    cr_expect_eq(p->outlier.window_ms, 1000);
    cr_expect_eq(p->outlier.base_ejection_ms, 1000);
    cr_expect_eq(p->outlier.max_ejection_ms, 1000);
    cr_expect_eq(p->outlier.max_ejected_percent, 100);
    cr_expect_eq(p->outlier.stall_factor, 0);
    cr_expect_eq(p->outlier.stall_min_ms, 1);
    cr_expect_eq(p->breaker.failure_threshold, 0);
    cr_expect_eq(p->breaker.error_percent, 0);
    cr_expect_eq(p->breaker.window_ms, 3600000);
    cr_expect_eq(p->breaker.min_requests, 7);
    cr_expect_eq(p->breaker.recovery_timeout_ms, 2000);
    cr_expect_eq(p->breaker.max_recovery_timeout_ms, 3000);
    cr_expect_eq(p->breaker.half_open_max, 1);
    cr_expect_eq(p->breaker.success_threshold, 9);
    config_unref(&c);
}

Test(policies, of_retries_are_read)
{
    struct config *c = support_load(
        IN_POOL("retry = { attempts = 5; on = [ \"connect\", \"5xx\" ]; backoff = \"0\"; "
                "max_backoff = \"2s\"; budget_percent = 100; budget_min = 0; non_idempotent = "
                "true; body_buffer = \"0\"; hedge_percentile = 95; };"));
    const struct config_retry *r = &c->pools[0].retry;

    cr_expect_eq(r->attempts, 5);
    cr_expect_eq(r->on, CONFIG_RETRY_CONNECT);
    cr_expect(config_statuses_have(&r->on_status, 500) && config_statuses_have(&r->on_status, 599));
    cr_expect_not(config_statuses_have(&r->on_status, 499));
    cr_expect_eq(r->backoff_ms, 0);
    cr_expect_eq(r->max_backoff_ms, 2000);
    cr_expect_eq(r->budget_percent, 100);
    cr_expect_eq(r->budget_min, 0);
    cr_expect(r->non_idempotent);
    cr_expect_eq(r->body_buffer_bytes, 0);
    cr_expect_eq(r->hedge_percentile, 95);
    config_unref(&c);
}

static void check_on(const char *on, unsigned words, const char *statuses)
{
    char *text = xasprintf(IN_POOL("retry = { on = %s; };"), on);
    struct config *c = support_load(text);

    cr_expect_eq(c->pools[0].retry.on, words, "%s", on);
    check_statuses(&c->pools[0].retry.on_status, statuses);
    config_unref(&c);
    free(text);
}

Test(policies, what_is_retried_is_what_the_list_says_and_nothing_else)
{
    check_on("[ \"connect\" ]", CONFIG_RETRY_CONNECT, "");
    check_on("[ \"reset\" ]", CONFIG_RETRY_RESET, "");
    check_on("[ \"timeout\" ]", CONFIG_RETRY_TIMEOUT, "");
    check_on("[ \"stall\" ]", CONFIG_RETRY_STALL, "");
    check_on("[ \"502\" ]", 0, "502");
    check_on("[ 502, 503 ]", 0, "502,503");
    check_on("( \"reset\", 429, \"500-502\" )", CONFIG_RETRY_RESET, "429,500,501,502");
    check_on("[ \"connect\", \"connect\", \"502\", \"502\" ]", CONFIG_RETRY_CONNECT, "502");
    check_on("[ ]", 0, "");
    check_on("\"stall, 503\"", CONFIG_RETRY_STALL, "503");
    check_on("502", 0, "502");
}

Test(policies, of_tiers_and_limits_are_read)
{
    struct config *c = support_load(
        "region = \"us-east-1\"; zone = \"us-east-1a\"; supervision = { checks_per_second = 50; "
        "recoveries_per_minute = 1; events = 16; };\n" LISTENER
        "pools = ( { failover = { min_healthy_percent = 100; panic_percent = 20; }; failback = { "
        "mode = \"gradual\"; after = \"10s\"; step = \"25%\"; }; locality = \"prefer\"; slow_start "
        "= \"30s\"; max_connections = 7; max_pending = 0; pending_timeout = \"2s\"; backends = ( { "
        "address = \"a:1\"; priority = 100; backup = true; max_connections = 3; region = \"r\"; "
        "zone = \"z\"; check_address = \"127.0.0.1:81\"; }, { address = \"b:1\"; check_address = "
        "\"unix:/run/b.sock\"; }, { address = \"c:1\"; check_address = \"\"; } ); } );\n");
    const struct config_pool *p = &c->pools[0];

    cr_expect_str_eq(c->place.region, "us-east-1");
    cr_expect_str_eq(c->place.zone, "us-east-1a");
    cr_expect_eq(c->supervision.checks_per_second, 50);
    cr_expect_eq(c->supervision.recoveries_per_minute, 1);
    cr_expect_eq(c->supervision.events, 16);
    cr_expect_eq(p->failover.min_healthy_percent, 100);
    cr_expect_eq(p->failover.panic_percent, 20);
    cr_expect_eq(p->failback.mode, CONFIG_FAILBACK_GRADUAL);
    cr_expect_eq(p->failback.after_ms, 10000);
    cr_expect_eq(p->failback.step_percent, 25);
    cr_expect_eq(p->locality, CONFIG_LOCALITY_PREFER);
    cr_expect_eq(p->slow_start_ms, 30000);
    cr_expect_eq(p->max_connections, 7);
    cr_expect_eq(p->max_pending, 0);
    cr_expect_eq(p->pending_timeout_ms, 2000);
    cr_expect_eq(p->backends[0].priority, 100);
    cr_expect(p->backends[0].backup);
    cr_expect_eq(p->backends[0].max_connections, 3);
    cr_expect_str_eq(p->backends[0].place.region, "r");
    cr_expect_str_eq(p->backends[0].place.zone, "z");
    cr_expect_str_eq(p->backends[0].check_address, "127.0.0.1:81");
    cr_expect_str_eq(p->backends[1].check_address, "unix:/run/b.sock");
    cr_expect_null(p->backends[2].check_address);
    config_unref(&c);
}

Test(policies, of_failback_have_four_modes)
{
    static const char *const modes[] = {"auto", "delayed", "gradual", "manual"};

    for (size_t i = 0; i < 4; i++) {
        char *text = xasprintf(IN_POOL("failback = { mode = \"%s\"; };"), modes[i]);
        struct config *c = support_load(text);

        cr_expect_eq(c->pools[0].failback.mode, (enum config_failback_mode)i);
        config_unref(&c);
        free(text);
    }
}

Test(policies, a_duration_that_is_not_written_follows_the_one_that_limits_it)
{
    struct config *c = support_load(
        IN_POOL("outlier = { base_ejection = \"10m\"; }; breaker = { recovery_timeout = \"2m\"; }; "
                "retry = { backoff = \"1s\"; };"));

    cr_expect_eq(c->pools[0].outlier.max_ejection_ms, 600000);
    cr_expect_eq(c->pools[0].breaker.max_recovery_timeout_ms, 120000);
    cr_expect_eq(c->pools[0].retry.max_backoff_ms, 1000);
    config_unref(&c);
    c = support_load(IN_POOL("outlier = { max_ejection = \"5s\"; }; breaker = { "
                             "max_recovery_timeout = \"1s\"; }; retry = { max_backoff = \"5ms\"; "
                             "};"));
    cr_expect_eq(c->pools[0].outlier.base_ejection_ms, 5000);
    cr_expect_eq(c->pools[0].breaker.recovery_timeout_ms, 1000);
    cr_expect_eq(c->pools[0].retry.backoff_ms, 5);
    config_unref(&c);
}

/* ---- mistakes ---- */

Test(policies, mistakes_in_detection_are_told)
{
    static const struct support_mistake table[] = {
        {IN_POOL("outlier = { consecutive = 5; };"), 3, "did you mean \"consecutive_5xx\"?"},
        {IN_POOL("outlier = { consecutive_5xx = -1; };"), 3,
         "outlier: consecutive_5xx: -1 is out of range; write 0 to 1000000"},
        {IN_POOL("outlier = { error_percent = 101; };"), 3,
         "outlier: error_percent: 101 is out of range; write 0 to 100"},
        {IN_POOL("outlier = { error_percent = \"50%\"; };"), 3,
         "error_percent must be an integer, not a string; write error_percent = 30"},
        {IN_POOL("outlier = { min_requests = 0; };"), 3, "write 1 to 1000000"},
        {IN_POOL("outlier = { window = \"50ms\"; };"), 3,
         "window: \"50ms\" is out of range; write \"100ms\" to \"1h\""},
        {IN_POOL("outlier = { base_ejection = \"0\"; };"), 3, "write \"1ms\" to \"30d\""},
        {IN_POOL("outlier = { base_ejection = \"10s\"; max_ejection = \"5s\"; };"), 3,
         "outlier: base_ejection: \"10s\" is longer than max_ejection; write at most \"5s\", or "
         "max_ejection = \"10s\""},
        {IN_POOL("outlier = { max_ejected_percent = 200; };"), 3, "write 0 to 100"},
        {IN_POOL("outlier = { stall_factor = 1001; };"), 3, "write 0 to 1000"},
        {IN_POOL("outlier = 5;"), 3, "outlier must be a group, not an integer"},
        {IN_POOL("breaker = { failure_treshold = 5; };"), 3, "did you mean \"failure_threshold\"?"},
        {IN_POOL("breaker = { error_percent = 101; };"), 3, "breaker: error_percent: 101 is out"},
        {IN_POOL("breaker = { window = \"2h\"; };"), 3, "write \"100ms\" to \"1h\""},
        {IN_POOL("breaker = { min_requests = 0; };"), 3, "write 1 to 1000000"},
        {IN_POOL("breaker = { recovery_timeout = \"2m\";\n max_recovery_timeout = \"1m\"; };"), 3,
         "breaker: recovery_timeout: \"2m\" is longer than max_recovery_timeout; write at most "
         "\"1m\", or max_recovery_timeout = \"2m\""},
        {IN_POOL("breaker = { recovery_timeout = 30; };"), 3,
         "recovery_timeout must be a duration, not an integer; write recovery_timeout = \"30s\""},
        {IN_POOL("breaker = { half_open_max = 0; };"), 3,
         "half_open_max: 0 is out of range; write 1 to 1000"},
        {IN_POOL("breaker = { success_threshold = 0; };"), 3,
         "success_threshold: 0 is out of range; write 1 to 1000"},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(policies, mistakes_in_retries_are_told)
{
    static const struct support_mistake table[] = {
        {IN_POOL("retry = { attempts = 0; };"), 3, "attempts: 0 is out of range; write 1 to 16"},
        {IN_POOL("retry = { attempts = 17; };"), 3, "17 is out of range"},
        {IN_POOL("retry = { on = [ \"conect\" ]; };"), 3,
         "retry: on: \"conect\" is not known; did you mean \"connect\"?"},
        {IN_POOL("retry = { on = [ \"sometimes\" ]; };"), 3,
         "on: \"sometimes\" is not known; write \"connect\", \"reset\", \"timeout\", \"stall\", or "
         "statuses such as \"502\", \"500-504\" or \"5xx\""},
        {IN_POOL("retry = { on = [ \"600\" ]; };"), 3,
         "on: \"600\" is out of range; write statuses from 100 to 599"},
        {IN_POOL("retry = { on = [ 99 ]; };"), 3, "on: \"99\" is not a status"},
        {IN_POOL("retry = { on = [ \"504-502\" ]; };"), 3,
         "on: \"504-502\" has its ends swapped; write \"502-504\""},
        {IN_POOL("retry = { on = [ \"\" ]; };"), 3, "on: \"\" is not known"},
        {IN_POOL("retry = { on = \"\"; };"), 3, "on: \"\" is not known"},
        {IN_POOL("retry = { on = [ true ]; };"), 3,
         "an element must be a word or a status, not a bool; write \"connect\""},
        {IN_POOL("retry = { on = { }; };"), 3, "on must be a word or a status, not a group"},
        {IN_POOL("retry = { backoff = \"1s\"; max_backoff = \"250ms\"; };"), 3,
         "backoff: \"1s\" is longer than max_backoff; write at most \"250ms\", or max_backoff = "
         "\"1s\""},
        {IN_POOL("retry = { budget_percent = 101; };"), 3, "write 0 to 100"},
        {IN_POOL("retry = { body_buffer = \"65m\"; };"), 3,
         "body_buffer: \"65m\" is out of range; write \"0\" to \"64m\""},
        {IN_POOL("retry = { hedge_percentile = 49; };"), 3,
         "hedge_percentile: 49 would double most requests; write 50 to 99, or 0 for none"},
        {IN_POOL("retry = { hedge_percentile = 100; };"), 3, "100 is out of range; write 0 to 99"},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(policies, mistakes_in_tiers_and_limits_are_told)
{
    static const struct support_mistake table[] = {
        {IN_POOL("failover = { min_healthy_percent = 0; };"), 3, "write 1 to 100"},
        {IN_POOL("failover = { panic_percent = 101; };"), 3, "write 0 to 100"},
        {IN_POOL("failback = { mode = \"slow\"; };"), 3,
         "failback: mode: \"slow\" is not known; write one of \"auto\", \"delayed\", \"gradual\", "
         "\"manual\""},
        {IN_POOL("failback = { step = 10; };"), 3,
         "step must be a percentage, not an integer; write step = \"10%\""},
        {IN_POOL("failback = { step = \"10\"; };"), 3, "step: \"10\" has no unit; write \"10%\""},
        {IN_POOL("failback = { step = \"10s\"; };"), 3,
         "step: \"10s\" has an unknown unit; write %"},
        {IN_POOL("failback = { step = \"ten\"; };"), 3,
         "step: \"ten\" is not a percentage; write a whole number and %, such as \"10%\""},
        {IN_POOL("failback = { step = \"0%\"; };"), 3,
         "step: \"0%\" is out of range; write \"1%\" to \"100%\""},
        {IN_POOL("failback = { step = \"101%\"; };"), 3, "is out of range"},
        {IN_POOL("failback = { after = \"0\"; };"), 3, "write \"1ms\" to \"30d\""},
        {IN_POOL("locality = \"on\";"), 3, "locality: \"on\" is not known"},
        {IN_POOL("locality = \"prefer\";"), 3,
         "pool \"app\": locality: it is not known where this instance is; write region = \"...\"; "
         "zone = \"...\"; at the top of the file"},
        {IN_POOL("slow_start = 30;"), 3, "write slow_start = \"30s\""},
        {IN_POOL("max_connections = -1;"), 3, "write 0 to 10000000"},
        {IN_POOL("max_pending = -1;"), 3, "write 0 to 10000000"},
        {IN_POOL("pending_timeout = \"0\";"), 3, "write \"1ms\" to \"30d\""},
        {BACKEND("address = \"a:1\"; priority = 0;"), 3,
         "priority: 0 is out of range; write 1 to 100"},
        {BACKEND("address = \"a:1\"; priority = 101;"), 3, "write 1 to 100"},
        {BACKEND("address = \"a:1\"; backup = 1;"), 3, "backup must be a bool, not an integer"},
        {BACKEND("address = \"a:1\"; max_connections = \"3\";"), 3,
         "max_connections must be an integer"},
        {BACKEND("address = \"a:1\"; region = \"a b\";"), 3, "region: \"a b\" cannot be a name"},
        {BACKEND("address = \"a:1\"; zone = \"a/b\";"), 3, "zone: \"a/b\" cannot be a name"},
        {BACKEND("address = \"a:1\"; check_address = \"b:81\";"), 3,
         "backend \"a:1\": check_address: \"b\" is a name; write a numeric address such as "
         "\"10.0.0.1:81\", or unix:/PATH"},
        {BACKEND("address = \"a:1\"; check_address = \"10.0.0.1\";"), 3,
         "check_address: \"10.0.0.1\" has no port"},
        {BACKEND("address = \"a:1\"; check_address = \":81\";"), 3,
         "check_address: \":81\" has no host; write \"127.0.0.1:81\""},
        {BASE "region = \"a b\";\n", 3, "region: \"a b\" cannot be a name"},
        {BASE "zone = 1;\n", 3, "zone must be a string, not an integer; write zone = "},
        {BASE "supervision = { checks_per_second = 0; };\n", 3,
         "supervision: checks_per_second: 0 is out of range"},
        {BASE "supervision = { recoveries_per_minute = 0; };\n", 3, "write 1 to 100000"},
        {BASE "supervision = { events = 15; };\n", 3, "write 16 to 65536"},
        {BASE "supervision = { event = 16; };\n", 3, "did you mean \"events\"?"},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(policies, a_region_or_a_zone_is_enough_to_prefer_by)
{
    struct config *c = support_load("zone = \"a\";\n" IN_POOL("locality = \"prefer\";"));

    config_unref(&c);
    c = support_load("region = \"a\";\n" IN_POOL("locality = \"prefer\";"));
    config_unref(&c);
    c = support_load("region = \"${NOT_SET_ANYWHERE:-}\";\n" IN_POOL("locality = \"off\";"));
    config_unref(&c);
}
