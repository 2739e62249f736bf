/*
 * The darts' board: see hash_board.h.
 *
 *     slot   first ... fourth        cut
 *     0      [ c 0.1, a 0.4, f 0.7 ]  0.9      all darts before the cut are in the list
 *     1      [ f 0.2 ]                -        no cut yet: all darts before the horizon are
 *
 * A list that overflows loses its last dart, and that is its cut: later darts are unknown there.
 * When a thrower goes its darts are struck out; the list is shorter, and still complete up to its
 * cut. An empty list is one whose owner is unknown: then the board is filled anew.
 */
#include "balancer/hash_board.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/algorithm.h"
#include "base/alloc.h"

struct dart {
    float time; /* INFINITY: none, and none after it */
    uint32_t thrower;
};

struct hash_board {
    unsigned depth;
    struct dart *lists; /* by slot, `depth` darts each */
    float *cuts;
    double horizon;        /* everybody has thrown until then */
    uint64_t total_filled; /* weight of all when it was filled */
    unsigned empty;        /* lists */
    unsigned size;
    unsigned *weights;
    uint64_t *seeds;
};

/* ---- Throwing ---- */

/* One thrower's darts: where the next one goes, and when. */
struct arm {
    uint64_t seed;
    uint64_t thrown;
    double weight;
    unsigned slot;
    double time;
};

/* Exponentially distributed with the weight as its rate. Never infinite: the uniform number is
 * above 0. */
double hash_board_pause(uint64_t bits, double weight)
{
    double uniform = ((double)(bits & ((1ull << 48) - 1)) + 0.5) * 0x1p-48;

    return -log(uniform) / weight;
}

static void arm_next(struct arm *arm)
{
    uint64_t bits = balancer_mix(arm->seed + arm->thrown++ * BALANCER_GOLDEN);

    arm->slot = hash_board_slot(bits);
    arm->time += hash_board_pause(bits, arm->weight);
}

static struct arm arm_of(const struct hash_board *board, uint32_t thrower)
{
    struct arm arm = {.seed = board->seeds[thrower], .weight = board->weights[thrower]};

    arm_next(&arm);
    return arm;
}

/* ---- Lists ---- */

/* By time; those that hit in the same moment, in an order that everybody agrees on. */
static bool dart_before(const struct hash_board *board, struct dart a, struct dart b)
{
    return a.time < b.time || (a.time == b.time && a.time != INFINITY &&
                               board->seeds[a.thrower] < board->seeds[b.thrower]);
}

static struct dart *board_list(const struct hash_board *board, unsigned slot)
{
    return &board->lists[(size_t)slot * board->depth];
}

static bool list_has(const struct dart *list, unsigned depth, uint32_t thrower)
{
    for (unsigned i = 0; i < depth && list[i].time != INFINITY; i++) {
        if (list[i].thrower == thrower)
            return true;
    }
    return false;
}

/* What does not fit is the cut, and so is what hit together with it; but not the owner, who came
 * first by dart_before. */
static void board_cut(struct hash_board *board, unsigned slot, float time)
{
    struct dart *list = board_list(board, slot);

    board->cuts[slot] = time;
    for (unsigned i = board->depth; i-- > 1 && list[i].time >= time;)
        list[i].time = INFINITY;
}

/* Is it known where in the list it belongs? From the cut on, only if that is before the owner. */
static bool board_knows(const struct hash_board *board, unsigned slot, struct dart dart)
{
    struct dart owner = board_list(board, slot)[0];

    return dart.time < board->cuts[slot] ||
           (dart.time == owner.time && dart_before(board, dart, owner));
}

static void board_hit(struct hash_board *board, unsigned slot, struct dart dart)
{
    struct dart *list = board_list(board, slot);

    /* A thrower comes in the order of its darts, so one that is there was earlier. */
    if (!board_knows(board, slot, dart) || list_has(list, board->depth, dart.thrower))
        return;
    board->empty -= list[0].time == INFINITY;
    for (unsigned i = 0; i < board->depth; i++) {
        struct dart here = list[i];

        if (dart_before(board, here, dart))
            continue;
        list[i] = dart;
        dart = here;
    }
    board_cut(board, slot, fminf(dart.time, board->cuts[slot]));
}

static void board_strike(struct hash_board *board, unsigned slot, uint32_t thrower)
{
    struct dart *list = board_list(board, slot);
    unsigned kept = 0;

    if (!list_has(list, board->depth, thrower))
        return;
    for (unsigned i = 0; i < board->depth; i++) {
        if (list[i].thrower != thrower || list[i].time == INFINITY)
            list[kept++] = list[i];
    }
    list[board->depth - 1].time = INFINITY;
    board->empty += list[0].time == INFINITY;
}

/* ---- Filling it ---- */

static void arm_throw_until(struct arm *arm, struct hash_board *board, uint32_t thrower, double end)
{
    for (; arm->time < end; arm_next(arm))
        board_hit(board, arm->slot, (struct dart){(float)arm->time, thrower});
}

