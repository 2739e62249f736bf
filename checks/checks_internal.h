/*
 * What the rooms of checks/ share; the types of checks know only probe.h.
 *
 *   checks.c       the public API
 *   change.c       from one configuration to the next: prepare, commit, discard
 *   pool.c         pools and their endpoints, as they come and go
 *   method.c       how a pool is checked under one set of settings
 *   schedule.c     when whom is asked: timers, jitter, the pace of the whole process
 *   recovery.c     what is done for an endpoint that became unhealthy
 *
 *   checks ─┬─ checks_pool[] ─┬─ checks_endpoint[] ─┬─ probe (while one runs)
 *           │                 ├─ checks_method      └─ recovery (where it is configured)
 *           │                 └─ webhook
 *           ├─ config (what all of them point into)
 *           ├─ schedule: pacer, `ready`
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
struct webhook;

/* Where an endpoint is in its round of checks. schedule_set_phase is the only writer. */
enum schedule_phase {
    SCHEDULE_IDLE,    /* no address is known: in no list, no timer */
    SCHEDULE_WAITING, /* `due` runs */
    SCHEDULE_READY,   /* in schedule->ready until the pace lets it begin */
    SCHEDULE_ASKING,  /* has a probe */
};

struct checks_addresses {
    struct address *v; /* heap */
    size_t count;
};

struct checks_endpoint {
    struct checks_pool *pool;
    struct endpoint *endpoint;
    const struct config_backend *backend; /* in checks->config */
    struct checks_addresses resolved;     /* of its name, where it has one */
    struct checks_addresses addresses;    /* whom the checks ask; none until a name was resolved */
    size_t next_address;
    char *server_name; /* heap; NULL: none */
    void *memory;      /* of the pool's type of check */

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

/* Made when the settings of health or TLS are others, and kept while they are not. Points into no
 * configuration. */
struct checks_method {
    struct probe_pool shared;
    const struct probe_type *type;
    struct loop_task reap;
};

struct checks_pool {
    struct checks *checks;
    struct health_pool *health;
    const struct config_pool *config;   /* in checks->config */
    struct checks_method *method;       /* NULL: the pool has no checks, and no endpoints here */
    struct webhook *webhook;            /* of its recovery; NULL: none */
    struct checks_endpoint **endpoints; /* by endpoint->index; NULL: not checked */
    unsigned slots;
    bool stays; /* while a change is carried out: it is in the new configuration, too */
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
    struct config *config;      /* referenced; NULL before the first commit */
    struct checks_pool **pools; /* as in config->pools */
    size_t pool_count;
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

/* pool.c */
/* Without endpoints, and without settings until checks_pool_adopt. */
struct checks_pool *checks_pool_new(struct checks *checks, struct health_pool *health);
void checks_pool_free(struct checks_pool *pool);
/* What it gets with another configuration; members are owned from there on. */
struct checks_settings {
    const struct config_pool *config;
    bool keeps_method;            /* else `method` takes the place of the present one */
    struct checks_method *method; /* NULL: no checks from now on */
    bool keeps_recovery;          /* else `webhook` does, and attempts are counted anew */
    struct webhook *webhook;
};
/* Settings, then endpoints: those that are new begin, those that left end. */
void checks_pool_adopt(struct checks_pool *pool, const struct checks_settings *settings);
/* NULL: it is not checked. Also to be asked for another endpoint in the same slot. */
struct checks_endpoint *checks_pool_find(const struct checks_pool *pool,
                                         const struct endpoint *endpoint);
void checks_endpoint_set_resolved(struct checks_endpoint *e, const struct address *addresses,
                                  size_t count);

/* method.c */
/* NULL in *ret_method for a pool without checks. 0, or an error with a sentence in *ret_why. */
int checks_method_new(struct checks_method **ret_method, struct checks *checks,
                      const struct config_pool *config, char **ret_why) WARN_UNUSED;
/* After the turn, when what its probes left is gone. NULL is fine. */
void checks_method_free(struct checks_method *method);

/* schedule.c */
void schedule_init(struct checks *checks);
void schedule_fini(struct checks *checks);
/* Another pace from now on. */
void schedule_set_pace(struct checks *checks, unsigned per_second);
void schedule_endpoint_init(struct checks_endpoint *e);
/* Its first check under these settings comes soon, but not together with all others. It has an
 * address. */
void schedule_endpoint_start(struct checks_endpoint *e);
/* No more checks until it is started again; a probe that runs is cancelled. */
void schedule_endpoint_stop(struct checks_endpoint *e);
/* As soon as the pace allows; one that begins after this call. */
void schedule_endpoint_now(struct checks_endpoint *e);

/* recovery.c, recovery_room.c */
struct recovery_room *recovery_room_new(struct checks *checks);
/* Kills what runs. NULL is fine. */
void recovery_room_free(struct recovery_room *room);
/* Another supervision.recoveries_per_minute. */
void recovery_room_set_limit(struct recovery_room *room, unsigned per_minute);
/* What a pool's recovery needs: is its program there, where does its webhook go (*ret_webhook;
 * NULL: it has none)? 0, or an error with a sentence in *ret_why. */
int recovery_room_prepare(struct recovery_room *room, const struct config_pool *config,
                          struct webhook **ret_webhook, char **ret_why) WARN_UNUSED;

/* `e` serves or is ill already: its status is looked at. */
struct recovery *recovery_new(struct recovery_room *room, struct checks_endpoint *e);
/* No more attempts. An action that runs goes on to its end or its timeout, unheard. */
void recovery_free(struct recovery *recovery);
/* The section is another one: attempts are counted anew. An action that runs goes on. */
void recovery_change(struct recovery *recovery);
/* It is the same, but the brake may not be: what was held back may begin. */
void recovery_reconsider(struct recovery *recovery);
void recovery_on_status(struct recovery *recovery, enum endpoint_status status);
/* A check that began at `began_us` gave this verdict. */
void recovery_on_check(struct recovery *recovery, uint64_t began_us,
                       const struct check_result *result);

#endif
