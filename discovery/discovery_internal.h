/* What discovery.c, discovery_wait.c and discovery_view.c share. Insiders only. */
#ifndef EVERGATE_DISCOVERY_DISCOVERY_INTERNAL_H
#define EVERGATE_DISCOVERY_DISCOVERY_INTERNAL_H

#include "discovery/discovery.h"
#include "discovery/source.h"

struct discovery_awaited;

struct discovery {
    struct source_context context; /* its lock guards `sources` and `leavers` too */
    struct loop loop;
    pthread_t thread;
    struct discovery_params params;
    struct list sources; /* in the order in which configurations named them */
    struct list leavers; /* to be stopped and freed */

    /* ---- the discovery thread's ---- */
    bool ending, serving;
    struct list running;               /* discovery_source.running_node */
    struct discovery_awaited *awaited; /* NULL: nobody waits */
    struct loop_timer await_timer;
    struct loop_task await_check;
    struct loop_timer end_timer;
    uint64_t end_by_ms; /* monotonic: then it ends, whoever is still leaving */
};

#define source_of(list_node) container_of(list_node, struct discovery_source, node)

/* NULL: nobody names it. */
struct discovery_source *discovery_source_locked(const struct discovery *discovery,
                                                 const char *key);

/* ---- discovery_wait.c ---- */

void discovery_await_init(struct discovery *discovery);
/* A source has settled, or has left: those who wait look again. Discovery thread. */
void discovery_await_look(struct discovery *discovery);
/* Nobody waits any longer. Discovery thread. */
void discovery_await_end(struct discovery *discovery);

#endif
