/*
 * A bad spell: the latest stretch of outcomes, of those that end now the one in which the most
 * failed over and above `percent` of 100. So many are its excess.
 *
 *   outcomes   . . . x . . . . . . x . x x . x x x . x x . x    (x: failed)
 *   excess     0 0 0 + 0 0 0 0 0 0 + 0 + + + + + + + + + + +
 *                                      └─────────────────── the spell
 *
 * It is Page's cumulative sum (E. S. Page, "Continuous inspection schemes", Biometrika 41, 1954):
 * a failure adds 100 - percent, a success takes `percent` away, and where nothing is left the next
 * failure begins another spell. So the greatest of all stretches is found without a list of them,
 * however many outcomes came before, and a hundred successes at once are the same as one by one.
 *
 * What an excess of h failures is worth: where a share p of the requests usually fails, it comes by
 * chance once in e^(ah) requests on average or more rarely, with a from p (e^a - 1) + 1 = e^(ak), k
 * = percent / 100. (For a (outcome - k) is a log-likelihood ratio then, and so the bound of G.
 * Lorden, "Procedures for reacting to a change in distribution", Annals of Mathematical Statistics
 * 42, 1971, theorem 2; that one looks again and again is a part of it.) If p is at most half of k,
 * then a > 1.256, whatever k is. Where more usually fail the bound fades, and at k it is gone.
 *
 * Pure.
 */
#ifndef EVERGATE_HEALTH_SPELL_H
#define EVERGATE_HEALTH_SPELL_H

#include <stdbool.h>
#include <stdint.h>

#include "health/window.h"

struct spell {
    uint64_t since_us; /* of its first failure */
    struct window_totals totals;
};

void spell_good(struct spell *spell, unsigned percent, uint64_t count);
/* A failure; `late`: it had been counted as a success. What that took away is given back if the
 * spell still knows of one; so where most failures are late ones, spells look better than they are.
 */
void spell_bad(struct spell *spell, unsigned percent, bool late, uint64_t now_us);
/* In hundredths of a failure; 0 or less: there is no spell. */
int64_t spell_excess(const struct spell *spell, unsigned percent);

#endif
