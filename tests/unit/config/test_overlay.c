/* What the API says, laid over what the file says. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "config/overlay.h"
#include "config/plan.h"
#include "support.h"

static const char base_text[] =
    "listeners = ( { bind = \":8080\"; } );\n"
    "pools = ( { name = \"api\"; algorithm = \"random\"; retry = { attempts = 3; };\n"
    "  backends = ( { id = \"a\"; address = \"10.0.0.1:80\"; weight = 3; tags = [ \"blue\" ];\n"
    "                 metadata = { version = \"1\"; rack = \"7\"; }; },\n"
    "               { id = \"b\"; address = \"unix:/run/b.sock\"; zone = \"z\"; } ); },\n"
    "  { name = \"web\"; fallback = { pool = \"api\"; }; backends = ( { address = \"w:80\"; } ); } "
    ");\n"
    "routes = ( { path = \"/\"; pool = \"web\"; } );\n";

static json_t *json(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &error);

    cr_assert_not_null(value, "%s: %s", error.text, text);
    return value;
}

static void say(struct config_overlay *overlay, const char *id, const char *fields, bool replace)
{
    json_t *said = fields != NULL ? json(fields) : NULL;

    cr_assert_eq(config_overlay_set_endpoint(overlay, "api", id, said, replace), 0);
    json_decref(said);
}

static void say_policy(struct config_overlay *overlay, const char *fields)
{
    json_t *said = json(fields);

    cr_assert_eq(config_overlay_set_policy(overlay, "api", said), 0);
    json_decref(said);
}

static struct config *apply(struct config_overlay *overlay, struct config *base)
{
    struct config *config = NULL;
    struct config_errors errors;
    int code = config_overlay_apply(&config, overlay, base, NULL, &errors);
    char *printed = support_print(&errors);

    cr_assert_eq(code, 0, "refused: %s", printed);
    free(printed);
    config_errors_free(&errors);
    return config;
}

static const struct config_backend *find(const struct config *config, const char *id)
{
    for (size_t i = 0; i < config->pools[0].backend_count; i++) {
        if (strcmp(config->pools[0].backends[i].id, id) == 0)
            return &config->pools[0].backends[i];
    }
    return NULL;
}

Test(overlay, that_says_nothing_changes_nothing)
{
    struct config *base = support_load(base_text), *config;
    struct config_overlay *overlay = config_overlay_new();

    cr_expect(config_overlay_is_empty(overlay));
    config = apply(overlay, base);
    cr_expect_eq(config->pools[0].backends, base->pools[0].backends);
    cr_expect_eq(config->routes, base->routes);
    cr_expect_eq(config_pool_differences(base, &base->pools[1], config, &config->pools[1]), 0);
    config_unref(&base); /* the snapshot holds it */
    cr_expect_str_eq(config->pools[0].name, "api");
    config_unref(&config);
    config_overlay_free(overlay);
}

Test(overlay, registers_changes_and_removes_endpoints)
{
    struct config *base = support_load(base_text), *config;
    struct config_overlay *overlay = config_overlay_new();
    const struct config_backend *a, *c;

    say(overlay, "c",
        "{\"id\": \"c\", \"name\": \"new\", \"address\": \"10.0.0.3\", \"port\": 81, \"protocol\": "
        "\"http\", \"health_check\": false, \"created_at\": \"x\", \"status\": \"healthy\"}",
        true);
    say(overlay, "a", "{\"weight\": 5, \"metadata\": {\"version\": \"2\"}}", false);
    say(overlay, "b", NULL, false);
    config = apply(overlay, base);
    config_overlay_free(overlay); /* the snapshot holds what it needs of it */

    cr_expect_eq(config->pools[0].backend_count, 2);
    cr_expect_null(find(config, "b"));
    a = find(config, "a");
    cr_expect_eq(a->weight, 5);
    cr_expect_str_eq(a->address, "10.0.0.1:80");
    cr_expect_eq(a->tags, base->pools[0].backends[0].tags);
    cr_expect_eq(a->metadata_count, 2);
    cr_expect_str_eq(a->metadata[0].value, "2");
    cr_expect_str_eq(a->metadata[1].value, "7");
    cr_expect_str_eq(a->where.file, "api");
    c = find(config, "c");
    cr_expect_str_eq(c->address, "10.0.0.3:81");
    cr_expect_str_eq(c->name, "new");
    cr_expect_eq(c->port, 81);
    cr_expect_eq(c->weight, 1);
    cr_expect_not(c->checked);
    cr_expect_null(c->tags[0]);
    cr_expect_eq(base->pools[0].backends[0].weight, 3, "the base is as it was");
    config_unref(&config);
    config_unref(&base);
}

