/* pools[].health: every key, what follows from others, and what is refused. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "support.h"

/* The health section of a pool that has only these keys; *ret_config is the caller's to unref. */
static const struct config_health *load(struct config **ret_config, const char *keys)
{
    char *text = xasprintf(IN_POOL("health = { %s };"), keys);

    *ret_config = support_load(text);
    free(text);
    return (*ret_config)->pools[0].health;
}

static size_t count_statuses(const struct config_statuses *set)
{
    size_t count = 0;

    for (int status = 0; status < 640; status++)
        count += config_statuses_have(set, status);
    return count;
}

Test(health, has_a_default_for_everything)
{
    struct config *c;
    const struct config_health *h = load(&c, "");

    cr_expect_eq(h->type, CONFIG_HEALTH_HTTP);
    cr_expect_eq(h->interval_ms, 5000);
    cr_expect_eq(h->timeout_ms, 2000);
    cr_expect_eq(h->fast_interval_ms, 1000);
    cr_expect_eq(h->jitter_percent, 10);
    cr_expect_eq(h->rise, 2);
    cr_expect_eq(h->fall, 3);
    cr_expect_eq(h->degraded_latency_ms, 0);
    cr_expect_str_eq(h->path, "/");
    cr_expect_str_eq(h->method, "GET");
    cr_expect_str_eq(h->body, "");
    cr_expect_eq(h->header_count, 0);
    cr_expect(config_statuses_have(&h->expect_status, 200) &&
              config_statuses_have(&h->expect_status, 299));
    cr_expect_eq(count_statuses(&h->expect_status), 100);
    cr_expect_eq(count_statuses(&h->degraded_status), 0);
    cr_expect_str_eq(h->expect_body, "");
    cr_expect_null(h->expect_body_regex);
    cr_expect_null(h->command.argv);
    cr_expect_eq(h->role, CONFIG_ROLE_ANY);
    cr_expect_str_eq(h->user, "");
    cr_expect_str_eq(h->database, "postgres");
    cr_expect_null(h->password_file);
    cr_expect_eq(h->max_lag_ms, 0);
    cr_expect_null(h->sentinels[0]);
    cr_expect_null(h->master_name);
    config_unref(&c);
}

Test(health, by_http_has_all_its_keys_read)
{
    struct config *c;
    const struct config_health *h = load(
        &c, "type = \"http\"; interval = \"10s\"; timeout = \"10s\"; fast_interval = \"500ms\"; "
            "jitter = \"0%\"; rise = 1; fall = 5; degraded_latency = \"250ms\"; path = "
            "\"/health?deep=1\"; method = \"POST\"; body = \"{}\"; headers = ( { name = \"Host\"; "
            "value = \"app.internal:80\"; }, { name = \"X-Check\"; value = \"1\"; } ); "
            "expect_status = \"200-204, 304\"; degraded_status = 429; expect_body = \"ok\";");

    cr_expect_eq(h->interval_ms, 10000);
    cr_expect_eq(h->timeout_ms, 10000);
    cr_expect_eq(h->fast_interval_ms, 500);
    cr_expect_eq(h->jitter_percent, 0);
    cr_expect_eq(h->rise, 1);
    cr_expect_eq(h->fall, 5);
    cr_expect_eq(h->degraded_latency_ms, 250);
    cr_expect_str_eq(h->path, "/health?deep=1");
    cr_expect_str_eq(h->method, "POST");
    cr_expect_str_eq(h->body, "{}");
    cr_assert_eq(h->header_count, 2);
    cr_expect(slice_eq(h->headers[0].value, SLICE_LIT("app.internal:80")));
    cr_expect(slice_eq(h->headers[1].name, SLICE_LIT("X-Check")));
    cr_expect_eq(count_statuses(&h->expect_status), 6);
    cr_expect(config_statuses_have(&h->expect_status, 304));
    cr_expect_eq(count_statuses(&h->degraded_status), 1);
    cr_expect(config_statuses_have(&h->degraded_status, 429));
    cr_expect_str_eq(h->expect_body, "ok");
    cr_expect_null(h->expect_body_regex);
    config_unref(&c);
}

