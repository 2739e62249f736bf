/* Active checks and recovery, as others see them: see checks.h and checks_internal.h. */
#include "checks/checks.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "checks/checks_internal.h"
#include "checks/process.h"
#include "net/tls.h"
#include "upstream/backend.h"

enum {
    CHECKS_CHILDREN_MAX = 32,
    FIRST_CHECK_SPREAD_MS = 1000, /* first verdicts are awaited: soon, but not all at once */
};

static const struct probe_type *const probe_types[] = {
    [CONFIG_HEALTH_HTTP] = &probe_http,         [CONFIG_HEALTH_TCP] = &probe_tcp,
    [CONFIG_HEALTH_EXEC] = &probe_exec,         [CONFIG_HEALTH_REDIS] = &probe_redis,
    [CONFIG_HEALTH_POSTGRES] = &probe_postgres,
};

/* ---- endpoints ---- */

static void endpoint_set_addresses(struct checks_endpoint *e, const struct address *addresses,
                                   size_t count)
{
    free(e->addresses);
    e->addresses = NULL;
    e->address_count = count;
    if (count == 0)
        return;
    e->addresses = xcalloc(count, sizeof(*addresses));
    memcpy(e->addresses, addresses, count * sizeof(*addresses));
}

static uint64_t first_spread_ms(const struct checks_endpoint *e)
{
    uint64_t interval_ms = e->pool->shared.config->health->interval_ms;

    return interval_ms < FIRST_CHECK_SPREAD_MS ? interval_ms : FIRST_CHECK_SPREAD_MS;
}

/* Where the checks go is known from the start, unless it is a name. */
static int endpoint_init(struct checks_endpoint *e, struct checks_pool *pool, unsigned index,
                         char **ret_why)
{
    const struct config_backend *backend = &pool->shared.config->backends[index];
    const char *where = backend->check_address ? backend->check_address : backend->address;
    struct address address;

    e->pool = pool;
    e->backend = backend;
    e->endpoint = balancer_pool_endpoint(health_pool_balancer(pool->health), index);
    e->server_name = upstream_backend_server_name(pool->shared.config, backend);
    schedule_endpoint_init(e);
    if (backend->host && !backend->check_address)
        return EG_OK;
    int code = address_parse(&address, slice_str(where));
    if (code != EG_OK) {
        *ret_why = xasprintf("pool \"%s\": backend \"%s\": cannot check the address \"%s\": %s",
                             pool->shared.config->name, backend->id, where, error_text(code));
        return EG_E_INTERNAL;
    }
    endpoint_set_addresses(e, &address, 1);
    return EG_OK;
}

static void endpoint_fini(struct checks_endpoint *e)
{
    schedule_endpoint_stop(e);
    recovery_free(e->recovery);
    free(e->addresses);
    free(e->server_name);
}

/* ---- pools ---- */

/* HTTP only: other protocols have names of their own, or none. */
static int pool_init_tls(struct checks_pool *pool, char **ret_why)
{
    static const char *const alpn[] = {"http/1.1", NULL};

    return upstream_backend_tls_new(&pool->shared.tls, pool->shared.config,
                                    pool->type == &probe_http ? alpn : NULL, ret_why);
}

static int pool_open_type(struct checks_pool *pool, char **ret_why)
{
    char *why = NULL;

    if (!pool->type->open)
        return EG_OK;
    pool->opened = true;
    if (pool->type->open(&pool->shared, &why) == EG_OK)
        return EG_OK;
    *ret_why = xasprintf("pool \"%s\": health: %s", pool->shared.config->name, why);
    free(why);
    return EG_E_INTERNAL;
}

static int pool_init(struct checks_pool *pool, struct checks *checks,
                     const struct config_pool *config, struct health_pool *health, char **ret_why)
{
    pool->checks = checks;
    pool->health = health;
    pool->shared =
        (struct probe_pool){.config = config, .loop = checks->loop, .processes = checks->processes};
    if (!config->health)
        return EG_OK;
    CHECK(balancer_pool_size(health_pool_balancer(health)) == config->backend_count);
    pool->type = probe_types[config->health->type];
    pool->count = (unsigned)config->backend_count;
    pool->endpoints = xcalloc(pool->count, sizeof(*pool->endpoints));
    int code = EG_OK;
    for (unsigned i = 0; i < pool->count; i++) { /* all, so that all can be ended */
        char *why = NULL;
        int r = endpoint_init(&pool->endpoints[i], pool, i, &why);
        if (code == EG_OK && r != EG_OK) {
            code = r;
            *ret_why = why;
        } else {
            free(why);
        }
    }
    if (code == EG_OK)
        code = pool_init_tls(pool, ret_why);
    if (code == EG_OK)
        code = pool_open_type(pool, ret_why);
    return code;
}

static void pool_start(struct checks_pool *pool)
{
    for (unsigned i = 0; i < pool->count; i++) {
        struct checks_endpoint *e = &pool->endpoints[i];

        if (pool->shared.config->recovery)
            e->recovery = recovery_new(pool->checks->recoveries, e);
        if (e->address_count > 0)
            schedule_endpoint_start(e, first_spread_ms(e));
    }
}