Test(overlay, changes_a_policy_and_its_weights)
{
    struct config *base = support_load(base_text), *config;
    struct config_overlay *overlay = config_overlay_new();
    const struct config_pool *pool;
    json_t *policy;

    say_policy(overlay, "{\"algorithm\": \"consistent_hash\", \"hash_key\": \"header:X-Id\", "
                        "\"retry\": {\"backoff\": \"50ms\", \"on\": [\"connect\", \"5xx\"]}, "
                        "\"weights\": {\"a\": 7}}");
    config = apply(overlay, base);
    pool = &config->pools[0];
    cr_expect_eq(pool->algorithm, CONFIG_CONSISTENT_HASH);
    cr_expect_str_eq(pool->hash_name, "X-Id");
    cr_expect_eq(pool->retry.attempts, 3, "the file's word stands");
    cr_expect_eq(pool->retry.backoff_ms, 50);
    cr_expect_eq(pool->retry.on, CONFIG_RETRY_CONNECT);
    cr_expect(config_statuses_have(&pool->retry.on_status, 599));
    cr_expect_eq(find(config, "a")->weight, 7);
    cr_expect_eq(config_pool_differences(base, &base->pools[0], config, pool),
                 CONFIG_PART_ALGORITHM | CONFIG_PART_RETRY | CONFIG_PART_BACKENDS);
    cr_expect_str_eq(config_where_of(pool, CONFIG_PART_RETRY)->file, "api");
    cr_expect_eq(config_where_of(&base->pools[0], CONFIG_PART_RETRY)->line, 2);
    cr_expect_null(config_where_of(pool, CONFIG_PART_BREAKER)->file);
    policy = config_policy_json(pool);
    cr_expect_str_eq(json_string_value(json_object_get(policy, "hash_key")), "header:X-Id");
    cr_expect_eq(json_integer_value(json_object_get(json_object_get(policy, "weights"), "a")), 7);
    json_decref(policy);
    config_unref(&config);

    say_policy(overlay, "{\"retry\": null, \"algorithm\": null, \"hash_key\": null, "
                        "\"weights\": {\"a\": null}}");
    cr_expect(config_overlay_is_empty(overlay), "given back to the file");
    config = apply(overlay, base);
    cr_expect_eq(config_pool_differences(base, &base->pools[0], config, &config->pools[0]), 0);
    config_unref(&config);
    config_overlay_free(overlay);
    config_unref(&base);
}

Test(overlay, weights_that_are_null_are_the_files_again)
{
    struct config *base = support_load(base_text), *config;
    struct config_overlay *overlay = config_overlay_new();

    say(overlay, "n", "{\"address\": \"h:1\", \"weight\": 9}", true);
    say(overlay, "b", "{\"weight\": 8, \"priority\": 2}", false);
    say_policy(overlay, "{\"weights\": {\"a\": 7}}");
    say_policy(overlay, "{\"weights\": null}");
    config = apply(overlay, base);
    cr_expect_eq(find(config, "a")->weight, 3);
    cr_expect_eq(find(config, "a")->where.line, 3);
    cr_expect_eq(find(config, "b")->weight, 1);
    cr_expect_eq(find(config, "b")->priority, 2, "what else was said stands");
    cr_expect_eq(find(config, "n")->weight, 1);
    config_unref(&config);
    config_overlay_free(overlay);
    config_unref(&base);
}

