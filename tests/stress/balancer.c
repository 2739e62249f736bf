/*
 * The balancer under threads. A plain program, so that ThreadSanitizer can watch it.
 *
 *   stress_balancer           for every algorithm: a restless phase, in which four workers pick and
 *                             give back while weights, drains, statuses and breakers change; then
 *                             quiet ones, in which they pick and hold: with all endpoints, one of
 *                             them ejected, one that joins, one in slow start. After the first
 *                             nothing is in flight and every pick was counted; after the others,
 *                             what is in flight stands in proportion to the weights. Then the
 *                             limits of connections, which are never exceeded and leave no place
 *                             unused. Last the retry budget, of which not one too many is granted.
 *   stress_balancer --bench   nanoseconds per pick and done, for docs/balancing.md
 *
 * Shares are measured on held requests because algorithms that go by load promise shares of the
 * load: while a thread waits for a processor its requests stay in flight, and shares of the picks
 * are rightly different.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/algorithm.h"
#include "balancer/retry_budget.h"
#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"
#include "random.h"

enum { WORKERS = 4, SIZE = 4, PICKS = 20000, HELD = 64, HOLDS = 25000, CHANGES = 400 };
enum { LIMIT_EACH = 5, LIMIT_POOL = 18, WANTED = 8 };

static const unsigned weights[SIZE] = {4, 3, 2, 1};

enum condition { ALL_SERVE, ONE_EJECTED, ONE_JOINS, ONE_STARTS_SLOWLY, CONDITION_COUNT };

struct run {
    struct balancer_pool *pool;
    pthread_barrier_t start; /* so that nobody has finished before the last one starts */
    _Atomic unsigned working;
    _Atomic uint64_t picked;
};

struct work {
    struct run *run;
    unsigned number;
};

static struct balancer_pool *pool_new(enum config_algorithm algorithm, unsigned size,
                                      const unsigned *pool_weights, unsigned max_connections,
                                      struct config_pool *config)
{
    struct balancer_pool *pool;

    *config = (struct config_pool){
        .name = "stress",
        .algorithm = algorithm,
        .max_connections = max_connections,
        .slow_start_ms = 5000,
        .backends = xcalloc(size, sizeof(struct config_backend)),
        .backend_count = size,
    };
    for (unsigned i = 0; i < size; i++) {
        config->backends[i] = (struct config_backend){
            .id = xasprintf("e%u", i), .address = "10.0.0.1:80", .weight = pool_weights[i]};
    }
    pool = balancer_pool_new(config, NULL);
    for (unsigned i = 0; i < size; i++) {
        struct endpoint *e = balancer_pool_add(pool, &config->backends[i]);

        atomic_store(&e->status, ENDPOINT_HEALTHY);
        atomic_store(&e->resolved, true);
    }
    balancer_pool_refresh(pool, 0);
    return pool;
}

static void pool_free(struct balancer_pool *pool, struct config_pool *config)
{
    balancer_pool_free(pool);
    for (unsigned i = 0; i < config->backend_count; i++)
        free((char *)config->backends[i].id);
    free(config->backends);
}

static struct endpoint *pick(struct balancer_pool *pool, struct balancer_tried *tried,
                             uint64_t *random, uint64_t now_us)
{
    struct balancer_request request = {
        .hash = random_next(random), .random = random_next(random), .now_us = now_us};
    int error = 0;
    struct endpoint *e = balancer_pick(pool, &request, tried, &error);

    CHECK(e != NULL || error == EG_E_NO_ENDPOINT || error == EG_E_BREAKER_OPEN ||
          error == EG_E_OVERLOAD);
    return e;
}

/* One request: at times its first attempt fails at once and it is picked for again. */
static struct endpoint *request_start(struct work *w, uint64_t *random, uint64_t now_us)
{
    struct balancer_pool *pool = w->run->pool;
    struct balancer_tried tried;
    struct endpoint *e, *first;

    balancer_tried_init(&tried);
    e = first = pick(pool, &tried, random, now_us);
    if (e != NULL && random_next(random) % 8 == 0) {
        balancer_done(pool, e, BALANCER_FAILURE, 10, now_us);
        e = pick(pool, &tried, random, now_us);
        CHECK(e != first);
        atomic_fetch_add(&w->run->picked, 1);
    }
    atomic_fetch_add(&w->run->picked, e != NULL);
    balancer_tried_fini(&tried);
    return e;
}

/* As the management API would, at any time. */
static void look_at_tiers(struct balancer_pool *pool)
{
    struct balancer_tier tier;

    CHECK(balancer_pool_tiers(pool, &tier, 1) == 1);
    CHECK(tier.endpoints == SIZE && tier.healthy <= SIZE && tier.load_percent <= 100);
    CHECK(!balancer_pool_panicking(pool));
}

