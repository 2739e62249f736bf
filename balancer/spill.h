/*
 * Spill: which level gets how much of the load. Pure arithmetic.
 *
 * A level *can* take its fit weight over min_healthy_percent of its total weight, at most all of
 * the load; levels take from the first on, each what it can, until nothing is left:
 *
 *     min_healthy_percent = 70        level 0      level 1      level 2
 *     fit                             50 %         100 %        100 %
 *     can                             71.4 %       100 %        100 %
 *     share                           71.4 %       28.6 %       0
 *
 * When all of them together cannot take all of it, what they can is scaled up to all of it: nothing
 * is refused here. Backup levels take nothing while a level that is none can take anything; then
 * the first of them that can takes all.
 */
#ifndef EVERGATE_BALANCER_SPILL_H
#define EVERGATE_BALANCER_SPILL_H

#include <stdbool.h>
#include <stdint.h>

enum { SPILL_WHOLE = 10000 }; /* all of the load */

struct spill_level {
    uint64_t total; /* weight */
    uint64_t fit;   /* of it, able to serve; at most total */
    bool backup;    /* these come last */
};

/* Sets what each level can take, and its share, both of SPILL_WHOLE. True when there is anything
 * fit: then the shares add up to SPILL_WHOLE, else they are 0. min_healthy_percent 0: any fit
 * endpoint is enough for all of the load. */
bool spill_shares(const struct spill_level *levels, unsigned count, unsigned min_healthy_percent,
                  unsigned *ret_can, unsigned *ret_shares);

#endif
