/*
 * Changes that are asked for, one after the other: see server_change.h. Whoever asks puts an order
 * into the queue and waits; the control thread takes one at a time, and sweeps between them.
 */
#include "proxy/server_orders.h"

#include <stdlib.h>

#include "base/alloc.h"
#include "base/log.h"
#include "proxy/server_discovery.h"
#include "proxy/server_watch.h"
#include "proxy/upgrade.h"

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

void server_reload(struct server *server, struct server_outcome *outcome, void (*then)(void *arg),
                   void *arg)
{
    struct order *order = xcalloc(1, sizeof(*order));

    *order =
        (struct order){.kind = ORDER_RELOAD, .outcome = outcome, .then = then, .then_arg = arg};
    *outcome = (struct server_outcome){.verdict = SERVER_CHANGE_STOPPING};
    list_init(&order->node);
    if (enter(server, order))
        return;
    free(order);
    then(arg);
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

/* Has the same been asked for already, by somebody who does not wait for it either? One will do for
 * both: it has not begun yet. */
static bool is_waiting(struct server_orders *orders, enum order_kind kind)
{
    bool found = false;

    pthread_mutex_lock(&orders->lock);
    list_for_each(node, &orders->waiting)
    {
        const struct order *order = container_of(node, struct order, node);

        found = found || (order->kind == kind && order->who != NULL);
    }
    pthread_mutex_unlock(&orders->lock);
    return found;
}

/* False: the server stops. */
static bool enter_soon(struct server *server, enum order_kind kind, const char *who)
{
    struct order *order;

    if (is_waiting(server->orders, kind))
        return true;
    order = xcalloc(1, sizeof(*order));
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

/* Of a server that stops nothing is lost: its successor finds by itself. */
void server_discovery_soon(struct server *server)
{
    (void)enter_soon(server, ORDER_DISCOVERY, "discovery");
}

void server_upgrade_soon(struct server *server, const char *who)
{
    if (server_phase(server) != SERVER_SERVING || !enter_soon(server, ORDER_UPGRADE, who))
        upgrade_start(server, who); /* which says why not */
}

/* ---- The end of one ---- */

static void hand_back(struct server_orders *orders, struct order *order)
{
    if (order->who != NULL) {
        server_outcome_free(order->outcome);
        free(order->outcome);
        free(order);
        return;
    }
    if (order->then != NULL) {
        order->then(order->then_arg);
        free(order);
        return;
    }
    pthread_mutex_lock(&orders->lock);
    order->done = true;
    pthread_cond_broadcast(&orders->one_is_done);
    pthread_mutex_unlock(&orders->lock);
}

void server_order_finish(struct server_orders *orders, enum server_verdict verdict)
{
    struct server *server = orders->server;
    struct order *order = orders->current;

    order->outcome->verdict = verdict;
    order->outcome->generation = atomic_load(&server->generation);
    if (order->kind == ORDER_RELOAD) {
        server_discovery_settle(server);
        if (verdict != SERVER_CHANGE_STOPPING) /* else nothing may have been read */
            server_watch_follow(server, orders->base, &order->outcome->errors);
    }
    config_unref(&orders->base);
    config_overlay_free(orders->overlay);
    orders->overlay = NULL;
    config_discovered_unref(&orders->discovered);
    orders->current = NULL;
    server_tell_outcome(server, order);
    hand_back(orders, order);
    server_turn_ends(server);
}

/* ---- Taking turns ---- */

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

    if (orders->busy || !server_serves(server))
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
        server_change_begin(orders);
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
    if (!server->orders->busy) {
        loop_stop(&server->loop);
        return;
    }
    server_names_hurry(server);
    server_discovery_hurry(server);
}

bool server_is_told_to_stop(const struct server *server)
{
    return server->orders->stopping;
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
    server_orders_close(server); /* what was found while a start failed still waits */
    config_unref(&orders->base);
    config_overlay_free(orders->overlay);
    config_discovered_unref(&orders->discovered);
    pthread_cond_destroy(&orders->one_is_done);
    pthread_mutex_destroy(&orders->lock);
    free(orders);
    server->orders = NULL;
}
