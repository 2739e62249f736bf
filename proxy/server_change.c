/*
 * What an order wants to be served, and how it comes to be: see server_change.h, server_orders.h.
 * Carrying it out step by step is server_apply.c's.
 */
#include "proxy/server_orders.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/clock.h"
#include "config/state_file.h"
#include "proxy/server_config.h"
#include "proxy/server_discovery.h"
#include "proxy/service_manager.h"
#include "proxy/upgrade.h"

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
    config_overlay_forget(server->overlay, server->config, clock_monotonic_us());
    if (to_save)
        orders->current->outcome->not_saved = save_overlay(server);
    atomic_fetch_add(&server->generation, 1);
    if (server->on_changed != NULL)
        server->on_changed(server->on_changed_arg);
    server_leavers_look(server);
    server_order_finish(orders, SERVER_CHANGE_DONE);
}

/* Whoever reads them has written a file without mistakes. */
static void explain_misfits(struct config_errors *errors)
{
    for (size_t i = 0; i < errors->count; i++)
        errors->v[i].message =
            arena_format(errors->arena,
                         "%s; this was said over the API: \"evergate pools policy POOL KEY=\" "
                         "and \"evergate endpoints set POOL ID --unset KEY\" give it back to "
                         "the file",
                         errors->v[i].message);
}

/* Reads what the order brings: a file, an edit. False: the outcome says why not. */
static bool read_order(struct server_orders *orders)
{
    struct server *server = orders->server;
    struct order *order = orders->current;
    struct server_outcome *outcome = order->outcome;
    const char *path = order->path != NULL ? order->path : server->base->file;

    switch (order->kind) {
    case ORDER_EDIT:
        orders->overlay = config_overlay_copy(server->overlay);
        return order->edit(order->arg, orders->overlay, server->config, &outcome->why) == EG_OK;
    case ORDER_RELOAD:
    case ORDER_PLAN:
        return server_config_load(&orders->base, path, &outcome->errors) == EG_OK;
    case ORDER_DISCOVERY:
    case ORDER_UPGRADE:
        break;
    }
    return true;
}

/* What was found, for that. An edit takes what is served: it is no moment to look around. */
static bool collect(struct server_orders *orders)
{
    struct server *server = orders->server;
    const struct config *base = orders->base != NULL ? orders->base : server->base;

    if (orders->current->kind != ORDER_EDIT)
        return server_discovery_collect(server, base, server->config, &orders->discovered,
                                        &orders->current->outcome->why) == EG_OK;
    if (server->config->discovered != NULL)
        orders->discovered = config_discovered_ref(server->config->discovered);
    return true;
}

/* What the order wants to be served; NULL: it is refused, and the outcome says why. */
static struct config *wanted(struct server_orders *orders)
{
    struct server *server = orders->server;
    struct server_outcome *outcome = orders->current->outcome;
    struct config *config = NULL;

    /* Without a mistake there is nothing to free yet. */
    if (config_overlay_apply(&config, orders->overlay != NULL ? orders->overlay : server->overlay,
                             orders->base != NULL ? orders->base : server->base, orders->discovered,
                             &outcome->errors) == EG_OK)
        return config;
    if (orders->current->kind != ORDER_EDIT)
        explain_misfits(&outcome->errors);
    return NULL;
}

/* What it asks for cannot be had: the outcome says why. */
static void refuse_planned(struct server_orders *orders)
{
    struct server_outcome *outcome = orders->current->outcome;

    config_plan_free(outcome->plan);
    outcome->plan = NULL;
    server_order_finish(orders, SERVER_CHANGE_REFUSED);
}

/* Takes the reference. */
static void carry_out(struct server_orders *orders, struct config *config)
{
    struct server_outcome *outcome = orders->current->outcome;
    struct server_apply *apply;
    int rc = server_apply_prepare(&apply, orders->server, config, &outcome->why);

    config_unref(&config);
    if (rc == EG_OK) {
        server_apply_commit(apply, on_applied, orders);
        return;
    }
    refuse_planned(orders);
}

