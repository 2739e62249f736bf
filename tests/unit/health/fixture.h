/* A pool of endpoints with its health, on a clock that the test moves; the log is kept quiet. */
#ifndef EVERGATE_TESTS_UNIT_HEALTH_FIXTURE_H
#define EVERGATE_TESTS_UNIT_HEALTH_FIXTURE_H

#include "health/health.h"

enum { FIXTURE_MAX = 128, FIXTURE_EVENTS = 256, FIXTURE_START_US = 1000000000 };

/* What the configuration says of a breaker when it says nothing. */
extern const struct config_breaker fixture_breaker;

struct fixture {
    struct config_pool config;
    struct fixture_snapshot *snapshot; /* `config`, as it was when the pool was given it */
    struct config_health checks;
    struct config_backend backends[FIXTURE_MAX];
    char ids[FIXTURE_MAX][4], addresses[FIXTURE_MAX][24];
    struct endpoint *endpoints[FIXTURE_MAX]; /* of `backends`, while they are members */
    struct balancer_pool *balancer;
    struct health *health;
    struct health_pool *pool;
    uint64_t now_us, next_us; /* what health_keep returned last */
    unsigned wakes, statuses;
    enum endpoint_status from, to; /* of the latest on_status */
    struct endpoint *told;
};

/* The defaults of the configuration with `size` endpoints "a", "b", ... (or numbers); change
 * `config` before fixture_start, or before fixture_change. */
void fixture_init(struct fixture *f, unsigned size);
void fixture_start(struct fixture *f);
void fixture_fini(struct fixture *f);

/* backends[index] comes to the running pool; it is not reached before fixture_open. */
void fixture_join(struct fixture *f, unsigned index);
void fixture_open(struct fixture *f, unsigned index);
/* Returns the one that leaves; it is the caller's to forget. */
struct endpoint *fixture_leave(struct fixture *f, unsigned index);
void fixture_forget(struct fixture *f, struct endpoint *endpoint);
/* `config` was changed: the pool learns of it as of another snapshot. */
void fixture_change(struct fixture *f);
void fixture_settle(struct fixture *f);

struct endpoint *fixture_endpoint(struct fixture *f, unsigned index);
bool fixture_usable(struct fixture *f, unsigned index);
void fixture_keep(struct fixture *f);
/* Time goes on, and the health thread has its turns when it asked for them. */
void fixture_pass(struct fixture *f, uint64_t us);

/* Outcomes of requests that were picked a moment ago. */
void fixture_success(struct fixture *f, unsigned index);
/* An answer that was reported as a success is cut short. */
void fixture_cut(struct fixture *f, unsigned index);
void fixture_status(struct fixture *f, unsigned index, int status);
void fixture_error(struct fixture *f, unsigned index, int error);
void fixture_check(struct fixture *f, unsigned index, enum check_verdict verdict, const char *why);

/* So many in a row: successes, refused connections, results of checks. */
void fixture_successes(struct fixture *f, unsigned index, unsigned count);
void fixture_errors(struct fixture *f, unsigned index, unsigned count);
void fixture_checks(struct fixture *f, unsigned index, enum check_verdict verdict, unsigned count);

struct health_view fixture_view(struct fixture *f, unsigned index);
/* The latest event of that type, after a turn of the health thread; fails the test without one. */
struct health_event fixture_event(struct fixture *f, enum event_type type);
/* ... as its line. Static memory. */
const char *fixture_line(struct fixture *f, enum event_type type);
/* How many there were of that type; after a turn of the health thread, too. */
unsigned fixture_events(struct fixture *f, enum event_type type);

/* splitmix64, for the model tests. */
uint64_t fixture_random(uint64_t *state);

#endif
