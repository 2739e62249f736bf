/*
 * Pools and their endpoints, as they come and go.
 *
 * An endpoint stands in the slot of its index; the slot may be another's later, so whoever comes
 * with an endpoint is compared with who stands there. All that points into a configuration points
 * into checks->config and is moved on with every change of it; a probe that runs keeps hold of the
 * one that it began with (probe.h).
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "checks/checks_internal.h"
#include "checks/webhook.h"
#include "upstream/backend.h"

/* ---- where an endpoint is ---- */

static void addresses_set(struct checks_addresses *addresses, const struct address *v, size_t count)
{
    free(addresses->v);
    *addresses = (struct checks_addresses){.count = count};
    if (count == 0)
        return;
    addresses->v = xcalloc(count, sizeof(*v));
    memcpy(addresses->v, v, count * sizeof(*v));
}

/* Known at once, unless it is a name. The configuration has checked what it wrote. */
static void endpoint_locate(struct checks_endpoint *e)
{
    const struct config_backend *backend = e->backend;
    const char *where = backend->check_address ? backend->check_address : backend->address;
    struct address address;

    if (backend->host && !backend->check_address) {
        addresses_set(&e->addresses, e->resolved.v, e->resolved.count);
        return;
    }
    CHECK(address_parse(&address, slice_str(where)) == EG_OK);
    addresses_set(&e->addresses, &address, 1);
}

void checks_endpoint_set_resolved(struct checks_endpoint *e, const struct address *addresses,
                                  size_t count)
{
    addresses_set(&e->resolved, addresses, count);
    if (!e->backend->host || e->backend->check_address)
        return;
    endpoint_locate(e);
    if (count == 0)
        schedule_endpoint_stop(e);
    else if (e->phase == SCHEDULE_IDLE)
        schedule_endpoint_start(e);
}

/* ---- endpoints ---- */

/* Whatever was known by the settings before. */
static void endpoint_stop(struct checks_endpoint *e)
{
    schedule_endpoint_stop(e);
    if (e->memory)
        e->pool->method->type->forget(e->memory);
    e->memory = NULL;
}

static void endpoint_start(struct checks_endpoint *e)
{
    free(e->server_name);
    e->server_name = upstream_backend_server_name(e->pool->config, e->backend);
    endpoint_locate(e);
    if (e->addresses.count > 0)
        schedule_endpoint_start(e);
}

/* None of its callbacks can be running: endpoints go with a change of the configuration only. */
static void endpoint_free(struct checks_endpoint *e)
{
    endpoint_stop(e);
    recovery_free(e->recovery);
    free(e->resolved.v);
    free(e->addresses.v);
    free(e->server_name);
    free(e);
}

static struct checks_endpoint *endpoint_new(struct checks_pool *pool, struct endpoint *endpoint)
{
    struct checks_endpoint *e = xcalloc(1, sizeof(*e));

    e->pool = pool;
    e->endpoint = endpoint;
    e->backend = endpoint->backend;
    schedule_endpoint_init(e);
    return e;
}

static void endpoint_adopt_recovery(struct checks_endpoint *e, bool keeps_recovery)
{
    if (!e->pool->config->recovery) {
        recovery_free(e->recovery);
        e->recovery = NULL;
    } else if (!e->recovery) {
        e->recovery = recovery_new(e->pool->checks->recoveries, e);
    } else if (keeps_recovery) {
        recovery_reconsider(e->recovery);
    } else {
        recovery_change(e->recovery);
    }
}

static bool same_place(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* One that stays. Without `keeps_method` it was stopped. */
static void endpoint_adopt(struct checks_endpoint *e, bool keeps_method)
{
    const struct config_backend *before = e->backend;

    e->backend = e->endpoint->backend;
    if (keeps_method && same_place(before->check_address, e->backend->check_address))
        return;
    endpoint_stop(e);
    endpoint_start(e);
}

/* ---- slots ---- */

struct checks_endpoint *checks_pool_find(const struct checks_pool *pool,
                                         const struct endpoint *endpoint)
{
    struct checks_endpoint *e =
        endpoint->index < pool->slots ? pool->endpoints[endpoint->index] : NULL;

    return e && e->endpoint == endpoint ? e : NULL;
}

static void make_slots(struct checks_pool *pool, unsigned slots)
{
    if (slots <= pool->slots)
        return;
    pool->endpoints = xrealloc(pool->endpoints, slots * sizeof(struct checks_endpoint *));
    for (unsigned i = pool->slots; i < slots; i++)
        pool->endpoints[i] = NULL;
    pool->slots = slots;
}

static bool is_to_be_checked(const struct endpoint *endpoint)
{
    const struct config_backend *backend = endpoint->backend;

    return !endpoint->leaving && backend->checked;
}

/* The member in that slot that is to be checked, or NULL. */
static struct endpoint *member_at(const struct checks_pool *pool, unsigned index)
{
    struct balancer_pool *balancer = health_pool_balancer(pool->health);
    struct endpoint *endpoint = NULL;

    if (pool->method && index < balancer_pool_size(balancer))
        endpoint = balancer_pool_endpoint(balancer, index);
    return endpoint && is_to_be_checked(endpoint) ? endpoint : NULL;
}

/* Whose endpoint may be gone by now is only compared. */
static void drop_those_that_left(struct checks_pool *pool)
{
    for (unsigned i = 0; i < pool->slots; i++) {
        struct checks_endpoint *e = pool->endpoints[i];

        if (!e || e->endpoint == member_at(pool, i))
            continue;
        endpoint_free(e);
        pool->endpoints[i] = NULL;
    }
}

static void adopt_members(struct checks_pool *pool, const struct checks_settings *settings)
{
    unsigned size = balancer_pool_size(health_pool_balancer(pool->health));

    make_slots(pool, size);
    for (unsigned i = 0; i < size; i++) {
        struct endpoint *member = member_at(pool, i);

        if (!member)
            continue;
        if (pool->endpoints[i]) {
            endpoint_adopt(pool->endpoints[i], settings->keeps_method);
        } else {
            pool->endpoints[i] = endpoint_new(pool, member);
            endpoint_start(pool->endpoints[i]);
        }
        endpoint_adopt_recovery(pool->endpoints[i], settings->keeps_recovery);
    }
}

/* ---- pools ---- */

struct checks_pool *checks_pool_new(struct checks *checks, struct health_pool *health)
{
    struct checks_pool *pool = xcalloc(1, sizeof(*pool));

    pool->checks = checks;
    pool->health = health;
    return pool;
}

void checks_pool_free(struct checks_pool *pool)
{
    for (unsigned i = 0; i < pool->slots; i++)
        if (pool->endpoints[i])
            endpoint_free(pool->endpoints[i]);
    checks_method_free(pool->method);
    webhook_free(pool->webhook);
    free(pool->endpoints);
    free(pool);
}

static void change_method(struct checks_pool *pool, struct checks_method *method)
{
    for (unsigned i = 0; i < pool->slots; i++)
        if (pool->endpoints[i])
            endpoint_stop(pool->endpoints[i]);
    checks_method_free(pool->method);
    pool->method = method;
}

void checks_pool_adopt(struct checks_pool *pool, const struct checks_settings *settings)
{
    pool->config = settings->config;
    if (!settings->keeps_method)
        change_method(pool, settings->method);
    if (!settings->keeps_recovery) {
        webhook_free(pool->webhook);
        pool->webhook = settings->webhook;
    }
    drop_those_that_left(pool);
    adopt_members(pool, settings);
}
