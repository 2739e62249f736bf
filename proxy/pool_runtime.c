/* Making and ending what a pool is at run time: see pool_runtime.h. */
#include "proxy/pool_runtime.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/check.h"
#include "proxy/sticky_token.h"
#include "proxy/worker.h"

static void sticky_init(struct pool_runtime *runtime, struct slice process_secret)
{
    const struct config_pool *config = runtime->config;

    if (config->sticky == NULL)
        return;
    runtime->sticky_secret = config->sticky->secret.n > 0 ? config->sticky->secret : process_secret;
    runtime->sticky_tags = xcalloc(config->backend_count, sizeof(*runtime->sticky_tags));
    for (size_t i = 0; i < config->backend_count; i++)
        runtime->sticky_tags[i] = sticky_endpoint_tag(
            runtime->sticky_secret, slice_str(config->name), slice_str(config->backends[i].id));
}

static struct cache *cache_of(const struct config_pool *config)
{
    const struct config_fallback *fallback = &config->fallback;
    const struct cache_params params = {
        .limit_bytes = fallback->cache_bytes,
        .entry_bytes = fallback->cache_entry_bytes,
        .stale_ms = fallback->stale_ms,
        .own_cookie = config->sticky != NULL ? config->sticky->cookie : NULL,
    };

    return fallback->stale_ms > 0 ? cache_new(&params) : NULL;
}

struct pool_runtime *pool_runtime_new(const struct config_pool *config,
                                      const struct config_place *place, struct health *health,
                                      struct slice process_secret, uint64_t now_us)
{
    struct pool_runtime *runtime = aligned_alloc(_Alignof(struct pool_runtime), sizeof(*runtime));

    CHECK(runtime != NULL);
    *runtime = (struct pool_runtime){0};
    runtime->config = config;
    runtime->balancer = balancer_pool_new(config, place);
    runtime->health = health_pool_add(health, runtime->balancer, config, now_us);
    runtime->cache = cache_of(config);
    retry_budget_init(&runtime->budget, config->retry.budget_percent, config->retry.budget_min);
    sticky_init(runtime, process_secret);
    return runtime;
}

void pool_runtime_add_workers(struct pool_runtime *runtime, struct worker *workers, unsigned count)
{
    size_t size = count * sizeof(*runtime->queues);

    runtime->worker_count = count;
    runtime->queues = aligned_alloc(_Alignof(struct pool_queue), size);
    CHECK(runtime->queues != NULL);
    for (unsigned i = 0; i < count; i++) {
        struct pool_queue *queue = &runtime->queues[i];

        *queue = (struct pool_queue){.runtime = runtime, .worker = &workers[i]};
        list_init(&queue->waiting);
        loop_task_init(&queue->dispatch, exchange_queue_on_dispatch);
    }
}

void pool_runtime_free(struct pool_runtime *runtime)
{
    free(runtime->queues);
    free(runtime->sticky_tags);
    cache_free(runtime->cache);
    balancer_pool_free(runtime->balancer);
    free(runtime);
}

struct endpoint *pool_runtime_tagged(const struct pool_runtime *runtime, uint64_t tag)
{
    for (size_t i = 0; i < runtime->config->backend_count; i++) {
        if (runtime->sticky_tags[i] == tag)
            return balancer_pool_endpoint(runtime->balancer, (unsigned)i);
    }
    return NULL;
}
