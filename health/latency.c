/*
 * Percentiles of the last 10 to 20 seconds: once a second the answers counted since the older of
 * two snapshots are read, every 10 seconds the snapshots move on. The results are atomics of their
 * own, so that whoever hedges reads one.
 */
#include <string.h>

#include "health/health.h"
#include "health/health_internal.h"

enum { LATENCY_ROTATE_US = 10000000 };

static const unsigned endpoint_percents[LATENCY_COUNT] = {
    [LATENCY_P50] = 50, [LATENCY_P90] = 90, [LATENCY_P99] = 99};

/* An empty record's time is saved: most of 5,000 endpoints may be idle. */
static bool record_answers(const struct record *r, uint32_t now[HISTOGRAM_BUCKETS],
                           uint32_t lately[HISTOGRAM_BUCKETS])
{
    uint32_t any = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        now[i] = atomic_load_explicit(&r->answers[i], memory_order_relaxed);
        lately[i] = now[i] - r->answers_older[i];
        any |= lately[i];
    }
    return any != 0;
}

static void record_publish(struct record *r, const uint32_t lately[HISTOGRAM_BUCKETS])
{
    for (unsigned i = 0; i < LATENCY_COUNT; i++) {
        atomic_store_explicit(&r->percentiles_us[i],
                              (uint32_t)histogram_percentile_us(lately, endpoint_percents[i]),
                              memory_order_relaxed);
    }
}

void latency_tick(struct health_pool *pool, uint64_t now_us)
{
    uint32_t sum[HISTOGRAM_BUCKETS] = {0}, now[HISTOGRAM_BUCKETS], lately[HISTOGRAM_BUCKETS];
    bool rotate = now_us >= pool->rotate_us;

    for (unsigned i = 0; i < pool->count; i++) {
        struct record *r = pool->records[i];
        bool any = record_answers(r, now, lately);

        if (any || atomic_load_explicit(&r->percentiles_us[LATENCY_P50], memory_order_relaxed) != 0)
            record_publish(r, lately);
        for (unsigned b = 0; any && b < HISTOGRAM_BUCKETS; b++)
            sum[b] += lately[b];
        if (rotate && any) {
            memcpy(r->answers_older, r->answers_newer, sizeof(r->answers_older));
            memcpy(r->answers_newer, now, sizeof(r->answers_newer));
        }
    }
    if (rotate)
        pool->rotate_us = now_us + LATENCY_ROTATE_US;
    for (unsigned percent = 1; percent < 100; percent++) {
        atomic_store_explicit(&pool->percentiles_us[percent],
                              (uint32_t)histogram_percentile_us(sum, percent),
                              memory_order_relaxed);
    }
}

uint64_t health_pool_latency_us(const struct health_pool *pool, unsigned percent)
{
    if (percent == 0 || percent > 99)
        return 0;
    return atomic_load_explicit(&pool->percentiles_us[percent], memory_order_relaxed);
}
