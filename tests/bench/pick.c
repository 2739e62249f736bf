/*
 * What a choice costs, and an endpoint in memory, in pools of 3 to 5,000: the balancer alone, one
 * thread, one core. A line of JSON for each algorithm and size; bench.py makes tables of them.
 *
 * As in traffic, some requests are in flight at any time: those that were picked longest ago end.
 */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "balancer/balancer.h"
#include "base/alloc.h"
#include "base/check.h"

enum { IN_FLIGHT = 64, PICKS = 10 * 1000, REFRESHES = 20 };

/* How long picks are measured, and half as long before that not. */
static const uint64_t measured_ns = 200 * 1000 * 1000;

static const unsigned sizes[] = {3, 100, 1000, 5000};

static const enum config_algorithm algorithms[] = {
    CONFIG_ROUND_ROBIN,   CONFIG_WEIGHTED, CONFIG_LEAST_CONNECTIONS,
    CONFIG_LEAST_LATENCY, CONFIG_RANDOM,   CONFIG_CONSISTENT_HASH,
};

struct bench {
    struct config_pool config;
    struct balancer_pool *pool;
    uint64_t random;
    uint64_t now_us;
    struct endpoint *flying[IN_FLIGHT];
    size_t oldest;
};

static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* xorshift64*: costs next to nothing beside what is measured. */
static uint64_t random_bits(struct bench *b)
{
    b->random ^= b->random >> 12;
    b->random ^= b->random << 25;
    b->random ^= b->random >> 27;
    return b->random * 2685821657736338717u;
}

static void bench_configure(struct bench *b, enum config_algorithm algorithm, unsigned size)
{
    b->config = (struct config_pool){
        .name = "bench",
        .algorithm = algorithm,
        .hash_key = CONFIG_HASH_URI,
        .backends = xcalloc(size, sizeof(struct config_backend)),
        .backend_count = size,
    };
    for (unsigned i = 0; i < size; i++) {
        b->config.backends[i] = (struct config_backend){
            .id = xasprintf("endpoint-%u", i), .address = "10.0.0.1:80", .weight = 1};
    }
}

static void bench_fill(struct bench *b)
{
    b->pool = balancer_pool_new(&b->config, NULL);
    for (size_t i = 0; i < b->config.backend_count; i++) {
        struct endpoint *e = balancer_pool_add(b->pool, &b->config.backends[i]);

        atomic_store(&e->status, ENDPOINT_HEALTHY);
        atomic_store(&e->resolved, true);
    }
    balancer_pool_refresh(b->pool, 0);
}

static void bench_finish(struct bench *b)
{
    struct endpoint **slot = &b->flying[b->oldest];

    if (*slot != NULL)
        balancer_done(b->pool, *slot, BALANCER_SUCCESS, 200, b->now_us);
    *slot = NULL;
    b->oldest = (b->oldest + 1) % IN_FLIGHT;
}

static void bench_pick(struct bench *b, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct balancer_request request = {
            .hash = random_bits(b) | 1, .random = random_bits(b), .now_us = ++b->now_us};
        struct balancer_tried tried;
        size_t slot = b->oldest;
        int error = 0;

        bench_finish(b);
        balancer_tried_init(&tried);
        b->flying[slot] = balancer_pick(b->pool, &request, &tried, &error);
        balancer_tried_fini(&tried);
        CHECK(b->flying[slot] != NULL);
    }
}

/* Picks for so long; what one took. */
static double bench_pick_ns(struct bench *b, uint64_t for_ns)
{
    uint64_t began_ns = clock_ns(), took_ns;
    unsigned rounds = 0;

    do {
        bench_pick(b, PICKS);
        rounds++;
        took_ns = clock_ns() - began_ns;
    } while (took_ns < for_ns);
    return (double)took_ns / PICKS / rounds;
}

/* One endpoint goes away and comes back: what each refresh costs. */
static uint64_t bench_refresh_ns(struct bench *b)
{
    struct endpoint *e = balancer_pool_endpoint(b->pool, 1);
    uint64_t began_ns = clock_ns();

    for (unsigned i = 0; i < REFRESHES; i++) {
        atomic_store(&e->status, i % 2 == 0 ? ENDPOINT_UNHEALTHY : ENDPOINT_HEALTHY);
        balancer_pool_refresh(b->pool, ++b->now_us);
    }
    return (clock_ns() - began_ns) / REFRESHES;
}

static void bench_run(enum config_algorithm algorithm, unsigned size)
{
    struct bench b = {.random = 88172645463325252u, .now_us = 1000000};
    size_t before_bytes, bytes;
    double pick_ns;

    bench_configure(&b, algorithm, size);
    before_bytes = mallinfo2().uordblks + mallinfo2().hblkhd;
    bench_fill(&b);
    bytes = mallinfo2().uordblks + mallinfo2().hblkhd - before_bytes;
    bench_pick_ns(&b, measured_ns / 2);
    pick_ns = bench_pick_ns(&b, measured_ns);
    printf("{\"algorithm\":\"%s\",\"endpoints\":%u,\"pick_ns\":%.1f,\"refresh_us\":%.1f,"
           "\"pool_bytes\":%zu}\n",
           config_algorithm_name(algorithm), size, pick_ns, (double)bench_refresh_ns(&b) / 1000,
           bytes);
    for (unsigned i = 0; i < IN_FLIGHT; i++)
        bench_finish(&b);
    balancer_pool_free(b.pool);
    for (unsigned i = 0; i < size; i++)
        free((char *)b.config.backends[i].id);
    free(b.config.backends);
}

int main(void)
{
    for (size_t a = 0; a < sizeof algorithms / sizeof *algorithms; a++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
            bench_run(algorithms[a], sizes[s]);
    }
    return 0;
}
