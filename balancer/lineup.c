/*
 * The line-up: a pool's usable endpoints in the order and with the sums that picking needs, and the
 * candidates that algorithms are given from it. algorithm.h draws it.
 */
#include <stdlib.h>

#include "balancer/pool_internal.h"
#include "base/alloc.h"

void lineup_init(struct lineup *lineup, unsigned size)
{
    lineup->members = xcalloc(size, sizeof(*lineup->members));
    lineup->ends = xcalloc(size, sizeof(*lineup->ends));
}

void lineup_fini(struct lineup *lineup)
{
    free(lineup->members);
    free(lineup->ends);
}

static uint64_t greatest_common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

/*
 * About 0.618 of the circle of points, and no common divisor with it: as many steps as there are
 * points visit each of them once, and any few of them in a row lie far apart (a property of the
 * golden ratio). With one point per member, 1: plain rotation.
 */
static uint64_t step_of(uint64_t points, unsigned count)
{
    uint64_t step = points > count ? balancer_scale(BALANCER_GOLDEN, points) : 1;

    while (greatest_common_divisor(points, step) > 1)
        step--;
    return step > 0 ? step : 1;
}

/* Sets one part, from `first` on; returns where it ends. */
static unsigned lineup_rebuild_part(struct lineup *lineup, struct lineup_part *part,
                                    struct endpoint *const *chosen, unsigned first, unsigned count)
{
    uint64_t unit = 0, points = 0;

    for (unsigned i = 0; i < count && unit != 1; i++)
        unit = greatest_common_divisor(unit, endpoint_weight(chosen[i]));
    for (unsigned i = 0; i < count; i++) {
        points += endpoint_weight(chosen[i]) / unit;
        atomic_store_explicit(&lineup->members[first + i], chosen[i], memory_order_relaxed);
        atomic_store_explicit(&lineup->ends[first + i], points, memory_order_relaxed);
    }
    atomic_store_explicit(&part->points, points, memory_order_relaxed);
    atomic_store_explicit(&part->unit, unit, memory_order_relaxed);
    atomic_store_explicit(&part->step, step_of(points, count), memory_order_relaxed);
    /* Release: who reads this range (acquire) finds the members that belong to it. */
    atomic_store_explicit(&part->range, (uint64_t)first << 32 | count, memory_order_release);
    return first + count;
}

void lineup_rebuild(struct lineup *lineup, struct endpoint *const *endpoints, unsigned size)
{
    struct endpoint **chosen = xcalloc(size, sizeof(struct endpoint *));
    unsigned char *preferences = xcalloc(size, sizeof(*preferences));
    unsigned first = 0;

    /* Read once: an endpoint that changes its preference meanwhile must not be counted twice. */
    for (unsigned i = 0; i < size; i++)
        preferences[i] = (unsigned char)endpoint_preference(endpoints[i]);
    for (unsigned p = 0; p < PREFER_COUNT; p++) {
        unsigned count = 0;

        for (unsigned i = 0; i < size; i++) {
            if (preferences[i] == p)
                chosen[count++] = endpoints[i];
        }
        first = lineup_rebuild_part(lineup, &lineup->part[p], chosen, first, count);
    }
    free(preferences);
    free(chosen);
}

bool candidates_init(struct balancer_candidates *c, struct balancer_pool *pool,
                     enum balancer_preference preference, const struct balancer_tried *tried)
{
    struct lineup_part *part = &pool->lineup.part[preference];
    uint64_t range = atomic_load_explicit(&part->range, memory_order_acquire);

    *c = (struct balancer_candidates){
        .pool = pool,
        .tried = tried,
        .preference = preference,
        .first = (unsigned)(range >> 32),
        .count = (unsigned)(range & UINT32_MAX),
        .unit = atomic_load_explicit(&part->unit, memory_order_relaxed),
        .points = atomic_load_explicit(&part->points, memory_order_relaxed),
        .step = atomic_load_explicit(&part->step, memory_order_relaxed),
    };
    /* Points of 0 beside a count: it is being rewritten; the caller looks at the endpoints. */
    return c->count > 0 && c->points > 0 && c->unit > 0;
}

bool candidates_have(const struct balancer_candidates *c, const struct endpoint *endpoint)
{
    return endpoint_preference(endpoint) == c->preference &&
           !balancer_tried_has(c->tried, endpoint->index);
}

struct endpoint *candidates_at(const struct balancer_candidates *c, unsigned position)
{
    return atomic_load_explicit(&c->pool->lineup.members[c->first + position],
                                memory_order_acquire);
}

struct endpoint *candidates_from(const struct balancer_candidates *c, unsigned position)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct endpoint *e = candidates_at(c, (position + i) % c->count);

        if (candidates_have(c, e))
            return e;
    }
    return NULL;
}

struct candidates_share candidates_at_point(const struct balancer_candidates *c, uint64_t point)
{
    const _Atomic uint64_t *ends = c->pool->lineup.ends + c->first;
    unsigned low = 0, high = c->count - 1;
    uint64_t start = 0;

    if (c->points == c->count) /* one point each */
        return (struct candidates_share){candidates_at(c, (unsigned)point), point, point + 1};
    while (low < high) { /* the first member whose end lies behind the point */
        unsigned middle = low + (high - low) / 2;

        if (atomic_load_explicit(&ends[middle], memory_order_relaxed) > point)
            high = middle;
        else
            low = middle + 1;
    }
    if (low > 0)
        start = atomic_load_explicit(&ends[low - 1], memory_order_relaxed);
    return (struct candidates_share){candidates_at(c, low), start,
                                     atomic_load_explicit(&ends[low], memory_order_relaxed)};
}
