/* Found endpoints: read from whatever a source says, compared, written down. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "config/found.h"
#include "config/overlay.h"
#include "config/plan.h"
#include "laying.h"
#include "support.h"

/* All of it is good. */
static struct config_found *found_of(const char *text)
{
    struct config_refused refused;
    struct config_found *found = laying_read(text, NULL, &refused);

    cr_assert_eq(refused.count, 0, "%s", refused.count > 0 ? refused.reasons[0] : "");
    config_refused_fini(&refused);
    return found;
}

static char *text_of(const struct config_found *found)
{
    json_t *array = config_found_json(found);
    char *text = json_dumps(array, JSON_COMPACT | JSON_SORT_KEYS);

    json_decref(array);
    return text;
}

/* ---- reading ---- */

Test(found, sets_are_sorted_and_have_ids)
{
    struct config_found *found =
        found_of("[{\"id\": \"b\", \"address\": \"10.0.0.2:80\"}, {\"address\": \"10.0.0.1\", "
                 "\"port\": 80}]");
    char *text = text_of(found);

    cr_expect_eq(config_found_count(found), 2);
    cr_expect_str_eq(text, "[{\"address\":\"10.0.0.1\",\"id\":\"10.0.0.1:80\",\"port\":80},"
                           "{\"address\":\"10.0.0.2:80\",\"id\":\"b\"}]");
    free(text);
    config_found_unref(&found);
    cr_expect_null(found);
    config_found_unref(&found);
    cr_expect_eq(config_found_count(NULL), 0);
}

Test(found, nonsense_is_refused_one_by_one)
{
    static const struct {
        const char *endpoint, *says;
    } table[] = {
        {"3", "endpoint 2 is no object"},
        {"{}", "endpoint 2: \"address\" is missing"},
        {"{\"id\": \"x\"}", "endpoint \"x\": \"address\" is missing"},
        {"{\"id\": 7, \"address\": \"10.0.0.9:80\"}", "endpoint 2: id must be a string"},
        {"{\"id\": \"x\", \"address\": 7}", "address must be a string"},
        {"{\"id\": \"x\", \"address\": \"10.0.0.300:80\"}", "endpoint \"x\": "},
        {"{\"id\": \"x\", \"address\": \":80\"}", "\":80\" has no host"},
        {"{\"id\": \"a/b\", \"address\": \"10.0.0.9:80\"}", "\"a/b\" cannot be a name"},
        {"{\"id\": \"x\", \"address\": \"10.0.0.9:80\", \"weight\": 70000}",
         "weight: 70000 is out"},
        {"{\"id\": \"x\", \"address\": \"10.0.0.9:80\", \"weight\": 4294967297}", "out of range"},
        {"{\"id\": \"x\", \"address\": \"10.0.0.9:80\", \"weight\": 1.5}", "a decimal number"},
        {"{\"id\": \"x\", \"address\": \"10.0.0.9:80\", \"wieght\": 3}", "unknown key \"wieght\""},
        {"{\"id\": \"x\", \"address\": \"10.0.0.9:80\", \"name\": \"a\\u001bb\"}", "control"},
        {"{\"id\": \"x\\n\", \"address\": \"10.0.0.9:80\"}", "endpoint \"x?\": "},
        {"{\"id\": \"x\", \"address\": \"10.0.0.9:80\", \"reported\": \"fine\"}",
         "reported must be one of \"healthy\", \"degraded\", \"unhealthy\", \"draining\", not "
         "\"fine\""},
        {"{\"id\": \"x\", \"address\": \"10.0.0.9:80\", \"reported\": true}", "reported must be"},
        {"{\"id\": \"a\", \"address\": \"10.0.0.9:80\"}", "endpoint \"a\" stands twice; the first"},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char *text = xasprintf("[{\"id\": \"a\", \"address\": \"10.0.0.1:80\"}, %s, {\"id\": "
                               "\"z\", \"address\": \"unix:/run/z\"}]",
                               table[i].endpoint);
        struct config_refused refused;
        struct config_found *found = laying_read(text, NULL, &refused);

        cr_expect_eq(config_found_count(found), 2, "%s", text);
        cr_expect_eq(refused.count, 1, "%s", text);
        cr_assert_eq(refused.reason_count, 1, "%s", text);
        cr_expect_not_null(strstr(refused.reasons[0], table[i].says), "%s", refused.reasons[0]);
        config_refused_fini(&refused);
        config_found_unref(&found);
        free(text);
    }
}

