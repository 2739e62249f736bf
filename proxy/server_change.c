/* Changes that are asked for, one after the other: see server_change.h. */
#include "proxy/server_change.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/check.h"
#include "base/log.h"
#include "config/state_file.h"
#include "health/health.h"
#include "proxy/server_internal.h"
#include "proxy/service_manager.h"
#include "proxy/upgrade.h"

enum order_kind { ORDER_RELOAD, ORDER_PLAN, ORDER_EDIT, ORDER_UPGRADE };

struct order {
    struct list node; /* server_orders.waiting */
    enum order_kind kind;
    const char *path; /* of a plan; NULL: the served file */
    server_edit_cb edit;
    void *arg;
    const char *who; /* of one that nobody waits for; then the order is on the heap */
    struct server_outcome *outcome;
    bool done;
};

struct server_orders {
    struct server *server;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t one_is_done;
    struct list waiting;
    bool closed;

    /* The control thread's. */
    bool busy;     /* a change or a sweep is under way */
    bool stopping; /* the loop is to end when it is over */
    struct order *current;
    struct config *base;            /* what `current` makes the file's word, */
    struct config_overlay *overlay; /* ... and the overlay; NULL: as they are */
};

/* ---- Asking ---- */

static void on_orders(void *arg)
{
    server_idle(arg);
}

static bool enter(struct server *server, struct order *order)
{
    struct server_orders *orders = server->orders;
    bool closed;

    pthread_mutex_lock(&orders->lock);
    closed = orders->closed;
    if (!closed)
        list_push_back(&orders->waiting, &order->node);
    pthread_mutex_unlock(&orders->lock);
    if (!closed)
        loop_post(&server->loop, on_orders, server);
    return !closed;
}

static void ask(struct server *server, struct order *order, struct server_outcome *ret_outcome)
{
    struct server_orders *orders = server->orders;

    *ret_outcome = (struct server_outcome){.verdict = SERVER_CHANGE_STOPPING};
    order->outcome = ret_outcome;
    list_init(&order->node);
    if (!enter(server, order))
        return;
    pthread_mutex_lock(&orders->lock);
    while (!order->done)
        pthread_cond_wait(&orders->one_is_done, &orders->lock);
    pthread_mutex_unlock(&orders->lock);
}

void server_reload(struct server *server, struct server_outcome *ret_outcome)
{
    struct order order = {.kind = ORDER_RELOAD};

    ask(server, &order, ret_outcome);
}

void server_plan(struct server *server, const char *path, struct server_outcome *ret_outcome)
{
    struct order order = {.kind = ORDER_PLAN, .path = path};

    ask(server, &order, ret_outcome);
}

void server_edit(struct server *server, server_edit_cb edit, void *arg,
                 struct server_outcome *ret_outcome)
{
    struct order order = {.kind = ORDER_EDIT, .edit = edit, .arg = arg};

    ask(server, &order, ret_outcome);
}

/* False: the server stops. */
static bool enter_soon(struct server *server, enum order_kind kind, const char *who)
{
    struct order *order = xcalloc(1, sizeof(*order));

    order->kind = kind;
    order->who = who;
    order->outcome = xcalloc(1, sizeof(*order->outcome));
    list_init(&order->node);
    if (enter(server, order))
        return true;
    free(order->outcome);
    free(order);
    return false;
}

void server_reload_soon(struct server *server, const char *who)
{
    if (!enter_soon(server, ORDER_RELOAD, who))
        log_warn("%s: no reload: evergate is stopping", who);
}

void server_upgrade_soon(struct server *server, const char *who)
{
    if (server_phase(server) != SERVER_SERVING || !enter_soon(server, ORDER_UPGRADE, who))
        upgrade_start(server, who); /* which says why not */
}

void server_outcome_free(struct server_outcome *outcome)
{
    free(outcome->why);
    free(outcome->not_saved);
    config_errors_free(&outcome->errors);
    config_plan_free(outcome->plan);
    *outcome = (struct server_outcome){.verdict = outcome->verdict};
}

/* Of a server that is only looked at, only the lock is changed. */
void server_read_lock(const struct server *server)
{
    pthread_rwlock_rdlock((pthread_rwlock_t *)&server->structure);
}

void server_read_unlock(const struct server *server)
{
    pthread_rwlock_unlock((pthread_rwlock_t *)&server->structure);
}

/* ---- The end of one ---- */

enum { TOLD_CHANGES = 64 }; /* events of one change; the plan has them all */

static const struct pool_runtime *pool_named(const struct server *server, const char *name)
{
    for (size_t i = 0; i < server->config->pool_count; i++)
        if (strcmp(server->runtimes[i]->name, name) == 0)
            return server->runtimes[i];
    return NULL;
}

/* Those that come, go or drain tell of themselves. */
static void tell_endpoints(const struct server *server, const struct config_plan *plan)
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

