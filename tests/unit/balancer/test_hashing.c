/* ip_hash and consistent_hash: stability, and the bound. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/algorithm.h"
#include "base/alloc.h"
#include "tests/unit/balancer/fixture.h"

enum { KEYS = 20000 };

static const enum config_algorithm hashing[] = {CONFIG_IP_HASH, CONFIG_CONSISTENT_HASH};

static uint64_t key(unsigned k)
{
    char text[16];

    return balancer_hash(
        slice_from(text, (size_t)snprintf(text, sizeof(text), "10.1.%u.%u", k / 256, k % 256)));
}

/* The endpoint of every key, in an idle pool. */
static void map(struct fixture *f, unsigned owners[KEYS])
{
    for (unsigned k = 0; k < KEYS; k++) {
        struct endpoint *e = fixture_pick(f, key(k), NULL);

        cr_assert_not_null(e);
        owners[k] = e->index;
        fixture_done(f, e, 1);
    }
}

Test(hashing, a_key_always_goes_to_the_same_endpoint)
{
    for (unsigned a = 0; a < 2; a++) {
        struct fixture f;
        unsigned first[KEYS], second[KEYS];

        fixture_init_equal(&f, hashing[a], 20);
        map(&f, first);
        map(&f, second);
        cr_expect_arr_eq(first, second, sizeof(first));
        fixture_fini(&f);
    }
}

static void expect_only_keys_of_gone_moved(const unsigned *before, const unsigned *after,
                                           unsigned gone)
{
    unsigned got[20] = {0}, lost = 0;

    for (unsigned k = 0; k < KEYS; k++) {
        if (before[k] != gone) {
            cr_expect_eq(before[k], after[k]);
            continue;
        }
        lost++;
        got[after[k]]++;
    }
    cr_expect_eq(got[gone], 0);
    for (unsigned i = 0; i < 20; i++) { /* and they spread: no neighbour inherits them all */
        if (i != gone)
            cr_expect(got[i] > 0 && got[i] < lost / 5, "endpoint %u got %u of %u", i, got[i], lost);
    }
}

Test(hashing, only_the_keys_of_a_lost_endpoint_move_and_come_back_to_it)
{
    for (unsigned a = 0; a < 2; a++) {
        struct fixture f;
        unsigned before[KEYS], after[KEYS];

        fixture_init_equal(&f, hashing[a], 20);
        map(&f, before);
        fixture_set_status(&f, 7, ENDPOINT_UNHEALTHY);
        map(&f, after);
        expect_only_keys_of_gone_moved(before, after, 7);
        fixture_set_status(&f, 7, ENDPOINT_HEALTHY);
        map(&f, after);
        cr_expect_arr_eq(before, after, sizeof(before));
        fixture_set_weight(&f, 7, 0); /* the table itself changes now */
        map(&f, after);
        expect_only_keys_of_gone_moved(before, after, 7);
        fixture_fini(&f);
    }
}

Test(hashing, a_new_endpoint_takes_its_share_and_nothing_else_moves)
{
    for (unsigned a = 0; a < 2; a++) {
        struct fixture small, large;
        unsigned before[KEYS], after[KEYS], moved = 0;

        fixture_init_equal(&small, hashing[a], 9);
        fixture_init_equal(&large, hashing[a], 10);
        map(&small, before);
        map(&large, after);
        for (unsigned k = 0; k < KEYS; k++) {
            moved += before[k] != after[k];
            cr_expect(before[k] == after[k] || after[k] == 9);
        }
        cr_expect(moved > KEYS / 10 * 0.9 && moved < KEYS / 10 * 1.1, "%u moved", moved);
        fixture_fini(&small);
        fixture_fini(&large);
    }
}

