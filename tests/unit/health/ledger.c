/* The models' memory: see ledger.h. */
#include "ledger.h"

#include <criterion/criterion.h>

#include "base/alloc.h"

struct ledger *ledger_new(uint64_t window_ms)
{
    struct ledger *ledger = xcalloc(1, sizeof(*ledger));

    ledger->window_ms = window_ms;
    return ledger;
}

void ledger_clear(struct ledger *ledger)
{
    ledger->count = 0;
}

struct window_totals ledger_sum(struct ledger *ledger, uint64_t now_us)
{
    uint64_t bucket_us = ledger->window_ms * 1000 / WINDOW_BUCKETS;
    struct window_totals sum = {0};
    size_t kept = 0;

    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_line line = ledger->lines[i];

        if (line.at_us / bucket_us + WINDOW_BUCKETS <= now_us / bucket_us)
            continue;
        ledger->lines[kept++] = line;
        sum.good += line.good;
        sum.bad += line.bad;
    }
    ledger->count = kept;
    return sum;
}

void ledger_note(struct ledger *ledger, uint64_t now_us, uint64_t good, uint64_t bad)
{
    ledger_sum(ledger, now_us);
    cr_assert_lt(ledger->count, LEDGER_LINES);
    ledger->lines[ledger->count++] = (struct ledger_line){now_us, good, bad};
}

void ledger_take_back(struct ledger *ledger, uint64_t now_us)
{
    ledger_sum(ledger, now_us);
    for (size_t i = ledger->count; i-- > 0;) {
        if (ledger->lines[i].good > 0) {
            ledger->lines[i].good--;
            return;
        }
    }
}