Test(overlay, a_group_whose_keys_were_all_given_back_is_the_files_again)
{
    struct config *base = support_load(base_text), *config;
    struct config_overlay *overlay = config_overlay_new();

    say_policy(overlay, "{\"retry\": {\"attempts\": 4, \"backoff\": \"7ms\"}}");
    say_policy(overlay, "{\"retry\": {\"attempts\": null}}");
    config = apply(overlay, base);
    cr_expect_str_eq(config_where_of(&config->pools[0], CONFIG_PART_RETRY)->file, "api");
    config_unref(&config);

    say_policy(overlay, "{\"retry\": {\"backoff\": null}}");
    say(overlay, "a", "{\"metadata\": {\"x\": \"y\"}}", false);
    say(overlay, "a", "{\"metadata\": {\"x\": null}}", false);
    cr_expect(config_overlay_is_empty(overlay));
    config = apply(overlay, base);
    cr_expect_eq(config_where_of(&config->pools[0], CONFIG_PART_RETRY)->line, 2);
    config_unref(&config);
    config_overlay_free(overlay);
    config_unref(&base);
}

Test(overlay, an_address_may_be_an_id)
{
    static const struct {
        const char *fields, *id;
    } table[] = {
        {"{\"address\": \"10.0.0.1:80\"}", "10.0.0.1:80"},
        {"{\"address\": \"10.0.0.1\", \"port\": 80}", "10.0.0.1:80"},
        {"{\"address\": \"10.0.0.1:80\", \"port\": 80}", "10.0.0.1:80"},
        {"{\"address\": \"::1\", \"port\": 80}", "[::1]:80"},
        {"{\"address\": \"unix:/run/a.sock\"}", "unix:/run/a.sock"},
        {"{\"address\": \"h\", \"port\": 70000}", "h"},
        {"{\"address\": \"\"}", NULL},
        {"{\"address\": 5}", NULL},
        {"{\"port\": 80}", NULL},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        json_t *fields = json(table[i].fields);
        char *id = config_endpoint_id(fields);

        if (table[i].id == NULL)
            cr_expect_null(id, "%s", table[i].fields);
        else
            cr_expect(id != NULL && strcmp(id, table[i].id) == 0, "%s: %s", table[i].fields, id);
        free(id);
        json_decref(fields);
    }
}

/* ---- mistakes ---- */

/* Exactly one mistake, and the overlay is refused as a whole. */
static void check_refused(struct config_overlay *overlay, struct config *base, const char *expected)
{
    struct config *config = NULL;
    struct config_errors errors;
    char *printed;

    cr_expect_eq(config_overlay_apply(&config, overlay, base, NULL, &errors), EG_E_INTERNAL, "%s",
                 expected);
    cr_expect_null(config);
    printed = support_print(&errors);
    cr_expect_eq(errors.count, 1, "%s instead of %s", printed, expected);
    if (errors.count > 0) {
        cr_expect_str_eq(errors.v[0].message, expected);
        cr_expect_str_eq(errors.v[0].file, "api");
        cr_expect_eq(errors.v[0].line, 0);
    }
    free(printed);
    config_errors_free(&errors);
}

#define IN_ENDPOINT(text) "pool \"api\": endpoint \"n\": " text

