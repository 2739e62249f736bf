/*
 * Latencies in buckets: four to an octave from 64 us to 67 s, so that a percentile read from them
 * is off by a tenth at most. Pure; counts are the caller's.
 */
#ifndef EVERGATE_HEALTH_HISTOGRAM_H
#define EVERGATE_HEALTH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_FIRST_BIT = 6, /* 64 us */
    HISTOGRAM_OCTAVES = 20,
    HISTOGRAM_PER_OCTAVE = 4,
    /* One below and one above the octaves. */
    HISTOGRAM_BUCKETS = HISTOGRAM_OCTAVES * HISTOGRAM_PER_OCTAVE + 2,
};

unsigned histogram_bucket(uint64_t latency_us);

/* Where a bucket begins; that of the one after the last is where the last is taken to end. */
uint64_t histogram_begin_us(unsigned bucket);

/* The latency that `percent` of 100 stay under: within its bucket, in proportion. 0 when they are
 * so few that less than one would be over it, or fewer than HISTOGRAM_ENOUGH. */
enum { HISTOGRAM_ENOUGH = 20 };
uint64_t histogram_percentile_us(const uint32_t counts[HISTOGRAM_BUCKETS], unsigned percent);

#endif
