/* The endpoint: its runtime, the names of its states, and whether it may be used. */
#include <stdlib.h>

#include "balancer/pool_internal.h"
#include "base/alloc.h"
#include "base/check.h"
#include "base/clock.h"

struct endpoint *endpoint_new(const struct config_backend *backend, unsigned index)
{
    /* aligned_alloc, because malloc's 16 bytes would let two endpoints share a cache line. */
    struct endpoint *e = aligned_alloc(_Alignof(struct endpoint), sizeof(*e));

    CHECK(e != NULL);
    *e = (struct endpoint){
        .id = xstrdup(backend->id),
        .address = xstrdup(backend->address),
        .hash = balancer_hash(slice_str(backend->id)),
        .index = index,
        .created_wall_us = clock_wall_us(),
    };
    atomic_init(&e->weight, backend->weight);
    atomic_init(&e->share, backend->weight * 100);
    atomic_init(&e->max_connections, backend->max_connections);
    atomic_init(&e->status, ENDPOINT_UNKNOWN);
    atomic_init(&e->breaker, BREAKER_CLOSED);
    atomic_init(&e->draining, backend->drain);
    atomic_init(&e->backend, backend);
    atomic_init(&e->updated_wall_us, e->created_wall_us);
    return e;
}

/* Each by itself, as the endpoint is in use; the copy belongs to the caller. */
void endpoint_copy(struct endpoint *to, const struct endpoint *from)
{
    *to = (struct endpoint){.hash = from->hash, .index = from->index};
    atomic_init(&to->weight, atomic_load(&from->weight));
    atomic_init(&to->max_connections, atomic_load(&from->max_connections));
    atomic_init(&to->status, atomic_load(&from->status));
    atomic_init(&to->breaker, atomic_load(&from->breaker));
    atomic_init(&to->stall, atomic_load(&from->stall));
    atomic_init(&to->probes, atomic_load(&from->probes));
    atomic_init(&to->share, atomic_load(&from->share));
    atomic_init(&to->ejected, atomic_load(&from->ejected));
    atomic_init(&to->draining, atomic_load(&from->draining));
    atomic_init(&to->tripped, atomic_load(&from->tripped));
    atomic_init(&to->resolved, atomic_load(&from->resolved));
    atomic_init(&to->panicking, atomic_load(&from->panicking));
    atomic_init(&to->leaving, atomic_load(&from->leaving));
    atomic_init(&to->active, atomic_load(&from->active));
    atomic_init(&to->turn, atomic_load(&from->turn));
    atomic_init(&to->latency_ewma, atomic_load(&from->latency_ewma));
    atomic_init(&to->latency_stamp_us, atomic_load(&from->latency_stamp_us));
    atomic_init(&to->latency_asked_us, atomic_load(&from->latency_asked_us));
}

void endpoint_free(struct endpoint *endpoint)
{
    if (endpoint == NULL)
        return;
    free((char *)endpoint->id);
    free((char *)endpoint->address);
    free(endpoint);
}

static enum balancer_preference preference_of_status(enum endpoint_status status)
{
    switch (status) {
    case ENDPOINT_HEALTHY:
        return PREFER_HEALTHY;
    case ENDPOINT_DEGRADED:
        return PREFER_DEGRADED;
    case ENDPOINT_UNKNOWN:
        return PREFER_UNKNOWN;
    case ENDPOINT_UNHEALTHY:
    case ENDPOINT_DRAINING:
        break;
    }
    return PREFER_NEVER;
}

static bool breaker_passes(const struct endpoint *e, bool has_probes)
{
    switch (atomic_load_explicit(&e->breaker, memory_order_relaxed)) {
    case BREAKER_CLOSED:
        return true;
    case BREAKER_HALF_OPEN:
        return has_probes;
    case BREAKER_OPEN:
        break;
    }
    return false;
}

/* An endpoint whose stall is being probed, and that has no probe left, is still there for those who
 * would take a stalled one. */
static bool stall_passes(const struct endpoint *e, bool has_probes)
{
    switch (atomic_load_explicit(&e->stall, memory_order_relaxed)) {
    case STALL_CLEAR:
        return true;
    case STALL_PROBING:
        return has_probes;
    case STALL_STALLED:
        break;
    }
    return false;
}