Test(overlay, refuses_endpoints_with_the_files_words)
{
    static const struct {
        const char *fields, *says;
    } table[] = {
        {"{}", IN_ENDPOINT("\"address\" is missing; write address = \"10.0.0.1:8080\"")},
        {"{\"weight\": 1}",
         IN_ENDPOINT("\"address\" is missing; write address = \"10.0.0.1:8080\"")},
        {"{\"address\": \"10.0.0.1\"}",
         IN_ENDPOINT("\"10.0.0.1\" has no port; write \"10.0.0.1:8080\"")},
        {"{\"address\": \"10.0.0.1:80\", \"port\": 81}",
         IN_ENDPOINT("port: 81 contradicts the address \"10.0.0.1:80\"; write one of them")},
        {"{\"address\": \"unix:/a\", \"port\": 81}",
         IN_ENDPOINT("port: a Unix socket has none; remove it")},
        {"{\"address\": \"h:1\", \"port\": 0}",
         IN_ENDPOINT("port: 0 is out of range; write 1 to 65535")},
        {"{\"address\": \":80\"}", IN_ENDPOINT("\":80\" has no host; write \"127.0.0.1:80\"")},
        {"{\"address\": 7}",
         IN_ENDPOINT("address must be a string, not an integer; write address = "
                     "\"10.0.0.1:8080\"")},
        {"{\"address\": \"h:1\", \"weight\": 70000}",
         IN_ENDPOINT("weight: 70000 is out of range; write 0 to 65535")},
        {"{\"address\": \"h:1\", \"weight\": -1}",
         IN_ENDPOINT("weight: -1 is out of range; write 0 to 65535")},
        {"{\"address\": \"h:1\", \"weight\": \"5\"}",
         IN_ENDPOINT("weight must be an integer, not a string; write weight = 1")},
        {"{\"address\": \"h:1\", \"weight\": 1.5}",
         IN_ENDPOINT("weight must be an integer, not a decimal number; write weight = 1")},
        {"{\"address\": \"h:1\", \"wieght\": 5}",
         IN_ENDPOINT("unknown key \"wieght\"; did you mean \"weight\"?")},
        {"{\"address\": \"h:1\", \"replaces\": true}",
         IN_ENDPOINT("unknown key \"replaces\"; the keys here are id, address, port, protocol, "
                     "health_check, name, weight, priority, backup, max_connections, region, "
                     "zone, drain, tags, metadata")},
        {"{\"address\": \"h:1\", \"tags\": [null]}",
         IN_ENDPOINT("an element must be a string, not null; write \"...\"")},
        {"{\"address\": \"h:1\", \"metadata\": {\"a\": 1}}",
         IN_ENDPOINT("a must be a string, not an integer; write a = \"...\"")},
        {"{\"address\": \"h:1\", \"metadata\": {\"a\\u001b\": \"\"}}",
         IN_ENDPOINT("a key has control characters; remove them")},
        {"{\"address\": \"h:1\", \"name\": \"a\\nb\"}",
         IN_ENDPOINT("name has control characters; remove them")},
        {"{\"address\": \"h:1\", \"metadata\": {\"a\": [[[[[[[[[]]]]]]]]]}}",
         IN_ENDPOINT("more than 8 brackets stand inside each other; remove some")},
        {"{\"address\": \"h:1\", \"id\": \"m\"}",
         IN_ENDPOINT("id: \"n\" cannot be changed to \"m\"; leave it out")},
        {"{\"address\": \"h:1\", \"protocol\": \"h2\"}",
         IN_ENDPOINT("protocol: \"h2\" is not built yet in this version; write \"http/1.1\"")},
        {"{\"address\": \"h:1\", \"zone\": \"a b\"}",
         IN_ENDPOINT("zone: \"a b\" cannot be a name; write 1 to 128 letters, digits and marks "
                     "without spaces, quotes, / \\ ? # %")},
        {"{\"address\": \"h:1\", \"health_check\": 1}",
         IN_ENDPOINT("health_check must be a bool or a group, not an integer; write health_check "
                     "= true")},
        {"{\"address\": \"h:1\", \"health_check\": {}}",
         IN_ENDPOINT("health_check: \"address\" is missing; write address = \"10.0.0.1:8081\"")},
        {"{\"address\": \"h:1\", \"health_check\": {\"address\": \"name:1\"}}",
         IN_ENDPOINT("health_check: address: \"name\" is a name; write a numeric address such as "
                     "\"10.0.0.1:1\", or unix:/PATH")},
        {"{\"address\": \"h:1\", \"health_check\": {\"address\": \"1.1.1.1:1\", \"path\": \"/\"}}",
         IN_ENDPOINT("health_check: unknown key \"path\"; the keys here are address")},
        {"{\"address\": \"${HOME}:1\"}",
         IN_ENDPOINT("\"${HOME}\" is neither an IP address nor a host name; write one such as "
                     "\"10.0.0.1:8080\" or \"app.internal:8080\"")},
    };
    struct config *base = support_load(base_text);

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct config_overlay *overlay = config_overlay_new();

        say(overlay, "n", table[i].fields, true);
        check_refused(overlay, base, table[i].says);
        config_overlay_free(overlay);
    }
    config_unref(&base);
}

