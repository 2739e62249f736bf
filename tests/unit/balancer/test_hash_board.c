/* The darts' board: however it came to where it is, it says what a board that was filled at once
 * says. */
#include "balancer/hash_board.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "balancer/algorithm.h"
#include "base/alloc.h"

struct crowd {
    struct hash_board *board;
    unsigned size, weights[512];
    uint64_t seeds[512], seeds_given, random;
};

static unsigned draw(struct crowd *crowd, unsigned n)
{
    crowd->random += BALANCER_GOLDEN;
    return (unsigned)balancer_scale(balancer_mix(crowd->random), n);
}

static void crowd_init(struct crowd *crowd, unsigned size, uint64_t random)
{
    *crowd = (struct crowd){.board = hash_board_new(4), .size = size, .random = random};
}

static void come(struct crowd *crowd, unsigned i, unsigned weight)
{
    crowd->weights[i] = weight;
    crowd->seeds[i] = balancer_mix(++crowd->seeds_given);
}

static void set(struct crowd *crowd)
{
    const struct hash_throwers throwers = {crowd->size, crowd->weights, crowd->seeds};

    hash_board_set(crowd->board, &throwers);
}

/* Compared with a board that knows nothing of the past. */
static void expect_as_filled(const struct crowd *crowd)
{
    const struct hash_throwers throwers = {crowd->size, crowd->weights, crowd->seeds};
    struct hash_board *fresh = hash_board_new(1);
    unsigned other = 0;

    hash_board_set(fresh, &throwers);
    for (unsigned slot = 0; slot < HASH_BOARD_SLOTS; slot++)
        other += hash_board_owner(crowd->board, slot) != hash_board_owner(fresh, slot);
    cr_assert_eq(other, 0, "%u slots have another owner", other);
    hash_board_free(fresh);
}

Test(hash_board, nobody_throws)
{
    struct crowd crowd;

    crowd_init(&crowd, 3, 1);
    set(&crowd);
    cr_expect_eq(hash_board_owner(crowd.board, 17), 0);
    come(&crowd, 2, 5);
    set(&crowd);
    cr_expect_eq(hash_board_owner(crowd.board, 17), 2);
    crowd.weights[2] = 0;
    set(&crowd);
    cr_expect_eq(hash_board_owner(crowd.board, 17), 0);
    hash_board_free(crowd.board);
}

/* One comes, goes, is replaced or changes its weight, many times over. */
static void churn(unsigned size, unsigned steps, unsigned weight_max, uint64_t random)
{
    struct crowd crowd;

    crowd_init(&crowd, size, random);
    for (unsigned i = 0; i < size; i += 2)
        come(&crowd, i, 1 + draw(&crowd, weight_max));
    set(&crowd);
    for (unsigned step = 0; step < steps; step++) {
        unsigned i = draw(&crowd, size);

        switch (draw(&crowd, 4)) {
        case 0:
            crowd.weights[i] = 0;
            break;
        case 1:
            crowd.weights[i] *= 2;
            break;
        default:
            come(&crowd, i, 1 + draw(&crowd, weight_max));
        }
        set(&crowd);
        if (step % 16 == 0)
            expect_as_filled(&crowd);
    }
    expect_as_filled(&crowd);
    hash_board_free(crowd.board);
}

Test(hash_board, a_few_that_come_and_go)
{
    churn(5, 60, 3, 1);
}

Test(hash_board, dozens_that_come_and_go)
{
    churn(60, 120, 1, 2);
}

Test(hash_board, hundreds_of_many_weights_that_come_and_go)
{
    churn(500, 160, 200, 3);
}

/* Lists that get shorter and shorter, until nobody is known for some slot. */
Test(hash_board, a_crowd_that_only_gets_smaller)
{
    struct crowd crowd;

    crowd_init(&crowd, 300, 4);
    for (unsigned i = 0; i < crowd.size; i++)
        come(&crowd, i, 2);
    set(&crowd);
    for (unsigned i = 0; i < crowd.size; i++) {
        crowd.weights[i] = 0;
        set(&crowd);
        if (i % 60 == 0)
            expect_as_filled(&crowd);
    }
    hash_board_free(crowd.board);
}

Test(hash_board, a_crowd_that_grows_one_by_one)
{
    struct crowd crowd;

    crowd_init(&crowd, 0, 5);
    for (unsigned i = 0; i < 300; i++) {
        crowd.size++;
        come(&crowd, i, 1);
        set(&crowd);
        if (i % 60 == 0)
            expect_as_filled(&crowd);
    }
    hash_board_free(crowd.board);
}

Test(hash_board, a_third_is_replaced_at_once)
{
    struct crowd crowd;

    crowd_init(&crowd, 90, 6);
    for (unsigned i = 0; i < crowd.size; i++)
        come(&crowd, i, 1);
    set(&crowd);
    for (unsigned round = 0; round < 9; round++) {
        for (unsigned i = 0; i < 20; i++)
            come(&crowd, draw(&crowd, crowd.size), 1);
        set(&crowd);
        expect_as_filled(&crowd);
    }
    hash_board_free(crowd.board);
}

/* Two of these hit a slot in the same moment, as far as a float tells: one of them has it, and it
 * does not matter who was there first. */
Test(hash_board, two_that_hit_together, .timeout = 60)
{
    struct crowd crowd, other;

    crowd_init(&crowd, 8, 7);
    for (unsigned i = 0; i < crowd.size; i++) {
        crowd.weights[i] = 1;
        crowd.seeds[i] = balancer_mix(2454 * 8 + i + 1);
    }
    other = crowd;
    other.board = hash_board_new(1);
    for (unsigned i = 0; i < other.size; i++)
        other.seeds[i] = crowd.seeds[crowd.size - 1 - i];
    set(&crowd);
    set(&other);
    for (unsigned slot = 0; slot < HASH_BOARD_SLOTS; slot++)
        cr_assert_eq(hash_board_owner(crowd.board, slot),
                     crowd.size - 1 - hash_board_owner(other.board, slot));
    expect_as_filled(&crowd);
    hash_board_free(other.board);
    hash_board_free(crowd.board);
}
