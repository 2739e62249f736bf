/* The dart table: see hash_slots.h. */
#include "balancer/hash_slots.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"

enum { SLOT_BITS = 16, SLOT_COUNT = 1 << SLOT_BITS };

struct hash_slots {
    _Atomic uint32_t owner[SLOT_COUNT];
    /* What the table was made with, by slot of the pool; weight 0: nobody. */
    unsigned size;
    unsigned *weights;
    uint64_t *seeds;
    bool *waiting; /* for the slots of an elder with the same seed */
};

/* One endpoint's darts: where the next one goes, and when. */
struct thrower {
    uint64_t seed;
    uint64_t thrown;
    double weight;
    unsigned slot;
    double time;
};

/* While the table is made: who came first to each slot, and when. */
struct board {
    uint32_t *owner;
    double *time;
    unsigned taken;
};

static unsigned slot_of(uint64_t bits)
{
    return (unsigned)(bits >> (64 - SLOT_BITS));
}

/* The pause before a dart: exponentially distributed with the weight as its rate, from the bits
 * that slot_of leaves over. Never infinite: the uniform number is above 0. */
static double pause_of(uint64_t bits, double weight)
{
    double uniform = ((double)(bits & ((1ull << 48) - 1)) + 0.5) * 0x1p-48;

    return -log(uniform) / weight;
}

static void thrower_next(struct thrower *t)
{
    uint64_t bits = balancer_mix(t->seed + t->thrown++ * BALANCER_GOLDEN);

    t->slot = slot_of(bits);
    t->time += pause_of(bits, t->weight);
}

static void thrower_throw_until(struct thrower *t, uint32_t index, double end, struct board *board)
{
    for (; t->time < end; thrower_next(t)) {
        if (board->time[t->slot] == INFINITY)
            board->taken++;
        if (t->time < board->time[t->slot]) {
            board->time[t->slot] = t->time;
            board->owner[t->slot] = index;
        }
    }
}

/*
 * All throw in rounds of equal time, one dart per slot on average, until no slot is free: about
 * ln(65536) rounds. A slot that was taken in a round cannot be lost in a later one.
 */
static void board_fill(struct board *board, const unsigned *weights, const uint64_t *seeds,
                       unsigned size)
{
    struct thrower *throwers = xcalloc(size, sizeof(*throwers));
    unsigned throwing = 0;
    double total = 0;

    for (unsigned i = 0; i < size; i++) {
        throwers[i] = (struct thrower){.seed = seeds[i], .weight = weights[i]};
        total += weights[i];
        throwing += weights[i] > 0;
        if (weights[i] > 0)
            thrower_next(&throwers[i]);
    }
    for (unsigned round = 1; throwing > 0 && board->taken < SLOT_COUNT; round++) {
        for (unsigned i = 0; i < size; i++) {
            if (weights[i] > 0)
                thrower_throw_until(&throwers[i], i, round * (double)SLOT_COUNT / total, board);
        }
    }
    free(throwers);
}

static void slots_make(struct hash_slots *slots)
{
    struct board board = {
        .owner = xcalloc(SLOT_COUNT, sizeof(*board.owner)),
        .time = xcalloc(SLOT_COUNT, sizeof(*board.time)),
    };

    for (unsigned i = 0; i < SLOT_COUNT; i++)
        board.time[i] = INFINITY;
    board_fill(&board, slots->weights, slots->seeds, slots->size);
    for (unsigned i = 0; i < SLOT_COUNT; i++)
        atomic_store_explicit(&slots->owner[i], board.owner[i], memory_order_relaxed);
    free(board.time);
    free(board.owner);
}

/* True when that changed anything. */
static bool slots_take_weights(struct hash_slots *slots, const struct balancer_members *members)
{
    bool changed = false;

    for (unsigned i = 0; i < members->size; i++) {
        const struct endpoint *e = members->endpoints[i];
        unsigned weight = e != NULL && !slots->waiting[i] ? atomic_load(&e->weight) : 0;

        changed = changed || weight != slots->weights[i];
        slots->weights[i] = weight;
    }
    return changed;
}

void hash_slots_changed(const struct balancer_members *members, void *state)
{
    struct hash_slots *slots = state;

    if (slots_take_weights(slots, members))
        slots_make(slots);
}