Test(overlay, refuses_names_that_could_not_stand_in_a_path)
{
    struct config *base = support_load(base_text);
    struct config_overlay *overlay = config_overlay_new();

    say(overlay, "a/b", "{\"address\": \"h:1\"}", true);
    check_refused(overlay, base,
                  "pool \"api\": endpoint \"a/b\": id: \"a/b\" cannot be a name; write 1 to 128 "
                  "letters, digits and marks without spaces, quotes, / \\ ? # %");
    config_overlay_free(overlay);
    config_unref(&base);
}

Test(overlay, refuses_a_port_for_what_has_none)
{
    struct config *base = support_load(base_text);
    struct config_overlay *overlay = config_overlay_new();

    say(overlay, "b", "{\"port\": 80}", false);
    check_refused(overlay, base,
                  "pool \"api\": endpoint \"b\": port: the address is the Unix socket "
                  "\"unix:/run/b.sock\"; write an address");
    config_overlay_free(overlay);
    config_unref(&base);
}

#define IN_POLICY(text) "pool \"api\": policy: " text

Test(overlay, refuses_policies_with_the_files_words)
{
    static const struct {
        const char *fields, *says;
    } table[] = {
        {"{\"algorithm\": \"wieghted\"}",
         IN_POLICY("algorithm: \"wieghted\" is not known; did you mean \"weighted\"? (one of "
                   "\"round_robin\", \"weighted\", \"least_connections\", \"ip_hash\", "
                   "\"random\", \"consistent_hash\", \"least_latency\")")},
        {"{\"max_pending\": 1}", IN_POLICY("unknown key \"max_pending\"; the keys here are "
                                           "algorithm, hash_key, outlier, breaker, retry, "
                                           "failover, failback")},
        {"{\"retry\": 1}",
         IN_POLICY("retry must be a group, not an integer; write retry = { ... }")},
        {"{\"retry\": {\"attempts\": 17}}",
         IN_POLICY("retry: attempts: 17 is out of range; write 1 to 16")},
        {"{\"retry\": {\"backoff\": 25}}",
         IN_POLICY("retry: backoff must be a duration, not an integer; write backoff = \"25s\"")},
        {"{\"retry\": {\"backoff\": \"1s\"}}",
         IN_POLICY("retry: backoff: \"1s\" is longer than max_backoff; write at most \"250ms\", "
                   "or max_backoff = \"1s\"")},
        {"{\"weights\": 1}", IN_POLICY("weights must be an object of ids and weights, such as { "
                                       "\"a\": 3 }")},
        {"{\"weights\": {\"a\": \"x\"}}",
         "pool \"api\": endpoint \"a\": weight must be an integer, not a string; write weight = 1"},
    };
    struct config *base = support_load(base_text);

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct config_overlay *overlay = config_overlay_new();

        say_policy(overlay, table[i].fields);
        check_refused(overlay, base, table[i].says);
        config_overlay_free(overlay);
    }
    config_unref(&base);
}

/* ---- what stands when several things were said ---- */

