/*
 * What the balancer's own files share: the pool. Algorithms do not include this; they see
 * candidates (algorithm.h).
 */
#ifndef EVERGATE_BALANCER_POOL_INTERNAL_H
#define EVERGATE_BALANCER_POOL_INTERNAL_H

#include "balancer/frame.h"
#include "balancer/slow_start.h"
#include "balancer/tiers.h"

/* Replaced by a larger one when it is full. */
struct slots {
    unsigned capacity;
    _Atomic(struct endpoint *) at[];
};

/*
 * What was taken out of a pool, in three steps: it is *dropped* (nobody finds it any more), the
 * next refresh with changes *retires* it (from here on the workers' turns count), and a reclaim
 * frees it.
 */
struct disused {
    struct disused *next;
    void *thing;
    void (*thing_free)(void *thing);
};

struct balancer_pool {
    /* Read by every pick, written by a refresh at most. */
    _Atomic(struct frame *) frame;
    _Atomic uint64_t version; /* goes up with each refresh, and when somebody leaves */
    _Atomic unsigned max_connections;
    /* Who is there: written by the thread that refreshes, read by any. */
    _Atomic(struct slots *) slots;
    _Atomic unsigned size;
    /* Of the thread that refreshes. */
    const struct config_pool *config;
    struct config_place *place; /* owned; NULL: not known */
    struct tiers tiers;
    struct slow_start slow_start;
    bool changed;  /* membership or settings, since the last refresh */
    bool reshaped; /* so that another frame is needed */
    uint64_t births;
    unsigned free_from; /* no slot below is free */
    struct disused *dropped, *retired;
    /* Any thread. */
    _Atomic bool fail_back, panicking;
    _Alignas(64) _Atomic int in_flight; /* written by every pick */
};

const struct balancer_algorithm *balancer_algorithm_of(enum config_algorithm algorithm);

/* membership.c; the thread that refreshes. */
struct slots *slots_new(unsigned capacity);
struct balancer_members
pool_members(const struct balancer_pool *pool); /* without those who leave */
void pool_retire(struct balancer_pool *pool);   /* all that was dropped */
void pool_drop(struct balancer_pool *pool, void *thing, void (*thing_free)(void *thing));
void pool_set_place(struct balancer_pool *pool, const struct config_place *place);
void disused_free(struct disused **list);

struct endpoint *endpoint_new(const struct config_backend *backend, unsigned index);
void endpoint_free(struct endpoint *endpoint);
/* Into memory of the caller's, which needs no endpoint_free: what a pick reads and writes. */
void endpoint_copy(struct endpoint *to, const struct endpoint *from);
/* Nobody took it out on purpose. */
bool endpoint_meant_to_serve(const struct endpoint *endpoint);

void tried_add(struct balancer_tried *tried, const struct endpoint *endpoint, unsigned pool_size);

#endif
