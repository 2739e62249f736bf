/* What the events say of an order of discovery's: see server_orders.h. */
#include <stdio.h>

#include "base/log.h"
#include "base/plural.h"
#include "health/health.h"
#include "proxy/server_discovery.h"
#include "proxy/server_orders.h"

/* Of one pool. */
struct tally {
    size_t came, went, changed;
};

/* Those of a pool stand together in the plan. Moves on to what is not of it. */
static struct tally tally_pool(const struct config_plan *plan, size_t *place)
{
    const char *pool = plan->changes[*place].pool;
    struct tally tally = {0};

    for (; *place < plan->count; (*place)++) {
        const struct config_change *change = &plan->changes[*place];

        if (change->of != CONFIG_OF_ENDPOINT || strcmp(change->pool, pool) != 0)
            break;
        tally.came += change->kind == CONFIG_ADDED;
        tally.went += change->kind == CONFIG_REMOVED;
        tally.changed += change->kind == CONFIG_CHANGED;
    }
    return tally;
}

/* Where a source is, and the rest of it, is in GET /api/v1/providers. */
static void tell_pool(const struct server *server, const char *name, const struct tally *tally)
{
    size_t at = config_pool_near(server->config, name, 0);
    const struct config_pool *pool = &server->config->pools[at];
    size_t after = pool->backend_count, before = after - tally->came + tally->went;
    char from[24], to[24], why[192];

    snprintf(from, sizeof(from), "%zu endpoint%s", before, plural(before));
    snprintf(to, sizeof(to), "%zu endpoint%s", after, plural(after));
    snprintf(why, sizeof(why), "%s \"%.100s\": %zu came, %zu went, %zu changed",
             config_discovery_type_name(pool->discovery->type),
             config_discovery_subject(pool->discovery), tally->came, tally->went, tally->changed);
    health_tell(server->runtimes[at]->health, NULL, EVENT_DISCOVERY, EVENT_INFO, from, to, why, "");
}

static void tell_done(const struct server *server, const struct config_plan *plan)
{
    for (size_t place = 0; place < plan->count;) {
        const char *pool = plan->changes[place].pool;
        struct tally tally;

        if (plan->changes[place].of != CONFIG_OF_ENDPOINT) {
            place++; /* that a pool has other endpoints now */
            continue;
        }
        tally = tally_pool(plan, &place);
        tell_pool(server, pool, &tally);
    }
    server_tell_changed(server, plan);
}

static void tell_refused(struct server *server, const struct server_outcome *outcome)
{
    char next[128];

    snprintf(next, sizeof(next), "the endpoints of before stay; tried again in %d s",
             DISCOVERY_RETRY_MS / 1000);
    health_tell_process(server->health, EVENT_DISCOVERY, EVENT_ERROR, "found", "refused",
                        outcome->why != NULL ? outcome->why : outcome->errors.v[0].message, next);
    server_discovery_retry(server);
}

void server_tell_found(struct server *server, const struct order *order)
{
    const struct server_outcome *outcome = order->outcome;

    if (outcome->verdict == SERVER_CHANGE_REFUSED)
        tell_refused(server, outcome);
    else if (outcome->verdict == SERVER_CHANGE_DONE && outcome->plan != NULL)
        tell_done(server, outcome->plan);
}
