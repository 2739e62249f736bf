/*
 * Picking against a simple look at all endpoints: whatever happens to them, a pick takes one of the
 * best kind that has room, and says that there is none only when there is none.
 */
#include <criterion/criterion.h>

#include "balancer/algorithm.h"
#include "tests/unit/balancer/fixture.h"

/* 120,000 steps over all algorithms. In those that hash, another weight makes a table of 65,536
 * slots anew: fewer steps there, and weights that change less often than all else. */
enum { SIZE = 8, STEPS = 22000, STEPS_BY_KEY = 5000, WEIGHT_CHANGES = 2, FLYING = 64 };

/* The kinds of docs/balancing.md, in their order. */
enum kind { HEALTHY, DEGRADED, BACKUP, DEGRADED_BACKUP, STALLED, UNKNOWN, NONE };

struct model {
    struct fixture f;
    struct endpoint *flying[FLYING];
    bool fresh; /* refreshed since the last change */
};

static bool is_backup(const struct endpoint *e)
{
    return e->index >= 6;
}

static bool is_probed(const struct endpoint *e)
{
    return atomic_load(&e->breaker) == BREAKER_HALF_OPEN || atomic_load(&e->stall) == STALL_PROBING;
}

static bool is_full(const struct endpoint *e)
{
    unsigned max = atomic_load(&e->max_connections);

    return max > 0 && atomic_load(&e->active) >= (int)max;
}

static enum kind kind_of(const struct endpoint *e)
{
    enum endpoint_status status = atomic_load(&e->status);
    enum stall_state stall = atomic_load(&e->stall);
    bool probes = atomic_load(&e->probes) > 0;

    if (atomic_load(&e->weight) == 0 || atomic_load(&e->draining) || !atomic_load(&e->resolved) ||
        atomic_load(&e->ejected) || status == ENDPOINT_UNHEALTHY ||
        atomic_load(&e->breaker) == BREAKER_OPEN ||
        (atomic_load(&e->breaker) == BREAKER_HALF_OPEN && !probes))
        return NONE;
    if (status == ENDPOINT_UNKNOWN)
        return UNKNOWN;
    if (stall == STALL_STALLED || (stall == STALL_PROBING && !probes))
        return STALLED;
    if (status == ENDPOINT_DEGRADED)
        return is_backup(e) ? DEGRADED_BACKUP : DEGRADED;
    return is_backup(e) ? BACKUP : HEALTHY;
}

static void model_init(struct model *m, enum config_algorithm algorithm)
{
    const struct config_pool config = {
        .algorithm = algorithm,
        .slow_start_ms = 3000,
        .failover = {.min_healthy_percent = 70},
        .failback = {.mode = CONFIG_FAILBACK_GRADUAL, .after_ms = 1000, .step_percent = 10}};
    struct config_backend backends[SIZE] = {0};

    *m = (struct model){.fresh = true};
    for (unsigned i = 0; i < SIZE; i++)
        backends[i] =
            (struct config_backend){.weight = 1 + i % 3, .priority = 1 + i / 2, .backup = i >= 6};
    fixture_init_config(&m->f, &config, backends, SIZE, NULL);
}

static void model_change(struct model *m)
{
    uint64_t bits = fixture_random(&m->f);
    struct endpoint *e = fixture_endpoint(&m->f, (unsigned)(bits >> 8) % SIZE);
    unsigned value = (unsigned)(bits >> 16) % 16;

    switch (bits % 9) {
    case 0:
        if (value / 4 < WEIGHT_CHANGES)
            atomic_store(&e->weight, value % 4);
        break;
    case 1:
        atomic_store(&e->status, (enum endpoint_status)(value % 4));
        break;
    case 2:
        atomic_store(&e->probes, value / 4);
        atomic_store(&e->breaker, (enum breaker_state)(value % 3));
        break;
    case 3:
        atomic_store(&e->probes, value / 4);
        atomic_store(&e->stall, (enum stall_state)(value % 3));
        break;
    case 4:
        atomic_store(&e->ejected, value % 4 == 0);
        break;
    case 5:
        atomic_store(&e->draining, value % 4 == 0);
        break;
    case 6:
        atomic_store(&e->resolved, value % 4 != 0);
        break;
    case 7:
        atomic_store(&e->max_connections, value);
        break;
    default:
        balancer_endpoint_returned(m->f.pool, e, m->f.now_us);
    }
    m->fresh = false;
}