bool endpoint_meant_to_serve(const struct endpoint *e)
{
    return atomic_load_explicit(&e->weight, memory_order_relaxed) > 0 &&
           !atomic_load_explicit(&e->leaving, memory_order_acquire) &&
           !atomic_load_explicit(&e->draining, memory_order_relaxed) &&
           atomic_load_explicit(&e->status, memory_order_relaxed) != ENDPOINT_DRAINING;
}

/* Somebody took it out on purpose, or it cannot be reached: panic does not change that. */
static bool is_present(const struct endpoint *e)
{
    /* Acquire: who sees it leave sees those who came before. */
    return !atomic_load_explicit(&e->leaving, memory_order_acquire) &&
           atomic_load_explicit(&e->weight, memory_order_relaxed) > 0 &&
           !atomic_load_explicit(&e->draining, memory_order_relaxed) &&
           atomic_load_explicit(&e->resolved, memory_order_relaxed);
}

/* By health alone, of one that is present. */
static enum balancer_preference judge(const struct endpoint *e, bool has_probes)
{
    enum balancer_preference preference =
        preference_of_status(atomic_load_explicit(&e->status, memory_order_relaxed));

    if (atomic_load_explicit(&e->ejected, memory_order_relaxed) || !breaker_passes(e, has_probes))
        return PREFER_NEVER;
    if (preference < PREFER_STALLED && !stall_passes(e, has_probes))
        return PREFER_STALLED;
    return preference;
}

/* Judged as healthy for panic's sake? */
static bool is_trusted(const struct endpoint *e)
{
    return atomic_load_explicit(&e->panicking, memory_order_relaxed) &&
           !atomic_load_explicit(&e->tripped, memory_order_relaxed) &&
           atomic_load_explicit(&e->status, memory_order_relaxed) != ENDPOINT_DRAINING;
}

enum balancer_preference endpoint_preference(const struct endpoint *e)
{
    if (!is_present(e))
        return PREFER_NEVER;
    if (is_trusted(e))
        return PREFER_HEALTHY;
    return judge(e, atomic_load_explicit(&e->probes, memory_order_relaxed) > 0);
}

enum balancer_preference endpoint_condition(const struct endpoint *e)
{
    return is_present(e) ? judge(e, true) : PREFER_NEVER;
}

enum balancer_preference endpoint_standing(const struct endpoint *e)
{
    return is_present(e) && is_trusted(e) ? PREFER_HEALTHY : endpoint_condition(e);
}

bool endpoint_probing(const struct endpoint *e)
{
    return (atomic_load_explicit(&e->breaker, memory_order_relaxed) == BREAKER_HALF_OPEN ||
            atomic_load_explicit(&e->stall, memory_order_relaxed) == STALL_PROBING) &&
           !is_trusted(e);
}

bool endpoint_take(struct endpoint *e)
{
    int active;

    if (atomic_load_explicit(&e->max_connections, memory_order_relaxed) == 0) {
        atomic_fetch_add_explicit(&e->active, 1, memory_order_relaxed);
        return true;
    }
    /* Sequentially consistent: see balancer_done. */
    active = atomic_load(&e->active);
    do {
        if (!endpoint_has_room(e, active))
            return false;
    } while (!atomic_compare_exchange_weak(&e->active, &active, active + 1));
    return true;
}

bool endpoint_usable(const struct endpoint *endpoint)
{
    return endpoint_preference(endpoint) != PREFER_NEVER;
}

const char *endpoint_status_name(enum endpoint_status status)
{
    switch (status) {
    case ENDPOINT_UNKNOWN:
        return "unknown";
    case ENDPOINT_HEALTHY:
        return "healthy";
    case ENDPOINT_DEGRADED:
        return "degraded";
    case ENDPOINT_UNHEALTHY:
        return "unhealthy";
    case ENDPOINT_DRAINING:
        return "draining";
    }
    return "unknown";
}

const char *breaker_state_name(enum breaker_state state)
{
    switch (state) {
    case BREAKER_CLOSED:
        return "closed";
    case BREAKER_OPEN:
        return "open";
    case BREAKER_HALF_OPEN:
        return "half_open";
    }
    return "closed";
}
