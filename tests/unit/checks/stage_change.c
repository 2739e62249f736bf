/* Changes of the configuration on a stage: what the server does with one, without workers. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/plan.h"
#include "tests/unit/checks/stage_internal.h"

static bool same_target(const struct config_backend *a, const struct config_backend *b)
{
    return strcmp(a->id, b->id) == 0 && strcmp(a->address, b->address) == 0;
}

static const struct config_backend *find_backend(const struct config_pool *config,
                                                 const struct config_backend *wanted)
{
    for (size_t i = 0; wanted && i < config->backend_count; i++)
        if (same_target(&config->backends[i], wanted))
            return &config->backends[i];
    return NULL;
}

static bool has_member(const struct stage_pool *pool, const struct config_backend *backend)
{
    struct endpoint *endpoint = balancer_pool_find(pool->balancer, backend->id);

    return endpoint && endpoint->backend == backend;
}

static void keep_or_leave(struct stage *s, struct stage_pool *pool,
                          const struct config_pool *config)
{
    for (unsigned i = 0; i < balancer_pool_size(pool->balancer); i++) {
        struct endpoint *endpoint = balancer_pool_endpoint(pool->balancer, i);
        const struct config_backend *backend;

        if (!endpoint || endpoint->leaving)
            continue;
        backend = find_backend(config, endpoint->backend);
        if (backend) {
            balancer_endpoint_change(pool->balancer, endpoint, backend);
            continue;
        }
        health_pool_leave(pool->health, endpoint, "test", s->loop.now_us);
        balancer_pool_leave(pool->balancer, endpoint);
    }
}

static void add_new(struct stage *s, struct stage_pool *pool, const struct config_pool *config,
                    bool starting)
{
    for (size_t i = 0; i < config->backend_count; i++) {
        if (has_member(pool, &config->backends[i]))
            continue;
        struct endpoint *endpoint = balancer_pool_add(pool->balancer, &config->backends[i]);
        health_pool_join(pool->health, endpoint, "test", starting, s->loop.now_us);
        endpoint->resolved = true;
    }
}

/* Those that leave, once nothing looks at them: here at once. */
static void forget(struct stage *s, struct stage_pool *pool)
{
    for (unsigned i = 0; i < balancer_pool_size(pool->balancer); i++) {
        struct endpoint *endpoint = balancer_pool_endpoint(pool->balancer, i);

        if (!endpoint || !endpoint->leaving)
            continue;
        health_pool_forget(pool->health, endpoint);
        balancer_pool_forget(pool->balancer, endpoint);
    }
    health_pool_settle(pool->health, s->loop.now_us);
    balancer_pool_reclaim(pool->balancer);
}

static struct stage_pool *pool_named(struct stage *s, const char *name)
{
    for (unsigned i = 0; i < STAGE_POOLS; i++)
        if (s->pools[i].name && strcmp(s->pools[i].name, name) == 0)
            return &s->pools[i];
    return NULL;
}

static struct stage_pool *pool_new(struct stage *s, const struct config *config,
                                   const struct config_pool *pool)
{
    unsigned free_place = 0;

    while (s->pools[free_place].name)
        cr_assert_lt(++free_place, STAGE_POOLS);
    struct stage_pool *p = &s->pools[free_place];
    p->name = xstrdup(pool->name);
    p->balancer = balancer_pool_new(pool, &config->place);
    p->health = health_pool_add(s->health, p->balancer, pool, s->loop.now_us);
    return p;
}

static void pool_free(struct stage *s, struct stage_pool *p)
{
    health_pool_remove(s->health, p->health);
    balancer_pool_free(p->balancer);
    free((char *)p->name);
    *p = (struct stage_pool){.name = NULL};
}

/* Balancer and health take `config`; *ret_pools (heap) is as config->pools. */
static void take(struct stage *s, struct config *config, struct health_pool ***ret_pools,
                 bool starting)
{
    struct health_pool **pools = xcalloc(config->pool_count, sizeof(struct health_pool *));

    for (size_t i = 0; i < config->pool_count; i++) {
        const struct config_pool *pool = &config->pools[i];
        struct stage_pool *p = pool_named(s, pool->name);

        if (p) {
            balancer_pool_change(p->balancer, pool, &config->place);
            health_pool_change(p->health, pool, s->loop.now_us);
            keep_or_leave(s, p, pool);
        } else {
            p = pool_new(s, config, pool);
        }
        add_new(s, p, pool, starting);
        health_pool_settle(p->health, s->loop.now_us);
        pools[i] = p->health;
    }
    *ret_pools = pools;
}

/* Whom the new configuration does not know any more. */
static void clean_up(struct stage *s, const struct config *config)
{
    for (unsigned i = 0; i < STAGE_POOLS; i++) {
        bool stays = false;

        for (size_t j = 0; s->pools[i].name && j < config->pool_count; j++)
            stays = stays || strcmp(config->pools[j].name, s->pools[i].name) == 0;
        if (stays)
            forget(s, &s->pools[i]);
        else if (s->pools[i].name)
            pool_free(s, &s->pools[i]);
    }
}

char *stage_apply(struct stage *s, struct config *config, bool starting)
{
    struct checks_change *change = NULL;
    struct health_pool **pools;
    char *why = NULL;

    loop_enter(&s->loop);
    if (checks_prepare(s->checks, config, &change, &why) != EG_OK) {
        cr_assert_null(change);
        config_unref(&config);
        loop_leave(&s->loop);
        return why;
    }
    take(s, config, &pools, starting);
    checks_commit(&change, pools);
    cr_assert_null(change);
    free(pools);
    clean_up(s, config);
    config_unref(&s->config);
    s->config = config;
    s->balancer = pool_named(s, "api")->balancer;
    s->pool = pool_named(s, "api")->health;
    loop_leave(&s->loop);
    return NULL;
}

char *stage_change(struct stage *s, const char *pool, const char *more, const char *top)
{
    return stage_apply(s, stage_load(pool, more, top), false);
}
