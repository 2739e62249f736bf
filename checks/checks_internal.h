/*
 * What the rooms of checks/ share; the types of checks know only probe.h.
 *
 *   checks.c    the public API: pools, endpoints, their addresses and their end
 *   schedule.c  when whom is asked: timers, jitter, the pace of the whole process
 *   recovery.c  what is done for an endpoint that became unhealthy
 *
 *   checks ─┬─ checks_pool[] ── checks_endpoint[] ── probe (while one runs)
 *           ├─ schedule: pacer, `ready`          └── recovery (where it is configured)
 *           └─ recovery_room: brake, processes, TLS and names of webhooks
 */
#ifndef EVERGATE_CHECKS_CHECKS_INTERNAL_H
#define EVERGATE_CHECKS_CHECKS_INTERNAL_H

#include <stdatomic.h>

#include "checks/checks.h"
#include "checks/pacer.h"
#include "checks/probe.h"

struct recovery;
struct recovery_room;

/* Where an endpoint is in its round of checks. schedule_set_phase is the only writer. */
enum schedule_phase {
    SCHEDULE_IDLE,    /* no address is known: in no list, no timer */
    SCHEDULE_WAITING, /* `due` runs */
    SCHEDULE_READY,   /* in schedule->ready until the pace lets it begin */
    SCHEDULE_ASKING,  /* has a probe */
};

struct checks_endpoint {
    struct checks_pool *pool;
    struct endpoint *endpoint;
    const struct config_backend *backend;
    struct address *addresses; /* heap; none until a name was resolved */
    size_t address_count, next_address;
    char *server_name; /* heap; NULL: none */

    enum schedule_phase phase;
    struct loop_timer due;
    struct list ready;
    uint64_t due_us;   /* when it is to be asked */
    uint64_t ready_us; /* when it began to wait for the pace */
    uint64_t began_us; /* the last check */
    bool again;        /* somebody wants a check that begins after the one that runs */
    struct probe *probe;

    struct recovery *recovery; /* NULL: none is configured */
};

struct checks_pool {
    struct checks *checks;
    struct probe_pool shared;
    const struct probe_type *type; /* NULL: the pool has no checks */
    bool opened;                   /* type->open was called */
    struct health_pool *health;
    struct checks_endpoint *endpoints;
    unsigned count;
};

struct schedule {
    struct pacer pacer;
    /* checks_endpoint->ready: due, the longest waiting first; [1] those that are asked faster */
    struct list ready[2];
    unsigned turn;      /* whose it is */
    struct event *pace; /* a fine timer: the loop's own tick is too coarse for the pace */
    uint64_t random;
};

struct checks {
    struct loop *loop;
    struct config *config; /* referenced */
    struct checks_pool *pools;
    unsigned pool_count;
    struct schedule schedule;
    struct process_room *processes; /* of checks */
    struct recovery_room *recoveries;
    struct loop_task reap;
    struct {
        _Atomic uint64_t passed, degraded, failed, late, recoveries_started, recoveries_failed;
    } stats;
};

static inline void checks_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* schedule.c */
void schedule_init(struct checks *checks);
void schedule_fini(struct checks *checks);
void schedule_endpoint_init(struct checks_endpoint *e);
/* Its first check comes within `spread_ms`. It has an address. */
void schedule_endpoint_start(struct checks_endpoint *e, uint64_t spread_ms);
/* No more checks until it is started again; a probe that runs is cancelled. */
void schedule_endpoint_stop(struct checks_endpoint *e);
/* As soon as the pace allows; one that begins after this call. */
void schedule_endpoint_now(struct checks_endpoint *e);

/* recovery.c */
/* 0, or an error with a sentence in *ret_why. For all pools that have recovery. */
int recovery_room_new(struct recovery_room **ret_room, struct checks *checks,
                      char **ret_why) WARN_UNUSED;
void recovery_room_free(struct recovery_room *room);
struct recovery *recovery_new(struct recovery_room *room, struct checks_endpoint *e);
void recovery_free(struct recovery *recovery);
void recovery_on_status(struct recovery *recovery, enum endpoint_status status);
/* A check that began at `began_us` gave this verdict. */
void recovery_on_check(struct recovery *recovery, uint64_t began_us,
                       const struct check_result *result);

#endif