static const char *plural(size_t count)
{
    return count == 1 ? "" : "s";
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
    tell_endpoints(server, plan);
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

static void end_reload(struct server *server, const struct order *order)
{
    char status[80];

    if (order->kind != ORDER_RELOAD)
        return;
    snprintf(status, sizeof(status), "serving configuration %llu",
             (unsigned long long)atomic_load(&server->generation));
    service_manager_ready(status);
    if (order->outcome->verdict == SERVER_CHANGE_DONE)
        atomic_fetch_add(&server->reloads_done, 1);
    else
        atomic_fetch_add(&server->reloads_refused, 1);
}

static void hand_back(struct server_orders *orders, struct order *order)
{
    if (order->who != NULL) {
        server_outcome_free(order->outcome);
        free(order->outcome);
        free(order);
        return;
    }
    pthread_mutex_lock(&orders->lock);
    order->done = true;
    pthread_cond_broadcast(&orders->one_is_done);
    pthread_mutex_unlock(&orders->lock);
}

static void finish(struct server_orders *orders, enum server_verdict verdict)
{
    struct server *server = orders->server;
    struct order *order = orders->current;

    order->outcome->verdict = verdict;
    order->outcome->generation = atomic_load(&server->generation);
    config_unref(&orders->base);
    config_overlay_free(orders->overlay);
    orders->overlay = NULL;
    orders->current = NULL;
    end_reload(server, order);
    if (verdict == SERVER_CHANGE_REFUSED)
        tell_refused(server, order);
    else if (verdict == SERVER_CHANGE_STOPPING && order->who != NULL)
        log_warn("%s: no reload: a new binary is being started", order->who);
    else if (verdict == SERVER_CHANGE_DONE && order->kind != ORDER_PLAN)
        tell_done(server, order);
    hand_back(orders, order);
    server_turn_ends(server);
}

/* ---- Carrying one out ---- */

/* NULL, or why it would be lost by a restart (heap). */
static char *save_overlay(const struct server *server)
{
    const char *path = server->config->state_file;
    char *why = NULL;

    if (path == NULL || state_file_save(server->overlay, path, &why) == EG_OK)
        return NULL;
    return why;
}

/* What was said over the API goes along; what stands in the new file was never served. */
static bool state_file_moves(const struct server_orders *orders)
{
    const char *from = orders->server->base->state_file;
    const char *to = orders->base != NULL ? orders->base->state_file : from;

    if (to == NULL || (from != NULL && strcmp(from, to) == 0))
        return false;
    return !config_overlay_is_empty(orders->server->overlay) || access(to, F_OK) == 0;
}

static void on_applied(void *arg)
{
    struct server_orders *orders = arg;
    struct server *server = orders->server;

    bool to_save = orders->overlay != NULL || state_file_moves(orders);

    if (orders->base != NULL) {
        config_unref(&server->base);
        server->base = config_ref(orders->base);
    }
    if (orders->overlay != NULL) {
        config_overlay_free(server->overlay);
        server->overlay = orders->overlay;
        orders->overlay = NULL;
    }
    if (to_save)
        orders->current->outcome->not_saved = save_overlay(server);
    atomic_fetch_add(&server->generation, 1);
    if (server->on_changed != NULL)
        server->on_changed(server->on_changed_arg);
    server_leavers_look(server);
    finish(orders, SERVER_CHANGE_DONE);
}

/* Whoever reads them has written a file without mistakes. */
static void explain_misfits(struct config_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++) {
        char *text =
            xasprintf("%s; this was said over the API: \"evergate pools policy POOL KEY=\" "
                      "and \"evergate endpoints set POOL ID --unset KEY\" give it back to "
                      "the file",
                      errors->v[i].message);

        errors->v[i].message = arena_dup(errors->arena, slice_str(text)).p;
        free(text);
    }
}

/* What the order wants to be served; NULL: it is refused, and the outcome says why. */
static struct config *wanted(struct server_orders *orders)
{
    struct server *server = orders->server;
    struct order *order = orders->current;
    struct server_outcome *outcome = order->outcome;
    const char *path = order->path != NULL ? order->path : server->base->file;
    struct config *config = NULL;

    if (order->kind == ORDER_EDIT) {
        orders->overlay = config_overlay_copy(server->overlay);
        if (order->edit(order->arg, orders->overlay, server->config, &outcome->why) != EG_OK)
            return NULL;
    } else if (config_load(&orders->base, path, &outcome->errors) != EG_OK) {
        return NULL;
    }
    /* Without a mistake there is nothing to free yet. */
    if (config_overlay_apply(&config, orders->overlay != NULL ? orders->overlay : server->overlay,
                             orders->base != NULL ? orders->base : server->base,
                             &outcome->errors) == EG_OK)
        return config;
    if (order->kind != ORDER_EDIT)
        explain_misfits(&outcome->errors);
    return NULL;
}