Test(overlay, of_an_address_and_a_port_the_later_one_counts)
{
    static const struct {
        const char *first, *then, *address;
    } table[] = {
        {"{\"address\": \"10.0.0.1:80\"}", "{\"port\": 81}", "10.0.0.1:81"},
        {"{\"address\": \"[::1]:80\"}", "{\"port\": 81}", "[::1]:81"},
        {"{\"address\": \"::1\", \"port\": 80}", "{\"port\": 81}", "[::1]:81"},
        {"{\"address\": \"10.0.0.1\", \"port\": 80}", "{\"address\": \"10.0.0.2\"}", "10.0.0.2:80"},
        {"{\"address\": \"10.0.0.1\", \"port\": 80}", "{\"address\": \"h:9\"}", "h:9"},
        {"{\"address\": \"10.0.0.1\", \"port\": 80}", "{\"address\": \"unix:/x\"}", "unix:/x"},
        {"{\"address\": \"10.0.0.1:80\"}", "{\"address\": \"h\", \"port\": 9}", "h:9"},
    };
    struct config *base = support_load(base_text);

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct config_overlay *overlay = config_overlay_new();
        struct config *config;

        say(overlay, "n", table[i].first, true);
        say(overlay, "n", table[i].then, false);
        config = apply(overlay, base);
        cr_expect_str_eq(find(config, "n")->address, table[i].address);
        config_unref(&config);
        config_overlay_free(overlay);
    }
    config_unref(&base);
}

Test(overlay, a_port_alone_changes_the_files_address)
{
    struct config *base = support_load(base_text), *config;
    struct config_overlay *overlay = config_overlay_new();

    say(overlay, "a", "{\"port\": 81}", false);
    config = apply(overlay, base);
    cr_expect_str_eq(find(config, "a")->address, "10.0.0.1:81");
    cr_expect_eq(find(config, "a")->port, 81);
    config_unref(&config);
    config_overlay_free(overlay);
    config_unref(&base);
}

Test(overlay, replacing_takes_defaults_where_changing_keeps)
{
    struct config *base = support_load(base_text), *config;
    struct config_overlay *overlay = config_overlay_new();

    say(overlay, "a", "{\"address\": \"10.0.0.9:80\"}", false);
    config = apply(overlay, base);
    cr_expect_eq(find(config, "a")->weight, 3);
    config_unref(&config);
    say(overlay, "a", "{\"address\": \"10.0.0.9:80\", \"weight\": null}", true);
    config = apply(overlay, base);
    cr_expect_eq(find(config, "a")->weight, 1);
    cr_expect_eq(find(config, "a")->metadata_count, 0);
    config_unref(&config);
    say(overlay, "a", "{\"priority\": 2}", false);
    config = apply(overlay, base);
    cr_expect_eq(find(config, "a")->weight, 1, "a change of what was replaced");
    cr_expect_eq(find(config, "a")->priority, 2);
    config_unref(&config);
    config_overlay_clear_pool(overlay, "api");
    cr_expect(config_overlay_is_empty(overlay));
    config_overlay_free(overlay);
    config_unref(&base);
}

Test(overlay, checks_can_be_off_or_ask_elsewhere)
{
    struct config *base = support_load(base_text), *config;
    struct config_overlay *overlay = config_overlay_new();

    say(overlay, "a", "{\"health_check\": {\"address\": \"10.0.0.1:8081\"}}", false);
    say(overlay, "b", "{\"health_check\": false}", false);
    config = apply(overlay, base);
    cr_expect(find(config, "a")->checked);
    cr_expect_str_eq(find(config, "a")->check_address, "10.0.0.1:8081");
    cr_expect_not(find(config, "b")->checked);
    config_unref(&config);
    say(overlay, "a", "{\"health_check\": true}", false);
    config = apply(overlay, base);
    cr_expect_null(find(config, "a")->check_address);
    config_unref(&config);
    config_overlay_free(overlay);
    config_unref(&base);
}

