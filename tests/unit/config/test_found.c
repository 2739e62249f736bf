/* Found endpoints: read from whatever a source says, and laid between the file and the overlay. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "config/found.h"
#include "config/overlay.h"
#include "config/plan.h"
#include "support.h"

static json_t *json(const char *text)
{
    json_error_t error;
    json_t *value = json_loads(text, JSON_DECODE_ANY, &error);

    cr_assert_not_null(value, "%s: %s", error.text, text);
    return value;
}

static struct config_found *read_after(const char *text, struct config_found *before,
                                       struct config_refused *refused)
{
    json_t *array = json(text);
    struct config_found *found = config_found_new(array, before, refused);

    json_decref(array);
    return found;
}

/* All of it is good. */
static struct config_found *found_of(const char *text)
{
    struct config_refused refused;
    struct config_found *found = read_after(text, NULL, &refused);

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
        struct config_found *found = read_after(text, NULL, &refused);

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
    found = read_after(text, NULL, &refused);
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
    struct config_found *found = read_after("{\"a\": {}}", NULL, &refused);

    cr_expect_eq(config_found_count(found), 0);
    cr_expect_eq(refused.count, 1);
    config_refused_fini(&refused);
    config_found_unref(&found);
}

Test(found, only_the_first_reasons_are_kept)
{
    struct config_refused refused;
    struct config_found *found = read_after("[1,2,3,4,5,6,7,8,9,10]", NULL, &refused);

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
    found = read_after(text, NULL, &refused);
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

    after = read_after(text, before, &refused);
    cr_expect_eq(after, before);
    config_refused_fini(&refused);
    other = read_after("[{\"id\": \"b\", \"address\": \"b:81\"}, {\"address\": \"a:80\"}]", before,
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

    after = read_after(again, before, &refused);
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
        struct config_found *after = read_after(others[i], before, &refused);
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
    found = config_found_new(array, NULL, &refused);
    cr_expect_eq(config_found_count(found), CONFIG_FOUND_ENDPOINTS);
    cr_expect_eq(refused.count, 3);
    cr_expect_not_null(strstr(refused.reasons[0], "the last 3 are left out"));
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

/* ---- laying ---- */

static const char base_text[] =
    LISTENER "pools = ( { name = \"api\"; backends = ( { id = \"a\"; address = \"10.0.0.1:80\"; "
             "weight = 3; } ); discovery = { type = \"file\"; path = \"x\"; }; },\n"
             "  { name = \"web\"; backends = ( { address = \"w:80\"; } ); } );\n"
             "routes = ( { pool = \"web\"; } );\n";

struct laying {
    struct config *base;
    struct config_overlay *overlay;
    struct config_discovered *discovered;
    struct config *config; /* laid last */
};

static void lay(struct laying *l, const char *endpoints)
{
    struct config_discovered *before = l->discovered;
    struct config_found *had = before != NULL ? config_discovered_get(before, "api") : NULL, *found;
    struct config_refused refused;
    struct config_errors errors;
    struct config *laid = NULL;
    char *printed;

    if (l->base == NULL)
        l->base = support_load(base_text);
    if (l->overlay == NULL)
        l->overlay = config_overlay_new();
    found = read_after(endpoints, had, &refused);
    l->discovered = config_discovered_new(before);
    config_discovered_put(l->discovered, "api", found);
    cr_expect_eq(config_overlay_apply(&laid, l->overlay, l->base, l->discovered, &errors), 0);
    printed = support_print(&errors);
    cr_assert_not_null(laid, "%s", printed);
    free(printed);
    config_errors_free(&errors);
    config_refused_fini(&refused);
    config_found_unref(&found);
    config_discovered_unref(&before);
    config_unref(&l->config);
    l->config = laid;
}

static void laying_fini(struct laying *l)
{
    config_unref(&l->base);
    config_overlay_free(l->overlay);
    config_discovered_unref(&l->discovered);
    config_unref(&l->config); /* last: it holds what it needs */
}

static void forget(struct laying *l, uint64_t now_s)
{
    config_overlay_forget(l->overlay, l->config, now_s * 1000000);
}

static void say(struct laying *l, const char *id, const char *fields, bool replace)
{
    json_t *said = fields != NULL ? json(fields) : NULL;

    cr_assert_eq(config_overlay_set_endpoint(l->overlay, "api", id, said, replace), 0);
    json_decref(said);
}

static const struct config_backend *find(const struct laying *l, const char *id)
{
    const struct config_pool *pool = &l->config->pools[0];

    for (size_t i = 0; i < pool->backend_count; i++) {
        if (strcmp(pool->backends[i].id, id) == 0)
            return &pool->backends[i];
    }
    return NULL;
}

#define B "{\"id\": \"b\", \"address\": \"10.0.0.2:80\"}"
#define C "{\"id\": \"c\", \"address\": \"10.0.0.3:80\", \"tags\": [\"t\"], \"zone\": \"z\"}"

Test(found, endpoints_stand_behind_the_files)
{
    struct laying l = {0};

    lay(&l, "[" C "," B "]");
    cr_assert_eq(l.config->pools[0].backend_count, 3);
    cr_expect_str_eq(l.config->pools[0].backends[0].id, "a");
    cr_expect_str_eq(l.config->pools[0].backends[1].id, "b");
    cr_expect_str_eq(l.config->pools[0].backends[2].place.zone, "z");
    cr_expect_str_eq(l.config->pools[0].backends[2].tags[0], "t");
    cr_expect_str_eq(find(&l, "b")->where.file, "discovery");
    cr_expect_eq(find(&l, "b")->where.line, 0);
    cr_expect_eq(find(&l, "b")->weight, 1);
    cr_expect_eq(l.config->pools[1].backends, l.base->pools[1].backends);
    laying_fini(&l);
}

Test(found, a_static_backend_hides_a_found_one)
{
    struct laying l = {0};

    lay(&l, "[{\"id\": \"a\", \"address\": \"10.0.0.9:80\"}, " B "]");
    cr_expect_eq(l.config->pools[0].backend_count, 2);
    cr_expect_str_eq(find(&l, "a")->address, "10.0.0.1:80");
    laying_fini(&l);
}

Test(found, a_pool_without_news_is_seen_to_be_the_same)
{
    struct laying l = {0};
    struct config *before;

    lay(&l, "[" B "]");
    before = config_ref(l.config);
    lay(&l, "[" B "]");
    cr_expect(config_pool_is_shared(before, before->pools, l.config, l.config->pools));
    cr_expect_eq(before->pools[0].backends, l.config->pools[0].backends);
    config_unref(&before);

    before = config_ref(l.config);
    lay(&l, "[" B "," C "]");
    cr_expect_not(config_pool_is_shared(before, before->pools, l.config, l.config->pools));
    cr_expect_eq(config_pool_differences(before, before->pools, l.config, l.config->pools),
                 CONFIG_PART_BACKENDS);
    cr_expect(config_pool_is_shared(before, &before->pools[1], l.config, &l.config->pools[1]));
    cr_expect_eq(before->pools[0].backends[1].address, l.config->pools[0].backends[1].address,
                 "and what did not change is the same memory");
    config_unref(&before);
    laying_fini(&l);
}

Test(found, another_base_is_laid_anew)
{
    struct laying l = {0};
    struct config *before;

    lay(&l, "[" B "]");
    before = config_ref(l.config);
    config_unref(&l.base);
    l.base = support_load(base_text);
    lay(&l, "[" B "]");
    cr_expect_neq(before->pools[0].backends, l.config->pools[0].backends);
    cr_expect_eq(config_pool_differences(before, before->pools, l.config, l.config->pools), 0);
    config_unref(&before);
    laying_fini(&l);
}

Test(found, an_operators_word_stands_over_what_was_found)
{
    struct laying l = {0};

    lay(&l, "[" B "," C "]");
    say(&l, "b", "{\"weight\": 9}", false);
    say(&l, "c", NULL, false);
    lay(&l, "[{\"id\": \"b\", \"address\": \"10.0.0.7:80\", \"weight\": 4}," C "]");
    cr_expect_eq(l.config->pools[0].backend_count, 2);
    cr_expect_null(find(&l, "c"));
    cr_expect_eq(find(&l, "b")->weight, 9);
    cr_expect_str_eq(find(&l, "b")->address, "10.0.0.7:80");
    cr_expect_str_eq(find(&l, "b")->where.file, "api");

    lay(&l, "[]"); /* what was said of both waits for their return */
    cr_expect_null(find(&l, "b"));
    forget(&l, 1);
    lay(&l, "[" B "," C "]");
    cr_expect_eq(find(&l, "b")->weight, 9);
    cr_expect_null(find(&l, "c"));
    laying_fini(&l);
}

/* ---- forgetting ---- */

Test(found, what_was_taken_out_and_is_gone_for_long_is_another_one_when_it_returns)
{
    struct laying l = {0};

    lay(&l, "[" B "," C "]");
    say(&l, "b", "{\"drain\": true}", false);
    say(&l, "c", NULL, false);
    lay(&l, "[]");
    forget(&l, 1);
    lay(&l, "[" C "]"); /* there again: its time begins anew */
    forget(&l, CONFIG_OVERLAY_GONE_S);
    lay(&l, "[]");
    forget(&l, CONFIG_OVERLAY_GONE_S + 1);
    forget(&l, 2 * CONFIG_OVERLAY_GONE_S);
    lay(&l, "[" B "," C "]");
    cr_expect_null(find(&l, "c"));
    lay(&l, "[]");
    forget(&l, 2 * CONFIG_OVERLAY_GONE_S + 1);
    lay(&l, "[" B "," C "]");
    cr_expect_not_null(find(&l, "c"));
    cr_expect(find(&l, "b")->drain, "few words wait as long as it takes");
    laying_fini(&l);
}

/* The overlay as pods leave it that a script drained before they went: `count` words, p0 first. */
static void drain_many(struct laying *l, size_t from, size_t to)
{
    if (l->overlay == NULL)
        l->overlay = config_overlay_new();
    for (size_t i = from; i < to; i++) {
        char *id = xasprintf("p%zu", i);

        say(l, id, "{\"drain\": true}", false);
        free(id);
    }
}

static size_t words(const struct laying *l)
{
    json_t *document = config_overlay_json(l->overlay);
    json_t *endpoints = NULL;
    size_t count;

    json_unpack(document, "{s:{s:{s:o}}}", "pools", "api", "endpoints", &endpoints);
    count = json_object_size(endpoints);
    json_decref(document);
    return count;
}

Test(found, of_many_words_about_what_is_gone_the_oldest_are_forgotten)
{
    enum { MORE = 10 };
    struct laying l = {0};

    drain_many(&l, 0, MORE);
    say(&l, "a", "{\"weight\": 5}", false);
    say(&l, "z", "{\"address\": \"10.9.9.9:80\"}", true);
    lay(&l, "[]");
    forget(&l, 1);
    drain_many(&l, MORE, CONFIG_OVERLAY_WAITING + MORE);
    forget(&l, 2);
    cr_expect_eq(words(&l), CONFIG_OVERLAY_WAITING + MORE + 2, "but none at once");
    forget(&l, CONFIG_OVERLAY_GONE_S + 1);
    cr_expect_eq(words(&l), CONFIG_OVERLAY_WAITING + 2);
    lay(&l, "[{\"id\": \"p9\", \"address\": \"p:80\"}, {\"id\": \"p10\", \"address\": \"p:81\"}]");
    cr_expect_not(find(&l, "p9")->drain);
    cr_expect(find(&l, "p10")->drain);
    cr_expect_eq(find(&l, "a")->weight, 5);
    cr_expect_not_null(find(&l, "z"));
    laying_fini(&l);
}

Test(found, nothing_is_forgotten_before_the_source_was_heard)
{
    struct laying l = {0};
    struct config_errors errors;

    l.base = support_load(base_text);
    l.overlay = config_overlay_new();
    say(&l, "b", NULL, false);
    drain_many(&l, 0, CONFIG_OVERLAY_WAITING + 1);
    cr_assert_eq(config_overlay_apply(&l.config, l.overlay, l.base, NULL, &errors), 0);
    forget(&l, 1);
    forget(&l, 10 * CONFIG_OVERLAY_GONE_S);
    cr_expect_eq(words(&l), CONFIG_OVERLAY_WAITING + 2);
    config_errors_free(&errors);
    laying_fini(&l);
}

/* A plan is laid over the overlay as it is, and may be of another file. */
Test(found, laying_forgets_nothing)
{
    struct laying l = {0};
    struct config_errors errors;
    struct config *planned = NULL,
                  *other = support_load(LISTENER "pools = ( { name = \"api\"; } );\n");

    lay(&l, "[]");
    say(&l, "a", NULL, false);
    cr_assert_eq(config_overlay_apply(&planned, l.overlay, other, NULL, &errors), 0);
    lay(&l, "[]");
    cr_expect_null(find(&l, "a"));
    cr_expect_eq(words(&l), 1);
    config_overlay_forget(l.overlay, planned, 1);
    cr_expect_eq(words(&l), 0, "once that file is served, it says nothing any more");
    config_errors_free(&errors);
    config_unref(&planned);
    config_unref(&other);
    laying_fini(&l);
}

/* ---- laying, again ---- */

Test(found, a_source_makes_no_mistake_of_what_was_said)
{
    struct laying l = {0};

    lay(&l, "[" B "]");
    say(&l, "b", "{\"port\": 81, \"weight\": 9}", false);
    lay(&l, "[" B "]");
    cr_expect_str_eq(find(&l, "b")->address, "10.0.0.2:81");
    lay(&l, "[{\"id\": \"b\", \"address\": \"unix:/run/b\"}]");
    cr_expect_str_eq(find(&l, "b")->address, "unix:/run/b");
    cr_expect_eq(find(&l, "b")->weight, 1, "the word waits as a whole");
    laying_fini(&l);
}

/* ... as it would be, if a mistake were noticed only when what it is about is found. */
Test(found, a_word_that_waits_makes_its_mistakes_at_once)
{
    static const char *const ids[] = {"gone", "b"};
    struct laying l = {0};
    struct config_errors errors;
    struct config *laid = NULL;

    lay(&l, "[{\"id\": \"b\", \"address\": \"unix:/run/b\"}]");
    for (size_t i = 0; i < 2; i++) {
        say(&l, ids[i], "{\"port\": 70000}", false);
        cr_expect_neq(config_overlay_apply(&laid, l.overlay, l.base, l.discovered, &errors), 0);
        cr_assert_eq(errors.count, 1);
        cr_expect_not_null(strstr(errors.v[0].message, "port: 70000 is out of range"), "%s",
                           errors.v[0].message);
        config_errors_free(&errors);
        say(&l, ids[i], "{\"port\": 80}", false);
        lay(&l, "[{\"id\": \"b\", \"address\": \"unix:/run/b\"}]");
    }
    laying_fini(&l);
}

Test(found, deregistered_endpoints_stay_so_until_the_source_was_heard)
{
    struct laying l = {0};
    struct config_errors errors;
    struct config *laid = NULL;

    lay(&l, "[" B "]");
    say(&l, "b", NULL, false);
    cr_assert_eq(config_overlay_apply(&laid, l.overlay, l.base, NULL, &errors), 0);
    config_overlay_forget(l.overlay, laid, 1);
    cr_expect_not(config_overlay_is_empty(l.overlay));
    config_unref(&laid);
    config_errors_free(&errors);
    lay(&l, "[" B "]");
    cr_expect_null(find(&l, "b"));
    laying_fini(&l);
}

Test(found, what_its_source_says_of_an_endpoint_is_shown_but_cannot_be_set)
{
    struct laying l = {0};
    json_t *shown;

    lay(&l, "[{\"id\": \"b\", \"address\": \"b:80\", \"reported\": \"degraded\"}, {\"id\": \"c\", "
            "\"address\": \"c:80\", \"reported\": \"draining\"}]");
    cr_expect_eq(find(&l, "b")->reported, CONFIG_REPORTED_DEGRADED);
    cr_expect_not(find(&l, "b")->drain);
    cr_expect(find(&l, "c")->drain);
    cr_expect_eq(find(&l, "c")->reported, CONFIG_REPORTED_NOTHING);
    shown = config_backend_json(find(&l, "b"));
    cr_expect_str_eq(json_string_value(json_object_get(shown, "reported")), "degraded");
    json_decref(shown);
    shown = config_backend_json(find(&l, "c"));
    cr_expect_null(json_object_get(shown, "reported"));
    json_decref(shown);

    say(&l, "b", "{\"address\": \"b:81\", \"reported\": \"healthy\"}", true);
    say(&l, "c", "{\"drain\": false}", false);
    lay(&l, "[{\"id\": \"b\", \"address\": \"b:80\", \"reported\": \"degraded\"}, {\"id\": \"c\", "
            "\"address\": \"c:80\", \"reported\": \"draining\"}]");
    cr_expect_eq(find(&l, "b")->reported, CONFIG_REPORTED_DEGRADED);
    cr_expect_str_eq(find(&l, "b")->address, "b:81");
    cr_expect_not(find(&l, "c")->drain);
    laying_fini(&l);
}

Test(found, the_plan_tells_what_came_and_went)
{
    static const char *const details[] = {"reported healthy -> unhealthy", "10.0.0.3:80",
                                          "10.0.0.2:80"};
    struct laying l = {0};
    struct config_plan *plan;
    struct config *before;

    lay(&l, "[" B ", {\"id\": \"d\", \"address\": \"d:80\", \"reported\": \"healthy\"}]");
    before = config_ref(l.config);
    lay(&l, "[{\"id\": \"d\", \"address\": \"d:80\", \"reported\": \"unhealthy\"}, " C "]");
    plan = config_plan_new(before, l.config);
    cr_assert_eq(plan->count, 3);
    for (size_t i = 0; i < plan->count; i++) {
        const struct config_change *c = &plan->changes[i];

        cr_expect_eq(c->of, CONFIG_OF_ENDPOINT);
        cr_expect_str_eq(c->pool, "api");
        cr_expect_str_eq(c->detail, details[c->kind == CONFIG_CHANGED ? 0
                                            : c->kind == CONFIG_ADDED ? 1
                                                                      : 2]);
    }
    cr_expect_eq(plan->kept.endpoints, 2);
    cr_expect_eq(plan->risk, CONFIG_RISK_MEDIUM);
    config_plan_free(plan);
    config_unref(&before);
    laying_fini(&l);
}

Test(found, a_pool_has_no_more_than_it_may)
{
    struct laying l = {0};
    json_t *array = json_array();
    char *text;

    for (int i = 0; i < CONFIG_FOUND_ENDPOINTS; i++)
        json_array_append_new(
            array, json_pack("{s:o}", "address",
                             json_sprintf("10.%d.%d.%d:81", i >> 16, i >> 8 & 255, i & 255)));
    text = json_dumps(array, JSON_COMPACT);
    lay(&l, text);
    cr_expect_eq(l.config->pools[0].backend_count, 65535, "one is the file's");
    say(&l, "z", "{\"address\": \"10.9.9.9:80\"}", true);
    lay(&l, text);
    cr_expect_eq(l.config->pools[0].backend_count, 65535);
    cr_expect_not_null(find(&l, "z"));
    free(text);
    json_decref(array);
    laying_fini(&l);
}

/* ---- by pool ---- */

Test(found, what_was_discovered_survives_as_json)
{
    struct config_discovered *discovered = config_discovered_new(NULL), *again;
    struct config_found *b = found_of("[" B "]"), *none = found_of("[]");
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
