/* Found endpoints, laid between the file and the overlay. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "config/plan.h"
#include "laying.h"
#include "support.h"

#define B LAYING_B
#define C LAYING_C

Test(found_laid, endpoints_stand_behind_the_files)
{
    struct laying l = {0};

    laying_lay(&l, "[" C "," B "]");
    cr_assert_eq(l.config->pools[0].backend_count, 3);
    cr_expect_str_eq(l.config->pools[0].backends[0].id, "a");
    cr_expect_str_eq(l.config->pools[0].backends[1].id, "b");
    cr_expect_str_eq(l.config->pools[0].backends[2].place.zone, "z");
    cr_expect_str_eq(l.config->pools[0].backends[2].tags[0], "t");
    cr_expect_str_eq(laying_find(&l, "b")->where.file, "discovery");
    cr_expect_eq(laying_find(&l, "b")->where.line, 0);
    cr_expect_eq(laying_find(&l, "b")->weight, 1);
    cr_expect_eq(l.config->pools[1].backends, l.base->pools[1].backends);
    laying_fini(&l);
}

Test(found_laid, a_static_backend_hides_a_found_one)
{
    struct laying l = {0};

    laying_lay(&l, "[{\"id\": \"a\", \"address\": \"10.0.0.9:80\"}, " B "]");
    cr_expect_eq(l.config->pools[0].backend_count, 2);
    cr_expect_str_eq(laying_find(&l, "a")->address, "10.0.0.1:80");
    laying_fini(&l);
}

Test(found_laid, a_pool_without_news_is_seen_to_be_the_same)
{
    struct laying l = {0};
    struct config *before;

    laying_lay(&l, "[" B "]");
    before = config_ref(l.config);
    laying_lay(&l, "[" B "]");
    cr_expect(config_pool_is_shared(before, before->pools, l.config, l.config->pools));
    cr_expect_eq(before->pools[0].backends, l.config->pools[0].backends);
    config_unref(&before);

    before = config_ref(l.config);
    laying_lay(&l, "[" B "," C "]");
    cr_expect_not(config_pool_is_shared(before, before->pools, l.config, l.config->pools));
    cr_expect_eq(config_pool_differences(before, before->pools, l.config, l.config->pools),
                 CONFIG_PART_BACKENDS);
    cr_expect(config_pool_is_shared(before, &before->pools[1], l.config, &l.config->pools[1]));
    cr_expect_eq(before->pools[0].backends[1].address, l.config->pools[0].backends[1].address,
                 "and what did not change is the same memory");
    config_unref(&before);
    laying_fini(&l);
}

Test(found_laid, another_base_is_laid_anew)
{
    struct laying l = {0};
    struct config *before;

    laying_lay(&l, "[" B "]");
    before = config_ref(l.config);
    config_unref(&l.base);
    l.base = support_load(laying_base_text);
    laying_lay(&l, "[" B "]");
    cr_expect_neq(before->pools[0].backends, l.config->pools[0].backends);
    cr_expect_eq(config_pool_differences(before, before->pools, l.config, l.config->pools), 0);
    config_unref(&before);
    laying_fini(&l);
}

Test(found_laid, an_operators_word_stands_over_what_was_found)
{
    struct laying l = {0};

    laying_lay(&l, "[" B "," C "]");
    laying_say(&l, "b", "{\"weight\": 9}", false);
    laying_say(&l, "c", NULL, false);
    laying_lay(&l, "[{\"id\": \"b\", \"address\": \"10.0.0.7:80\", \"weight\": 4}," C "]");
    cr_expect_eq(l.config->pools[0].backend_count, 2);
    cr_expect_null(laying_find(&l, "c"));
    cr_expect_eq(laying_find(&l, "b")->weight, 9);
    cr_expect_str_eq(laying_find(&l, "b")->address, "10.0.0.7:80");
    cr_expect_str_eq(laying_find(&l, "b")->where.file, "api");

    laying_lay(&l, "[]"); /* what was said of both waits for their return */
    cr_expect_null(laying_find(&l, "b"));
    laying_forget(&l, 1);
    laying_lay(&l, "[" B "," C "]");
    cr_expect_eq(laying_find(&l, "b")->weight, 9);
    cr_expect_null(laying_find(&l, "c"));
    laying_fini(&l);
}

Test(found_laid, a_source_makes_no_mistake_of_what_was_said)
{
    struct laying l = {0};

    laying_lay(&l, "[" B "]");
    laying_say(&l, "b", "{\"port\": 81, \"weight\": 9}", false);
    laying_lay(&l, "[" B "]");
    cr_expect_str_eq(laying_find(&l, "b")->address, "10.0.0.2:81");
    laying_lay(&l, "[{\"id\": \"b\", \"address\": \"unix:/run/b\"}]");
    cr_expect_str_eq(laying_find(&l, "b")->address, "unix:/run/b");
    cr_expect_eq(laying_find(&l, "b")->weight, 1, "the word waits as a whole");
    laying_fini(&l);
}

