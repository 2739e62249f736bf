/*
 * Retry budget: how many requests of a pool may be repeated, as a share of those that came. It
 * keeps an outage from multiplying the load: whatever fails, upstream sees at most the requests and
 * `percent` of them again.
 *
 * One budget is shared by all workers, without a lock. Requests and retries are counted in slots of
 * time, and two windows of slots are looked at before a retry is granted: a second, so that an
 * outage after a quiet hour finds no savings to burn, and ten, so that short bursts do not each
 * have the minimum on top.
 *
 *     slots of 1/32 s     │ │ │ │ │ ... │ │▓│      window: the last 32 and the one that is running
 *     slots of 1 s        │   │   │ ... │ ▓ │      window: the last 10 and the one that is running
 *
 * The bound. When a retry is granted at the time t,
 *
 *   - the retries since t - 1 s, this one included, are at most the greater of `min_per_second` and
 *     `percent` of the requests since t - 1.03125 s;
 *   - the retries since t - 10 s are at most the greater of 10 * `min_per_second` and `percent` of
 *     the requests since t - 11 s.
 *
 * The other way round, a retry is refused only if it would break one of these with the two times
 * exchanged (retries since t - 1.03125 s, requests since t - 1 s), or if another worker asks at the
 * same moment for the last one: then both may be refused, never both granted.
 *
 * Times are of each worker's own clock, as of its loop's turn; the bounds hold for them, as long as
 * they are less than a second apart. Above 16,383 retries and 262,143 requests in one slot are not
 * counted; retries are refused then.
 */
#ifndef EVERGATE_BALANCER_RETRY_BUDGET_H
#define EVERGATE_BALANCER_RETRY_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    RETRY_BUDGET_SHORT_SLOTS = 64,
    RETRY_BUDGET_LONG_SLOTS = 16,
};

struct retry_budget {
    _Atomic unsigned percent, min_per_second;
    _Alignas(64) _Atomic uint64_t short_slots[RETRY_BUDGET_SHORT_SLOTS];
    _Atomic uint64_t long_slots[RETRY_BUDGET_LONG_SLOTS];
};

void retry_budget_init(struct retry_budget *budget, unsigned percent, unsigned min_per_second);

/* Other limits from now on; what was counted stays. Any thread. */
void retry_budget_change(struct retry_budget *budget, unsigned percent, unsigned min_per_second);

/* `n` requests came. A worker may save them up, to 64 or for some milliseconds: what it has not
 * told yet does not count. Any thread. */
void retry_budget_deposit(struct retry_budget *budget, unsigned n, uint64_t now_us);

/* May one request be repeated? True counts it. Any thread. */
bool retry_budget_withdraw(struct retry_budget *budget, uint64_t now_us);

#endif