static void carry_out(struct server_orders *orders)
{
    struct server *server = orders->server;
    struct server_outcome *outcome = orders->current->outcome;
    struct server_apply *apply;
    struct config *config;
    int rc;

    /* The successor has been told already what is served. */
    if (orders->current->kind != ORDER_PLAN && upgrade_under_way(server)) {
        finish(orders, SERVER_CHANGE_STOPPING);
        return;
    }
    if (orders->current->kind == ORDER_RELOAD)
        service_manager_reloading();
    config = wanted(orders);
    if (config == NULL) {
        finish(orders, SERVER_CHANGE_REFUSED);
        return;
    }
    outcome->plan = config_plan_new(server->config, config);
    server_foresee(server, config, &outcome->closing, &outcome->draining);
    if (orders->current->kind == ORDER_PLAN) {
        config_unref(&config);
        finish(orders, SERVER_CHANGE_DONE);
        return;
    }
    rc = server_apply_prepare(&apply, server, config, &outcome->why);
    config_unref(&config);
    if (rc != EG_OK) {
        config_plan_free(outcome->plan);
        outcome->plan = NULL;
        finish(orders, SERVER_CHANGE_REFUSED);
        return;
    }
    server_apply_commit(apply, on_applied, orders);
}

/* Between two changes: what is handed over is what is served. */
static void begin_upgrade(struct server_orders *orders)
{
    struct order *order = orders->current;

    orders->current = NULL;
    upgrade_start(orders->server, order->who);
    hand_back(orders, order);
    server_turn_ends(orders->server);
}

static struct order *next_order(struct server_orders *orders)
{
    struct order *order = NULL;

    pthread_mutex_lock(&orders->lock);
    if (!orders->closed && !list_empty(&orders->waiting)) {
        order = container_of(orders->waiting.next, struct order, node);
        list_remove(&order->node);
    }
    pthread_mutex_unlock(&orders->lock);
    return order;
}

/* Sweeps come between two changes, so that a stream of changes does not keep the leavers. */
void server_idle(struct server *server)
{
    struct server_orders *orders = server->orders;

    if (orders->busy || server_phase(server) != SERVER_SERVING)
        return;
    orders->busy = true;
    if (server_leavers_sweep(server))
        return;
    orders->current = next_order(orders);
    if (orders->current == NULL)
        orders->busy = false;
    else if (orders->current->kind == ORDER_UPGRADE)
        begin_upgrade(orders);
    else
        carry_out(orders);
}

void server_turn_ends(struct server *server)
{
    server->orders->busy = false;
    if (server->orders->stopping)
        loop_stop(&server->loop);
    else
        server_idle(server);
}

void server_stop_loop(struct server *server)
{
    server->orders->stopping = true;
    if (server->orders->busy)
        server_names_hurry(server);
    else
        loop_stop(&server->loop);
}

/* ---- Beginning and end ---- */

void server_orders_init(struct server *server)
{
    struct server_orders *orders = xcalloc(1, sizeof(*orders));

    orders->server = server;
    pthread_mutex_init(&orders->lock, NULL);
    pthread_cond_init(&orders->one_is_done, NULL);
    list_init(&orders->waiting);
    server->orders = orders;
}

void server_orders_close(struct server *server)
{
    struct server_orders *orders = server->orders;

    pthread_mutex_lock(&orders->lock);
    orders->closed = true;
    pthread_mutex_unlock(&orders->lock);
    list_for_each_safe(node, next, &orders->waiting)
    {
        struct order *order = container_of(node, struct order, node);

        list_remove(&order->node);
        hand_back(orders, order);
    }
}

void server_orders_free(struct server *server)
{
    struct server_orders *orders = server->orders;

    if (orders == NULL)
        return;
    config_unref(&orders->base);
    config_overlay_free(orders->overlay);
    pthread_cond_destroy(&orders->one_is_done);
    pthread_mutex_destroy(&orders->lock);
    free(orders);
    server->orders = NULL;
}

/* Of the elder, if there is one: it may be ahead of the file. */
static int load_overlay(struct server *server, char **ret_why)
{
    const char *path = server->base->state_file;

    if (upgrade_inherited_overlay() != NULL)
        return config_overlay_parse(&server->overlay, upgrade_inherited_overlay(), ret_why);
    if (path != NULL)
        return state_file_load(&server->overlay, path, ret_why);
    server->overlay = config_overlay_new();
    return EG_OK;
}

int server_overlay_load(struct server *server, struct config **ret_config, char **ret_why)
{
    struct config_errors errors = {0};
    int rc = load_overlay(server, ret_why);

    if (rc != EG_OK)
        return rc;
    rc = config_overlay_apply(ret_config, server->overlay, server->base, &errors);
    if (rc != EG_OK)
        *ret_why = xasprintf("what was changed over the API does not fit \"%s\" any more: %s; "
                             "correct the file, or remove the entry from its state_file",
                             server->base->file, errors.v[0].message);
    config_errors_free(&errors);
    return rc;
}