Test(found, nobody_says_so_much_of_one_endpoint)
{
    char *name = xmalloc(70000), *text;
    struct config_refused refused;
    struct config_found *found;

    memset(name, 'n', 70000);
    text = xasprintf("[{\"address\": \"a:80\", \"name\": \"%.*s\"}]", 69999, name);
    found = laying_read(text, NULL, &refused);
    cr_expect_eq(config_found_count(found), 0);
    cr_assert_eq(refused.reason_count, 1);
    cr_expect_str_eq(refused.reasons[0],
                     "endpoint \"a:80\": it has more than 64k of text; write fewer tags and "
                     "metadata");
    config_refused_fini(&refused);
    config_found_unref(&found);
    free(text);
    free(name);
}

Test(found, what_is_no_list_is_an_empty_set)
{
    struct config_refused refused;
    struct config_found *found = laying_read("{\"a\": {}}", NULL, &refused);

    cr_expect_eq(config_found_count(found), 0);
    cr_expect_eq(refused.count, 1);
    config_refused_fini(&refused);
    config_found_unref(&found);
}

Test(found, only_the_first_reasons_are_kept)
{
    struct config_refused refused;
    struct config_found *found = laying_read("[1,2,3,4,5,6,7,8,9,10]", NULL, &refused);

    cr_expect_eq(refused.count, 10);
    cr_expect_eq(refused.reason_count, CONFIG_FOUND_REASONS);
    config_refused_fini(&refused);
    cr_expect_eq(refused.count, 0);
    config_found_unref(&found);
}

Test(found, a_reason_is_short_however_much_it_could_quote)
{
    struct config_refused refused;
    struct config_found *found;
    char *id = xmalloc(200001), *text;
    json_t *string;

    for (size_t i = 0; i < 200000; i += 2)
        memcpy(id + i, "\xc3\xa9", 2);
    id[200000] = '\0';
    text =
        xasprintf("[{\"id\": \"x%s\", \"address\": \"a:80\"}, {\"id\": \"y%s\"}, {\"id\": \"b\", "
                  "\"address\": \"b:80\", \"%s\": 1}]",
                  id, id, id);
    found = laying_read(text, NULL, &refused);
    cr_expect_eq(config_found_count(found), 0);
    cr_assert_eq(refused.reason_count, 3);
    for (unsigned i = 0; i < refused.reason_count; i++) {
        string = json_string(refused.reasons[i]);
        cr_expect_lt(strlen(refused.reasons[i]), 600);
        cr_expect_not_null(string, "and is UTF-8");
        json_decref(string);
    }
    config_refused_fini(&refused);
    config_found_unref(&found);
    free(text);
    free(id);
}

Test(found, what_the_api_only_shows_is_left_out)
{
    struct config_found *found =
        found_of("[{\"id\": \"a\", \"address\": \"a:80\", \"status\": \"healthy\", \"created_at\": "
                 "\"x\", \"weight\": null, \"reported\": \"degraded\"}]");
    char *text = text_of(found);

    cr_expect_str_eq(text, "[{\"address\":\"a:80\",\"id\":\"a\",\"reported\":\"degraded\"}]");
    free(text);
    config_found_unref(&found);
}

Test(found, a_set_that_is_the_same_is_the_same_memory)
{
    static const char text[] = "[{\"id\": \"b\", \"address\": \"b:80\"}, {\"address\": \"a:80\"}]";
    struct config_found *before = found_of(text), *after, *other;
    struct config_refused refused;

    after = laying_read(text, before, &refused);
    cr_expect_eq(after, before);
    config_refused_fini(&refused);
    other = laying_read("[{\"id\": \"b\", \"address\": \"b:81\"}, {\"address\": \"a:80\"}]", before,
                        &refused);
    config_refused_fini(&refused);
    cr_expect_not(config_found_equal(before, other));
    cr_expect(config_found_equal(NULL, NULL));
    cr_expect_not(config_found_equal(before, NULL));
    config_found_unref(&before);
    config_found_unref(&after);
    config_found_unref(&other);
}

