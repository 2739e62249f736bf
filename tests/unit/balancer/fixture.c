#include "tests/unit/balancer/fixture.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/algorithm.h"
#include "base/alloc.h"

static void give_ids(struct fixture *f)
{
    for (unsigned i = 0; i < f->size; i++) {
        snprintf(f->ids[i], sizeof(f->ids[i]), "e%u", i);
        if (f->backends[i].id == NULL)
            f->backends[i].id = f->ids[i];
        f->backends[i].address = "10.0.0.1:80";
        f->backends[i].port = 80;
    }
}

struct balancer_pool *pool_with_backends(const struct config_pool *config,
                                         const struct config_place *place)
{
    struct balancer_pool *pool = balancer_pool_new(config, place);

    for (size_t i = 0; i < config->backend_count; i++) {
        struct endpoint *e = balancer_pool_add(pool, &config->backends[i]);

        atomic_store(&e->resolved, config->backends[i].host == NULL);
    }
    balancer_pool_refresh(pool, 0);
    return pool;
}

void fixture_init_config(struct fixture *f, const struct config_pool *config,
                         const struct config_backend *backends, unsigned size,
                         const struct config_place *place)
{
    memset(f, 0, sizeof(*f));
    f->size = size;
    f->now_us = 1000000;
    f->random = 42;
    f->backends = xcalloc(size, sizeof(*f->backends));
    f->ids = xcalloc(size, sizeof(*f->ids));
    if (size > 0)
        memcpy(f->backends, backends, size * sizeof(*backends));
    give_ids(f);
    f->config = *config;
    f->config.name = "pool";
    f->config.backends = f->backends;
    f->config.backend_count = size;
    f->pool = pool_with_backends(&f->config, place);
    for (unsigned i = 0; i < size; i++)
        atomic_store(&fixture_endpoint(f, i)->status, ENDPOINT_HEALTHY);
    fixture_refresh(f);
}

void fixture_init(struct fixture *f, enum config_algorithm algorithm, const unsigned *weights,
                  unsigned size)
{
    const struct config_pool config = {.algorithm = algorithm};
    struct config_backend *backends = xcalloc(size, sizeof(*backends));

    for (unsigned i = 0; i < size; i++)
        backends[i].weight = weights[i];
    fixture_init_config(f, &config, backends, size, NULL);
    free(backends);
}

struct balancer_refresh fixture_refresh(struct fixture *f)
{
    return balancer_pool_refresh(f->pool, f->now_us);
}

void fixture_init_equal(struct fixture *f, enum config_algorithm algorithm, unsigned size)
{
    unsigned *weights = xcalloc(size, sizeof(*weights));

    for (unsigned i = 0; i < size; i++)
        weights[i] = 1;
    fixture_init(f, algorithm, weights, size);
    free(weights);
}

void fixture_fini(struct fixture *f)
{
    balancer_pool_free(f->pool);
    free(f->backends);
    free(f->ids);
}

struct endpoint *fixture_join(struct fixture *f, const struct config_backend *backend)
{
    struct endpoint *e = balancer_pool_add(f->pool, backend);

    atomic_store(&e->status, ENDPOINT_HEALTHY);
    atomic_store(&e->resolved, true);
    f->size = balancer_pool_size(f->pool);
    fixture_refresh(f);
    return e;
}

void fixture_leave(struct fixture *f, struct endpoint *endpoint)
{
    balancer_pool_leave(f->pool, endpoint);
    fixture_refresh(f);
    balancer_pool_reclaim(f->pool);
    balancer_pool_forget(f->pool, endpoint);
}

struct endpoint *fixture_endpoint(struct fixture *f, unsigned index)
{
    return balancer_pool_endpoint(f->pool, index);
}

void fixture_set_weight(struct fixture *f, unsigned index, unsigned weight)
{
    atomic_store(&fixture_endpoint(f, index)->weight, weight);
    fixture_refresh(f);
}

void fixture_set_status(struct fixture *f, unsigned index, enum endpoint_status status)
{
    atomic_store(&fixture_endpoint(f, index)->status, status);
    fixture_refresh(f);
}

void fixture_set_breaker(struct fixture *f, unsigned index, enum breaker_state state,
                         unsigned probes)
{
    atomic_store(&fixture_endpoint(f, index)->probes, probes);
    atomic_store(&fixture_endpoint(f, index)->breaker, state);
    fixture_refresh(f);
}