static void board_clear(struct hash_board *board)
{
    for (unsigned slot = 0; slot < HASH_BOARD_SLOTS; slot++) {
        for (unsigned i = 0; i < board->depth; i++)
            board_list(board, slot)[i] = (struct dart){.time = INFINITY};
        board->cuts[slot] = INFINITY;
    }
    board->empty = HASH_BOARD_SLOTS;
    board->horizon = 0;
}

static uint64_t board_total(const struct hash_board *board)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < board->size; i++)
        total += board->weights[i];
    return total;
}

/*
 * All throw in rounds of equal time, one dart per slot on average, until no slot is free: about
 * ln(65536) rounds.
 */
static void board_fill(struct hash_board *board)
{
    struct arm *arms = xcalloc(board->size, sizeof(*arms));

    board_clear(board);
    board->total_filled = board_total(board);
    for (unsigned i = 0; i < board->size; i++) {
        if (board->weights[i] > 0)
            arms[i] = arm_of(board, i);
    }
    for (unsigned round = 1; board->total_filled > 0 && board->empty > 0; round++) {
        board->horizon = round * (double)HASH_BOARD_SLOTS / (double)board->total_filled;
        for (unsigned i = 0; i < board->size; i++) {
            if (board->weights[i] > 0)
                arm_throw_until(&arms[i], board, i, board->horizon);
        }
    }
    free(arms);
}

/* ---- Changing it ---- */

static void thrower_goes(struct hash_board *board, uint32_t thrower)
{
    struct arm arm = arm_of(board, thrower);

    for (; arm.time < board->horizon; arm_next(&arm))
        board_strike(board, arm.slot, thrower);
}

static void thrower_comes(struct hash_board *board, uint32_t thrower)
{
    struct arm arm = arm_of(board, thrower);

    arm_throw_until(&arm, board, thrower, board->horizon);
}

static bool thrower_same(const struct hash_board *board, const struct hash_throwers *throwers,
                         unsigned i)
{
    unsigned weight = i < throwers->size ? throwers->weights[i] : 0;
    unsigned before = i < board->size ? board->weights[i] : 0;

    return weight == before && (weight == 0 || board->seeds[i] == throwers->seeds[i]);
}

/* Of those who go and those who come. */
static uint64_t weight_moved(const struct hash_board *board, const struct hash_throwers *throwers)
{
    uint64_t moved = 0;

    for (unsigned i = 0; i < board->size || i < throwers->size; i++) {
        if (thrower_same(board, throwers, i))
            continue;
        moved += i < board->size ? board->weights[i] : 0;
        moved += i < throwers->size ? throwers->weights[i] : 0;
    }
    return moved;
}

static void board_grow(struct hash_board *board, unsigned size)
{
    if (size <= board->size)
        return;
    board->weights = xrealloc(board->weights, size * sizeof(*board->weights));
    board->seeds = xrealloc(board->seeds, size * sizeof(*board->seeds));
    memset(board->weights + board->size, 0, (size - board->size) * sizeof(*board->weights));
    board->size = size;
}

static void board_take(struct hash_board *board, const struct hash_throwers *throwers)
{
    for (unsigned i = 0; i < board->size; i++) {
        board->weights[i] = i < throwers->size ? throwers->weights[i] : 0;
        board->seeds[i] = i < throwers->size ? throwers->seeds[i] : 0;
    }
}

/* Those who go first: the places that they leave are for those who come. */
static void board_exchange(struct hash_board *board, const struct hash_throwers *throwers)
{
    bool *come = xcalloc(board->size, sizeof(*come));

    for (unsigned i = 0; i < board->size; i++) {
        come[i] = !thrower_same(board, throwers, i);
        if (come[i] && board->weights[i] > 0)
            thrower_goes(board, i);
    }
    board_take(board, throwers);
    for (unsigned i = 0; i < board->size; i++) {
        if (come[i] && board->weights[i] > 0)
            thrower_comes(board, i);
    }
    free(come);
}

void hash_board_set(struct hash_board *board, const struct hash_throwers *throwers)
{
    uint64_t moved = weight_moved(board, throwers), total;

    if (moved == 0)
        return;
    board_grow(board, throwers->size);
    if (moved <= board->total_filled / 2) {
        board_exchange(board, throwers);
        total = board_total(board);
        /* Who throws until the horizon of a pool half as heavy throws twice as long as it must. */
        if (board->empty == 0 && total <= 2 * board->total_filled)
            return;
    }
    board_take(board, throwers);
    board_fill(board);
}

/* ---- Made, read, freed ---- */

struct hash_board *hash_board_new(unsigned depth)
{
    struct hash_board *board = xcalloc(1, sizeof(*board));

    board->depth = depth;
    board->lists = xcalloc((size_t)HASH_BOARD_SLOTS * depth, sizeof(*board->lists));
    board->cuts = xcalloc(HASH_BOARD_SLOTS, sizeof(*board->cuts));
    return board;
}

void hash_board_free(struct hash_board *board)
{
    if (board == NULL)
        return;
    free(board->seeds);
    free(board->weights);
    free(board->cuts);
    free(board->lists);
    free(board);
}

uint32_t hash_board_owner(const struct hash_board *board, unsigned slot)
{
    return board->total_filled > 0 ? board_list(board, slot)->thrower : 0;
}