Test(hashing, a_raised_weight_only_attracts_keys)
{
    for (unsigned a = 0; a < 2; a++) {
        struct fixture f;
        unsigned before[KEYS], after[KEYS];

        fixture_init_equal(&f, hashing[a], 5);
        map(&f, before);
        fixture_set_weight(&f, 2, 3);
        map(&f, after);
        for (unsigned k = 0; k < KEYS; k++)
            cr_expect(before[k] == after[k] || after[k] == 2);
        fixture_fini(&f);
    }
}

Test(hashing, a_slow_start_only_brings_keys_back_little_by_little)
{
    for (unsigned a = 0; a < 2; a++) {
        const struct config_pool config = {.algorithm = hashing[a], .slow_start_ms = 10000};
        const struct config_backend backends[] = {{.weight = 1}, {.weight = 1}, {.weight = 1}};
        unsigned original[KEYS], before[KEYS], after[KEYS];
        struct fixture f;

        fixture_init_config(&f, &config, backends, 3, NULL);
        map(&f, original);
        fixture_set_status(&f, 1, ENDPOINT_UNHEALTHY);
        map(&f, before);
        f.now_us = 20000000;
        balancer_endpoint_returned(f.pool, fixture_endpoint(&f, 1), f.now_us);
        fixture_set_status(&f, 1, ENDPOINT_HEALTHY);
        for (unsigned step = 0; step <= 10; step++, f.now_us += 1000000) {
            fixture_refresh(&f);
            map(&f, after);
            for (unsigned k = 0; k < KEYS; k++)
                cr_expect(after[k] == before[k] || (after[k] == 1 && original[k] == 1));
            memcpy(before, after, sizeof(before));
        }
        cr_expect_arr_eq(after, original, sizeof(after));
        fixture_fini(&f);
    }
}

Test(hashing, keys_stay_put_even_when_nearly_all_endpoints_are_away)
{
    struct fixture f;
    unsigned before[KEYS], after[KEYS];

    /* 3 of 300: most keys run out of steps in the table and are raced for. */
    fixture_init_equal(&f, CONFIG_IP_HASH, 300);
    for (unsigned i = 0; i < 300; i++) {
        if (i % 100 != 0)
            atomic_store(&fixture_endpoint(&f, i)->status, ENDPOINT_UNHEALTHY);
    }
    fixture_refresh(&f);
    map(&f, before);
    fixture_set_status(&f, 100, ENDPOINT_UNHEALTHY);
    map(&f, after);
    for (unsigned k = 0; k < KEYS; k++)
        cr_expect(before[k] == after[k] || before[k] == 100);
    fixture_fini(&f);
}

Test(hashing, a_retry_goes_to_the_same_second_choice)
{
    for (unsigned a = 0; a < 2; a++) {
        struct fixture f;
        unsigned seconds[2];

        fixture_init_equal(&f, hashing[a], 10);
        for (unsigned round = 0; round < 2; round++) {
            struct balancer_tried tried;
            struct endpoint *first, *second;

            balancer_tried_init(&tried);
            first = fixture_pick_again(&f, key(1), &tried, NULL);
            fixture_done(&f, first, 1);
            second = fixture_pick_again(&f, key(1), &tried, NULL);
            fixture_done(&f, second, 1);
            cr_expect_neq(first, second);
            seconds[round] = second->index;
            balancer_tried_fini(&tried);
        }
        cr_expect_eq(seconds[0], seconds[1]);
        fixture_fini(&f);
    }
}

Test(hashing, requests_without_a_key_go_everywhere)
{
    for (unsigned a = 0; a < 2; a++) {
        struct fixture f;
        unsigned counts[4] = {0};

        fixture_init_equal(&f, hashing[a], 4);
        for (unsigned i = 0; i < 4000; i++) {
            struct endpoint *e = fixture_pick(&f, 0, NULL);

            counts[e->index]++;
            fixture_done(&f, e, 1);
        }
        for (unsigned i = 0; i < 4; i++)
            cr_expect(counts[i] > 850 && counts[i] < 1150, "%u", counts[i]);
        fixture_fini(&f);
    }
}

