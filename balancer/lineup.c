/*
 * The line-up: a pool's usable endpoints in the order and with the sums that picking needs, and the
 * candidates that algorithms are given from it. algorithm.h draws it.
 */
#include "balancer/lineup.h"

#include <stdlib.h>

#include "balancer/frame.h"
#include "base/alloc.h"
#include "base/check.h"

void lineup_init(struct lineup *lineup, unsigned size, const struct levels *levels)
{
    *lineup = (struct lineup){
        .part_count = PREFER_COUNT * levels->count,
        .levels = levels->count,
        .regular = levels->regular,
        /* One more, which stays empty: where a pool without endpoints looks for one. */
        .parts = xcalloc(PREFER_COUNT * levels->count + 1, sizeof(*lineup->parts)),
        .members = xcalloc(size, sizeof(*lineup->members)),
        .ends = xcalloc(size, sizeof(*lineup->ends)),
        .probing = xcalloc(size, sizeof(*lineup->probing)),
        .part_of = xcalloc(size, sizeof(*lineup->part_of)),
    };
    CHECK(lineup->part_count < LOAD_DRAWN);
    for (unsigned p = 0; p < PREFER_COUNT; p++) {
        for (unsigned level = 0; level < levels->count; level++) {
            struct lineup_part *part = &lineup->parts[lineup_part_at(lineup, p, level)];

            part->preference = p;
            part->level = level;
        }
    }
}

void lineup_fini(struct lineup *lineup)
{
    free(lineup->part_of);
    free(lineup->probing);
    free(lineup->ends);
    free(lineup->members);
    free(lineup->parts);
}

unsigned lineup_part_at(const struct lineup *lineup, enum balancer_preference preference,
                        unsigned level)
{
    unsigned regular = lineup->regular, backups = lineup->levels - regular;

    if (preference > PREFER_DEGRADED)
        return preference * lineup->levels + level;
    if (level < regular)
        return preference * regular + level;
    return 2 * regular + preference * backups + (level - regular);
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

/* Sums up a part whose members stand; `count` of them from `first` on. */
static void lineup_sum_up(struct lineup *lineup, struct lineup_part *part, unsigned first,
                          unsigned count)
{
    uint64_t unit = 0, points = 0;

    for (unsigned i = first; i < first + count && unit != 1; i++)
        unit = greatest_common_divisor(unit, endpoint_weight(lineup->members[i]));
    for (unsigned i = first; i < first + count; i++) {
        points += endpoint_weight(lineup->members[i]) / unit;
        atomic_store_explicit(&lineup->ends[i], points, memory_order_relaxed);
    }
    atomic_store_explicit(&part->points, points, memory_order_relaxed);
    atomic_store_explicit(&part->unit, unit, memory_order_relaxed);
    atomic_store_explicit(&part->step, step_of(points, count), memory_order_relaxed);
    /* Release: who reads this range (acquire) finds the members that belong to it. */
    atomic_store_explicit(&part->range, (uint64_t)first << 32 | count, memory_order_release);
}

static unsigned range_count(uint64_t range)
{
    return (unsigned)(range & UINT32_MAX);
}

/* Puts the endpoints into their parts: one pass to count, one to place them, in their order. */
static void lineup_place(struct lineup *lineup, const struct balancer_members *members,
                         const uint16_t *level_of, unsigned *firsts, unsigned *counts)
{
    unsigned first = 0;

    for (unsigned i = 0; i < members->size; i++) {
        struct endpoint *e = members->endpoints[i];
        enum balancer_preference standing;

        lineup->part_of[i] = LOAD_DRAWN;
        if (e == NULL)
            continue;
        /* Read once: an endpoint that changes its standing meanwhile must not be counted twice. */
        standing = endpoint_standing(e);
        if (standing == PREFER_NEVER)
            continue;
        lineup->part_of[i] = lineup_part_at(lineup, standing, level_of[i]);
        counts[lineup->part_of[i]]++;
    }
    for (unsigned p = 0; p < lineup->part_count; p++) {
        firsts[p] = first;
        first += counts[p];
        counts[p] = 0;
    }
    for (unsigned i = 0; i < members->size; i++) {
        unsigned p = lineup->part_of[i];

        if (p != LOAD_DRAWN)
            atomic_store_explicit(&lineup->members[firsts[p] + counts[p]++], members->endpoints[i],
                                  memory_order_relaxed);
    }
}

void lineup_rebuild(struct lineup *lineup, const struct balancer_members *members,
                    const uint16_t *level_of)
{
    unsigned *firsts = xcalloc(lineup->part_count, sizeof(*firsts));
    unsigned *counts = xcalloc(lineup->part_count, sizeof(*counts));

    lineup_place(lineup, members, level_of, firsts, counts);
    for (unsigned p = 0; p < lineup->part_count; p++) {
        struct lineup_part *part = &lineup->parts[p];

        if (counts[p] > 0 || range_count(atomic_load(&part->range)) > 0)
            lineup_sum_up(lineup, part, firsts[p], counts[p]);
    }
    free(counts);
    free(firsts);
}

bool candidates_init(struct balancer_candidates *c, const struct frame *frame, unsigned part,
                     const struct balancer_tried *tried)
{
    const struct lineup_part *source = &frame->lineup.parts[part];
    uint64_t range = atomic_load_explicit(&source->range, memory_order_acquire);

    if (range_count(range) == 0)
        return false;
    *c = (struct balancer_candidates){
        .frame = frame,
        .tried = tried,
        .preference = source->preference,
        .level = source->level,
        .clock = frame->clocks[source->level],
        .first = (unsigned)(range >> 32),
        .count = range_count(range),
        .unit = atomic_load_explicit(&source->unit, memory_order_relaxed),
        .points = atomic_load_explicit(&source->points, memory_order_relaxed),
        .step = atomic_load_explicit(&source->step, memory_order_relaxed),
    };
    /* Points of 0 beside a count: it is being rewritten; the caller looks at the endpoints. */
    return c->points > 0 && c->unit > 0;
}

bool candidates_have(const struct balancer_candidates *c, const struct endpoint *endpoint)
{
    return endpoint_preference(endpoint) == c->preference &&
           frame_level(c->frame, endpoint) == c->level && !tried_has(c->tried, endpoint) &&
           !endpoint_is_full(endpoint);
}

bool candidates_take(const struct balancer_candidates *c, struct endpoint *endpoint)
{
    return candidates_have(c, endpoint) && endpoint_take(endpoint);
}

struct endpoint *candidates_at(const struct balancer_candidates *c, unsigned position)
{
    return atomic_load_explicit(&c->frame->lineup.members[c->first + position],
                                memory_order_acquire);
}

struct endpoint *candidates_in_slot(const struct balancer_candidates *c, unsigned slot)
{
    return c->frame->members.endpoints[slot];
}

struct endpoint *candidates_take_from(const struct balancer_candidates *c, unsigned position)
{
    for (unsigned i = 0; i < c->count; i++) {
        struct endpoint *e = candidates_at(c, (position + i) % c->count);

        if (candidates_take(c, e))
            return e;
    }
    return NULL;
}

struct candidates_share candidates_at_point(const struct balancer_candidates *c, uint64_t point)
{
    const _Atomic uint64_t *ends = c->frame->lineup.ends + c->first;
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