Test(found, what_a_source_says_in_another_order_is_the_same)
{
    struct config_found *before =
        found_of("[{\"id\": \"a\", \"address\": \"a:80\", \"weight\": 3, \"backup\": true, "
                 "\"drain\": false, \"tags\": [\"t\", \"u\"], \"metadata\": {\"k\": \"v\", "
                 "\"l\": \"w\"}}]");
    static const char again[] =
        "[{\"metadata\": {\"l\": \"w\", \"k\": \"v\"}, \"weight\": 3, \"drain\": false, "
        "\"tags\": [\"t\", \"u\"], \"backup\": true, \"address\": \"a:80\", \"id\": \"a\"}]";
    struct config_found *alone = found_of(again), *after;
    struct config_refused refused;

    after = laying_read(again, before, &refused);
    cr_expect_eq(after, before);
    cr_expect(config_found_equal(alone, before));
    config_refused_fini(&refused);
    config_found_unref(&after);
    config_found_unref(&alone);
    config_found_unref(&before);
}

Test(found, whatever_differs_is_seen)
{
    static const char *const others[] = {
        "[{\"id\":\"a\",\"address\":\"a:80\",\"weight\":4,\"backup\":true,\"tags\":[\"t\"],"
        "\"metadata\":{\"k\":\"v\"}}]",
        "[{\"id\":\"a\",\"address\":\"a:81\",\"weight\":3,\"backup\":true,\"tags\":[\"t\"],"
        "\"metadata\":{\"k\":\"v\"}}]",
        "[{\"id\":\"a\",\"address\":\"a:80\",\"weight\":3,\"backup\":false,\"tags\":[\"t\"],"
        "\"metadata\":{\"k\":\"v\"}}]",
        "[{\"id\":\"a\",\"address\":\"a:80\",\"weight\":3,\"backup\":true,\"tags\":[],"
        "\"metadata\":{\"k\":\"v\"}}]",
        "[{\"id\":\"a\",\"address\":\"a:80\",\"weight\":3,\"backup\":true,\"tags\":[\"u\"],"
        "\"metadata\":{\"k\":\"v\"}}]",
        "[{\"id\":\"a\",\"address\":\"a:80\",\"weight\":3,\"backup\":true,\"tags\":[\"t\"],"
        "\"metadata\":{\"k\":\"w\"}}]",
        "[{\"id\":\"a\",\"address\":\"a:80\",\"weight\":3,\"backup\":true,\"tags\":[\"t\"],"
        "\"metadata\":{\"l\":\"v\"}}]",
        "[{\"id\":\"a\",\"address\":\"a:80\",\"weight\":3,\"backup\":true,\"tags\":[\"t\"]}]",
    };
    struct config_found *before =
        found_of("[{\"id\":\"a\",\"address\":\"a:80\",\"weight\":3,\"backup\":true,\"tags\":["
                 "\"t\"],\"metadata\":{\"k\":\"v\"}}]");

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct config_refused refused;
        struct config_found *after = laying_read(others[i], before, &refused);
        char *text = text_of(after);

        cr_expect_not(config_found_equal(after, before), "%s", others[i]);
        cr_expect_eq(strlen(text), strlen(others[i]), "%s: %s", others[i], text);
        config_refused_fini(&refused);
        config_found_unref(&after);
        free(text);
    }
    config_found_unref(&before);
}

/* What follows a NUL would not be seen by who takes it for a string's end. */
Test(found, a_string_with_a_nul_is_not_the_one_that_ends_there)
{
    struct config_found *before = found_of("[{\"id\": \"a\", \"address\": \"a:80\"}]"), *after;
    json_t *array = json_array(), *endpoint = json_pack("{s:s}", "id", "a");
    struct config_refused refused;

    json_object_set_new(endpoint, "address", json_stringn("a:80\0b", 6));
    json_array_append_new(array, endpoint);
    after = config_found_new(array, before, &refused);
    cr_expect_eq(config_found_count(after), 0);
    cr_assert_eq(refused.reason_count, 1);
    cr_expect_str_eq(refused.reasons[0],
                     "endpoint \"a\": address has control characters; remove them");
    config_refused_fini(&refused);
    config_found_unref(&after);
    config_found_unref(&before);
    json_decref(array);
}

