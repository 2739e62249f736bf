/*
 * Hash slots: which endpoint a key belongs to, in O(1), for ip_hash and consistent_hash.
 *
 * A table of 65536 slots, and each endpoint throws darts at it for ever: the n-th dart's slot and
 * the pause before it follow from the endpoint's id alone, and the pauses are shorter the greater
 * its weight. The first dart in a slot owns it. From this rule follows all that one wants of
 * consistent hashing:
 *
 *   - endpoints own slots in proportion to their weights, but for chance: with n equal endpoints
 *     shares vary by about sqrt(n / 65536), 1.2 % for ten, 4 % for a hundred;
 *   - without an endpoint, its slots go to whoever was second there, and no others change hands;
 *   - a new endpoint takes just its share, from everybody; so does a raised weight;
 *   - the order of the backends in the file does not matter, and every evergate with the same
 *     backends agrees.
 *
 * The table depends on ids and weights only. While an endpoint is there beside another of the same
 * id, whose place it takes, the elder has their slots; when that leaves, the other has them. An
 * endpoint that may not be used now keeps its slots, and its keys look further: each key has a
 * sequence of slots of its own, so that a lost endpoint's keys spread over all others instead of
 * hitting one neighbour. One that starts slowly is away for a part of its slots, by the same rule:
 * its keys come back to it little by little, from where they are, and no others move.
 *
 * Readers need no lock: each slot is one atomic index, which is either the old owner or the new
 * one while the table is rebuilt for other weights. For other members there is another table, made
 * before it is seen.
 */
#ifndef EVERGATE_BALANCER_HASH_SLOTS_H
#define EVERGATE_BALANCER_HASH_SLOTS_H

#include "balancer/algorithm.h"

struct hash_slots;

/* For balancer_algorithm. The first table takes some 10 ms, and so does each change among a few
 * endpoints. With more the first change takes 30 ms, and after it those pay who come and go: see
 * hash_board.h. `before` gives its board away; it can be chosen by, but not changed any more. */
void *hash_slots_new(const struct balancer_members *members, void *before);
void hash_slots_free(void *slots);
void hash_slots_changed(const struct balancer_members *members, void *slots);

/*
 * The owner of the `step`-th slot in the sequence of `hash`. Steps from 0 to HASH_SLOTS_STEPS - 1;
 * a caller that met nobody by then takes hash_slots_race. NULL: it starts slowly, and lets this one
 * go by.
 */
enum { HASH_SLOTS_STEPS = 32 };
struct endpoint *hash_slots_owner(const struct balancer_candidates *c, const void *slots,
                                  uint64_t hash, unsigned step);

/* The same rule held for one key among those candidates for which `fits` (NULL: all): a race of
 * first darts. As stable as the table; O(n). NULL when there is none. */
struct endpoint *hash_slots_race(const struct balancer_candidates *c, uint64_t hash,
                                 bool (*fits)(const struct balancer_candidates *c,
                                              const struct endpoint *endpoint));

/* Takes the winner of that race, or who is next when its last place is gone; NULL: nobody. */
struct endpoint *hash_slots_race_take(const struct balancer_candidates *c, uint64_t hash);

/* A request without a key goes anywhere, not always to the same place. */
static inline uint64_t hash_slots_key(const struct balancer_request *request)
{
    return request->hash != 0 ? request->hash : balancer_mix(request->random);
}

#endif
