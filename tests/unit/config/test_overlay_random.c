/* Random edits: whatever is said over the API, what is written down reads as the same, one edit
 * after the other comes to the same as all at once, and a plan is empty exactly between equals. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "config/overlay.h"
#include "config/plan.h"
#include "support.h"

enum { RUNS = 60, EDITS = 30, IDS = 8 };

static unsigned state;

static unsigned dice(unsigned sides)
{
    state = state * 1103515245 + 12345;
    return (state >> 16) % sides;
}

static const char *const pools[] = {"one", "two", "none"};

static const char *const fragments[] = {
    "\"weight\": 5",
    "\"weight\": null",
    "\"address\": \"10.1.1.1:81\"",
    "\"address\": \"10.1.1.1\", \"port\": 82",
    "\"priority\": 2",
    "\"tags\": [\"x\", \"y\"]",
    "\"tags\": null",
    "\"metadata\": {\"a\": \"1\"}",
    "\"metadata\": {\"a\": null, \"b\": \"2\"}",
    "\"health_check\": false",
    "\"health_check\": {\"address\": \"10.1.1.1:9\"}",
    "\"drain\": true",
    "\"name\": \"n\", \"region\": \"r\"",
    "\"status\": \"healthy\", \"max_connections\": 9",
};

static const char *const policies[] = {
    "{\"algorithm\": \"random\"}",
    "{\"algorithm\": null}",
    "{\"algorithm\": \"consistent_hash\", \"hash_key\": \"cookie:c\"}",
    "{\"hash_key\": null}",
    "{\"retry\": {\"attempts\": 4, \"on\": [\"reset\", \"503\"]}}",
    "{\"retry\": {\"on\": null, \"max_backoff\": \"1m\"}}",
    "{\"breaker\": {\"window\": \"250ms\"}, \"outlier\": {\"stall_min\": \"1s\"}}",
    "{\"failback\": {\"mode\": \"gradual\", \"step\": \"20%\"}, \"failover\": null}",
    "{\"weights\": {\"a\": 9, \"b\": 0}}",
    "{\"weights\": {\"a\": null}}",
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static struct config *make_base(void)
{
    return support_load(
        LISTENER
        "pools = ( { name = \"one\"; retry = { attempts = 3; }; backends = (\n"
        " { id = \"a\"; address = \"10.0.0.1:80\"; weight = 3; metadata = { a = \"0\"; c = \"3\"; "
        "}; },\n { id = \"b\"; address = \"10.0.0.2:80\"; tags = [ \"t\" ]; } ); },\n"
        " { name = \"two\"; fallback = { pool = \"one\"; }; } );\n"
        "routes = ( { pool = \"two\"; } );\n");
}

static void edit_endpoint(struct config_overlay *overlay, const char *pool)
{
    bool replace = dice(3) == 0;
    char id[2] = {(char)('a' + dice(IDS)), '\0'}, *text;
    json_t *fields;

    if (dice(5) == 0) {
        cr_assert_eq(config_overlay_set_endpoint(overlay, pool, id, NULL, false), 0);
        return;
    }
    text = xasprintf("{%s%s}", replace ? "\"address\": \"10.2.2.2:80\", " : "",
                     fragments[dice(COUNT(fragments))]);
    fields = json_loads(text, 0, NULL);
    cr_assert_not_null(fields, "%s", text);
    cr_assert_eq(config_overlay_set_endpoint(overlay, pool, id, fields, replace), 0);
    json_decref(fields);
    free(text);
}

static void edit(struct config_overlay *overlay)
{
    const char *pool = pools[dice(COUNT(pools))];
    unsigned what = dice(20);
    json_t *fields;

    if (what == 0) {
        config_overlay_clear_pool(overlay, pool);
    } else if (what < 6) {
        fields = json_loads(policies[dice(COUNT(policies))], 0, NULL);
        cr_assert_eq(config_overlay_set_policy(overlay, pool, fields), 0);
        json_decref(fields);
    } else {
        edit_endpoint(overlay, pool);
    }
}

static struct config *apply(struct config_overlay *overlay, struct config *base)
{
    struct config *config = NULL;
    struct config_errors errors;
    char *printed;

    if (config_overlay_apply(&config, overlay, base, NULL, &errors) != 0) {
        printed = support_print(&errors);
        cr_assert_fail("refused: %s", printed);
    }
    config_errors_free(&errors);
    return config;
}

static bool plan_is_empty(const struct config *from, const struct config *to)
{
    struct config_plan *plan = config_plan_new(from, to);
    bool empty = plan->count == 0;

    cr_expect_eq(empty, plan->risk == CONFIG_RISK_NONE);
    config_plan_free(plan);
    return empty;
}

static bool pools_are_equal(const struct config *a, const struct config *b)
{
    bool equal = true;

    for (size_t i = 0; i < a->pool_count; i++)
        equal = equal && config_pool_differences(a, &a->pools[i], b, &b->pools[i]) == 0;
    return equal;
}

/* The overlay as it would be after a restart. */
static struct config_overlay *reread(const struct config_overlay *overlay)
{
    json_t *document = config_overlay_json(overlay), *again;
    char *text = json_dumps(document, 0), *why = NULL;
    struct config_overlay *parsed = NULL;

    again = json_loads(text, 0, NULL);
    cr_assert_eq(config_overlay_parse(&parsed, again, &why), 0, "%s", why);
    json_decref(again);
    again = config_overlay_json(parsed);
    cr_expect(json_equal(document, again));
    json_decref(again);
    json_decref(document);
    free(text);
    return parsed;
}

static void run_once(struct config *base)
{
    struct config_overlay *overlay = config_overlay_new(), *again;
    struct config *before = apply(overlay, base), *after, *restarted, *reloaded;
    struct config *new_base = make_base();

    for (int i = 0; i < EDITS; i++) {
        edit(overlay);
        after = apply(overlay, base);
        cr_expect_eq(plan_is_empty(before, after), pools_are_equal(before, after));
        config_unref(&before);
        before = after;
    }
    again = reread(overlay);
    restarted = apply(again, base);
    reloaded = apply(overlay, new_base);
    cr_expect(plan_is_empty(before, restarted) && pools_are_equal(before, restarted));
    cr_expect(plan_is_empty(before, reloaded) && pools_are_equal(before, reloaded));
    config_unref(&before);
    config_unref(&restarted);
    config_unref(&reloaded);
    config_unref(&new_base);
    config_overlay_free(overlay);
    config_overlay_free(again);
}

Test(overlay_random, edits_read_back_as_they_were_and_plans_tell_equals)
{
    struct config *base = make_base();

    for (unsigned run = 0; run < RUNS; run++) {
        state = run;
        run_once(base);
    }
    config_unref(&base);
}