Test(found, what_comes_after_so_many_is_left_out)
{
    enum { MORE = CONFIG_FOUND_ENDPOINTS + 3 };
    json_t *array = json_array();
    struct config_refused refused;
    struct config_found *found;

    for (int i = 0; i < MORE; i++)
        json_array_append_new(
            array, json_pack("{s:o}", "address",
                             json_sprintf("10.%d.%d.%d:80", i >> 16, i >> 8 & 255, i & 255)));
    json_array_set_new(array, 0, json_integer(7)); /* millions of these are not looked at either */
    found = config_found_new(array, NULL, &refused);
    cr_expect_eq(config_found_count(found), CONFIG_FOUND_ENDPOINTS - 1);
    cr_expect_eq(refused.count, 4);
    cr_expect_not_null(strstr(refused.reasons[1], "the last 3 are left out"));
    config_refused_fini(&refused);
    config_found_unref(&found);
    json_decref(array);
}

Test(found, the_files_backends_can_be_taken_as_found)
{
    struct config *config = support_load(
        BACKEND("id = \"a\"; address = \"unix:/run/a\"; weight = 7; tags = [ \"t\" ]; metadata = { "
                "k = \"v\"; }; check_address = \"10.0.0.1:81\"; drain = true;"));
    const struct config_pool *pool = &config->pools[0];
    struct config_found *found = config_found_of_backends(pool->backends, pool->backend_count);
    struct config_discovered *discovered = config_discovered_new(NULL);
    struct config *base = support_load(LISTENER "pools = ( { name = \"app\"; } );\n"), *laid = NULL;
    struct config_overlay *overlay = config_overlay_new();
    struct config_errors errors;

    cr_assert_eq(config_found_count(found), 1);
    config_discovered_put(discovered, "app", found);
    cr_assert_eq(config_overlay_apply(&laid, overlay, base, discovered, &errors), 0);
    cr_expect(config_backend_equal(&laid->pools[0].backends[0], &pool->backends[0]));
    config_errors_free(&errors);
    config_overlay_free(overlay);
    config_discovered_unref(&discovered);
    config_found_unref(&found);
    config_unref(&laid);
    config_unref(&base);
    config_unref(&config);
}

/* ---- by pool ---- */

Test(found, what_was_discovered_survives_as_json)
{
    struct config_discovered *discovered = config_discovered_new(NULL), *again;
    struct config_found *b = found_of("[" LAYING_B "]"), *none = found_of("[]");
    json_t *document;

    config_discovered_put(discovered, "web", b);
    config_discovered_put(discovered, "api", none);
    config_discovered_put(discovered, "api", b);
    config_discovered_put(discovered, "empty", none);
    document = config_discovered_json(discovered);
    cr_expect_eq(json_object_size(document), 3);
    cr_expect_str_eq(json_string_value(json_object_get(document, "web")), "api", "it stands once");
    again = config_discovered_parse(document);
    cr_expect(config_discovered_equal(discovered, again));
    cr_expect_eq(config_discovered_get(discovered, "api"), b);
    cr_expect_eq(config_discovered_get(again, "api"), config_discovered_get(again, "web"));
    cr_expect_null(config_discovered_get(discovered, "nobody"));
    cr_expect_null(config_discovered_get(NULL, "api"));
    config_discovered_put(again, "web", none);
    cr_expect_not(config_discovered_equal(discovered, again));
    config_discovered_unref(&again);
    again = config_discovered_parse(NULL);
    cr_expect(config_discovered_equal(again, NULL));
    config_discovered_unref(&again);
    json_decref(document);
    document = json_pack("{s:s, s:i, s:s}", "a", "nobody", "b", 1, "c", "c");
    again = config_discovered_parse(document);
    cr_expect(config_discovered_equal(again, NULL), "sets that are not there");
    config_discovered_unref(&again);
    json_decref(document);
    config_found_unref(&b);
    config_found_unref(&none);
    config_discovered_unref(&discovered);
}
