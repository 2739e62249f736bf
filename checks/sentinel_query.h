/*
 * One question to a pool's Sentinels: who is the primary? They are asked in turn until one answers,
 * each with its share of the time, so that a silent one does not eat it up.
 *
 *   sentinel_query_start ─► ask ─► on_named(host, port)
 *                            ▲ └─► give up ─► the next one ... ─► on_nobody(why)
 *                            └───────┘
 */
#ifndef EVERGATE_CHECKS_SENTINEL_QUERY_H
#define EVERGATE_CHECKS_SENTINEL_QUERY_H

#include "checks/redis_link.h"
#include "checks/sentinels.h"
#include "client/secret.h"
#include "config/config.h"

struct sentinel_query;
struct tls_context;

/* One of them, once, unless the query is stopped before; possibly from within start. */
struct sentinel_query_ops {
    void (*on_named)(struct sentinel_query *query, struct slice host, struct slice port);
    void (*on_nobody)(struct sentinel_query *query, const char *why);
};

enum { SENTINEL_WHY_BYTES = 120 };

struct sentinel_query { /* zeroed, then the first group */
    struct loop *loop;
    const struct config_pool *config;
    struct sentinels *sentinels;
    const struct secret *password; /* for one that wants a password */
    struct tls_context *tls;       /* NULL: plain */
    const struct sentinel_query_ops *ops;

    struct redis_link link; /* to the one being asked */
    const struct sentinel *sentinel;
    unsigned first, turn;
    bool authenticated;  /* it got our password: one answer is AUTH's */
    bool no_descriptors; /* this process could not ask: nobody else's fault */
    uint64_t end_us;     /* by when all is to be over */
    struct loop_timer share;
    struct loop_task next; /* asks the next one, not from within a callback of the last */
    char failure[SENTINEL_WHY_BYTES];
};

/* `time_ms` for them and for what is to follow. */
void sentinel_query_start(struct sentinel_query *query, uint64_t time_ms);
void sentinel_query_stop(struct sentinel_query *query); /* idempotent, also before start */

#endif
