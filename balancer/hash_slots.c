/* The table of slots, and races for single keys: see hash_slots.h. */
#include "balancer/hash_slots.h"

#include <math.h>
#include <stdlib.h>

#include "balancer/hash_board.h"
#include "base/alloc.h"

enum { BOARD_DEPTH = 4, BOARD_KEPT_FROM = 16 /* endpoints */ };

struct hash_slots {
    _Atomic uint32_t owner[HASH_BOARD_SLOTS];
    /* What the table was made with, by slot of the pool; weight 0: nobody. */
    unsigned size;
    unsigned *weights;
    uint64_t *seeds;
    bool *waiting;            /* for the slots of an elder with the same seed */
    struct hash_board *board; /* what the table is read from, where that is kept */
};

static void slots_drop_board(struct hash_slots *slots)
{
    hash_board_free(slots->board);
    slots->board = NULL;
}

static unsigned slots_throwing(const struct hash_slots *slots)
{
    unsigned throwing = 0;

    for (unsigned i = 0; slots != NULL && i < slots->size; i++)
        throwing += slots->weights[i] > 0;
    return throwing;
}

/* The board is kept where it pays: its memory is for pools that change, and among a few endpoints
 * each change is about so many slots that all might as well throw again. */
static void slots_make(struct hash_slots *slots, bool is_first)
{
    const struct hash_throwers throwers = {slots->size, slots->weights, slots->seeds};
    bool keep = !is_first && slots_throwing(slots) >= BOARD_KEPT_FROM;

    if (!keep)
        slots_drop_board(slots);
    if (slots->board == NULL)
        slots->board = hash_board_new(keep ? BOARD_DEPTH : 1);
    hash_board_set(slots->board, &throwers);
    for (unsigned i = 0; i < HASH_BOARD_SLOTS; i++)
        atomic_store_explicit(&slots->owner[i], hash_board_owner(slots->board, i),
                              memory_order_relaxed);
    if (!keep)
        slots_drop_board(slots);
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
        slots_make(slots, false);
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

void *hash_slots_new(const struct balancer_members *members, void *state)
{
    struct hash_slots *slots = xcalloc(1, sizeof(*slots)), *before = state;

    slots->size = members->size;
    slots->weights = xcalloc(members->size, sizeof(*slots->weights));
    slots->seeds = xcalloc(members->size, sizeof(*slots->seeds));
    slots->waiting = xcalloc(members->size, sizeof(*slots->waiting));
    slots_find_elders(slots, members);
    for (unsigned i = 0; i < members->size; i++)
        slots->seeds[i] = members->endpoints[i] != NULL ? members->endpoints[i]->hash : 0;
    slots_take_weights(slots, members);
    if (before != NULL) { /* who chooses by it does not look at the board */
        slots->board = before->board;
        before->board = NULL;
    }
    slots_make(slots, slots_throwing(before) == 0);
    return slots;
}

void hash_slots_free(void *state)
{
    struct hash_slots *slots = state;

    hash_board_free(slots->board);
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
    uint32_t index =
        atomic_load_explicit(&slots->owner[hash_board_slot(bits)], memory_order_relaxed);
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
        time = hash_board_pause(balancer_mix(hash ^ e->hash), endpoint_weight(e));
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
