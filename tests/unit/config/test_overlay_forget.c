/* What is forgotten of what operators said of found endpoints, and what is not. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "laying.h"
#include "support.h"

#define B LAYING_B
#define C LAYING_C

Test(overlay_forget, what_was_taken_out_and_is_gone_for_long_is_another_one_when_it_returns)
{
    struct laying l = {0};

    laying_lay(&l, "[" B "," C "]");
    laying_say(&l, "b", "{\"drain\": true}", false);
    laying_say(&l, "c", NULL, false);
    laying_lay(&l, "[]");
    laying_forget(&l, 1);
    laying_lay(&l, "[" C "]"); /* there again: its time begins anew */
    laying_forget(&l, CONFIG_OVERLAY_GONE_S);
    laying_lay(&l, "[]");
    laying_forget(&l, CONFIG_OVERLAY_GONE_S + 1);
    laying_forget(&l, 2 * CONFIG_OVERLAY_GONE_S);
    laying_lay(&l, "[" B "," C "]");
    cr_expect_null(laying_find(&l, "c"));
    laying_lay(&l, "[]");
    laying_forget(&l, 2 * CONFIG_OVERLAY_GONE_S + 1);
    laying_lay(&l, "[" B "," C "]");
    cr_expect_not_null(laying_find(&l, "c"));
    cr_expect(laying_find(&l, "b")->drain, "few words wait as long as it takes");
    laying_fini(&l);
}

/* The overlay as pods leave it that a script drained before they went: `count` words, p0 first. */
static void drain_many(struct laying *l, size_t from, size_t to)
{
    if (l->overlay == NULL)
        l->overlay = config_overlay_new();
    for (size_t i = from; i < to; i++) {
        char *id = xasprintf("p%zu", i);

        laying_say(l, id, "{\"drain\": true}", false);
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

Test(overlay_forget, of_many_words_about_what_is_gone_the_oldest_are_forgotten)
{
    enum { MORE = 10 };
    struct laying l = {0};

    drain_many(&l, 0, MORE);
    laying_say(&l, "a", "{\"weight\": 5}", false);
    laying_say(&l, "z", "{\"address\": \"10.9.9.9:80\"}", true);
    laying_lay(&l, "[]");
    laying_forget(&l, 1);
    drain_many(&l, MORE, CONFIG_OVERLAY_WAITING + MORE);
    laying_forget(&l, 2);
    cr_expect_eq(words(&l), CONFIG_OVERLAY_WAITING + MORE + 2, "but none at once");
    laying_forget(&l, CONFIG_OVERLAY_GONE_S + 1);
    cr_expect_eq(words(&l), CONFIG_OVERLAY_WAITING + 2);
    laying_lay(
        &l, "[{\"id\": \"p9\", \"address\": \"p:80\"}, {\"id\": \"p10\", \"address\": \"p:81\"}]");
    cr_expect_not(laying_find(&l, "p9")->drain);
    cr_expect(laying_find(&l, "p10")->drain);
    cr_expect_eq(laying_find(&l, "a")->weight, 5);
    cr_expect_not_null(laying_find(&l, "z"));
    laying_fini(&l);
}

Test(overlay_forget, nothing_is_forgotten_before_the_source_was_heard)
{
    struct laying l = {0};
    struct config_errors errors;

    l.base = support_load(laying_base_text);
    l.overlay = config_overlay_new();
    laying_say(&l, "b", NULL, false);
    drain_many(&l, 0, CONFIG_OVERLAY_WAITING + 1);
    cr_assert_eq(config_overlay_apply(&l.config, l.overlay, l.base, NULL, &errors), 0);
    laying_forget(&l, 1);
    laying_forget(&l, 10 * CONFIG_OVERLAY_GONE_S);
    cr_expect_eq(words(&l), CONFIG_OVERLAY_WAITING + 2);
    config_errors_free(&errors);
    laying_fini(&l);
}

/* A plan is laid over the overlay as it is, and may be of another file. */
Test(overlay_forget, laying_forgets_nothing)
{
    struct laying l = {0};
    struct config_errors errors;
    struct config *planned = NULL,
                  *other = support_load(LISTENER "pools = ( { name = \"api\"; } );\n");

    laying_lay(&l, "[]");
    laying_say(&l, "a", NULL, false);
    cr_assert_eq(config_overlay_apply(&planned, l.overlay, other, NULL, &errors), 0);
    laying_lay(&l, "[]");
    cr_expect_null(laying_find(&l, "a"));
    cr_expect_eq(words(&l), 1);
    config_overlay_forget(l.overlay, planned, 1);
    cr_expect_eq(words(&l), 0, "once that file is served, it says nothing any more");
    config_errors_free(&errors);
    config_unref(&planned);
    config_unref(&other);
    laying_fini(&l);
}
