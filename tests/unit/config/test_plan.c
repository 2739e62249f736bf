/* What a change comes to: as bits, as words, as a risk. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "config/plan.h"
#include "support.h"

static const char *const kinds[] = {"+", "-", "~"};
static const char *const things[] = {"listener", "route", "pool", "endpoint", "process"};

/* The plan as lines "~ endpoint api/a: DETAIL [flags]", then "RISK: WHY" (heap). */
static char *plan_text(const struct config *from, const struct config *to)
{
    struct config_plan *plan = config_plan_new(from, to);
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    for (size_t i = 0; i < plan->count; i++) {
        const struct config_change *c = &plan->changes[i];

        fprintf(f, "%s %s %s%s%s: %s%s%s%s\n", kinds[c->kind], things[c->of], c->pool,
                c->pool[0] != '\0' ? "/" : "", c->name, c->detail,
                c->match_changes ? " [match]" : "", c->replaces ? " [replaces]" : "",
                c->needs_upgrade ? " [upgrade]" : "");
    }
    fprintf(f, "%s: %s\n", config_risk_name(plan->risk), plan->risk_why);
    fclose(f);
    config_plan_free(plan);
    return text;
}

static void check_plan(const char *before, const char *after, const char *expected)
{
    struct config *from = support_load(before), *to = support_load(after);
    char *text = plan_text(from, to);

    cr_expect_str_eq(text, expected, "got:\n%s\nnot:\n%s", text, expected);
    free(text);
    config_unref(&from);
    config_unref(&to);
}

#define BACKENDS(...) "backends = ( " __VA_ARGS__ " ); "
#define A             "{ id = \"a\"; address = \"10.0.0.1:80\"; }"
#define B             "{ id = \"b\"; address = \"10.0.0.2:80\"; }"
#define C             "{ id = \"c\"; address = \"10.0.0.3:80\"; }"
#define ONE(keys)     LISTENER "pools = ( { name = \"api\"; " keys " } );\n"
#define ABC           BACKENDS(A ", " B ", " C)

Test(plan, between_equals_is_empty)
{
    struct config *config = support_load(ONE(ABC)), *again = support_load(ONE(ABC));
    struct config_plan *plan = config_plan_new(config, again);

    cr_expect_eq(plan->count, 0);
    cr_expect_eq(plan->risk, CONFIG_RISK_NONE);
    cr_expect_eq(plan->kept.listeners, 1);
    cr_expect_eq(plan->kept.routes, 1);
    cr_expect_eq(plan->kept.pools, 1);
    cr_expect_eq(plan->kept.endpoints, 3);
    cr_expect(config_listener_equal(config->listeners, again->listeners));
    cr_expect_eq(config_pool_differences(config, config->pools, again, again->pools), 0);
    config_plan_free(plan);
    config_unref(&config);
    config_unref(&again);
}

Test(plan, from_nothing_adds_everything)
{
    struct config *config = support_load(ONE(BACKENDS(A)));
    char *text = plan_text(NULL, config);

    cr_expect_str_eq(text, "+ listener listener-1: :8080\n"
                           "+ route default:  [match]\n"
                           "+ pool api: \n"
                           "+ endpoint api/a: 10.0.0.1:80\n"
                           "medium: route \"default\" is new\n");
    free(text);
    config_unref(&config);
}

