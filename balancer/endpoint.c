/* The endpoint: its runtime, the names of its states, and whether it may be used. */
#include <stdlib.h>

#include "balancer/pool_internal.h"
#include "base/alloc.h"
#include "base/check.h"

struct endpoint *endpoint_new(const struct config_backend *backend, unsigned index)
{
    /* aligned_alloc, because malloc's 16 bytes would let two endpoints share a cache line. */
    struct endpoint *e = aligned_alloc(_Alignof(struct endpoint), sizeof(*e));

    CHECK(e != NULL);
    *e = (struct endpoint){
        .id = xstrdup(backend->id),
        .address = xstrdup(backend->address),
        .index = index,
        .hash = balancer_hash(slice_str(backend->id)),
    };
    atomic_init(&e->weight, backend->weight);
    atomic_init(&e->status, ENDPOINT_UNKNOWN);
    atomic_init(&e->breaker, BREAKER_CLOSED);
    atomic_init(&e->draining, backend->drain);
    atomic_init(&e->resolved, backend->host == NULL);
    return e;
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

static bool endpoint_breaker_passes(const struct endpoint *e)
{
    switch (atomic_load_explicit(&e->breaker, memory_order_relaxed)) {
    case BREAKER_CLOSED:
        return true;
    case BREAKER_HALF_OPEN:
        return atomic_load_explicit(&e->probes, memory_order_relaxed) > 0;
    case BREAKER_OPEN:
        break;
    }
    return false;
}

enum balancer_preference endpoint_preference(const struct endpoint *e)
{
    if (atomic_load_explicit(&e->weight, memory_order_relaxed) == 0 ||
        atomic_load_explicit(&e->draining, memory_order_relaxed) ||
        !atomic_load_explicit(&e->resolved, memory_order_relaxed) || !endpoint_breaker_passes(e))
        return PREFER_NEVER;
    return preference_of_status(atomic_load_explicit(&e->status, memory_order_relaxed));
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
