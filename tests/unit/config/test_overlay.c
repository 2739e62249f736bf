/* What the API says, laid over what the file says. */
#include <criterion/criterion.h>
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
    "  { name = \"web\"; fallback = { pool = \"api\"; }; backends = ( { address = \"w:80\"; } ); } );\n"
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
    int code = config_overlay_apply(&config, overlay, base, &errors);
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