Test(overlay, waits_for_what_the_file_does_not_have)
{
    struct config *base = support_load(base_text), *config;
    struct config_overlay *overlay = config_overlay_new();
    json_t *document, *expected;

    say(overlay, "later", "{\"weight\": 5}", false);
    say(overlay, "gone", NULL, false);
    cr_assert_eq(config_overlay_set_endpoint(overlay, "elsewhere", "x", NULL, false), 0);
    config = apply(overlay, base);
    cr_expect_eq(config->pools[0].backend_count, 2);
    config_overlay_forget(overlay, config, 1);
    config_unref(&config);
    document = config_overlay_json(overlay);
    expected = json("{\"api\": {\"endpoints\": {\"later\": {\"weight\": 5}}}, \"elsewhere\": "
                    "{\"endpoints\": {\"x\": null}}}");
    cr_expect(json_equal(json_object_get(document, "pools"), expected),
              "a removal that removes nothing is forgotten once its pool is served");
    json_decref(expected);
    json_decref(document);
    config_overlay_free(overlay);
    config_unref(&base);
}

Test(overlay, what_was_got_may_be_put_back)
{
    struct config *base = support_load(base_text), *config;
    struct config_overlay *overlay = config_overlay_new();

    for (size_t i = 0; i < base->pools[0].backend_count; i++) {
        const struct config_backend *backend = &base->pools[0].backends[i];
        json_t *shown = config_backend_json(backend);

        cr_assert_eq(config_overlay_set_endpoint(overlay, "api", backend->id, shown, true), 0);
        json_decref(shown);
    }
    config = apply(overlay, base);
    cr_expect_eq(config_pool_differences(base, base->pools, config, config->pools), 0);
    config_unref(&config);
    config_overlay_free(overlay);
    config_unref(&base);
}

Test(overlay, copies_live_on_their_own)
{
    struct config *base = support_load(base_text), *config;
    struct config_overlay *overlay = config_overlay_new(), *copy;

    say(overlay, "a", "{\"weight\": 5}", false);
    say_policy(overlay, "{\"retry\": {\"attempts\": 4}}");
    copy = config_overlay_copy(overlay);
    say(copy, "a", "{\"weight\": 6}", false);
    say_policy(copy, "{\"retry\": {\"attempts\": 5}}");
    config = apply(overlay, base);
    cr_expect_eq(find(config, "a")->weight, 5);
    cr_expect_eq(config->pools[0].retry.attempts, 4);
    config_unref(&config);
    config_overlay_free(overlay);
    config = apply(copy, base);
    config_overlay_free(copy);
    cr_expect_eq(find(config, "a")->weight, 6);
    cr_expect_eq(config->pools[0].retry.attempts, 5);
    config_unref(&config);
    config_unref(&base);
}

Test(overlay, makes_a_pool_that_the_file_leaves_empty)
{
    struct config *base = support_load(LISTENER "pools = ( { name = \"api\"; } );"), *config;
    struct config_overlay *overlay = config_overlay_new();

    cr_expect_eq(base->pools[0].backend_count, 0);
    say(overlay, "n", "{\"address\": \"h:1\"}", true);
    config = apply(overlay, base);
    cr_expect_eq(config->pools[0].backend_count, 1);
    config_unref(&config);
    config_overlay_free(overlay);
    config_unref(&base);
}

Test(overlay, names_so_many_endpoints_and_no_more)
{
    struct config_overlay *overlay = config_overlay_new();
    json_t *fields = json("{\"address\": \"h:1\"}");
    char id[16];
    int i;

    for (i = 0; i < CONFIG_OVERLAY_ENDPOINTS; i++) {
        snprintf(id, sizeof(id), "%06d", i);
        cr_assert_eq(config_overlay_set_endpoint(overlay, i % 2 ? "x" : "y", id, fields, true), 0);
    }
    cr_expect_eq(config_overlay_set_endpoint(overlay, "z", "a", fields, true), EG_E_OVERLOAD);
    cr_expect_eq(config_overlay_set_endpoint(overlay, "x", "000001", fields, true), 0);
    config_overlay_clear_pool(overlay, "x");
    cr_expect_eq(config_overlay_set_endpoint(overlay, "z", "a", fields, true), 0);
    json_decref(fields);
    config_overlay_free(overlay);
}
