/*
 * Who is in a pool, and with what settings: balancer.h says the rules. Nothing here touches what
 * picks read, but for one store when an endpoint leaves; the next refresh makes a frame of it.
 */
#include <stdlib.h>
#include <string.h>

#include "balancer/pool_internal.h"
#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"
#include "config/plan.h"

enum { SLOTS_FIRST = 16 };

/* ---- What is taken out ---- */

void pool_drop(struct balancer_pool *pool, void *thing, void (*thing_free)(void *thing))
{
    struct disused *d = xmalloc(sizeof(*d));

    *d = (struct disused){.next = pool->dropped, .thing = thing, .thing_free = thing_free};
    pool->dropped = d;
}

void pool_retire(struct balancer_pool *pool)
{
    struct disused **end = &pool->retired;

    while (*end != NULL)
        end = &(*end)->next;
    *end = pool->dropped;
    pool->dropped = NULL;
}

void disused_free(struct disused **list)
{
    while (*list != NULL) {
        struct disused *d = *list;

        *list = d->next;
        d->thing_free(d->thing);
        free(d);
    }
}

void balancer_pool_reclaim(struct balancer_pool *pool)
{
    disused_free(&pool->retired);
}

/* ---- Slots ---- */

struct slots *slots_new(unsigned capacity)
{
    struct slots *slots = xcalloc(1, sizeof(*slots) + capacity * sizeof(slots->at[0]));

    slots->capacity = capacity;
    return slots;
}

static struct slots *pool_slots(const struct balancer_pool *pool)
{
    return atomic_load_explicit(&pool->slots, memory_order_acquire);
}

static struct endpoint *slot_get(const struct balancer_pool *pool, unsigned index)
{
    return atomic_load_explicit(&pool_slots(pool)->at[index], memory_order_acquire);
}

static void slots_grow(struct balancer_pool *pool)
{
    struct slots *old = pool_slots(pool);
    struct slots *slots = slots_new(old->capacity > 0 ? 2 * old->capacity : SLOTS_FIRST);

    for (unsigned i = 0; i < old->capacity; i++)
        atomic_init(&slots->at[i], atomic_load(&old->at[i]));
    atomic_store(&pool->slots, slots);
    pool_drop(pool, old, free);
}

static unsigned lowest_free_slot(struct balancer_pool *pool)
{
    unsigned size = balancer_pool_size(pool), i = pool->free_from;

    while (i < size && slot_get(pool, i) != NULL)
        i++;
    return i;
}

/* ---- Endpoints ---- */

static void on_endpoint_unused(void *endpoint)
{
    endpoint_free(endpoint);
}

struct endpoint *balancer_pool_add(struct balancer_pool *pool, const struct config_backend *backend)
{
    unsigned index = lowest_free_slot(pool);
    struct endpoint *e = endpoint_new(backend, index);

    e->birth = ++pool->births;
    if (index == pool_slots(pool)->capacity)
        slots_grow(pool);
    atomic_store(&pool_slots(pool)->at[index], e);
    /* After the slots: who reads this size finds so many of them. */
    if (index == balancer_pool_size(pool))
        atomic_store(&pool->size, index + 1);
    pool->free_from = index + 1;
    pool->changed = pool->reshaped = true;
    return e;
}

void balancer_pool_leave(struct balancer_pool *pool, struct endpoint *endpoint)
{
    CHECK(!atomic_load(&endpoint->leaving));
    /* First: a pick that finds it leaving looks again at who came before. */
    atomic_fetch_add(&pool->version, 1);
    atomic_store(&endpoint->leaving, true);
    pool->changed = pool->reshaped = true;
}

void balancer_pool_forget(struct balancer_pool *pool, struct endpoint *endpoint)
{
    const struct balancer_members *members = &atomic_load(&pool->frame)->members;
    unsigned index = endpoint->index;

    CHECK(slot_get(pool, index) == endpoint && atomic_load(&endpoint->leaving));
    CHECK(atomic_load(&endpoint->active) == 0);
    CHECK(index >= members->size || members->endpoints[index] != endpoint);
    atomic_store(&pool_slots(pool)->at[index], NULL);
    if (index < pool->free_from)
        pool->free_from = index;
    pool_drop(pool, endpoint, on_endpoint_unused);
    pool->changed = true; /* the next refresh retires it; picks know nothing of it as it is */
}