Test(plan, tells_what_happens_to_endpoints)
{
    check_plan(ONE(ABC), ONE(BACKENDS(C ", " A ", " B)), "none: \n");
    check_plan(ONE(ABC), ONE(BACKENDS(A ", " B ", " C ", { id = \"d\"; address = \"h:1\"; }")),
               "+ endpoint api/d: h:1\nlow: endpoint \"d\" of pool \"api\" is new\n");
    check_plan(ONE(ABC), ONE(BACKENDS(A ", " B)),
               "- endpoint api/c: 10.0.0.3:80\nmedium: endpoint \"c\" of pool \"api\" goes\n");
    check_plan(ONE(ABC), ONE(BACKENDS(A)),
               "- endpoint api/b: 10.0.0.2:80\n- endpoint api/c: 10.0.0.3:80\n"
               "high: 2 of the 3 endpoints of pool \"api\" go or are replaced\n");
    check_plan(ONE(ABC),
               ONE(BACKENDS("{ id = \"a\"; address = \"10.0.0.9:80\"; weight = 3; }, " B ", " C)),
               "~ endpoint api/a: address 10.0.0.1:80 -> 10.0.0.9:80, weight 1 -> 3 [replaces]\n"
               "medium: endpoint \"a\" of pool \"api\" is replaced\n");
    check_plan(ONE(ABC),
               ONE(BACKENDS("{ id = \"a\"; address = \"10.0.0.1:80\"; tags = [ \"x\", \"y\" ]; "
                            "metadata = { v = \"1\"; }; name = \"n\"; health_check = false; }, " B
                            ", " C)),
               "~ endpoint api/a: health_check true -> false, name \"\" -> n, tags [] -> [x, y], "
               "metadata {} -> {\"v\":\"1\"}\n"
               "low: endpoint \"a\" of pool \"api\" changes\n");
    check_plan(ONE(ABC),
               ONE(BACKENDS("{ id = \"a\"; address = \"10.0.0.1:80\"; drain = true; }, " B ", " C)),
               "~ endpoint api/a: drain false -> true\n"
               "medium: endpoint \"a\" of pool \"api\" changes\n");
}

Test(plan, tells_what_happens_to_pools)
{
    check_plan(ONE(ABC),
               ONE("algorithm = \"weighted\"; retry = { attempts = 3; on = \"connect\"; "
                   "body_buffer = \"128k\"; }; breaker = { window = \"250ms\"; }; " ABC),
               "~ pool api: algorithm round_robin -> weighted; breaker: window 10s -> 250ms; "
               "retry: attempts 2 -> 3, on [connect, reset, timeout, stall, 502-504] -> [connect], "
               "body_buffer 64k -> 128k\n"
               "medium: pool \"api\" changes\n");
    check_plan(
        ONE("health = { }; max_pending = 7;" ABC),
        ONE("tls = { verify = false; }; slow_start = \"5s\";" ABC),
        "~ pool api: slow_start 0 -> 5s, max_pending 7 -> 1024; tls: added; health: removed\n"
        "medium: pool \"api\" changes\n");
    check_plan(ONE("max_pending = 7;" ABC), ONE(ABC),
               "~ pool api: max_pending 7 -> 1024\nlow: pool \"api\" changes\n");
    check_plan(
        ONE("health = { type = \"exec\"; command = \"check 'a b' c\"; };" ABC),
        ONE("health = { type = \"exec\"; command = \"check it\\\\'s\"; jitter = \"5%\"; };" ABC),
        "~ pool api: health: jitter 10% -> 5%, command check 'a b' c -> check 'it'\\''s'\n"
        "medium: pool \"api\" changes\n");
}

#define TWO_POOLS                                                                                  \
    LISTENER "pools = ( { name = \"x\"; " BACKENDS(A) " }, { name = \"y\"; " BACKENDS(B) " } );\n"
#define R(name, keys) "{ name = \"" name "\"; " keys " }"
#define R1            R("one", "path = \"/1\"; pool = \"x\";")
#define R2            R("two", "path = \"/2\"; pool = \"x\";")
#define R3            R("three", "path = \"/3\"; pool = \"y\";")
#define ROUTES(...)   TWO_POOLS "routes = ( " __VA_ARGS__ " );\n"

Test(plan, tells_what_happens_to_routes)
{
    const char *before = ROUTES(R1 ", " R2 ", " R3);

    check_plan(before, ROUTES(R3 ", " R1 ", " R2),
               "~ route three: place 3 -> 1 [match]\nmedium: route \"three\" changes\n");
    check_plan(before, ROUTES(R1 ", " R3), "- route two:  [match]\nmedium: route \"two\" goes\n");
    check_plan(before, ROUTES(R1 ", " R2 ", " R("three", "path = \"/3\"; pool = \"x\";")),
               "~ route three: pools [y] -> [x]\nmedium: route \"three\" changes\n");
    check_plan(
        before,
        ROUTES(R1 ", " R2 ", " R("three", "path = \"/4\"; methods = [ \"GET\" ]; timeout = \"2m\"; "
                                          "pools = ( { pool = \"y\"; weight = 5; } );"
                                          "headers = ( { name = \"x-a\"; } );")),
        "~ route three: path /3 -> /4, methods [] -> [GET]; headers [] -> [x-a]; pool y: "
        "weight 1 -> 5; timeout 0 -> 2m [match]\n"
        "medium: route \"three\" changes\n");
    check_plan(before,
               ROUTES(R1 ", " R2 ", " R("three", "path = \"/3\"; respond = { status = 404; };")),
               "~ route three: pools [y] -> []; respond: status 200 -> 404\n"
               "medium: route \"three\" changes\n");
}

