/* See consul_index.h. */
#include "discovery/consul_index.h"

#include "base/slice.h"

/* More than the 7 s that servers without a leader hold a query in the hope of one. */
enum { CONSUL_INDEX_MARGIN_MS = 10 * 1000 };

void consul_index_init(struct consul_index *index, uint64_t seed)
{
    *index = (struct consul_index){.random = seed | 1}; /* xorshift stays at 0 for ever */
}

void consul_index_reset(struct consul_index *index)
{
    index->index = 0;
}

bool consul_index_take(struct consul_index *index, const char *header)
{
    uint64_t before = index->index;
    unsigned long long said = 0;

    if (!slice_to_u64(slice_str(header), &said) || said == 0) {
        index->index = 1;
        return true; /* it says nothing about the answer */
    }
    index->index = said < before ? 0 : said;
    return said != before;
}

static uint64_t index_random(struct consul_index *index)
{
    uint64_t x = index->random;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return index->random = x;
}

uint64_t consul_index_pause_ms(struct consul_index *index, uint64_t now_ms)
{
    uint64_t allowed_ms = (CONSUL_INDEX_BURST - 1) * CONSUL_INDEX_PACE_MS;
    uint64_t behind_ms, pause_ms = 0;

    if (index->full_at_ms < now_ms)
        index->full_at_ms = now_ms;
    behind_ms = index->full_at_ms - now_ms;
    if (behind_ms > allowed_ms)
        pause_ms = behind_ms - allowed_ms + index_random(index) % (CONSUL_INDEX_PACE_MS / 2);
    index->full_at_ms += CONSUL_INDEX_PACE_MS;
    return pause_ms;
}

uint64_t consul_index_limit_ms(const struct consul_index *index, uint64_t wait_ms)
{
    uint64_t margin_ms = 3 * wait_ms;

    if (index->index == 0)
        return CONSUL_INDEX_MARGIN_MS;
    if (margin_ms > CONSUL_INDEX_MARGIN_MS)
        margin_ms = CONSUL_INDEX_MARGIN_MS;
    return wait_ms + wait_ms / 16 + margin_ms;
}
