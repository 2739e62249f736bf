/* Latencies in buckets: see histogram.h. */
#include "health/histogram.h"

unsigned histogram_bucket(uint64_t latency_us)
{
    unsigned bit;

    if (latency_us < 1u << HISTOGRAM_FIRST_BIT)
        return 0;
    bit = 63 - (unsigned)__builtin_clzll(latency_us);
    if (bit >= HISTOGRAM_FIRST_BIT + HISTOGRAM_OCTAVES)
        return HISTOGRAM_BUCKETS - 1;
    /* The two bits behind the highest one say which quarter of the octave it is. */
    return 1 + (bit - HISTOGRAM_FIRST_BIT) * HISTOGRAM_PER_OCTAVE +
           (unsigned)(latency_us >> (bit - 2) & (HISTOGRAM_PER_OCTAVE - 1));
}

uint64_t histogram_begin_us(unsigned bucket)
{
    unsigned octave;

    if (bucket == 0)
        return 0;
    octave = (bucket - 1) / HISTOGRAM_PER_OCTAVE;
    return (uint64_t)(HISTOGRAM_PER_OCTAVE + (bucket - 1) % HISTOGRAM_PER_OCTAVE)
           << (octave + HISTOGRAM_FIRST_BIT - 2);
}

uint64_t histogram_percentile_us(const uint32_t counts[HISTOGRAM_BUCKETS], unsigned percent)
{
    uint64_t all = 0, below = 0, rank;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        all += counts[i];
    if (percent > 100 || all < HISTOGRAM_ENOUGH || all * (100 - percent) < 100)
        return 0;
    rank = (all * percent + 99) / 100;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t begin_us = histogram_begin_us(i), width_us = histogram_begin_us(i + 1) - begin_us;

        if (below + counts[i] >= rank && counts[i] > 0)
            return begin_us + width_us * (rank - below) / counts[i];
        below += counts[i];
    }
    return 0;
}