Test(plan, compares_pools_in_routes_and_fallbacks_by_name)
{
    check_plan(LISTENER "pools = ( { name = \"x\"; fallback = { pool = \"y\"; }; " BACKENDS(
                   A) " }, { name = \"y\"; " BACKENDS(B) " } );\nroutes = ( " R1 ", " R3 " );",
               LISTENER "pools = ( { name = \"y\"; " BACKENDS(
                   B) " }, { name = \"x\"; fallback = { "
                      "pool = \"y\"; }; " BACKENDS(A) " } );\nroutes = ( " R1 ", " R3 " );",
               "none: \n");
    check_plan(ROUTES(R1 ", " R3),
               LISTENER "pools = ( { name = \"x\"; fallback = { pool = \"z\"; }; " BACKENDS(
                   A) " }, { name = \"z\"; " BACKENDS(B) " } );\nroutes = ( " R1 " );",
               "- route three:  [match]\n"
               "~ pool x: fallback: pool none -> z\n"
               "+ pool z: \n+ endpoint z/b: 10.0.0.2:80\n"
               "- pool y: \n- endpoint y/b: 10.0.0.2:80\n"
               "high: pool \"y\" goes, which is in use\n");
}

Test(plan, tells_what_happens_to_listeners)
{
    check_plan(POOL "listeners = ( { name = \"e\"; bind = \":80\"; }, { name = \"f\"; bind = "
                    "\":81\"; } );",
               POOL "listeners = ( { name = \"e\"; bind = \":82\"; limits = { header_bytes = "
                    "\"16k\"; }; }, { name = \"g\"; bind = \":83\"; } );",
               "~ listener e: bind :80 -> :82; limits: header_bytes 32k -> 16k\n"
               "+ listener g: :83\n"
               "- listener f: :81\n"
               "high: listener \"e\" leaves :80\n");
}

Test(plan, tells_what_the_process_would_need)
{
    check_plan(LISTENER POOL "log = { level = \"info\"; };",
               LISTENER POOL "log = { level = \"debug\"; access = \"stderr\"; }; workers = 4; "
                             "admin = { bind = \"off\"; }; drain_timeout = \"1m\";",
               "~ process workers: 0 -> 4 [upgrade]\n"
               "~ process drain_timeout: 30s -> 1m\n"
               "~ process admin: bind 127.0.0.1:9900 -> off [upgrade]\n"
               "~ process log: level info -> debug, access stdout -> stderr\n"
               "low: workers changes\n");
}

Test(plan, knows_that_load_moves_with_the_place)
{
    check_plan(LISTENER POOL "region = \"eu\"; zone = \"a\";",
               LISTENER POOL "region = \"eu\"; zone = \"b\";",
               "~ process zone: a -> b\n"
               "medium: zone changes\n");
}

Test(plan, clips_and_cleans_what_is_long)
{
    struct config *from, *to;
    char *text, long_body[300];

    snprintf(long_body, sizeof(long_body),
             LISTENER "routes = ( { respond = { body = \"a\tb%0150d\"; }; } );", 1);
    from = support_load(LISTENER "routes = ( { respond = { }; } );");
    to = support_load(long_body);
    text = plan_text(from, to);
    cr_expect_not_null(strstr(text, "respond: body \"\" -> a?b000"), "%s", text);
    cr_expect_not_null(strstr(text, "000... [match]") ? NULL : strstr(text, "000...\n"), "%s",
                       text);
    free(text);
    config_unref(&from);
    config_unref(&to);
}

#define SETS(name, value)                                                                          \
    LISTENER POOL                                                                                  \
        "routes = ( { name = \"r\"; pool = \"app\"; request_headers = { set = ( { name = "         \
        "\"" name "\"; value = \"" value "\"; } ); }; } );"

Test(plan, does_not_tell_what_may_be_a_secret)
{
    check_plan(SETS("X-Api-Key", "hunter1"), SETS("X-Api-Key", "hunter2"),
               "~ route r: request_headers: header X-Api-Key: other content in value\n"
               "medium: route \"r\" changes\n");
    check_plan(SETS("X-Env", "blue"), SETS("X-Env", "green"),
               "~ route r: request_headers: header X-Env: value blue -> green\n"
               "medium: route \"r\" changes\n");
}

