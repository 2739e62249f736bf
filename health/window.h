/*
 * A sliding window of good and bad outcomes: ten buckets of a tenth of its length each, so that
 * what it says covers between nine tenths and the whole of it and no outcome is counted longer.
 * Pure; time is a parameter and must not go backwards.
 */
#ifndef EVERGATE_HEALTH_WINDOW_H
#define EVERGATE_HEALTH_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum { WINDOW_BUCKETS = 10 };

struct window_totals {
    uint64_t good, bad;
};

struct window {
    uint64_t bucket_us;
    uint64_t turn; /* number of the newest bucket since time 0 */
    struct window_totals buckets[WINDOW_BUCKETS], sum;
};

void window_init(struct window *window, uint64_t length_ms);
void window_clear(struct window *window);
/* The length is another from now on: then it starts anew, else nothing happens. */
void window_change(struct window *window, uint64_t length_ms);
/* Takes away what `part`, a window of the same length, had of it. */
void window_subtract(struct window *window, struct window *part, uint64_t now_us);
void window_add(struct window *window, uint64_t now_us, uint64_t good, uint64_t bad);
/* One that was counted as good turned out to be bad after all. */
void window_turn_bad(struct window *window, uint64_t now_us);
struct window_totals window_sum(struct window *window, uint64_t now_us);

/* Are at least `percent` of `totals` bad, and are they at least `min_requests`? */
bool window_is_bad(struct window_totals totals, unsigned percent, unsigned min_requests);

#endif
