/* The only writer of endpoints' status and breaker: see health.h. */
#include "health/health.h"

#include "base/check.h"

/* Every change of status ends here. */
static bool status_change(struct balancer_pool *pool, struct endpoint *endpoint,
                          enum endpoint_status status, const char *why, uint64_t now_us)
{
    if (atomic_load(&endpoint->status) == status)
        return false;
    atomic_store(&endpoint->status_why, why);
    atomic_store(&endpoint->status_since_us, now_us);
    atomic_store(&endpoint->draining, status == ENDPOINT_DRAINING);
    atomic_store(&endpoint->status, status);
    balancer_pool_changed(pool);
    return true;
}

void health_endpoint_start(struct balancer_pool *pool, struct endpoint *endpoint,
                           const struct config_backend *backend, uint64_t now_us)
{
    if (backend->drain)
        status_change(pool, endpoint, ENDPOINT_DRAINING, "drain is configured", now_us);
    else
        status_change(pool, endpoint, ENDPOINT_HEALTHY, "no check is configured", now_us);
}

bool health_set_status(struct balancer_pool *pool, struct endpoint *endpoint,
                       enum endpoint_status status, const char *why, uint64_t now_us)
{
    CHECK(status != ENDPOINT_DRAINING);
    if (atomic_load(&endpoint->status) == ENDPOINT_DRAINING)
        return false;
    return status_change(pool, endpoint, status, why, now_us);
}

bool health_set_draining(struct balancer_pool *pool, struct endpoint *endpoint, bool draining,
                         const char *why, uint64_t now_us)
{
    if ((atomic_load(&endpoint->status) == ENDPOINT_DRAINING) == draining)
        return false;
    return status_change(pool, endpoint, draining ? ENDPOINT_DRAINING : ENDPOINT_HEALTHY, why,
                         now_us);
}

bool health_set_breaker(struct balancer_pool *pool, struct endpoint *endpoint,
                        enum breaker_state state, unsigned probes)
{
    enum breaker_state before = atomic_load(&endpoint->breaker);

    /* Probes first: an endpoint seen half open without them would be passed over once more. */
    atomic_store(&endpoint->probes, state == BREAKER_HALF_OPEN ? probes : 0);
    atomic_store(&endpoint->breaker, state);
    if (before == state && state != BREAKER_HALF_OPEN)
        return false;
    balancer_pool_changed(pool);
    return before != state;
}

void health_set_resolved(struct balancer_pool *pool, struct endpoint *endpoint, bool resolved)
{
    if (atomic_exchange(&endpoint->resolved, resolved) != resolved)
        balancer_pool_changed(pool);
}

struct health_view health_view(const struct endpoint *endpoint)
{
    return (struct health_view){
        .status = atomic_load(&endpoint->status),
        .breaker = atomic_load(&endpoint->breaker),
        .why = atomic_load(&endpoint->status_why),
        .since_us = atomic_load(&endpoint->status_since_us),
    };
}
