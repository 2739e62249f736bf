/* The sliding window: see window.h. */
#include "health/window.h"

#include <string.h>

static uint64_t bucket_us_of(uint64_t length_ms)
{
    uint64_t bucket_us = length_ms * 1000 / WINDOW_BUCKETS;

    return bucket_us > 0 ? bucket_us : 1;
}

void window_init(struct window *window, uint64_t length_ms)
{
    *window = (struct window){.bucket_us = bucket_us_of(length_ms)};
}

void window_change(struct window *window, uint64_t length_ms)
{
    if (window->bucket_us != bucket_us_of(length_ms))
        window_init(window, length_ms);
}

void window_clear(struct window *window)
{
    memset(window->buckets, 0, sizeof(window->buckets));
    window->sum = (struct window_totals){0};
}

/* Empties the buckets whose time is over. */
static void window_advance(struct window *window, uint64_t now_us)
{
    uint64_t turn = now_us / window->bucket_us;

    if (turn >= window->turn + WINDOW_BUCKETS) {
        window_clear(window);
        window->turn = turn;
        return;
    }
    while (window->turn < turn) {
        struct window_totals *oldest = &window->buckets[++window->turn % WINDOW_BUCKETS];

        window->sum.good -= oldest->good;
        window->sum.bad -= oldest->bad;
        *oldest = (struct window_totals){0};
    }
}

void window_add(struct window *window, uint64_t now_us, uint64_t good, uint64_t bad)
{
    struct window_totals *newest;

    window_advance(window, now_us);
    newest = &window->buckets[window->turn % WINDOW_BUCKETS];
    newest->good += good;
    newest->bad += bad;
    window->sum.good += good;
    window->sum.bad += bad;
}

void window_turn_bad(struct window *window, uint64_t now_us)
{
    window_advance(window, now_us);
    /* Of the newest bucket that has one: which one it was is not known, and lately is likely. */
    for (unsigned i = 0; i < WINDOW_BUCKETS && window->sum.good > 0; i++) {
        uint64_t *good =
            &window->buckets[(window->turn + WINDOW_BUCKETS - i) % WINDOW_BUCKETS].good;

        if (*good > 0) {
            --*good;
            --window->sum.good;
            break;
        }
    }
    window_add(window, now_us, 0, 1);
}

struct window_totals window_sum(struct window *window, uint64_t now_us)
{
    window_advance(window, now_us);
    return window->sum;
}

static void totals_subtract(struct window_totals *totals, uint64_t good, uint64_t bad)
{
    totals->good -= good;
    totals->bad -= bad;
}

void window_subtract(struct window *window, struct window *part, uint64_t now_us)
{
    if (window->bucket_us != part->bucket_us)
        return;
    window_advance(window, now_us);
    window_advance(part, now_us);
    for (unsigned i = 0; i < WINDOW_BUCKETS; i++) {
        struct window_totals *whole = &window->buckets[i];
        /* An outcome of the part may have been counted elsewhere in the whole. */
        uint64_t good = part->buckets[i].good < whole->good ? part->buckets[i].good : whole->good;
        uint64_t bad = part->buckets[i].bad < whole->bad ? part->buckets[i].bad : whole->bad;

        totals_subtract(whole, good, bad);
        totals_subtract(&window->sum, good, bad);
    }
}

bool window_is_bad(struct window_totals totals, unsigned percent, unsigned min_requests)
{
    uint64_t all = totals.good + totals.bad;

    return percent > 0 && all > 0 && all >= min_requests && totals.bad * 100 >= all * percent;
}