/* All back to normal now and then, or soon nearly nobody would be left. */
static void model_repair(struct model *m)
{
    for (unsigned i = 0; i < SIZE; i++) {
        struct endpoint *e = fixture_endpoint(&m->f, i);

        atomic_store(&e->weight, 1 + i % 3);
        atomic_store(&e->status, ENDPOINT_HEALTHY);
        atomic_store(&e->breaker, BREAKER_CLOSED);
        atomic_store(&e->stall, STALL_CLEAR);
        atomic_store(&e->ejected, false);
        atomic_store(&e->draining, false);
        atomic_store(&e->resolved, true);
        atomic_store(&e->max_connections, 0);
    }
    m->fresh = false;
}

/* What the endpoints say before a pick. */
struct outlook {
    enum kind kinds[SIZE];
    bool probed[SIZE], full[SIZE];
    enum kind best;     /* of those with room */
    bool worth_waiting; /* a healthy or degraded one that is none of the backups is full */
    bool any_full;
};

static struct outlook outlook_of(struct model *m, const struct balancer_tried *tried)
{
    struct outlook o = {.best = NONE};

    for (unsigned i = 0; i < SIZE; i++) {
        const struct endpoint *e = fixture_endpoint(&m->f, i);

        o.kinds[i] = balancer_tried_has(tried, i) ? NONE : kind_of(e);
        o.probed[i] = is_probed(e);
        o.full[i] = is_full(e);
        if (o.kinds[i] == NONE)
            continue;
        o.any_full = o.any_full || o.full[i];
        o.worth_waiting = o.worth_waiting || (o.full[i] && o.kinds[i] <= DEGRADED);
        if (!o.full[i] && o.kinds[i] < o.best)
            o.best = o.kinds[i];
    }
    return o;
}

static void check_taken(struct model *m, const struct outlook *o, const struct endpoint *e)
{
    cr_assert_neq(o->kinds[e->index], NONE, "it could not be used, or was tried");
    cr_assert(!o->full[e->index]);
    if (!m->fresh || o->kinds[e->index] == o->best)
        return;
    /* Somebody waits for probes and was asked; or might have been, and the load is elsewhere. */
    for (unsigned i = 0; i < SIZE; i++) {
        if (o->kinds[i] == o->best && !o->full[i] && !o->probed[i])
            cr_assert(o->probed[e->index], "%u of kind %d, though %u is of kind %d", e->index,
                      o->kinds[e->index], i, o->best);
    }
}

static void check_refused(const struct outlook *o, int error)
{
    if (o->worth_waiting)
        cr_assert(error == EG_E_OVERLOAD && o->best > DEGRADED);
    else
        cr_assert_eq(o->best, NONE, "one of kind %d was there", o->best);
    cr_assert_eq(error == EG_E_OVERLOAD, o->any_full);
}

static void model_request(struct model *m)
{
    struct endpoint **place = &m->flying[fixture_random(&m->f) % FLYING];
    struct balancer_tried tried;
    unsigned attempts = 1 + (unsigned)(fixture_random(&m->f) % 3);

    if (*place != NULL)
        fixture_done(&m->f, *place, 5000);
    *place = NULL;
    balancer_tried_init(&tried);
    for (unsigned i = 0; i < attempts; i++) {
        struct outlook o = outlook_of(m, &tried);
        int error = 0;
        struct endpoint *e = fixture_pick_again(&m->f, fixture_random(&m->f), &tried, &error);

        if (*place != NULL)
            fixture_done(&m->f, *place, 5000);
        *place = e;
        if (e != NULL)
            check_taken(m, &o, e);
        else
            check_refused(&o, error);
    }
    balancer_tried_fini(&tried);
}

static unsigned steps_of(enum config_algorithm algorithm)
{
    return algorithm == CONFIG_IP_HASH || algorithm == CONFIG_CONSISTENT_HASH ? STEPS_BY_KEY
                                                                              : STEPS;
}

Test(pick_model, takes_the_best_kind_that_has_room_and_refuses_only_if_there_is_none)
{
    for (unsigned a = 0; a < CONFIG_ALGORITHM_COUNT; a++) {
        struct model m;

        model_init(&m, a);
        for (unsigned step = 0; step < steps_of(a); step++) {
            uint64_t bits = fixture_random(&m.f);

            m.f.now_us += bits % 20000;
            if (bits >> 20 & 1)
                model_change(&m);
            if ((bits >> 24) % 100 == 0)
                model_repair(&m);
            if ((bits >> 32) % 4 != 0) {
                fixture_refresh(&m.f);
                m.fresh = true;
            }
            model_request(&m);
        }
        for (unsigned i = 0; i < FLYING; i++) {
            if (m.flying[i] != NULL)
                fixture_done(&m.f, m.flying[i], 5000);
        }
        cr_expect_eq(fixture_active(&m.f), 0);
        fixture_fini(&m.f);
    }
}