Test(plan, sees_that_a_file_has_other_content)
{
    char *directory = support_directory_make();
    char *secret = support_write(directory, "secret", "0123456789abcdef");
    char *body = support_write(directory, "sorry.html", "sorry");
    char *keys =
        xasprintf(ONE("sticky = { secret_file = \"%s\"; }; fallback = { body_file = \"%s\"; "
                      "}; " ABC),
                  secret, body);
    struct config *from = support_load(keys), *same = support_load(keys), *to;
    char *text;

    free(support_write(directory, "secret", "fedcba9876543210"));
    free(support_write(directory, "sorry.html", "so sorry"));
    to = support_load(keys);
    cr_expect_eq(config_pool_differences(from, from->pools, same, same->pools), 0);
    cr_expect_eq(config_pool_differences(from, from->pools, to, to->pools),
                 CONFIG_PART_STICKY | CONFIG_PART_FALLBACK);
    text = plan_text(from, to);
    cr_expect_str_eq(text,
                     "~ pool api: sticky: other content in secret_file; fallback: other "
                     "content in body_file\nmedium: pool \"api\" changes\n",
                     "%s", text);
    free(text);
    config_unref(&from);
    config_unref(&same);
    config_unref(&to);
    free(keys);
    free(secret);
    free(body);
    support_directory_remove(&directory);
}

Test(plan, is_shown_as_json)
{
    struct config *from = support_load(ONE(ABC)), *to = support_load(ONE(BACKENDS(A ", " B)));
    struct config_plan *plan = config_plan_new(from, to);
    json_t *json = config_plan_json(plan);
    char *text = json_dumps(json, JSON_COMPACT);

    cr_expect_str_eq(
        text,
        "{\"changes\":[{\"change\":\"removed\",\"of\":\"endpoint\",\"pool\":\"api\",\"name\":\"c\","
        "\"detail\":\"10.0.0.3:80\",\"match_changes\":false,\"replaces\":false,\"needs_upgrade\":"
        "false}],"
        "\"kept\":{\"listeners\":1,\"routes\":1,\"pools\":1,\"endpoints\":2},\"risk\":\"medium\","
        "\"risk_why\":\"endpoint \\\"c\\\" of pool \\\"api\\\" goes\"}");
    free(text);
    json_decref(json);
    config_plan_free(plan);
    config_unref(&from);
    config_unref(&to);
}

Test(plan, knows_one_of_thousands)
{
    char *text[2] = {NULL, NULL};
    struct config *config[2];
    char *shown;

    for (int k = 0; k < 2; k++) {
        size_t size;
        FILE *f = open_memstream(&text[k], &size);

        fputs(LISTENER "pools = ( { name = \"p\"; backends = ( ", f);
        for (int i = 0; i < 5000; i++)
            fprintf(f, "%s{ address = \"10.0.%d.%d:80\"; weight = %d; }", i > 0 ? ", " : "",
                    i / 250, i % 250, k == 1 && i == 4321 ? 9 : 1);
        fputs(" ); } );", f);
        fclose(f);
        config[k] = support_load(text[k]);
        free(text[k]);
    }
    shown = plan_text(config[0], config[1]);
    cr_expect_str_eq(shown, "~ endpoint p/10.0.17.71:80: weight 1 -> 9\n"
                            "low: endpoint \"10.0.17.71:80\" of pool \"p\" changes\n");
    free(shown);
    config_unref(&config[0]);
    config_unref(&config[1]);
}

Test(plan, tells_apart_what_a_running_process_reads_again)
{
    check_plan(BASE, BASE "supervision = { checks_per_second = 7; };",
               "~ process supervision: checks_per_second 1000 -> 7\n"
               "low: supervision changes\n");
    check_plan(BASE, BASE "supervision = { events = 32; };",
               "~ process supervision: events 4096 -> 32 [upgrade]\n"
               "low: supervision changes\n");
    check_plan(BASE, BASE "supervision = { events = 32; recoveries_per_minute = 3; };",
               "~ process supervision: recoveries_per_minute 10 -> 3\n"
               "~ process supervision: events 4096 -> 32 [upgrade]\n"
               "low: supervision changes\n");
}
