/* A service of Consul keeps its name for as long as it is there. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "discovery/consul_names.h"

static struct consul_names names;

static void setup(void)
{
    consul_names_init(&names);
}

static void teardown(void)
{
    consul_names_fini(&names);
}

TestSuite(consul_names, .init = setup, .fini = teardown);

struct registered {
    const char *node, *id;
    int created; /* 0: Consul does not say */
};

/* The names of an answer with these, all of the service "api". */
static void expect_names(const struct registered *all, size_t count, const char *wanted)
{
    json_t *answer = json_array(), *entry;
    char got[512] = "";
    size_t i;

    for (i = 0; i < count; i++) {
        entry = json_pack("{s:{s:s}, s:{s:s, s:s}}", "Node", "Node", all[i].node, "Service", "ID",
                          all[i].id, "Service", "api");
        if (all[i].created > 0)
            json_object_set_new(json_object_get(entry, "Service"), "CreateIndex",
                                json_integer(all[i].created));
        json_array_append_new(answer, entry);
    }
    consul_names_take(&names, answer);
    json_array_foreach(answer, i, entry)
    {
        char *id = consul_names_id(&names, entry);
        size_t n = strlen(got);

        snprintf(got + n, sizeof(got) - n, "%s%s", i > 0 ? " " : "", id);
        free(id);
    }
    cr_expect_str_eq(got, wanted);
    json_decref(answer);
}

#define EXPECT_NAMES(wanted, ...)                                                                  \
    expect_names((struct registered[]){__VA_ARGS__},                                               \
                 sizeof((struct registered[]){__VA_ARGS__}) / sizeof(struct registered), wanted)

Test(consul_names, are_the_ids_unless_they_are_only_the_services_name)
{
    EXPECT_NAMES("api-1 api-2", {"n1", "api-1", 0}, {"n2", "api-2", 0});
    EXPECT_NAMES("n1:api n2:api", {"n1", "api", 0}, {"n2", "api", 0});
    EXPECT_NAMES("n1:api", {"n1", "api", 0});
}

Test(consul_names, who_comes_with_an_id_that_is_taken_renames_nobody)
{
    EXPECT_NAMES("a", {"n2", "a", 0});
    EXPECT_NAMES("n1:a a", {"n1", "a", 0}, {"n2", "a", 0});
    EXPECT_NAMES("n3:a a n1:a", {"n3", "a", 0}, {"n2", "a", 0}, {"n1", "a", 0});
}

Test(consul_names, nobody_moves_up_when_the_first_one_leaves)
{
    EXPECT_NAMES("a", {"n1", "a", 0});
    EXPECT_NAMES("a n2:a", {"n1", "a", 0}, {"n2", "a", 0});
    EXPECT_NAMES("n2:a", {"n2", "a", 0});
    EXPECT_NAMES("a n2:a", {"n1", "a", 0}, {"n2", "a", 0});
}

Test(consul_names, of_those_that_come_together_the_one_that_was_registered_first_is_the_first)
{
    EXPECT_NAMES("n1:a a b", {"n1", "a", 20}, {"n2", "a", 10}, {"n3", "b", 5});
    EXPECT_NAMES("b n2:c n1:c c", {"n3", "b", 5}, {"n2", "c", 7}, {"n1", "c", 8}, {"n4", "c", 6});
}

Test(consul_names, all_have_their_nodes_where_nobody_can_say_who_was_first)
{
    EXPECT_NAMES("n1:a b n3:a", {"n1", "a", 0}, {"n2", "b", 0}, {"n3", "a", 0});
    EXPECT_NAMES("n1:c n2:c n3:c", {"n1", "c", 9}, {"n2", "c", 4}, {"n3", "c", 4});
    EXPECT_NAMES("n3:a n1:a", {"n3", "a", 0}, {"n1", "a", 0});
}

Test(consul_names, an_empty_answer_forgets_nothing)
{
    EXPECT_NAMES("a", {"n1", "a", 0});
    expect_names(NULL, 0, "");
    EXPECT_NAMES("a n2:a", {"n1", "a", 0}, {"n2", "a", 0});
}

static void expect_written(const char *text, const char *id)
{
    char *got = consul_names_write(text);

    cr_expect_str_eq(got, id);
    free(got);
}

Test(consul_names, what_may_not_stand_in_an_id_is_replaced_and_told_apart)
{
    char longest[130] = "", *got;

    expect_written("host:container:8080", "host:container:8080");
    expect_written("a/b", "a_b~3a8e75c1");
    expect_written("a?b", "a_b~1ab552d1");
    memset(longest, 'x', 128);
    expect_written(longest, longest);
    longest[128] = 'y';
    got = consul_names_write(longest);
    cr_expect_eq(strlen(got), 128);
    free(got);
}
