/* Making and ending what a pool is at run time: see pool_runtime.h. */
#include "proxy/pool_runtime.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "proxy/worker.h"

static void seats_init(struct pool_runtime *runtime, struct worker *workers, unsigned count)
{
    runtime->worker_count = count;
    runtime->seats = aligned_alloc(_Alignof(struct pool_seat), count * sizeof(*runtime->seats));
    CHECK(runtime->seats != NULL);
    for (unsigned i = 0; i < count; i++) {
        struct pool_seat *seat = &runtime->seats[i];

        *seat = (struct pool_seat){.queue = {.runtime = runtime, .worker = &workers[i]}};
        list_init(&seat->queue.waiting);
        loop_task_init(&seat->queue.dispatch, exchange_queue_on_dispatch);
    }
}

struct pool_runtime *pool_runtime_new(const struct config_pool *config,
                                      const struct config_place *place, struct health *health,
                                      struct slice process_secret, struct worker *workers,
                                      unsigned worker_count, uint64_t now_us)
{
    struct pool_runtime *runtime = aligned_alloc(_Alignof(struct pool_runtime), sizeof(*runtime));

    CHECK(runtime != NULL);
    *runtime = (struct pool_runtime){
        .name = xstrdup(config->name),
        .process_secret = process_secret,
        .balancer = balancer_pool_new(config, place),
    };
    list_init(&runtime->node);
    runtime->health = health_pool_add(health, runtime->balancer, config, now_us);
    retry_budget_init(&runtime->budget, config->retry.budget_percent, config->retry.budget_min);
    seats_init(runtime, workers, worker_count);
    return runtime;
}

void pool_runtime_free(struct pool_runtime *runtime, struct health *health)
{
    CHECK(atomic_load(&runtime->taken) == 0);
    list_remove(&runtime->node);
    health_pool_remove(health, runtime->health);
    balancer_pool_free(runtime->balancer);
    cache_free(runtime->cache);
    config_unref(&runtime->last);
    free(runtime->seats);
    free((char *)runtime->name);
    free(runtime);
}

struct slice pool_runtime_secret(const struct pool_runtime *runtime,
                                 const struct config_pool *config)
{
    return config->sticky->secret.n > 0 ? config->sticky->secret : runtime->process_secret;
}

struct endpoint *pool_runtime_tagged(const struct pool_runtime *runtime, uint64_t tag)
{
    for (unsigned i = 0; i < balancer_pool_size(runtime->balancer); i++) {
        struct endpoint *e = balancer_pool_endpoint(runtime->balancer, i);

        if (e != NULL && atomic_load_explicit(&e->tag, memory_order_relaxed) == tag &&
            !atomic_load_explicit(&e->leaving, memory_order_relaxed))
            return e;
    }
    return NULL;
}