Test(health, may_expect_a_body_that_matches_an_expression)
{
    struct config *c;
    const struct config_health *h = load(&c, "expect_body = \"~^state: (up|ok)$\";");

    cr_assert_not_null(h->expect_body_regex);
    cr_expect_eq(regexec(h->expect_body_regex, "state: up", 0, NULL, 0), 0);
    cr_expect_eq(regexec(h->expect_body_regex, "state: down", 0, NULL, 0), REG_NOMATCH);
    config_unref(&c);
}

Test(health, takes_one_status_as_a_number)
{
    struct config *c;
    const struct config_health *h = load(&c, "expect_status = 204; method = \"HEAD\";");

    cr_expect_eq(count_statuses(&h->expect_status), 1);
    cr_expect(config_statuses_have(&h->expect_status, 204));
    config_unref(&c);
}

Test(health, by_postgres_has_all_its_keys_read)
{
    char *directory = support_directory_make();
    char *password = support_write(directory, "db.password", "secret\n");
    char *keys = xasprintf("type = \"postgres\"; role = \"standby\"; user = \"evergate\"; "
                           "database = \"app\"; password_file = \"%s\"; max_lag = \"10s\";",
                           password);
    struct config *c;
    const struct config_health *h = load(&c, keys);

    cr_expect_eq(h->type, CONFIG_HEALTH_POSTGRES);
    cr_expect_eq(h->role, CONFIG_ROLE_STANDBY);
    cr_expect_str_eq(h->user, "evergate");
    cr_expect_str_eq(h->database, "app");
    cr_expect_str_eq(h->password_file, password);
    cr_expect_eq(h->max_lag_ms, 10000);
    config_unref(&c);
    h = load(&c, "type = \"postgres\"; role = \"primary\"; user = \"\";");
    cr_expect_str_eq(h->user, "postgres");
    cr_expect_eq(h->role, CONFIG_ROLE_PRIMARY);
    config_unref(&c);
    free(keys);
    free(password);
    support_directory_remove(&directory);
}

Test(health, by_redis_has_all_its_keys_read)
{
    struct config *c;
    const struct config_health *h =
        load(&c, "type = \"redis\"; role = \"primary\"; user = \"monitor\"; sentinels = [ "
                 "\"redis.internal:26379\", \"[::1]:26379\" ]; master = \"mymaster\";");

    cr_expect_eq(h->type, CONFIG_HEALTH_REDIS);
    cr_expect_eq(h->role, CONFIG_ROLE_PRIMARY);
    cr_expect_str_eq(h->user, "monitor");
    cr_expect_str_eq(h->sentinels[0], "redis.internal:26379");
    cr_expect_str_eq(h->sentinels[1], "[::1]:26379");
    cr_expect_null(h->sentinels[2]);
    cr_expect_str_eq(h->master_name, "mymaster");
    config_unref(&c);
}

Test(health, by_tcp_needs_nothing)
{
    struct config *c;
    const struct config_health *h = load(&c, "type = \"tcp\";");

    cr_expect_eq(h->type, CONFIG_HEALTH_TCP);
    config_unref(&c);
}

Test(health, keys_of_other_types_may_be_there_if_they_are_empty)
{
    struct config *c;

    load(&c, "type = \"tcp\"; body = \"\"; expect_body = \"\"; command = \"\"; headers = ( ); "
             "user = \"\"; password_file = \"\"; sentinels = [ ]; master = \"\"; path = \"\";");
    config_unref(&c);
}

Test(health, times_that_are_not_written_follow_the_interval)
{
    struct config *c;
    const struct config_health *h = load(&c, "interval = \"500ms\";");

    cr_expect_eq(h->timeout_ms, 500);
    cr_expect_eq(h->fast_interval_ms, 500);
    config_unref(&c);
    h = load(&c, "interval = \"1m\";");
    cr_expect_eq(h->timeout_ms, 2000);
    cr_expect_eq(h->fast_interval_ms, 1000);
    config_unref(&c);
    h = load(&c, "interval = \"1s\"; timeout = \"3s\";");
    cr_expect_eq(h->timeout_ms, 3000);
    config_unref(&c);
}

