/* A pool for tests: built by hand, on a clock and random numbers of the test's own. */
#ifndef EVERGATE_TESTS_UNIT_BALANCER_FIXTURE_H
#define EVERGATE_TESTS_UNIT_BALANCER_FIXTURE_H

#include "balancer/balancer.h"

enum { FIXTURE_MAX = 5000 };

struct fixture {
    struct config_pool config;
    struct config_backend *backends;
    char (*ids)[16];
    struct balancer_pool *pool;
    unsigned size;
    uint64_t now_us;
    uint64_t random;
    unsigned counts[FIXTURE_MAX]; /* of fixture_run */
};

/* A pool with config->backends in it, as a process that starts makes it: those with numeric
 * addresses may be picked. */
struct balancer_pool *pool_with_backends(const struct config_pool *config,
                                         const struct config_place *place);

/* Endpoints e0, e1, ... with these weights, all healthy. fini ends what init made. */
void fixture_init(struct fixture *f, enum config_algorithm algorithm, const unsigned *weights,
                  unsigned size);
/* The same with weight 1 for all. */
void fixture_init_equal(struct fixture *f, enum config_algorithm algorithm, unsigned size);
/* With a configuration and backends of the test's own (an id is given to each that has none); all
 * healthy. `place` may be NULL. */
void fixture_init_config(struct fixture *f, const struct config_pool *config,
                         const struct config_backend *backends, unsigned size,
                         const struct config_place *place);
void fixture_fini(struct fixture *f);

/* A newcomer, healthy and open at once; `backend` needs an id and an address. */
struct endpoint *fixture_join(struct fixture *f, const struct config_backend *backend);
/* One that has nothing in flight: it leaves, every worker passes a turn, it is forgotten. */
void fixture_leave(struct fixture *f, struct endpoint *endpoint);

/* Brings the pool up to date, at the fixture's time. */
struct balancer_refresh fixture_refresh(struct fixture *f);

struct endpoint *fixture_endpoint(struct fixture *f, unsigned index);
void fixture_set_weight(struct fixture *f, unsigned index, unsigned weight);
void fixture_set_status(struct fixture *f, unsigned index, enum endpoint_status status);
void fixture_set_breaker(struct fixture *f, unsigned index, enum breaker_state state,
                         unsigned probes);
void fixture_set_stall(struct fixture *f, unsigned index, enum stall_state state, unsigned probes);
void fixture_set_ejected(struct fixture *f, unsigned index, bool ejected);
void fixture_set_draining(struct fixture *f, unsigned index, bool draining);
void fixture_set_resolved(struct fixture *f, unsigned index, bool resolved);

uint64_t fixture_random(struct fixture *f);

/* One pick of a fresh request; NULL and the error in *ret_error (may be NULL). */
struct endpoint *fixture_pick(struct fixture *f, uint64_t hash, int *ret_error);
/* With a session; its own endpoint may be NULL. */
struct endpoint *fixture_pick_session(struct fixture *f, uint64_t session, struct endpoint *own);
/* A further pick of the same request. */
struct endpoint *fixture_pick_again(struct fixture *f, uint64_t hash, struct balancer_tried *tried,
                                    int *ret_error);
void fixture_done(struct fixture *f, struct endpoint *e, uint64_t latency_us);

/* `picks` requests with random keys, of which up to `concurrent` are in flight; counts them. */
void fixture_run(struct fixture *f, unsigned picks, unsigned concurrent);

/* Checks counts of the last run: each endpoint's share is its weight's, within a part of itself. */
void fixture_expect_shares(struct fixture *f, const unsigned *weights, double tolerance);

int fixture_active(struct fixture *f); /* of all endpoints */

#endif
