/*
 * Picking while endpoints come and go and settings change. A plain program, so that
 * ThreadSanitizer can watch it.
 *
 * Four workers pick, hold and give back, in turns: what they found in one they do not use in the
 * next, unless they hold it. One thread changes the pool as the proxy does: newcomers, other
 * weights, tiers and algorithms; a refresh; a turn of every worker; a reclaim; then newcomers are
 * opened and others leave, at times all of them. There is always somebody who can serve, though
 * never for long the same, so every pick must find one. In the end nothing is in flight, and
 * nothing is lost.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "balancer/algorithm.h"
#include "base/alloc.h"
#include "base/check.h"
#include "random.h"
#include "turns.h"

enum { WORKERS = TURNS_WORKERS, HELD = 32, CHANGES = 120, LEAST = 2, MOST = 12, PER_TURN = 8 };

struct run {
    struct balancer_pool *pool;
    _Atomic bool ends;
    struct turns turns;
    _Atomic uint64_t picked;
    pthread_barrier_t start;
    /* Of the thread that changes. */
    struct config_pool configs[2];
    unsigned config;
    uint64_t random, now_us;
    unsigned births;
};

struct worker {
    struct run *run;
    unsigned number;
    uint64_t random, now_us;
    struct endpoint *held[HELD];
    unsigned next;
};

/* ---- The workers ---- */

static void worker_release(struct worker *w, unsigned place)
{
    if (w->held[place] != NULL)
        balancer_done(w->run->pool, w->held[place], BALANCER_SUCCESS, 5000, w->now_us);
    w->held[place] = NULL;
}

static void worker_pick(struct worker *w)
{
    unsigned place = w->next++ % HELD;
    struct balancer_request request = {.hash = random_next(&w->random),
                                       .random = random_next(&w->random),
                                       .now_us = w->now_us += 10};
    struct balancer_tried tried;
    int error = 0;

    worker_release(w, place);
    if (w->held[(place + 1) % HELD] != NULL && request.random % 4 == 0) {
        request.session = request.hash;
        request.session_endpoint = w->held[(place + 1) % HELD]; /* at times it is leaving */
    }
    balancer_tried_init(&tried);
    w->held[place] = balancer_pick(w->run->pool, &request, &tried, &error);
    balancer_tried_fini(&tried);
    CHECK(w->held[place] != NULL);
    atomic_fetch_add(&w->run->picked, 1);
}

/* As it looks for the endpoint of a cookie, and as management looks at all of it. */
static void worker_look(struct worker *w)
{
    const struct balancer_request request = {.hash = 1, .random = random_next(&w->random)};
    struct balancer_candidate candidates[4 * MOST];
    struct balancer_tier tiers[8];
    struct endpoint *chosen;
    unsigned size = balancer_pool_size(w->run->pool);

    for (unsigned i = 0; i < size; i++) {
        const struct endpoint *e = balancer_pool_endpoint(w->run->pool, i);

        CHECK(e == NULL || (e->index == i && e->id[0] == 'e'));
    }
    CHECK(balancer_pool_tiers(w->run->pool, tiers, 8) <= 8);
    CHECK(balancer_pool_explain(w->run->pool, &request, candidates, 4 * MOST, &chosen) >= LEAST);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;

    pthread_barrier_wait(&w->run->start);
    for (unsigned turn = 0; !atomic_load(&w->run->ends); turn++) {
        for (unsigned i = 0; i < PER_TURN; i++)
            worker_pick(w);
        if (turn % 64 == 0)
            worker_look(w);
        turns_pass(&w->run->turns, w->number);
        sched_yield(); /* five threads on few processors: or each change would wait for them all */
    }
    for (unsigned i = 0; i < HELD; i++)
        worker_release(w, i);
    return NULL;
}

/* ---- The changes ---- */

/* Every worker passes the end of a turn that began before this. */
static void grace(struct run *run)
{
    struct turns_mark now = turns_now(&run->turns);

    while (!turns_passed(&run->turns, &now, 1))
        sched_yield();
}

static void refresh(struct run *run)
{
    run->now_us += 50000;
    balancer_pool_refresh(run->pool, run->now_us);
}

static struct config_backend *backend_new(struct run *run, const char *id)
{
    struct config_backend *backend = xcalloc(1, sizeof(*backend));
    uint64_t bits = random_next(&run->random);

    *backend = (struct config_backend){
        .id = id,
        .address = "10.0.0.1:80",
        .weight = 1 + bits % 5,
        .priority = 1 + bits / 8 % 2,
        .backup = bits / 16 % 8 == 0,
        .max_connections = bits / 128 % 4 == 0 ? 1000 : 0,
    };
    return backend;
}

static void join(struct run *run)
{
    const char *id = xasprintf("e%u", run->births++);
    struct endpoint *e = balancer_pool_add(run->pool, backend_new(run, id));

    if (random_next(&run->random) % 3 == 0)
        balancer_endpoint_returned(run->pool, e, run->now_us);
}

static struct endpoint *member_at(struct run *run, unsigned i)
{
    struct endpoint *e = balancer_pool_endpoint(run->pool, i);

    return e == NULL || atomic_load(&e->leaving) ? NULL : e;
}

static unsigned members_open(struct run *run)
{
    unsigned count = 0;

    for (unsigned i = 0; i < balancer_pool_size(run->pool); i++) {
        const struct endpoint *e = member_at(run, i);

        count += e != NULL && atomic_load(&e->resolved);
    }
    return count;
}

