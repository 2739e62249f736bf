/* The tables backwards: what is shown reads as what it was, and where it was written is known. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "config/command_internal.h"
#include "config/overlay.h"
#include "config/plan.h"
#include "config/sections_internal.h"
#include "support.h"

/* Every key of a policy with another value than its default. */
static const char policy_text[] =
    "algorithm = \"consistent_hash\"; hash_key = \"cookie:s\";\n"
    "outlier = { consecutive_5xx = 7; error_percent = 31; min_requests = 21; window = \"11s\";\n"
    "  base_ejection = \"31s\"; max_ejection = \"6m\"; max_ejected_percent = 51;\n"
    "  stall_factor = 5; stall_min = \"51ms\"; };\n"
    "breaker = { failure_threshold = 6; error_percent = 51; window = \"11s\"; min_requests = 21;\n"
    "  recovery_timeout = \"11s\"; max_recovery_timeout = \"61s\"; half_open_max = 4;\n"
    "  success_threshold = 3; };\n"
    "retry = { attempts = 5; on = [ \"reset\", \"stall\", \"500-503\", \"4xx\" ];\n"
    "  backoff = \"26ms\"; max_backoff = \"251ms\"; budget_percent = 21; budget_min = 4;\n"
    "  non_idempotent = true; body_buffer = \"65k\"; hedge_percentile = 95; };\n"
    "failover = { min_healthy_percent = 71; panic_percent = 1; };\n"
    "failback = { mode = \"gradual\"; after = \"2m\"; step = \"11%\"; };\n";

static void check_policy_reads_back(struct config *base, const struct config_pool *shown)
{
    struct config_overlay *overlay = config_overlay_new();
    json_t *policy = config_policy_json(shown);
    struct config *config = NULL;
    struct config_errors errors;

    cr_assert_eq(config_overlay_set_policy(overlay, base->pools[0].name, policy), 0);
    cr_assert_eq(config_overlay_apply(&config, overlay, base, NULL, &errors), 0);
    cr_expect_eq(config_pool_differences(base, shown, config, &config->pools[0]) &
                     ~(unsigned)CONFIG_PART_BACKENDS,
                 0);
    json_decref(policy);
    config_unref(&config);
    config_errors_free(&errors);
    config_overlay_free(overlay);
}

Test(show, policies_read_as_they_are_shown)
{
    char *text = xasprintf(LISTENER "pools = ( { name = \"a\"; }, { name = \"b\"; %s } );\n"
                                    "routes = ( { pool = \"a\"; } );\n",
                           policy_text);
    struct config *base = support_load(text);

    cr_expect_eq(config_pool_differences(base, &base->pools[0], base, &base->pools[1]),
                 CONFIG_PART_ALGORITHM | CONFIG_PART_OUTLIER | CONFIG_PART_BREAKER |
                     CONFIG_PART_RETRY | CONFIG_PART_FAILOVER | CONFIG_PART_FAILBACK);
    check_policy_reads_back(base, &base->pools[0]);
    check_policy_reads_back(base, &base->pools[1]);
    config_unref(&base);
    free(text);
}

/* The API's table must not take a key from the file's that it does not mean to. */
Test(show, a_policy_has_these_keys)
{
    static const char *const keys[] = {"algorithm", "hash_key", "outlier", "breaker",
                                       "retry",     "failover", "failback"};

    cr_assert_eq(config_policy_section.key_count, sizeof(keys) / sizeof(keys[0]));
    for (size_t i = 0; i < config_policy_section.key_count; i++)
        cr_expect_str_eq(config_policy_section.keys[i].name, keys[i]);
}

/* A key that the tables cannot show would be missing in the plan, too. */
Test(show, custom_keys_can_be_shown)
{
    for (size_t i = 0; config_sections[i] != NULL; i++) {
        for (size_t k = 0; k < config_sections[i]->key_count; k++) {
            const struct schema_key *key = &config_sections[i]->keys[k];
            bool becomes_pools =
                config_sections[i] == &config_route_section && strcmp(key->name, "pool") == 0;

            cr_expect(key->type != SCHEMA_CUSTOM || key->show != NULL || becomes_pools, "%s: %s",
                      config_sections[i]->title, key->name);
        }
    }
}