/* What discovery found may be what is served already. What is only hidden, by what file and
 * operators say, is served nevertheless: an edit that gives it back takes it from there. */
static bool is_nothing_new(const struct server_orders *orders)
{
    return orders->current->kind == ORDER_DISCOVERY &&
           config_discovered_equal(orders->discovered, orders->server->config->discovered);
}

static void serve_wanted(struct server_orders *orders)
{
    struct server *server = orders->server;
    struct server_outcome *outcome = orders->current->outcome;
    struct config *config = wanted(orders);
    int rc;

    if (config == NULL) {
        server_order_finish(orders, SERVER_CHANGE_REFUSED);
        return;
    }
    outcome->plan = config_plan_new(server->config, config);
    server_foresee(server, config, &outcome->closing, &outcome->draining);
    if (orders->current->kind != ORDER_PLAN) {
        carry_out(orders, config);
        return;
    }
    rc = server_foresee_listeners(server, config, &outcome->why);
    config_unref(&config);
    if (rc == EG_OK)
        server_order_finish(orders, SERVER_CHANGE_DONE);
    else
        refuse_planned(orders);
}

static void go_on(void *arg)
{
    struct server_orders *orders = arg;

    /* Sources were waited for, and meanwhile it was told to stop. */
    if (!server_serves(orders->server))
        server_order_finish(orders, SERVER_CHANGE_STOPPING);
    else if (!collect(orders))
        server_order_finish(orders, SERVER_CHANGE_REFUSED);
    else if (is_nothing_new(orders))
        server_order_finish(orders, SERVER_CHANGE_DONE);
    else
        serve_wanted(orders);
}

/* The successor has been told already what is served; but it finds by itself. */
static bool is_too_late(const struct server_orders *orders)
{
    enum order_kind kind = orders->current->kind;

    return kind != ORDER_PLAN && kind != ORDER_DISCOVERY && upgrade_under_way(orders->server);
}

void server_change_begin(struct server_orders *orders)
{
    struct server_outcome *outcome = orders->current->outcome;

    if (is_too_late(orders)) {
        server_order_finish(orders, SERVER_CHANGE_STOPPING);
        return;
    }
    if (orders->current->kind == ORDER_RELOAD && server_phase(orders->server) == SERVER_SERVING)
        service_manager_reloading();
    if (!read_order(orders)) {
        server_order_finish(orders, SERVER_CHANGE_REFUSED);
        return;
    }
    if (orders->current->kind != ORDER_RELOAD)
        go_on(orders);
    else if (server_discovery_try(orders->server, orders->base, go_on, orders, &outcome->why) !=
             EG_OK)
        server_order_finish(orders, SERVER_CHANGE_REFUSED);
}

/* ---- At start ---- */

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

/* What the elder had found, as if we had served it; NULL: nothing. */
static struct config *inherited_config(const struct server *server)
{
    const json_t *json = upgrade_inherited_discovered();
    struct config_overlay *nothing = config_overlay_new();
    struct config_errors errors = {0};
    struct config_discovered *discovered;
    struct config *config = NULL;

    if (json != NULL) {
        discovered = config_discovered_parse(json);
        if (config_overlay_apply(&config, nothing, server->base, discovered, &errors) != EG_OK)
            config = NULL;
        config_discovered_unref(&discovered);
        config_errors_free(&errors);
    }
    config_overlay_free(nothing);
    return config;
}

static int collect_first(struct server *server, struct config_discovered **ret_discovered,
                         char **ret_why)
{
    struct config *inherited = inherited_config(server);
    int rc = server_discovery_collect(server, server->base, inherited, ret_discovered, ret_why);

    config_unref(&inherited);
    return rc;
}

int server_overlay_load(struct server *server, struct config **ret_config, char **ret_why)
{
    struct config_discovered *discovered = NULL;
    int rc = load_overlay(server, ret_why);

    if (rc == EG_OK)
        rc = collect_first(server, &discovered, ret_why);
    if (rc == EG_OK)
        rc = server_config_lay(ret_config, server->overlay, server->base, discovered, ret_why);
    config_discovered_unref(&discovered);
    return rc;
}