void fixture_set_stall(struct fixture *f, unsigned index, enum stall_state state, unsigned probes)
{
    atomic_store(&fixture_endpoint(f, index)->probes, probes);
    atomic_store(&fixture_endpoint(f, index)->stall, state);
    fixture_refresh(f);
}

void fixture_set_ejected(struct fixture *f, unsigned index, bool ejected)
{
    atomic_store(&fixture_endpoint(f, index)->ejected, ejected);
    fixture_refresh(f);
}

void fixture_set_draining(struct fixture *f, unsigned index, bool draining)
{
    atomic_store(&fixture_endpoint(f, index)->draining, draining);
    fixture_refresh(f);
}

void fixture_set_resolved(struct fixture *f, unsigned index, bool resolved)
{
    atomic_store(&fixture_endpoint(f, index)->resolved, resolved);
    fixture_refresh(f);
}

uint64_t fixture_random(struct fixture *f)
{
    f->random += BALANCER_GOLDEN;
    return balancer_mix(f->random);
}

struct endpoint *fixture_pick_again(struct fixture *f, uint64_t hash, struct balancer_tried *tried,
                                    int *ret_error)
{
    struct balancer_request request = {
        .hash = hash, .random = fixture_random(f), .now_us = f->now_us};
    int error = 0;
    struct endpoint *e = balancer_pick(f->pool, &request, tried, &error);

    if (ret_error != NULL)
        *ret_error = error;
    return e;
}

struct endpoint *fixture_pick_session(struct fixture *f, uint64_t session, struct endpoint *own)
{
    struct balancer_request request = {.hash = fixture_random(f),
                                       .random = fixture_random(f),
                                       .now_us = f->now_us,
                                       .session = session,
                                       .session_endpoint = own};
    struct balancer_tried tried;
    struct endpoint *e;
    int error;

    balancer_tried_init(&tried);
    e = balancer_pick(f->pool, &request, &tried, &error);
    balancer_tried_fini(&tried);
    return e;
}

struct endpoint *fixture_pick(struct fixture *f, uint64_t hash, int *ret_error)
{
    struct balancer_tried tried;
    struct endpoint *e;

    balancer_tried_init(&tried);
    e = fixture_pick_again(f, hash, &tried, ret_error);
    balancer_tried_fini(&tried);
    return e;
}

void fixture_done(struct fixture *f, struct endpoint *e, uint64_t latency_us)
{
    balancer_done(f->pool, e, BALANCER_SUCCESS, latency_us, f->now_us);
}

void fixture_run(struct fixture *f, unsigned picks, unsigned concurrent)
{
    struct endpoint **flying = xcalloc(concurrent, sizeof(struct endpoint *));

    memset(f->counts, 0, sizeof(f->counts));
    for (unsigned i = 0; i < picks; i++) {
        struct endpoint **place = &flying[i % concurrent]; /* the oldest ends */

        f->now_us += 100;
        if (*place != NULL)
            fixture_done(f, *place, 5000);
        *place = fixture_pick(f, fixture_random(f), NULL);
        cr_assert_not_null(*place);
        f->counts[(*place)->index]++;
    }
    for (unsigned i = 0; i < concurrent; i++) {
        if (flying[i] != NULL)
            fixture_done(f, flying[i], 5000);
    }
    free(flying);
}

void fixture_expect_shares(struct fixture *f, const unsigned *weights, double tolerance)
{
    double total_weight = 0, total = 0;

    for (unsigned i = 0; i < f->size; i++) {
        total_weight += weights[i];
        total += f->counts[i];
    }
    for (unsigned i = 0; i < f->size; i++) {
        double expected = total * weights[i] / total_weight;

        cr_expect(fabs(f->counts[i] - expected) <= expected * tolerance + 1e-9,
                  "%s: endpoint %u of weight %u got %u of %.0f picks, expected %.0f",
                  config_algorithm_name(f->config.algorithm), i, weights[i], f->counts[i], total,
                  expected);
    }
}

int fixture_active(struct fixture *f)
{
    int active = 0;

    for (unsigned i = 0; i < f->size; i++) {
        if (fixture_endpoint(f, i) != NULL)
            active += atomic_load(&fixture_endpoint(f, i)->active);
    }
    return active;
}