Test(show, pools_parts_are_all_told_apart)
{
    unsigned parts = 0;

    for (size_t i = 0; i < config_pool_section.key_count; i++)
        parts |= (unsigned)config_pool_section.keys[i].part;
    cr_expect_eq(parts, (1u << CONFIG_POOL_PARTS) - 1);
}

Test(show, statuses_are_the_shortest_text)
{
    static const char *const texts[] = {"", "200", "200-299", "100, 304, 500-599", "598-599"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct config_statuses set;
        char *shown;

        cr_assert_null(config_statuses_parse(&set, slice_str(texts[i])));
        shown = config_statuses_format(&set);
        cr_expect_str_eq(shown, texts[i]);
        free(shown);
    }
}

Test(show, commands_split_as_they_are_shown)
{
    static const char *const words[] = {"/bin/check", "a b",        "it's",  "",   "\"q\"", "$x",
                                        "\\",         "${EG_POOL}", "a;b|c", "-c", NULL};
    struct config_command command = {(const char **)words};
    json_t *shown = config_command_show(&command);
    const char **again;
    struct arena arena;
    char *why;

    arena_init(&arena);
    again = config_command_split(json_string_value(shown), &arena, &why);
    cr_assert_not_null(again, "%s: %s", json_string_value(shown), why);
    for (size_t i = 0; words[i] != NULL; i++)
        cr_expect_str_eq(again[i], words[i]);
    arena_fini(&arena);
    json_decref(shown);
}

Test(show, bytes_that_are_no_text_are_told_apart)
{
    json_t *a = config_schema_text_json("caf\xc3\xa9"), *b = config_schema_text_json("caf\xe9");

    cr_expect_str_eq(json_string_value(a), "caf\xc3\xa9");
    cr_expect_str_eq(json_string_value(b), "caf\\xe9");
    json_decref(a);
    json_decref(b);
}

/* ---- where ---- */

static void expect_where(const struct config_where *where, const char *file, unsigned line)
{
    cr_expect_str_eq(where->file, file);
    cr_expect_eq(where->line, line, "line %u, not %u", where->line, line);
}

Test(show, everything_knows_where_it_was_written)
{
    char *directory = support_directory_make();
    char *pools = support_write(directory, "pools.conf",
                                "pools = (\n"
                                "  { name = \"p\";\n"
                                "    max_pending = 7;\n"
                                "    max_connections = 8;\n"
                                "    retry = {\n"
                                "      attempts = 3; };\n"
                                "    health = { };\n"
                                "    backends = (\n"
                                "      { address = \"a:1\"; },\n"
                                "      { address = \"b:1\"; } ); } );\n");
    char *top = support_write(directory, "edge.conf",
                              "@include \"pools.conf\"\n\n" LISTENER
                              "routes = (\n  { pool = \"p\"; } );\n");
    struct config *config = NULL;
    struct config_errors errors;
    const struct config_pool *pool;

    cr_assert_eq(config_load(&config, top, &errors), 0);
    pool = &config->pools[0];
    expect_where(&config->listeners[0].where, top, 3);
    expect_where(&config->routes[0].where, top, 5);
    expect_where(&pool->where, pools, 2);
    expect_where(&pool->backends[1].where, pools, 10);
    expect_where(config_where_of(pool, CONFIG_PART_LIMITS), pools, 4);
    expect_where(config_where_of(pool, CONFIG_PART_RETRY), pools, 5);
    expect_where(config_where_of(pool, CONFIG_PART_HEALTH), pools, 7);
    expect_where(config_where_of(pool, CONFIG_PART_BACKENDS), pools, 8);
    cr_expect_null(config_where_of(pool, CONFIG_PART_BREAKER)->file, "a default");
    config_unref(&config);
    config_errors_free(&errors);
    free(pools);
    free(top);
    support_directory_remove(&directory);
}

Test(show, a_route_that_nobody_wrote_is_nowhere)
{
    struct config *config = support_load(BASE);

    cr_expect_null(config->routes[0].where.file);
    config_unref(&config);
}