static void *restless_main(void *arg)
{
    struct work *w = arg;
    struct endpoint *held[HELD] = {0};
    uint64_t random = w->number, now_us = 1000000;

    pthread_barrier_wait(&w->run->start);
    for (unsigned i = 0; i < PICKS; i++) {
        struct endpoint **place = &held[i % HELD];

        now_us += 10;
        if (*place != NULL)
            balancer_done(w->run->pool, *place, BALANCER_SUCCESS, 5000, now_us);
        *place = request_start(w, &random, now_us);
        if (i % 1000 == 0)
            look_at_tiers(w->run->pool);
    }
    for (unsigned i = 0; i < HELD; i++) {
        if (held[i] != NULL)
            balancer_done(w->run->pool, held[i], BALANCER_SUCCESS, 5000, now_us);
    }
    atomic_fetch_sub(&w->run->working, 1);
    return NULL;
}

static void *quiet_main(void *arg)
{
    struct work *w = arg;
    uint64_t random = 1000 + w->number;

    pthread_barrier_wait(&w->run->start);
    for (unsigned i = 0; i < HOLDS; i++) {
        struct balancer_tried tried;

        balancer_tried_init(&tried);
        CHECK(pick(w->run->pool, &tried, &random, 2000000) != NULL);
        balancer_tried_fini(&tried);
    }
    return NULL;
}

static void change_something(struct endpoint *e, uint64_t bits)
{
    switch (bits % 6) {
    case 0:
        atomic_store(&e->weight, (unsigned)(bits >> 8) % 9);
        break;
    case 1:
        atomic_store(&e->draining, (bits >> 8) % 2);
        break;
    case 2:
        atomic_store(&e->status, (enum endpoint_status)((bits >> 8) % 4));
        break;
    case 3:
        atomic_store(&e->probes, (unsigned)(bits >> 16) % 5);
        atomic_store(&e->breaker, (enum breaker_state)((bits >> 8) % 3));
        break;
    case 4:
        atomic_store(&e->probes, (unsigned)(bits >> 16) % 5);
        atomic_store(&e->stall, (enum stall_state)((bits >> 8) % 3));
        break;
    case 5:
        atomic_store(&e->ejected, (bits >> 8) % 2);
        atomic_store(&e->max_connections, (unsigned)(bits >> 16) % 50);
        break;
    }
}

/* Changes inputs while the workers are at it; with a breath between, so that they see each. */
static void change_inputs(struct run *run)
{
    const struct timespec breath = {.tv_nsec = 500000};
    uint64_t random = 99;

    for (unsigned n = 0; n < CHANGES && atomic_load(&run->working) > 0; n++) {
        uint64_t bits = random_next(&random);

        change_something(balancer_pool_endpoint(run->pool, (unsigned)(bits >> 32) % SIZE), bits);
        if (bits % 7 == 0)
            balancer_endpoint_returned(run->pool, balancer_pool_endpoint(run->pool, n % SIZE),
                                       n * 100000);
        balancer_pool_refresh(run->pool, n * 100000);
        nanosleep(&breath, NULL);
    }
}

static void inputs_reset(struct balancer_pool *pool)
{
    for (unsigned i = 0; i < SIZE; i++) {
        struct endpoint *e = balancer_pool_endpoint(pool, i);

        atomic_store(&e->weight, weights[i]);
        atomic_store(&e->draining, false);
        atomic_store(&e->status, ENDPOINT_HEALTHY);
        atomic_store(&e->breaker, BREAKER_CLOSED);
        atomic_store(&e->stall, STALL_CLEAR);
        atomic_store(&e->ejected, false);
        atomic_store(&e->max_connections, 0);
        /* The same for all, so that only the load counts: see endpoint_latency_us. */
        atomic_store(&e->latency_ewma, 5000 << 16);
        atomic_store(&e->latency_stamp_us, 2000000);
    }
    balancer_pool_refresh(pool, 3600000000); /* all slow starts are over */
}

static void phase(struct run *run, void *(*worker_main)(void *), bool restless)
{
    pthread_t threads[WORKERS];
    struct work work[WORKERS];

    CHECK(pthread_barrier_init(&run->start, NULL, WORKERS + 1) == 0);
    atomic_store(&run->working, WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) {
        work[i] = (struct work){.run = run, .number = i};
        CHECK(pthread_create(&threads[i], NULL, worker_main, &work[i]) == 0);
    }
    pthread_barrier_wait(&run->start);
    if (restless)
        change_inputs(run);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    pthread_barrier_destroy(&run->start);
}