/* Do both make the same table? Who has no weight has no say in it. */
static bool slots_same(const struct hash_slots *a, const struct hash_slots *b)
{
    unsigned size = a->size > b->size ? a->size : b->size;

    for (unsigned i = 0; i < size; i++) {
        unsigned x = i < a->size ? a->weights[i] : 0, y = i < b->size ? b->weights[i] : 0;

        if (x != y || (x > 0 && a->seeds[i] != b->seeds[i]))
            return false;
    }
    return true;
}

static void slots_copy(struct hash_slots *slots, const struct hash_slots *from)
{
    for (unsigned i = 0; i < SLOT_COUNT; i++) {
        uint32_t owner = atomic_load_explicit(&from->owner[i], memory_order_relaxed);

        atomic_store_explicit(&slots->owner[i], owner, memory_order_relaxed);
    }
}

static int elder_compare(const void *a, const void *b)
{
    const struct endpoint *x = *(struct endpoint *const *)a, *y = *(struct endpoint *const *)b;

    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->birth > y->birth) - (x->birth < y->birth);
}

static void slots_find_elders(struct hash_slots *slots, const struct balancer_members *members)
{
    struct endpoint **sorted = xcalloc(members->size, sizeof(struct endpoint *));
    unsigned count = 0;

    for (unsigned i = 0; i < members->size; i++) {
        if (members->endpoints[i] != NULL)
            sorted[count++] = members->endpoints[i];
    }
    qsort(sorted, count, sizeof(struct endpoint *), elder_compare);
    for (unsigned i = 1; i < count; i++)
        slots->waiting[sorted[i]->index] = sorted[i]->hash == sorted[i - 1]->hash;
    free(sorted);
}

void *hash_slots_new(const struct balancer_members *members, const void *before)
{
    struct hash_slots *slots = xcalloc(1, sizeof(*slots));

    slots->size = members->size;
    slots->weights = xcalloc(members->size, sizeof(*slots->weights));
    slots->seeds = xcalloc(members->size, sizeof(*slots->seeds));
    slots->waiting = xcalloc(members->size, sizeof(*slots->waiting));
    slots_find_elders(slots, members);
    for (unsigned i = 0; i < members->size; i++)
        slots->seeds[i] = members->endpoints[i] != NULL ? members->endpoints[i]->hash : 0;
    slots_take_weights(slots, members);
    if (before != NULL && slots_same(slots, before))
        slots_copy(slots, before);
    else
        slots_make(slots);
    return slots;
}

void hash_slots_free(void *state)
{
    struct hash_slots *slots = state;

    free(slots->waiting);
    free(slots->seeds);
    free(slots->weights);
    free(slots);
}

/* One that starts slowly lets a part of its slots go by, always the same ones for a key. */
static bool takes_slot(const struct endpoint *e, uint64_t bits)
{
    uint64_t whole = 100ull * atomic_load_explicit(&e->weight, memory_order_relaxed);
    unsigned share = atomic_load_explicit(&e->share, memory_order_relaxed);

    return share >= whole || balancer_scale(balancer_mix(~bits), whole) < share;
}

struct endpoint *hash_slots_owner(const struct balancer_candidates *c, const void *state,
                                  uint64_t hash, unsigned step)
{
    const struct hash_slots *slots = state;
    uint64_t bits = step == 0 ? hash : balancer_mix(hash + step * BALANCER_GOLDEN);
    uint32_t index = atomic_load_explicit(&slots->owner[slot_of(bits)], memory_order_relaxed);
    struct endpoint *e = candidates_in_slot(c, index);

    /* NULL: a table that nobody could be given a slot of. */
    return e != NULL && takes_slot(e, bits) ? e : NULL;
}

struct endpoint *hash_slots_race(const struct balancer_candidates *c, uint64_t hash,
                                 bool (*fits)(const struct balancer_candidates *c,
                                              const struct endpoint *endpoint))
{
    struct endpoint *best = NULL;
    double best_time = INFINITY;

    for (unsigned i = 0; i < c->count; i++) {
        struct endpoint *e = candidates_at(c, i);
        double time;

        if (!candidates_have(c, e) || (fits != NULL && !fits(c, e)))
            continue;
        time = pause_of(balancer_mix(hash ^ e->hash), endpoint_weight(e));
        if (time < best_time) {
            best = e;
            best_time = time;
        }
    }
    return best;
}

struct endpoint *hash_slots_race_take(const struct balancer_candidates *c, uint64_t hash)
{
    struct endpoint *e;

    do {
        e = hash_slots_race(c, hash, NULL);
    } while (e != NULL && !endpoint_take(e));
    return e;
}