/* ... as it would be, if a mistake were noticed only when what it is about is found. */
Test(found_laid, a_word_that_waits_makes_its_mistakes_at_once)
{
    static const char *const ids[] = {"gone", "b"};
    struct laying l = {0};
    struct config_errors errors;
    struct config *laid = NULL;

    laying_lay(&l, "[{\"id\": \"b\", \"address\": \"unix:/run/b\"}]");
    for (size_t i = 0; i < 2; i++) {
        laying_say(&l, ids[i], "{\"port\": 70000}", false);
        cr_expect_neq(config_overlay_apply(&laid, l.overlay, l.base, l.discovered, &errors), 0);
        cr_assert_eq(errors.count, 1);
        cr_expect_not_null(strstr(errors.v[0].message, "port: 70000 is out of range"), "%s",
                           errors.v[0].message);
        config_errors_free(&errors);
        laying_say(&l, ids[i], "{\"port\": 80}", false);
        laying_lay(&l, "[{\"id\": \"b\", \"address\": \"unix:/run/b\"}]");
    }
    laying_fini(&l);
}

Test(found_laid, deregistered_endpoints_stay_so_until_the_source_was_heard)
{
    struct laying l = {0};
    struct config_errors errors;
    struct config *laid = NULL;

    laying_lay(&l, "[" B "]");
    laying_say(&l, "b", NULL, false);
    cr_assert_eq(config_overlay_apply(&laid, l.overlay, l.base, NULL, &errors), 0);
    config_overlay_forget(l.overlay, laid, 1);
    cr_expect_not(config_overlay_is_empty(l.overlay));
    config_unref(&laid);
    config_errors_free(&errors);
    laying_lay(&l, "[" B "]");
    cr_expect_null(laying_find(&l, "b"));
    laying_fini(&l);
}

Test(found_laid, what_its_source_says_of_an_endpoint_is_shown_but_cannot_be_set)
{
    struct laying l = {0};
    json_t *shown;

    laying_lay(
        &l, "[{\"id\": \"b\", \"address\": \"b:80\", \"reported\": \"degraded\"}, {\"id\": \"c\", "
            "\"address\": \"c:80\", \"reported\": \"draining\"}]");
    cr_expect_eq(laying_find(&l, "b")->reported, CONFIG_REPORTED_DEGRADED);
    cr_expect_not(laying_find(&l, "b")->drain);
    cr_expect(laying_find(&l, "c")->drain);
    cr_expect_eq(laying_find(&l, "c")->reported, CONFIG_REPORTED_NOTHING);
    shown = config_backend_json(laying_find(&l, "b"));
    cr_expect_str_eq(json_string_value(json_object_get(shown, "reported")), "degraded");
    json_decref(shown);
    shown = config_backend_json(laying_find(&l, "c"));
    cr_expect_null(json_object_get(shown, "reported"));
    json_decref(shown);

    laying_say(&l, "b", "{\"address\": \"b:81\", \"reported\": \"healthy\"}", true);
    laying_say(&l, "c", "{\"drain\": false}", false);
    laying_lay(
        &l, "[{\"id\": \"b\", \"address\": \"b:80\", \"reported\": \"degraded\"}, {\"id\": \"c\", "
            "\"address\": \"c:80\", \"reported\": \"draining\"}]");
    cr_expect_eq(laying_find(&l, "b")->reported, CONFIG_REPORTED_DEGRADED);
    cr_expect_str_eq(laying_find(&l, "b")->address, "b:81");
    cr_expect_not(laying_find(&l, "c")->drain);
    laying_fini(&l);
}

Test(found_laid, the_plan_tells_what_came_and_went)
{
    static const char *const details[] = {"reported healthy -> unhealthy", "10.0.0.3:80",
                                          "10.0.0.2:80"};
    struct laying l = {0};
    struct config_plan *plan;
    struct config *before;

    laying_lay(&l, "[" B ", {\"id\": \"d\", \"address\": \"d:80\", \"reported\": \"healthy\"}]");
    before = config_ref(l.config);
    laying_lay(&l, "[{\"id\": \"d\", \"address\": \"d:80\", \"reported\": \"unhealthy\"}, " C "]");
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

Test(found_laid, a_pool_has_no_more_than_it_may)
{
    struct laying l = {0};
    json_t *array = json_array();
    char *text;

    for (int i = 0; i < CONFIG_FOUND_ENDPOINTS; i++)
        json_array_append_new(
            array, json_pack("{s:o}", "address",
                             json_sprintf("10.%d.%d.%d:81", i >> 16, i >> 8 & 255, i & 255)));
    text = json_dumps(array, JSON_COMPACT);
    laying_lay(&l, text);
    cr_expect_eq(l.config->pools[0].backend_count, 65535, "one is the file's");
    laying_say(&l, "z", "{\"address\": \"10.9.9.9:80\"}", true);
    laying_lay(&l, text);
    cr_expect_eq(l.config->pools[0].backend_count, 65535);
    cr_expect_not_null(laying_find(&l, "z"));
    free(text);
    json_decref(array);
    laying_fini(&l);
}
