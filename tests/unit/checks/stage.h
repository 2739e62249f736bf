/* All of checks/ with real health and balancer behind it, on a loop of the test's own. */
#ifndef EVERGATE_TESTS_UNIT_CHECKS_STAGE_H
#define EVERGATE_TESTS_UNIT_CHECKS_STAGE_H

#include <criterion/criterion.h>

#include "checks/checks.h"
#include "checks/checks_internal.h"
#include "tests/lib/fake_backend.h"
#include "tests/lib/run_until.h"

enum { STAGE_POOLS = 3 };

struct stage_pool {
    const char *name; /* heap; NULL: none here */
    struct balancer_pool *balancer;
    struct health_pool *health;
};

struct stage {
    struct loop loop;
    struct config *config;
    struct health *health;
    struct stage_pool pools[STAGE_POOLS];
    struct balancer_pool *balancer; /* of "api" */
    struct health_pool *pool;       /* likewise */
    struct checks *checks;
};

/* `pool` is the inside of the pool "api": health, backends and so on; `top` stands beside pools. */
void stage_init(struct stage *s, const char *pool, const char *top);
void stage_start(struct stage *s);
/* For configurations that cannot start: the sentence (heap). */
char *stage_refuse(struct stage *s);
void stage_fini(struct stage *s);

/*
 * Another configuration while everything runs, in the order in which the server does it. `more` is
 * NULL, or the inside of a second pool "other". NULL, or the sentence (heap) why it was refused.
 */
char *stage_change(struct stage *s, const char *pool, const char *more, const char *top);

/* Turns the loop until it is true, keeping health in between, as the health thread does. */
#define STAGE_UNTIL(s, condition) RUN_UNTIL(&(s)->loop, (stage_keep(s), (condition)))
void stage_keep(struct stage *s);

/* Of "api", by slot: in the order of the configuration at the start. */
struct endpoint *stage_endpoint(struct stage *s, unsigned index);
/* The same by id; not one that leaves. */
struct endpoint *stage_endpoint_named(struct stage *s, const char *id);
enum endpoint_status stage_status(struct stage *s, unsigned index);
/* Evidence of the status; static. */
const char *stage_why(struct stage *s, unsigned index);
/* Of "api", as the checks know it; NULL: it is not checked. */
struct checks_endpoint *stage_checked(struct stage *s, unsigned index);

/* The newest event of that type whose `to` is this; false when there is none. */
bool stage_event(struct stage *s, enum event_type type, const char *to, struct health_event *ret);
unsigned stage_count_events(struct stage *s, enum event_type type, const char *to);

#endif