static void check_accounts(struct run *run)
{
    uint64_t picks = 0;

    for (unsigned i = 0; i < SIZE; i++) {
        struct endpoint *e = balancer_pool_endpoint(run->pool, i);

        CHECK(atomic_load(&e->active) == 0);
        picks += atomic_load(&e->picks);
    }
    CHECK(picks == atomic_load(&run->picked));
}

static void condition_set(struct balancer_pool *pool, enum condition condition)
{
    const uint64_t now_us = 3600000000;
    struct endpoint *second = balancer_pool_endpoint(pool, 1);

    inputs_reset(pool);
    if (condition == ONE_EJECTED)
        atomic_store(&second->ejected, true);
    if (condition == ONE_JOINS) {
        atomic_store(&second->weight, 0);
        balancer_pool_refresh(pool, now_us);
        atomic_store(&second->weight, weights[1]);
    }
    if (condition == ONE_STARTS_SLOWLY)
        balancer_endpoint_returned(pool, second, now_us - 2500000);
    balancer_pool_refresh(pool, now_us);
    CHECK((condition == ONE_STARTS_SLOWLY) == (atomic_load(&second->share) < weights[1] * 100));
}

/* Hashing shares by chance: 65536 slots, 100,000 random keys. */
static double tolerance_of(enum config_algorithm algorithm)
{
    return algorithm == CONFIG_IP_HASH || algorithm == CONFIG_CONSISTENT_HASH ? 0.05 : 0.02;
}

static double usable_share(const struct endpoint *e)
{
    return endpoint_usable(e) ? (double)atomic_load(&e->share) : 0;
}

/* Gives everything back; returns the number of endpoints whose share was too far off. */
static unsigned check_shares(struct run *run, enum config_algorithm algorithm,
                             enum condition condition)
{
    double tolerance = tolerance_of(algorithm), shares = 0;
    unsigned wrong = 0;

    for (unsigned i = 0; i < SIZE; i++)
        shares += usable_share(balancer_pool_endpoint(run->pool, i));
    for (unsigned i = 0; i < SIZE; i++) {
        struct endpoint *e = balancer_pool_endpoint(run->pool, i);
        int active = atomic_load(&e->active);
        double expected = WORKERS * HOLDS * usable_share(e) / shares;

        if (active < expected * (1 - tolerance) || active > expected * (1 + tolerance)) {
            fprintf(stderr, "%s, condition %d: endpoint %u holds %d, expected %.0f\n",
                    config_algorithm_name(algorithm), condition, i, active, expected);
            wrong++;
        }
        for (; active > 0; active--)
            balancer_done(run->pool, e, BALANCER_SUCCESS, 5000, 2000000);
    }
    return wrong;
}

static unsigned stress(enum config_algorithm algorithm)
{
    struct config_pool config;
    struct run run = {.pool = pool_new(algorithm, SIZE, weights, 0, &config)};
    unsigned wrong = 0;

    phase(&run, restless_main, true);
    check_accounts(&run);
    for (unsigned condition = 0; condition < CONDITION_COUNT; condition++) {
        condition_set(run.pool, condition);
        phase(&run, quiet_main, false);
        wrong += check_shares(&run, algorithm, condition);
        atomic_fetch_add(&run.picked, WORKERS * HOLDS);
        check_accounts(&run);
    }
    pool_free(run.pool, &config);
    return wrong;
}

/* ---- Limits ---- */

/* Takes as many as it gets, up to WANTED, and gives them back, again and again. */
static void *greedy_main(void *arg)
{
    struct work *w = arg;
    struct balancer_pool *pool = w->run->pool;
    uint64_t random = 2000 + w->number;

    pthread_barrier_wait(&w->run->start);
    for (unsigned i = 0; i < PICKS / 4; i++) {
        struct endpoint *held[WANTED] = {0};

        for (unsigned k = 0; k < WANTED; k++) {
            struct balancer_tried tried;

            balancer_tried_init(&tried);
            held[k] = pick(pool, &tried, &random, i);
            balancer_tried_fini(&tried);
            CHECK(held[k] == NULL || atomic_load(&held[k]->active) <= LIMIT_EACH);
            CHECK(balancer_pool_in_flight(pool) <= LIMIT_POOL);
            atomic_fetch_add(&w->run->picked, held[k] != NULL);
        }
        for (unsigned k = 0; k < WANTED; k++) {
            if (held[k] != NULL)
                balancer_done(pool, held[k], BALANCER_SUCCESS, 1000, i);
        }
    }
    return NULL;
}

