/*
 * Pools: made, shown, and kept up to date when inputs change. Picking is in pick.c, membership in
 * membership.c.
 *
 *   balancer_pool_refresh ─► frame (that which is there; or a new one, of other members or
 * settings) ─► panic ─► shares (slow start) ─► load (tiers) ─► line-up ─► algorithm ─► published
 */
#include "balancer/balancer.h"

#include <stdlib.h>

#include "balancer/pool_internal.h"
#include "balancer/spill.h"
#include "base/alloc.h"
#include "base/check.h"

static const struct balancer_algorithm *const algorithms[CONFIG_ALGORITHM_COUNT] = {
    [CONFIG_ROUND_ROBIN] = &balancer_round_robin,
    [CONFIG_WEIGHTED] = &balancer_weighted,
    [CONFIG_LEAST_CONNECTIONS] = &balancer_least_connections,
    [CONFIG_IP_HASH] = &balancer_ip_hash,
    [CONFIG_RANDOM] = &balancer_random,
    [CONFIG_CONSISTENT_HASH] = &balancer_consistent_hash,
    [CONFIG_LEAST_LATENCY] = &balancer_least_latency,
};

const struct balancer_algorithm *balancer_algorithm_of(enum config_algorithm algorithm)
{
    CHECK(algorithm < CONFIG_ALGORITHM_COUNT);
    return algorithms[algorithm];
}

struct balancer_pool *balancer_pool_new(const struct config_pool *config,
                                        const struct config_place *place)
{
    struct balancer_pool *pool = aligned_alloc(_Alignof(struct balancer_pool), sizeof(*pool));

    CHECK(pool != NULL);
    *pool = (struct balancer_pool){.config = config, .reshaped = true};
    atomic_init(&pool->slots, slots_new(0));
    tiers_init(&pool->tiers);
    balancer_pool_change(pool, config, place);
    balancer_pool_refresh(pool, 0);
    return pool;
}

void balancer_pool_free(struct balancer_pool *pool)
{
    if (pool == NULL)
        return;
    disused_free(&pool->dropped);
    disused_free(&pool->retired);
    frame_free(atomic_load(&pool->frame));
    tiers_fini(&pool->tiers);
    pool_set_place(pool, NULL);
    for (unsigned i = 0; i < balancer_pool_size(pool); i++)
        endpoint_free(balancer_pool_endpoint(pool, i));
    free(atomic_load(&pool->slots));
    free(pool);
}

/* ---- Refreshing ---- */

static void on_frame_unused(void *frame)
{
    frame_free(frame);
}

/* The frame that this refresh works on: that which is there, or a new one. */
static struct frame *refresh_frame(struct balancer_pool *pool)
{
    struct frame *before = atomic_load(&pool->frame);
    struct frame_input input = {
        .algorithm = balancer_algorithm_of(pool->config->algorithm),
        .locality = pool->config->locality,
        .place = pool->place,
        .before = before,
    };
    struct frame *frame;

    if (!pool->reshaped)
        return before;
    input.members = pool_members(pool);
    frame = frame_new(&input);
    tiers_set_levels(&pool->tiers, &frame->levels);
    if (before != NULL)
        pool_drop(pool, before, on_frame_unused);
    return frame;
}