static void change_members(struct run *run, void **ret_old, unsigned *ret_count)
{
    for (unsigned i = 0; i < balancer_pool_size(run->pool); i++) {
        struct endpoint *e = member_at(run, i);
        struct config_backend *backend;

        if (e == NULL || random_next(&run->random) % 2 == 0)
            continue;
        backend = (struct config_backend *)atomic_load(&e->backend);
        ret_old[(*ret_count)++] = backend;
        balancer_endpoint_change(run->pool, e, backend_new(run, backend->id));
    }
}

static void change_settings(struct run *run)
{
    struct config_pool *config = &run->configs[run->config ^= 1];
    uint64_t bits = random_next(&run->random);

    *config = (struct config_pool){
        .name = "stress",
        .algorithm = (enum config_algorithm)(bits % CONFIG_ALGORITHM_COUNT),
        .max_connections = bits / 64 % 2 == 0 ? 1000 : 0,
        .slow_start_ms = bits / 128 % 2 * 1000,
        .failover = {.min_healthy_percent = 70},
        .failback = {.mode = (enum config_failback_mode)(bits / 256 % 3), .after_ms = 100},
    };
    balancer_pool_change(run->pool, config, NULL);
}

static void open_newcomers(struct run *run)
{
    for (unsigned i = 0; i < balancer_pool_size(run->pool); i++) {
        struct endpoint *e = member_at(run, i);

        if (e == NULL || atomic_load(&e->resolved))
            continue;
        atomic_store(&e->status, ENDPOINT_HEALTHY);
        atomic_store(&e->resolved, true);
    }
}

/* Those who were there before; at times all of them. */
static void let_leave(struct run *run, uint64_t born_before, unsigned newcomers)
{
    unsigned open = members_open(run);
    bool all = newcomers >= LEAST && random_next(&run->random) % 4 == 0;

    for (unsigned i = 0; i < balancer_pool_size(run->pool); i++) {
        struct endpoint *e = member_at(run, i);
        bool goes = all || open > MOST || random_next(&run->random) % 4 == 0;

        if (e == NULL || e->birth > born_before || !goes || open <= LEAST)
            continue;
        balancer_pool_leave(run->pool, e);
        open--;
    }
}

static void backend_free(const struct config_backend *backend)
{
    free((char *)backend->id);
    free((void *)backend);
}

/* A turn has passed since they left: who has nothing in flight cannot get anything any more. */
static void forget_idle(struct run *run)
{
    for (unsigned i = 0; i < balancer_pool_size(run->pool); i++) {
        struct endpoint *e = balancer_pool_endpoint(run->pool, i);

        if (e == NULL || !atomic_load(&e->leaving) || atomic_load(&e->active) > 0)
            continue;
        backend_free(atomic_load(&e->backend));
        balancer_pool_forget(run->pool, e);
    }
}

static void change_once(struct run *run)
{
    uint64_t born_before = run->births;
    unsigned newcomers = (unsigned)(random_next(&run->random) % 4), old_count = 0;
    void *old[16 * MOST];

    for (unsigned i = 0; i < newcomers; i++)
        join(run);
    change_members(run, old, &old_count);
    change_settings(run);
    refresh(run);
    grace(run);
    balancer_pool_reclaim(run->pool);
    for (unsigned i = 0; i < old_count; i++)
        free(old[i]); /* the ids live on */
    open_newcomers(run);
    if (random_next(&run->random) % 2 == 0)
        refresh(run);
    let_leave(run, born_before, newcomers);
    refresh(run);
    grace(run);
    forget_idle(run);
}

/* ---- The run ---- */

static void run_start(struct run *run)
{
    *run = (struct run){.random = 7, .now_us = 1000000};
    run->pool = balancer_pool_new(&run->configs[0], NULL);
    change_settings(run);
    for (unsigned i = 0; i < 4; i++)
        join(run);
    open_newcomers(run);
    refresh(run);
    CHECK(pthread_barrier_init(&run->start, NULL, WORKERS + 1) == 0);
}

static void run_end(struct run *run)
{
    CHECK(balancer_pool_in_flight(run->pool) == 0);
    for (unsigned i = 0; i < balancer_pool_size(run->pool); i++) {
        const struct endpoint *e = balancer_pool_endpoint(run->pool, i);

        if (e == NULL)
            continue;
        CHECK(atomic_load(&e->active) == 0);
        backend_free(atomic_load(&e->backend));
    }
    CHECK(balancer_pool_size(run->pool) < 8 * MOST); /* slots are used again */
    balancer_pool_free(run->pool);
    pthread_barrier_destroy(&run->start);
}

int main(void)
{
    struct run run;
    pthread_t threads[WORKERS];
    struct worker workers[WORKERS];

    run_start(&run);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.run = &run, .number = i, .random = i, .now_us = 1000000};
        CHECK(pthread_create(&threads[i], NULL, worker_main, &workers[i]) == 0);
    }
    pthread_barrier_wait(&run.start);
    for (unsigned i = 0; i < CHANGES; i++)
        change_once(&run);
    atomic_store(&run.ends, true);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    printf("%u changes, %u endpoints, %llu picks, none failed\n", (unsigned)CHANGES, run.births,
           (unsigned long long)atomic_load(&run.picked));
    run_end(&run);
    return 0;
}