/* ---- mistakes ---- */

#define HEALTH(keys) IN_POOL("health = { " keys " };")

Test(health, mistakes_in_its_values_are_told)
{
    static const struct support_mistake table[] = {
        {IN_POOL("health = true;"), 3, "health must be a group, not a bool"},
        {HEALTH("type = \"ping\";"), 3, "health: type: \"ping\" is not known; write one of"},
        {HEALTH("type = \"ping\"; path = \"x\"; command = \"x\";"), 3,
         "type: \"ping\" is not known"},
        {HEALTH("type = \"postgresql\";"), 3, "did you mean \"postgres\"?"},
        {HEALTH("type = \"grpc\"; command = \"x\";"), 3, "\"grpc\" is not built yet"},
        {HEALTH("intervall = \"5s\";"), 3, "did you mean \"interval\"?"},
        {HEALTH("interval = \"5ms\";"), 3, "\"5ms\" is out of range; write \"10ms\" to \"30d\""},
        {HEALTH("interval = 5;"), 3, "interval must be a duration, not an integer; write interval"},
        {HEALTH("fast_interval = 5;"), 3, "write fast_interval = \"5s\""},
        {HEALTH("fast_interval = \"5\";"), 3, "fast_interval: \"5\" has no unit; write \"5s\""},
        {HEALTH("fast_interval = \"x\";"), 3, "such as \"5s\""},
        {HEALTH("jitter = 10;"), 3, "jitter must be a percentage, not an integer; write jitter = "},
        {HEALTH("jitter = \"51%\";"), 3, "\"51%\" is out of range; write \"0\" to \"50%\""},
        {HEALTH("rise = 0;"), 3, "rise: 0 is out of range; write 1 to 1000"},
        {HEALTH("fall = 0;"), 3, "fall: 0 is out of range; write 1 to 1000"},
        {HEALTH("path = \"health\";"), 3,
         "path: \"health\" is no path; write one that begins with"},
        {HEALTH("path = \"/a b\";"), 3, "path: \"/a b\" is no path"},
        {HEALTH("path = \"/a#b\";"), 3, "path: \"/a#b\" is no path"},
        {HEALTH("path = \"\";"), 3, "path: \"\" is no path"},
        {HEALTH("method = \"get\";"), 3,
         "method: \"get\" is not \"GET\", since methods are case-sensitive; write \"GET\""},
        {HEALTH("method = \"G T\";"), 3, "method: \"G T\" is not a method"},
        {HEALTH("method = \"CONNECT\";"), 3, "method: CONNECT opens a tunnel and checks nothing"},
        {HEALTH("headers = ( { name = \"A B\"; } );"), 3, "\"A B\" is not a header name"},
        {HEALTH("headers = ( { name = \"Content-Length\"; value = \"1\"; } );"), 3,
         "\"Content-Length\" belongs to the connection"},
        {HEALTH("headers = ( { name = \"host\"; value = \"a b\"; } );"), 3,
         "Host: \"a b\" is not a host; write \"app.internal\""},
        {HEALTH("headers = ( { name = \"Host\"; value = \"a\"; }, { name = \"host\"; value = "
                "\"b\"; } );"),
         3, "a request has one Host; remove the others"},
        {HEALTH("expect_status = \"\";"), 3, "expect_status is empty; write \"200-299\""},
        {HEALTH("expect_status = \"2000\";"), 3, "expect_status: \"2000\" is not a status"},
        {HEALTH("expect_status = 42;"), 3, "expect_status: \"42\" is not a status"},
        {HEALTH("expect_status = [ 200 ];"), 3,
         "expect_status must be a string, not a list; write expect_status = \"200-299, 304\""},
        {HEALTH("degraded_status = \"999\";"), 3, "degraded_status: \"999\" is out of range"},
        {HEALTH("expect_status = \"2xx\"; degraded_status = \"203\";"), 3,
         "degraded_status and expect_status have statuses in common"},
        {HEALTH("expect_body = \"~(\";"), 3, "expect_body: regular expression \"(\": "},
        {HEALTH("expect_body = \"~(a)\\\\1\";"), 3,
         "expect_body: regular expression \"(a)\\1\" has"},
    };

    SUPPORT_CHECK_ALL(table);
}