/* Every place can be had, and not one more. */
static void check_places(struct balancer_pool *pool)
{
    struct endpoint *held[LIMIT_POOL];
    struct balancer_tried tried;
    uint64_t random = 5;

    for (unsigned i = 0; i <= LIMIT_POOL; i++) {
        struct endpoint *e;

        balancer_tried_init(&tried);
        e = pick(pool, &tried, &random, i);
        balancer_tried_fini(&tried);
        CHECK((e == NULL) == (i == LIMIT_POOL));
        if (e != NULL)
            held[i] = e;
    }
    for (unsigned i = 0; i < LIMIT_POOL; i++)
        balancer_done(pool, held[i], BALANCER_SUCCESS, 1000, i);
}

static void stress_limits(enum config_algorithm algorithm)
{
    struct config_pool config;
    struct run run = {.pool = pool_new(algorithm, SIZE, weights, LIMIT_POOL, &config)};

    for (unsigned i = 0; i < SIZE; i++)
        atomic_store(&balancer_pool_endpoint(run.pool, i)->max_connections, LIMIT_EACH);
    balancer_pool_refresh(run.pool, 0);
    phase(&run, greedy_main, false);
    check_accounts(&run);
    CHECK(balancer_pool_in_flight(run.pool) == 0);
    check_places(run.pool);
    pool_free(run.pool, &config);
}

/* ---- The retry budget ---- */

struct spending {
    struct retry_budget budget;
    _Atomic unsigned granted;
};

static void *spender_main(void *arg)
{
    struct spending *s = arg;

    for (unsigned i = 0; i < 5000; i++) {
        retry_budget_deposit(&s->budget, 1, 1000000 + i);
        if (retry_budget_withdraw(&s->budget, 1000000 + i))
            atomic_fetch_add(&s->granted, 1);
    }
    return NULL;
}

/* All within one window: at most a fifth of what came. */
static void stress_budget(void)
{
    struct spending s = {.granted = 0};
    pthread_t threads[WORKERS];

    retry_budget_init(&s.budget, 20, 3);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK(pthread_create(&threads[i], NULL, spender_main, &s) == 0);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(atomic_load(&s.granted) <= WORKERS * 5000 / 5);
    while (retry_budget_withdraw(&s.budget, 1005000))
        atomic_fetch_add(&s.granted, 1);
    CHECK(atomic_load(&s.granted) == WORKERS * 5000 / 5);
}

static double bench_picks(struct balancer_pool *pool, unsigned picks, uint64_t *random)
{
    uint64_t start_us = clock_monotonic_us();

    for (unsigned i = 0; i < picks; i++) {
        struct balancer_tried tried;
        struct endpoint *e;

        balancer_tried_init(&tried);
        e = pick(pool, &tried, random, i);
        balancer_done(pool, e, BALANCER_SUCCESS, 1000, i);
        balancer_tried_fini(&tried);
    }
    return (double)(clock_monotonic_us() - start_us) * 1000 / picks;
}

/* The best of ten rounds: the machine may be busy with other things. */
static double bench(enum config_algorithm algorithm, unsigned size, bool equal)
{
    unsigned *pool_weights = xcalloc(size, sizeof(*pool_weights));
    double best = 1e9;
    uint64_t random = 1;
    struct config_pool config;
    struct balancer_pool *pool;

    for (unsigned i = 0; i < size; i++)
        pool_weights[i] = equal ? 1 : 1 + (unsigned)(random_next(&random) % 100);
    pool = pool_new(algorithm, size, pool_weights, 0, &config);
    for (unsigned round = 0; round < 10; round++) {
        double ns = bench_picks(pool, size > 1000 ? 5000 : 100000, &random);

        best = ns < best ? ns : best;
    }
    pool_free(pool, &config);
    free(pool_weights);
    return best;
}

static void bench_all(void)
{
    static const unsigned sizes[] = {3, 100, 5000};

    printf("ns per pick and done; equal / unequal weights\n%-20s", "algorithm");
    for (unsigned s = 0; s < 3; s++)
        printf(" %15u", sizes[s]);
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        printf("\n%-20s", config_algorithm_name(a));
        for (unsigned s = 0; s < 3; s++)
            printf(" %7.0f/%7.0f", bench(a, sizes[s], true), bench(a, sizes[s], false));
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    unsigned wrong = 0;

    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        bench_all();
        return 0;
    }
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        wrong += stress(a);
        stress_limits(a);
    }
    stress_budget();
    printf("%u shares off\n", wrong);
    return wrong > 0;
}
