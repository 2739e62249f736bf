/*
 * The board that the hashing algorithms' darts are thrown at (hash_slots.h has the rule): who comes
 * first to each slot, and who would be next.
 *
 * It remembers the first darts of each slot, `depth` of them, of different throwers. So when one
 * throws no more it is known who takes over its slots, and a newcomer has only its own darts to
 * throw: a change costs what the endpoints that it is about would cost, not what all of them do.
 * What the board says never depends on the way it came there, only on who throws now: it knows up
 * to where its lists are complete, and is filled anew (some 30 ms) when that is no more enough.
 *
 * Of one thread. A depth of 4 takes 2.3 MB.
 */
#ifndef EVERGATE_BALANCER_HASH_BOARD_H
#define EVERGATE_BALANCER_HASH_BOARD_H

#include <stdint.h>

enum { HASH_BOARD_BITS = 16, HASH_BOARD_SLOTS = 1 << HASH_BOARD_BITS };

/* Who throws, by number. Weight 0: nobody. No two seeds are the same. */
struct hash_throwers {
    unsigned size;
    const unsigned *weights;
    const uint64_t *seeds;
};

struct hash_board;

/* Nobody throws. A depth of 1 is for a board that is filled once: it costs a third of what one of 4
 * does, in time and memory, and takes every change by being filled anew. */
struct hash_board *hash_board_new(unsigned depth);
void hash_board_free(struct hash_board *board);

/* From now on these throw. */
void hash_board_set(struct hash_board *board, const struct hash_throwers *throwers);

/* The number of who owns a slot; 0, too, while nobody throws. */
uint32_t hash_board_owner(const struct hash_board *board, unsigned slot);

/* The slot that these bits name; and the pause before the next dart of a thrower of this weight,
 * from the bits that are left. */
static inline unsigned hash_board_slot(uint64_t bits)
{
    return (unsigned)(bits >> (64 - HASH_BOARD_BITS));
}
double hash_board_pause(uint64_t bits, double weight);

#endif
