/* Active checks and recovery, as others see them: see checks.h and checks_internal.h. */
#include "checks/checks.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "checks/checks_internal.h"
#include "checks/process.h"

enum { CHECKS_CHILDREN_MAX = 32 };

int checks_new(struct checks **ret_checks, struct loop *loop, char **ret_why)
{
    struct checks *checks = xcalloc(1, sizeof(*checks));

    checks->loop = loop;
    checks->processes = process_room_new(loop, CHECKS_CHILDREN_MAX);
    checks->recoveries = recovery_room_new(checks);
    schedule_init(checks);
    *ret_checks = checks;
    return EG_OK;
}

/* After every probe and process of ours was reaped: reaps run in order. */
static void checks_on_reap(struct loop_task *task)
{
    struct checks *checks = container_of(task, struct checks, reap);

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
    for (size_t i = 0; i < checks->pool_count; i++)
        checks_pool_free(checks->pools[i]);
    free(checks->pools);
    recovery_room_free(checks->recoveries);
    process_room_free(checks->processes);
    schedule_fini(checks);
    loop_task_init(&checks->reap, checks_on_reap);
    loop_reap(loop, &checks->reap);
    loop_leave(loop);
}

/* NULL: it is not checked. */
static struct checks_endpoint *find(struct checks *checks, const struct health_pool *health,
                                    const struct endpoint *endpoint)
{
    for (size_t i = 0; i < checks->pool_count; i++)
        if (checks->pools[i]->health == health)
            return checks_pool_find(checks->pools[i], endpoint);
    return NULL;
}

void checks_set_addresses(struct checks *checks, const struct health_pool *pool,
                          const struct endpoint *endpoint, const struct address *addresses,
                          size_t count)
{
    struct checks_endpoint *e = find(checks, pool, endpoint);

    if (!e)
        return;
    loop_enter(checks->loop);
    checks_endpoint_set_resolved(e, addresses, count);
    loop_leave(checks->loop);
}

void checks_now(struct checks *checks, const struct health_pool *pool,
                const struct endpoint *endpoint)
{
    struct checks_endpoint *e = find(checks, pool, endpoint);

    if (!e)
        return;
    loop_enter(checks->loop);
    schedule_endpoint_now(e);
    loop_leave(checks->loop);
}

void checks_on_status(struct checks *checks, struct health_pool *pool, struct endpoint *endpoint,
                      enum endpoint_status from, enum endpoint_status to)
{
    struct checks_endpoint *e = find(checks, pool, endpoint);

    if (!e)
        return;
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