/* ---- all ---- */

int checks_new(struct checks **ret_checks, struct loop *loop, struct config *config,
               struct health_pool *const *pools, char **ret_why)
{
    struct checks *checks = xcalloc(1, sizeof(*checks));
    int code = EG_OK;

    loop_enter(loop);
    checks->loop = loop;
    checks->config = config_ref(config);
    checks->processes = process_room_new(loop, CHECKS_CHILDREN_MAX);
    checks->pools = xcalloc(config->pool_count, sizeof(*checks->pools));
    schedule_init(checks);
    for (size_t i = 0; i < config->pool_count && code == EG_OK; i++) {
        code = pool_init(&checks->pools[i], checks, &config->pools[i], pools[i], ret_why);
        checks->pool_count++;
    }
    if (code == EG_OK)
        code = recovery_room_new(&checks->recoveries, checks, ret_why);
    if (code != EG_OK) {
        checks_free(checks);
        loop_leave(loop);
        return code;
    }
    for (unsigned i = 0; i < checks->pool_count; i++)
        pool_start(&checks->pools[i]);
    loop_leave(loop);
    *ret_checks = checks;
    return EG_OK;
}

/* After every probe and process of ours was reaped: reaps run in order. */
static void checks_on_reap(struct loop_task *task)
{
    struct checks *checks = container_of(task, struct checks, reap);

    for (unsigned i = 0; i < checks->pool_count; i++) {
        struct checks_pool *pool = &checks->pools[i];

        if (pool->opened && pool->type->close)
            pool->type->close(&pool->shared);
        tls_context_free(pool->shared.tls);
        free(pool->endpoints);
    }
    free(checks->pools);
    config_unref(&checks->config);
    free(checks);
}

void checks_free(struct checks *checks)
{
    struct loop *loop;

    if (!checks)
        return;
    loop = checks->loop;
    loop_enter(loop);
    for (unsigned i = 0; i < checks->pool_count; i++)
        for (unsigned j = 0; j < checks->pools[i].count; j++)
            endpoint_fini(&checks->pools[i].endpoints[j]);
    recovery_room_free(checks->recoveries);
    process_room_free(checks->processes);
    schedule_fini(checks);
    loop_task_init(&checks->reap, checks_on_reap);
    loop_reap(loop, &checks->reap);
    loop_leave(loop);
}

static struct checks_endpoint *find_endpoint(struct checks *checks, unsigned pool,
                                             unsigned endpoint)
{
    CHECK(pool < checks->pool_count);
    /* A pool without checks has none. */
    return endpoint < checks->pools[pool].count ? &checks->pools[pool].endpoints[endpoint] : NULL;
}

void checks_set_addresses(struct checks *checks, unsigned pool, unsigned endpoint,
                          const struct address *addresses, size_t count)
{
    struct checks_endpoint *e = find_endpoint(checks, pool, endpoint);

    if (!e || e->backend->check_address)
        return;
    loop_enter(checks->loop);
    endpoint_set_addresses(e, addresses, count);
    if (count == 0)
        schedule_endpoint_stop(e);
    else if (e->phase == SCHEDULE_IDLE)
        schedule_endpoint_start(e, first_spread_ms(e));
    loop_leave(checks->loop);
}

void checks_now(struct checks *checks, unsigned pool, unsigned endpoint)
{
    struct checks_endpoint *e = find_endpoint(checks, pool, endpoint);

    if (!e)
        return;
    loop_enter(checks->loop);
    schedule_endpoint_now(e);
    loop_leave(checks->loop);
}

static struct checks_pool *find_pool(struct checks *checks, const struct health_pool *health)
{
    for (unsigned i = 0; i < checks->pool_count; i++)
        if (checks->pools[i].health == health)
            return &checks->pools[i];
    return NULL;
}

void checks_on_status(struct checks *checks, struct health_pool *pool, struct endpoint *endpoint,
                      enum endpoint_status from, enum endpoint_status to)
{
    struct checks_pool *p = find_pool(checks, pool);

    if (!p || endpoint->index >= p->count)
        return;
    struct checks_endpoint *e = &p->endpoints[endpoint->index];
    loop_enter(checks->loop);
    if (e->recovery)
        recovery_on_status(e->recovery, to);
    if (to == ENDPOINT_UNKNOWN) /* a drain has ended: its verdict is awaited */
        schedule_endpoint_now(e);
    loop_leave(checks->loop);
}

struct checks_stats checks_stats(const struct checks *checks)
{
    return (struct checks_stats){
        .passed = atomic_load_explicit(&checks->stats.passed, memory_order_relaxed),
        .degraded = atomic_load_explicit(&checks->stats.degraded, memory_order_relaxed),
        .failed = atomic_load_explicit(&checks->stats.failed, memory_order_relaxed),
        .late = atomic_load_explicit(&checks->stats.late, memory_order_relaxed),
        .recoveries_started =
            atomic_load_explicit(&checks->stats.recoveries_started, memory_order_relaxed),
        .recoveries_failed =
            atomic_load_explicit(&checks->stats.recoveries_failed, memory_order_relaxed),
    };
}
