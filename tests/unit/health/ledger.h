/* What the models count by: every count with its time, so that what a window holds is summed up
 * anew each time. Window buckets are aligned to the clock, as window.h says. */
#ifndef EVERGATE_TESTS_UNIT_HEALTH_LEDGER_H
#define EVERGATE_TESTS_UNIT_HEALTH_LEDGER_H

#include <stddef.h>

#include "health/window.h"

enum { LEDGER_LINES = 8192 };

struct ledger {
    uint64_t window_ms;
    size_t count;
    struct ledger_line {
        uint64_t at_us, good, bad;
    } lines[LEDGER_LINES];
};

struct ledger *ledger_new(uint64_t window_ms); /* to be freed */
void ledger_clear(struct ledger *ledger);
void ledger_note(struct ledger *ledger, uint64_t now_us, uint64_t good, uint64_t bad);
/* The latest good outcome that is still in the window was none. */
void ledger_take_back(struct ledger *ledger, uint64_t now_us);
/* Of the window; what has left it is dropped, to save time. */
struct window_totals ledger_sum(struct ledger *ledger, uint64_t now_us);

#endif
