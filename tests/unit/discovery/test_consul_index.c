/* The rules of blocking queries. */
#include <criterion/criterion.h>

#include "discovery/consul_index.h"

static struct consul_index fresh(void)
{
    struct consul_index index;

    consul_index_init(&index, 7);
    return index;
}

Test(consul_index, the_first_query_does_not_block_and_the_next_one_waits_for_what_is_newer)
{
    struct consul_index index = fresh();

    cr_expect_eq(index.index, 0);
    cr_expect(consul_index_take(&index, "42"));
    cr_expect_eq(index.index, 42);
    cr_expect(consul_index_take(&index, "43"));
    cr_expect_eq(index.index, 43);
}

Test(consul_index, the_same_index_says_that_nothing_has_changed)
{
    struct consul_index index = fresh();

    cr_expect(consul_index_take(&index, "42"));
    cr_expect_not(consul_index_take(&index, "42"));
    cr_expect_eq(index.index, 42);
}

Test(consul_index, one_that_goes_backwards_is_asked_anew_from_0)
{
    struct consul_index index = fresh();

    cr_expect(consul_index_take(&index, "42"));
    cr_expect(consul_index_take(&index, "41"));
    cr_expect_eq(index.index, 0);
    cr_expect(consul_index_take(&index, "41"));
    cr_expect_eq(index.index, 41);
}

Test(consul_index, one_that_says_nothing_blocks_all_the_same)
{
    static const char *const nothing[] = {"", "0", "x", "-1", "1e3", "99999999999999999999999"};

    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        struct consul_index index = fresh();

        cr_expect(consul_index_take(&index, nothing[i]), "\"%s\"", nothing[i]);
        cr_expect_eq(index.index, 1, "\"%s\"", nothing[i]);
        /* And it must not be taken for "unchanged". */
        cr_expect(consul_index_take(&index, nothing[i]), "\"%s\"", nothing[i]);
        cr_expect_eq(index.index, 1, "\"%s\"", nothing[i]);
    }
}

Test(consul_index, the_largest_index_is_one)
{
    struct consul_index index = fresh();

    cr_expect(consul_index_take(&index, "18446744073709551615"));
    cr_expect_eq(index.index, UINT64_MAX);
}

Test(consul_index, after_a_failure_the_next_query_does_not_block)
{
    struct consul_index index = fresh();

    cr_expect(consul_index_take(&index, "42"));
    consul_index_reset(&index);
    cr_expect_eq(index.index, 0);
    cr_expect(consul_index_take(&index, "42"), "the same as before the failure is an answer");
}

Test(consul_index, rare_answers_are_followed_by_a_query_at_once)
{
    struct consul_index index = fresh();

    for (uint64_t now_ms = 1000; now_ms < 100000; now_ms += CONSUL_INDEX_PACE_MS)
        cr_expect_eq(consul_index_pause_ms(&index, now_ms), 0);
}

Test(consul_index, a_server_that_answers_at_once_is_asked_about_ten_times_a_second)
{
    struct consul_index index = fresh();
    uint64_t now_ms = 5000;
    unsigned queries = 0;

    for (; now_ms < 5000 + 60 * 1000; queries++)
        now_ms += consul_index_pause_ms(&index, now_ms);
    cr_expect_leq(queries, 60 * 1000 / CONSUL_INDEX_PACE_MS + CONSUL_INDEX_BURST + 1, "%u",
                  queries);
    cr_expect_geq(queries, 60 * 1000 / CONSUL_INDEX_PACE_MS / 2, "%u", queries);
}

Test(consul_index, a_few_answers_may_follow_each_other_at_once)
{
    struct consul_index index = fresh();

    for (int i = 0; i < CONSUL_INDEX_BURST; i++)
        cr_expect_eq(consul_index_pause_ms(&index, 5000), 0);
    cr_expect_gt(consul_index_pause_ms(&index, 5000), 0);
    cr_expect_eq(consul_index_pause_ms(&index, 9000), 0, "the bucket is full again");
}

Test(consul_index, pauses_differ_between_instances)
{
    struct consul_index a, b;
    bool differ = false;

    consul_index_init(&a, 1);
    consul_index_init(&b, 2);
    for (int i = 0; i < 20; i++)
        differ |= consul_index_pause_ms(&a, 100) != consul_index_pause_ms(&b, 100);
    cr_expect(differ);
}

Test(consul_index, a_blocking_query_may_take_its_wait_a_sixteenth_and_a_margin)
{
    struct consul_index index = fresh();
    uint64_t at_once_ms = consul_index_limit_ms(&index, 300000);

    cr_expect_lt(at_once_ms, 30000);
    cr_expect(consul_index_take(&index, "9"));
    cr_expect_eq(consul_index_limit_ms(&index, 300000), 300000 + 18750 + at_once_ms);
    cr_expect_eq(consul_index_limit_ms(&index, 1000), 1000 + 62 + 3000);
}
