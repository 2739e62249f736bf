/* See backoff.h. */
#include "discovery/backoff.h"

void backoff_init(struct backoff *backoff, uint64_t seed)
{
    *backoff = (struct backoff){.random = seed};
}

/* splitmix64: one state word, and good enough to keep instances apart. */
static uint64_t backoff_random(struct backoff *backoff)
{
    uint64_t z = backoff->random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

uint64_t backoff_next_ms(struct backoff *backoff)
{
    uint64_t delay_ms = BACKOFF_FIRST_MS;

    for (unsigned i = 0; i < backoff->failures && delay_ms < BACKOFF_LONGEST_MS; i++)
        delay_ms *= 2;
    if (delay_ms > BACKOFF_LONGEST_MS)
        delay_ms = BACKOFF_LONGEST_MS;
    backoff->failures++;
    return delay_ms / 2 + backoff_random(backoff) % (delay_ms / 2 + 1);
}

void backoff_reset(struct backoff *backoff)
{
    backoff->failures = 0;
}
