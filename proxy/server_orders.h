/*
 * For server_orders.c, server_change.c, server_tell.c and server_tell_found.c only: one change that
 * was asked for, and who waits for it.
 *
 *   server_orders.c      asking, waiting, taking turns
 *   server_change.c      what an order wants to be served, and carrying it out
 *   server_tell.c        what log, events and service manager hear of it
 *   server_tell_found.c  ... where discovery asked for it
 */
#ifndef EVERGATE_PROXY_SERVER_ORDERS_H
#define EVERGATE_PROXY_SERVER_ORDERS_H

#include "proxy/server_change.h"
#include "proxy/server_internal.h"

enum order_kind { ORDER_RELOAD, ORDER_PLAN, ORDER_EDIT, ORDER_DISCOVERY, ORDER_UPGRADE };

struct order {
    struct list node; /* server_orders.waiting */
    enum order_kind kind;
    const char *path; /* of a plan; NULL: the served file */
    server_edit_cb edit;
    void *arg;
    const char *who;              /* of one that nobody waits for; then the order is on the heap */
    void (*then)(void *then_arg); /* of one whose end is told by a call; likewise */
    void *then_arg;
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
    struct config *base;                  /* what `current` makes the file's word, */
    struct config_overlay *overlay;       /* ... and the overlay; NULL: as they are */
    struct config_discovered *discovered; /* what is laid between them */
};

/* ---- server_change.c: the control thread ---- */

/* Begins with orders->current; ends, now or later, in server_order_finish. */
void server_change_begin(struct server_orders *orders);

/* ---- server_orders.c: likewise ---- */

/* orders->current is over: told, handed back to whoever waits, and the next may begin. */
void server_order_finish(struct server_orders *orders, enum server_verdict verdict);

/* ---- server_tell.c: likewise ---- */

void server_tell_outcome(struct server *server, const struct order *order);
/* Endpoints whose settings are others now, at most 64 of them: the plan has them all. */
void server_tell_changed(const struct server *server, const struct config_plan *plan);
/* server_tell_found.c: an order of discovery's, done or refused. */
void server_tell_found(struct server *server, const struct order *order);

#endif
