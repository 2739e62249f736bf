/*
 * From one configuration to the next.
 *
 *   prepare   opens, beside what runs, what pools need whose settings are new or others; the first
 *             failure closes all of it again
 *   commit    gives each pool its settings and its members; what is equal goes on as it is
 *   discard   closes what prepare has opened
 *
 * Pools are matched by name: a pool lives as long as its name is in the configuration.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "checks/checks_internal.h"
#include "checks/webhook.h"
#include "config/plan.h"

struct pool_change {
    struct checks_pool *from; /* NULL: it is new */
    struct checks_settings settings;
};

struct checks_change {
    struct checks *checks;
    struct config *config; /* a reference */
    struct pool_change *pools;
    size_t count; /* of `pools` that were prepared */
};

/* The pool of that name, most likely at the same place. */
static struct checks_pool *find_by_name(const struct checks *checks, const char *name, size_t place)
{
    for (size_t i = 0; i < checks->pool_count; i++) {
        struct checks_pool *pool = checks->pools[(place + i) % checks->pool_count];

        if (strcmp(pool->config->name, name) == 0)
            return pool;
    }
    return NULL;
}

/* Bits of config_pool_part; one that does not exist yet differs in everything. */
static unsigned differences(const struct checks_change *change, const struct checks_pool *from,
                            const struct config_pool *to)
{
    if (!from)
        return ~0u;
    return config_pool_differences(change->checks->config, from->config, change->config, to);
}

static int prepare_pool(struct checks_change *change, size_t index, char **ret_why)
{
    struct checks *checks = change->checks;
    const struct config_pool *config = &change->config->pools[index];
    struct pool_change *pool = &change->pools[index];
    struct checks_settings *settings = &pool->settings;
    int code = EG_OK;

    pool->from = find_by_name(checks, config->name, index);
    unsigned parts = differences(change, pool->from, config);
    settings->config = config;
    settings->keeps_method = (parts & (CONFIG_PART_HEALTH | CONFIG_PART_TLS)) == 0;
    settings->keeps_recovery = (parts & CONFIG_PART_RECOVERY) == 0;
    if (!settings->keeps_method)
        code = checks_method_new(&settings->method, checks, config, ret_why);
    if (code == EG_OK && !settings->keeps_recovery)
        code = recovery_room_prepare(checks->recoveries, config, &settings->webhook, ret_why);
    return code;
}

int checks_prepare(struct checks *checks, struct config *config, struct checks_change **ret_change,
                   char **ret_why)
{
    struct checks_change *change = xcalloc(1, sizeof(*change));
    int code = EG_OK;

    loop_enter(checks->loop);
    change->checks = checks;
    change->config = config_ref(config);
    change->pools = xcalloc(config->pool_count, sizeof(*change->pools));
    while (change->count < config->pool_count && code == EG_OK)
        code = prepare_pool(change, change->count++, ret_why);
    if (code != EG_OK)
        checks_discard(&change);
    *ret_change = change;
    loop_leave(checks->loop);
    return code;
}

static void change_free(struct checks_change *change)
{
    config_unref(&change->config);
    free(change->pools);
    free(change);
}

void checks_discard(struct checks_change **change)
{
    struct checks_change *c = *change;

    if (!c)
        return;
    *change = NULL;
    struct loop *loop = c->checks->loop;
    loop_enter(loop);
    for (size_t i = 0; i < c->count; i++) {
        checks_method_free(c->pools[i].settings.method);
        webhook_free(c->pools[i].settings.webhook);
    }
    change_free(c);
    loop_leave(loop);
}

/* ---- commit ---- */

static void take_over_pool(struct checks *checks, size_t index, const struct pool_change *change,
                           struct health_pool *health)
{
    struct checks_pool *pool = change->from ? change->from : checks_pool_new(checks, health);

    CHECK(pool->health == health);
    checks->pools[index] = pool;
    pool->stays = true;
    checks_pool_adopt(pool, &change->settings);
}

static void free_those_that_went(struct checks_pool **pools, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!pools[i]->stays)
            checks_pool_free(pools[i]);
    free(pools);
}

void checks_commit(struct checks_change **change, struct health_pool *const *pools)
{
    struct checks_change *c = *change;
    struct checks *checks = c->checks;
    struct loop *loop = checks->loop;
    struct checks_pool **old_pools = checks->pools;
    struct config *old_config = checks->config; /* pools that stay are compared with it */
    size_t old_count = checks->pool_count;

    *change = NULL;
    loop_enter(loop);
    for (size_t i = 0; i < old_count; i++)
        old_pools[i]->stays = false;
    checks->config = config_ref(c->config);
    schedule_set_pace(checks, c->config->supervision.checks_per_second);
    recovery_room_set_limit(checks->recoveries, c->config->supervision.recoveries_per_minute);
    checks->pool_count = c->config->pool_count;
    checks->pools = xcalloc(checks->pool_count, sizeof(struct checks_pool *));
    for (size_t i = 0; i < checks->pool_count; i++)
        take_over_pool(checks, i, &c->pools[i], pools[i]);
    free_those_that_went(old_pools, old_count);
    config_unref(&old_config);
    change_free(c);
    loop_leave(loop);
}