/* By number of endpoints. True when it began or ended. */
static bool refresh_panic(struct balancer_pool *pool, const struct balancer_members *members)
{
    unsigned meant = 0, usable = 0;
    bool before = atomic_load(&pool->panicking), panic;

    for (unsigned i = 0; i < members->size; i++) {
        const struct endpoint *e = members->endpoints[i];

        /* One that cannot be reached yet has not failed: it may just have joined. Nor has one whose
         * breaker an operator opened: that is no worse than a drain. */
        meant += e != NULL && endpoint_meant_to_serve(e) && atomic_load(&e->resolved) &&
                 !atomic_load(&e->tripped);
        usable += e != NULL && endpoint_condition(e) != PREFER_NEVER;
    }
    panic = (uint64_t)usable * 100 < (uint64_t)meant * pool->config->failover.panic_percent;
    for (unsigned i = 0; i < members->size; i++) {
        struct endpoint *e = members->endpoints[i];

        if (e != NULL && atomic_load(&e->panicking) != panic)
            atomic_store(&e->panicking, panic);
    }
    atomic_store(&pool->panicking, panic);
    return panic != before;
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

/* Sets one endpoint's share; returns when it grows next. */
static uint64_t refresh_share(struct balancer_pool *pool, struct endpoint *e, uint64_t now_us)
{
    uint64_t began_us = e->slow_since_us, next_us = 0;
    unsigned percent = 100;

    if (began_us != 0) {
        percent = slow_start_percent(&pool->slow_start, began_us, now_us);
        next_us = slow_start_next_us(&pool->slow_start, began_us, now_us);
    }
    if (next_us == 0)
        e->slow_since_us = 0;
    atomic_store_explicit(&e->share, atomic_load(&e->weight) * percent, memory_order_relaxed);
    return next_us;
}

static uint64_t refresh_shares(struct balancer_pool *pool, struct frame *frame, uint64_t now_us)
{
    uint64_t next_us = 0;
    bool limited = false;

    for (unsigned i = 0; i < frame->members.size; i++) {
        struct endpoint *e = frame->members.endpoints[i];

        if (e == NULL)
            continue;
        next_us = earlier(next_us, refresh_share(pool, e, now_us));
        limited = limited || atomic_load(&e->max_connections) > 0;
    }
    atomic_store_explicit(&frame->load.limited, limited, memory_order_relaxed);
    return next_us;
}

/* Would the load not find it, and nobody learn that it is well again? */
static bool needs_probe(const struct tiers *tiers, const struct frame *frame,
                        const struct endpoint *e, enum balancer_preference serving)
{
    enum balancer_preference standing = endpoint_standing(e);
    unsigned level = frame_level(frame, e);

    return level < tiers->regular && standing <= PREFER_DEGRADED && endpoint_probing(e) &&
           (standing != serving || tiers->load[level] == 0);
}

static unsigned refresh_probing(const struct tiers *tiers, struct frame *frame,
                                enum balancer_preference serving)
{
    unsigned probing = 0;

    for (unsigned i = 0; i < frame->members.size; i++) {
        struct endpoint *e = frame->members.endpoints[i];

        if (e != NULL && needs_probe(tiers, frame, e, serving))
            atomic_store_explicit(&frame->lineup.probing[probing++], e, memory_order_relaxed);
    }
    return probing;
}

/* What pick reads of the tiers. */
static void refresh_load(const struct tiers *tiers, struct frame *frame,
                         enum balancer_preference serving)
{
    struct frame_load *load = &frame->load;
    unsigned home = 0, probing;

    for (unsigned level = 0; level < tiers->count; level++) {
        unsigned share = tiers->load[level];

        atomic_store_explicit(&load->shares[level], share, memory_order_relaxed);
        if (share == SPILL_WHOLE)
            home = lineup_part_at(&frame->lineup, serving, level);
        else if (share > 0)
            home = LOAD_DRAWN;
    }
    probing = refresh_probing(tiers, frame, serving);
    atomic_store_explicit(&load->preference, serving, memory_order_relaxed);
    atomic_store_explicit(&load->home, home, memory_order_relaxed);
    atomic_store_explicit(&load->probing_count, probing, memory_order_release);
}

/* From here on picks go by it. */
static void refresh_publish(struct balancer_pool *pool, struct frame *frame)
{
    atomic_store_explicit(&pool->max_connections, pool->config->max_connections,
                          memory_order_relaxed);
    atomic_store(&pool->frame, frame);
    atomic_fetch_add(&pool->version, 1);
    if (pool->changed)
        pool_retire(pool);
    pool->changed = pool->reshaped = false;
}

struct balancer_refresh balancer_pool_refresh(struct balancer_pool *pool, uint64_t now_us)
{
    struct frame *frame = refresh_frame(pool);
    struct balancer_refresh result = {.panic_changed = refresh_panic(pool, &frame->members)};
    const struct tiers_input input = {
        .members = &frame->members,
        .level_of = frame->level_of,
        .panicking = atomic_load(&pool->panicking),
        .fail_back = atomic_exchange(&pool->fail_back, false),
        .now_us = now_us,
    };
    struct tiers_result tiers;

    result.next_us = refresh_shares(pool, frame, now_us);
    tiers = tiers_refresh(&pool->tiers, &input);
    result.tiers_changed = tiers.changed;
    result.next_us = earlier(result.next_us, tiers.next_us);
    lineup_rebuild(&frame->lineup, &frame->members, frame->level_of);
    refresh_load(&pool->tiers, frame, tiers.preference);
    if (frame->algorithm->changed != NULL)
        frame->algorithm->changed(&frame->members, frame->state);
    refresh_publish(pool, frame);
    return result;
}

void balancer_endpoint_returned(struct balancer_pool *pool, struct endpoint *endpoint,
                                uint64_t now_us)
{
    if (pool->slow_start.tick_us > 0)
        endpoint->slow_since_us = now_us > 0 ? now_us : 1;
}

void balancer_pool_fail_back(struct balancer_pool *pool)
{
    atomic_store(&pool->fail_back, true);
}

/* ---- To be shown ---- */

unsigned balancer_pool_tiers(const struct balancer_pool *pool, struct balancer_tier *out,
                             unsigned max)
{
    /* Only its lock is changed. */
    return tiers_show((struct tiers *)&pool->tiers, out, max);
}

bool balancer_pool_panicking(const struct balancer_pool *pool)
{
    return atomic_load(&pool->panicking);
}

int balancer_pool_in_flight(const struct balancer_pool *pool)
{
    return atomic_load_explicit(&pool->in_flight, memory_order_relaxed);
}

unsigned balancer_pool_level(const struct balancer_pool *pool, const struct endpoint *endpoint)
{
    const struct frame *frame = atomic_load_explicit(&pool->frame, memory_order_acquire);
    unsigned index = endpoint->index;

    if (index >= frame->members.size || frame->members.endpoints[index] != endpoint)
        return BALANCER_TIERS_MAX;
    return frame->level_of[index];
}