Test(health, mistakes_between_its_keys_are_told)
{
    static const struct support_mistake table[] = {
        {HEALTH("fast_interval = \"6s\";"), 3,
         "fast_interval: \"6s\" is longer than the interval; write at most \"5s\""},
        {HEALTH("body = \"x\";"), 3, "body: GET has none; remove it, or write method = \"POST\""},
        {HEALTH("method = \"HEAD\"; body = \"x\";"), 3, "body: HEAD has none"},
        {HEALTH("method = \"HEAD\"; expect_body = \"x\";"), 3,
         "expect_body: the answer to HEAD has no body"},
        {HEALTH("method = 1; body = \"x\";"), 3, "method must be a string"},
        {HEALTH("type = \"exec\";"), 3, "a check with type = \"exec\" needs a command; write"},
        {HEALTH("type = \"exec\"; command = \"\";"), 3, "needs a command"},
        {HEALTH("type = \"exec\"; command = 1;"), 3, "command must be a string"},
        {HEALTH("command = \"x\";"), 3,
         "command has no effect with type = \"http\"; remove it, or write type = \"exec\""},
        {HEALTH("type = \"tcp\"; path = \"/\";"), 3,
         "path has no effect with type = \"tcp\"; remove it, or write type = \"http\""},
        {HEALTH("type = \"tcp\"; method = \"GET\";"), 3, "method has no effect"},
        {HEALTH("type = \"redis\"; headers = ( { name = \"A\"; } );"), 3, "headers has no effect"},
        {HEALTH("type = \"exec\"; command = \"x\"; body = \"x\";"), 3, "body has no effect"},
        {HEALTH("type = \"tcp\"; expect_status = 200;"), 3, "expect_status has no effect"},
        {HEALTH("type = \"tcp\"; expect_body = \"x\";"), 3, "expect_body has no effect"},
        {HEALTH("type = \"tcp\"; degraded_status = 429;"), 3, "degraded_status has no effect"},
        {HEALTH("user = \"x\";"), 3, "user has no effect with type = \"http\""},
        {HEALTH("type = \"redis\"; database = \"x\";"), 3,
         "database has no effect with type = \"redis\"; remove it, or write type = \"postgres\""},
        {HEALTH("type = \"redis\"; max_lag = \"1s\";"), 3, "max_lag has no effect"},
        {HEALTH("type = \"postgres\"; sentinels = [ \"10.0.0.1:1\" ];"), 3,
         "sentinels has no effect with type = \"postgres\"; remove it, or write type = \"redis\""},
        {HEALTH("type = \"postgres\"; master = \"x\";"), 3, "master has no effect"},
        {HEALTH("type = \"redis\"; sentinels = [ \"10.0.0.1:26379\" ];"), 3,
         "sentinels are asked for a master by its name; write master = \"mymaster\" beside it"},
        {HEALTH("type = \"redis\"; master = \"m\";"), 3,
         "master is a name that only Sentinels know; write sentinels = [ \"10.0.0.1:26379\" ]"},
        {HEALTH("type = \"redis\"; master = \"m\"; sentinels = \"x\";"), 3,
         "sentinels must be a list of strings, not a string; write sentinels = [ "},
        {HEALTH("type = \"redis\"; master = \"m\"; sentinels = [ \"a\" ];"), 3,
         "sentinels: \"a\" has no port; write \"a:8080\""},
        {HEALTH("type = \"postgres\"; role = \"primary\"; max_lag = \"1s\";"), 3,
         "max_lag: a primary replays nothing; remove it, or write role = \"standby\""},
        {HEALTH("type = \"postgres\"; password_file = \"/nowhere/p\";"), 3,
         "password_file: cannot read \"/nowhere/p\": No such file"},
    };

    SUPPORT_CHECK_ALL(table);
}