/* ceil(1.25 * in flight * weight / weights) */
static int bound(unsigned in_flight, unsigned weight, unsigned weights)
{
    return (int)((5ull * in_flight * weight + 4ull * weights - 1) / (4ull * weights));
}

Test(hashing, the_bound_of_consistent_hash_is_never_exceeded_not_even_by_one_hot_key)
{
    static const unsigned weights[] = {1, 2, 3, 4, 1, 2, 3, 4};
    enum { FLYING = 500 };
    struct endpoint *flying[FLYING] = {0};
    struct fixture f;
    unsigned in_flight = 0;

    fixture_init(&f, CONFIG_CONSISTENT_HASH, weights, 8);
    for (unsigned i = 0; i < 50000; i++) {
        unsigned place = (unsigned)(fixture_random(&f) % FLYING);
        uint64_t hash = i % 3 != 0 ? key(0) : key(i % KEYS); /* two thirds want the same one */

        if (flying[place] != NULL)
            fixture_done(&f, flying[place], 1);
        else
            in_flight++;
        flying[place] = fixture_pick(&f, hash, NULL);
        cr_assert_leq(atomic_load(&flying[place]->active),
                      bound(in_flight, weights[flying[place]->index], 20));
    }
    fixture_fini(&f);
}

Test(hashing, a_hot_key_of_ip_hash_stays_where_it_is)
{
    struct fixture f;
    struct endpoint *first;

    fixture_init_equal(&f, CONFIG_IP_HASH, 8);
    first = fixture_pick(&f, key(0), NULL);
    for (unsigned i = 0; i < 1000; i++)
        cr_expect_eq(fixture_pick(&f, key(0), NULL), first);
    fixture_fini(&f);
}

Test(hashing, the_bound_gives_way_before_a_retry_fails)
{
    struct fixture f;
    struct balancer_tried tried;
    struct endpoint *first;

    /* e0 was tried and is empty, all others are full: still one of them must serve. */
    fixture_init_equal(&f, CONFIG_CONSISTENT_HASH, 3);
    for (unsigned i = 0; i < 30; i++)
        fixture_pick(&f, key(i), NULL);
    balancer_tried_init(&tried);
    first = fixture_pick_again(&f, key(1), &tried, NULL);
    for (unsigned i = 0; i < 3; i++)
        atomic_store(&fixture_endpoint(&f, i)->active, i == first->index ? 1 : 1000);
    cr_expect_not_null(fixture_pick_again(&f, key(1), &tried, NULL));
    balancer_tried_fini(&tried);
    fixture_fini(&f);
}

Test(hashing, every_bit_of_a_key_moves_half_of_the_hash)
{
    char text[] = "192.168.100.200:443";
    double flips[64] = {0};
    unsigned changes = 0;

    for (unsigned byte = 0; byte < sizeof(text) - 1; byte++) {
        for (unsigned bit = 0; bit < 8; bit++, changes++) {
            uint64_t before = balancer_hash(slice_from(text, sizeof(text) - 1)), after;

            text[byte] ^= (char)(1 << bit);
            after = balancer_hash(slice_from(text, sizeof(text) - 1));
            text[byte] ^= (char)(1 << bit);
            for (unsigned i = 0; i < 64; i++)
                flips[i] += (before ^ after) >> i & 1;
        }
    }
    for (unsigned i = 0; i < 64; i++) /* 152 tosses of a coin: 5 standard deviations */
        cr_expect(flips[i] / changes > 0.3 && flips[i] / changes < 0.7, "bit %u: %.2f", i,
                  flips[i] / changes);
}

Test(hashing, keys_that_differ_only_in_length_differ)
{
    static const char zeros[32];
    uint64_t seen[32];

    for (size_t n = 0; n < 32; n++) {
        seen[n] = balancer_hash(slice_from(zeros, n));
        for (size_t i = 0; i < n; i++)
            cr_expect_neq(seen[i], seen[n]);
    }
}