static bool text_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool place_same(const struct config_place *a, const struct config_place *b)
{
    return a == b || (a != NULL && b != NULL && text_same(a->region, b->region) &&
                      text_same(a->zone, b->zone));
}

static bool level_same(const struct config_backend *a, const struct config_backend *b)
{
    return a->priority == b->priority && a->backup == b->backup && place_same(&a->place, &b->place);
}

void balancer_endpoint_change(struct balancer_pool *pool, struct endpoint *endpoint,
                              const struct config_backend *backend)
{
    const struct config_backend *old = atomic_load(&endpoint->backend);

    CHECK(!atomic_load(&endpoint->leaving));
    atomic_store(&endpoint->backend, backend);
    pool->changed = true;
    if (config_backend_equal(old, backend))
        return;
    pool->reshaped = pool->reshaped || !level_same(old, backend);
    atomic_store(&endpoint->weight, backend->weight);
    atomic_store(&endpoint->max_connections, backend->max_connections);
    atomic_store(&endpoint->updated_wall_us, clock_wall_us());
}

struct endpoint *balancer_pool_find(const struct balancer_pool *pool, const char *id)
{
    unsigned size = balancer_pool_size(pool);

    for (unsigned i = 0; i < size; i++) {
        struct endpoint *e = slot_get(pool, i);

        if (e != NULL && !atomic_load(&e->leaving) && strcmp(e->id, id) == 0)
            return e;
    }
    return NULL;
}

unsigned balancer_pool_size(const struct balancer_pool *pool)
{
    return atomic_load_explicit(&pool->size, memory_order_acquire);
}

struct endpoint *balancer_pool_endpoint(const struct balancer_pool *pool, unsigned index)
{
    CHECK(index < balancer_pool_size(pool));
    return slot_get(pool, index);
}

struct balancer_members pool_members(const struct balancer_pool *pool)
{
    struct balancer_members members = {.size = balancer_pool_size(pool)};

    members.endpoints = xcalloc(members.size, sizeof(struct endpoint *));
    for (unsigned i = 0; i < members.size; i++) {
        struct endpoint *e = slot_get(pool, i);

        if (e != NULL && !atomic_load(&e->leaving))
            members.endpoints[i] = e;
    }
    return members;
}

/* ---- Settings ---- */

static void place_free(struct config_place *place)
{
    if (place == NULL)
        return;
    free((char *)place->region);
    free((char *)place->zone);
    free(place);
}

void pool_set_place(struct balancer_pool *pool, const struct config_place *place)
{
    place_free(pool->place);
    pool->place = NULL;
    if (place == NULL)
        return;
    pool->place = xmalloc(sizeof(*pool->place));
    *pool->place = (struct config_place){
        .region = place->region != NULL ? xstrdup(place->region) : NULL,
        .zone = place->zone != NULL ? xstrdup(place->zone) : NULL,
    };
}

void balancer_pool_change(struct balancer_pool *pool, const struct config_pool *config,
                          const struct config_place *place)
{
    const struct config_pool *old = pool->config;

    CHECK(config->algorithm < CONFIG_ALGORITHM_COUNT);
    pool->reshaped = pool->reshaped || old->algorithm != config->algorithm ||
                     old->locality != config->locality || !place_same(pool->place, place);
    pool->changed = true;
    pool->config = config;
    pool_set_place(pool, place);
    tiers_change(&pool->tiers, config);
    pool->slow_start =
        slow_start_make(config->slow_start_ms, balancer_algorithm_of(config->algorithm)->by_key);
}

void balancer_pool_move(struct balancer_pool *pool, const struct config_pool *config)
{
    pool->config = config;
}
