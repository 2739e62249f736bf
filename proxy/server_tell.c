/* What log, events and service manager hear of a change: see server_orders.h. */
#include <stdio.h>

#include "base/log.h"
#include "base/plural.h"
#include "health/health.h"
#include "proxy/server_orders.h"
#include "proxy/service_manager.h"
#include "proxy/upgrade.h"

enum { TOLD_CHANGES = 64 }; /* events of one change; the plan has them all */

static const struct pool_runtime *pool_named(const struct server *server, const char *name)
{
    return server->runtimes[config_pool_near(server->config, name, 0)];
}

/* Those that come, go or drain tell of themselves. */
void server_tell_changed(const struct server *server, const struct config_plan *plan)
{
    unsigned told = 0;

    for (size_t i = 0; i < plan->count && told < TOLD_CHANGES; i++) {
        const struct config_change *change = &plan->changes[i];
        const struct pool_runtime *pool;

        if (change->of != CONFIG_OF_ENDPOINT || change->kind != CONFIG_CHANGED ||
            change->replaces || change->only_drain)
            continue;
        pool = pool_named(server, change->pool);
        health_tell(pool->health, balancer_pool_find(pool->balancer, change->name), EVENT_ENDPOINT,
                    EVENT_INFO, "", "changed", change->detail, "");
        told++;
    }
}

/* What the log and the events say of it, whoever asked. */
static void tell_done(struct server *server, const struct order *order)
{
    const struct server_outcome *outcome = order->outcome;
    const char *who = order->who != NULL ? order->who : "management";
    const struct config_plan *plan = outcome->plan;
    char generation[24], before[24], why[192];

    snprintf(before, sizeof(before), "%llu", (unsigned long long)outcome->generation - 1);
    snprintf(generation, sizeof(generation), "%llu", (unsigned long long)outcome->generation);
    snprintf(why, sizeof(why),
             "%s by %s: %zu change%s, risk %s; kept: %u listener%s, %u route%s, %u pool%s, "
             "%u endpoint%s",
             order->kind == ORDER_RELOAD ? "reload" : "edit", who, plan->count, plural(plan->count),
             config_risk_name(plan->risk), plan->kept.listeners, plural(plan->kept.listeners),
             plan->kept.routes, plural(plan->kept.routes), plan->kept.pools,
             plural(plan->kept.pools), plan->kept.endpoints, plural(plan->kept.endpoints));
    health_tell_process(server->health, EVENT_CONFIG, EVENT_INFO, before, generation, why, "");
    server_tell_changed(server, plan);
    for (size_t i = 0; i < plan->count; i++)
        if (plan->changes[i].needs_upgrade)
            log_warn("%s: %s: takes effect when the binary is replaced (SIGUSR2) or restarted",
                     plan->changes[i].name, plan->changes[i].detail);
    if (outcome->not_saved != NULL)
        log_error("the change is served, but would be lost by a restart: %s", outcome->not_saved);
}

static void log_mistake(const struct config_error *mistake)
{
    if (mistake->line > 0)
        log_error("%s:%u: %s", mistake->file, mistake->line, mistake->message);
    else
        log_error("%s: %s", mistake->file, mistake->message);
}

static void tell_refused(struct server *server, const struct order *order)
{
    const struct server_outcome *outcome = order->outcome;
    const char *who = order->who != NULL ? order->who : "management";

    if (order->kind != ORDER_RELOAD)
        return; /* whoever edits is told, and it is no news for others */
    for (size_t i = 0; i < outcome->errors.count; i++)
        log_mistake(&outcome->errors.v[i]);
    health_tell_process(server->health, EVENT_CONFIG, EVENT_ERROR, "reload", "refused",
                        outcome->why != NULL ? outcome->why : outcome->errors.v[0].message,
                        "nothing has changed: the old configuration is served");
    log_error("%s: reload refused, the old configuration is served", who);
}

/* The service manager's state is what it was told last: of one that stops meanwhile, that it stops.
 */
static void tell_reload_over(struct server *server, enum server_verdict verdict)
{
    char status[80];

    snprintf(status, sizeof(status), "serving configuration %llu",
             (unsigned long long)atomic_load(&server->generation));
    if (server_phase(server) == SERVER_SERVING)
        service_manager_ready(status);
    if (verdict == SERVER_CHANGE_DONE)
        atomic_fetch_add(&server->reloads_done, 1);
    else
        atomic_fetch_add(&server->reloads_refused, 1);
}

void server_tell_outcome(struct server *server, const struct order *order)
{
    enum server_verdict verdict = order->outcome->verdict;

    if (order->kind == ORDER_DISCOVERY) {
        server_tell_found(server, order);
        return;
    }
    if (order->kind == ORDER_RELOAD)
        tell_reload_over(server, verdict);
    if (verdict == SERVER_CHANGE_REFUSED)
        tell_refused(server, order);
    else if (verdict == SERVER_CHANGE_STOPPING && order->who != NULL)
        log_warn("%s: no reload: %s", order->who,
                 upgrade_under_way(server) ? "a new binary is being started"
                                           : "evergate is stopping");
    else if (verdict == SERVER_CHANGE_DONE && order->kind != ORDER_PLAN)
        tell_done(server, order);
}
