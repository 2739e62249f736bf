/*
 * A probe: one check of one endpoint, from its first packet to its verdict. What stands between the
 * schedule, which knows when and whom, and a type of check, which knows how.
 *
 *   schedule ─ probe_start ─► type->start ─► ... ─► probe_pass, _degrade, _fail ─► type->stop
 *                                                            │
 *            ◄── done(arg, result), at the end of that turn ─┘   then type->fini, free
 *
 * probe.c owns what all types have in common: the memory, the timeout, the latency and its limit
 * (degraded_latency), that only the first verdict counts, and that nothing is freed inside one of
 * its own callbacks. A type embeds `struct probe` as its first member and writes down how to ask.
 *
 * One thread: the health thread. One probe at a time per endpoint: the schedule sees to it.
 */
#ifndef EVERGATE_CHECKS_PROBE_H
#define EVERGATE_CHECKS_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "health/health.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/transport.h"

struct process_room;
struct tls_context;
struct probe;

/* What the probes of one pool share under one set of health settings. Made before the first probe,
 * gone after the last. */
struct probe_pool {
    struct loop *loop;
    struct tls_context *tls;        /* with the pool's own tls settings; NULL: plain */
    struct process_room *processes; /* where commands run: process.h */
    void *shared;                   /* the type's own: made by type->open */
};

/*
 * Who is asked, and how. Copied into the probe.
 *
 * While it runs the pool may get another configuration; when that says the same of health, the
 * probe goes on by the one that it began with, and keeps hold of it. The other pointers outlive it
 * until probe_cancel.
 */
struct probe_target {
    struct probe_pool *pool;
    const struct config_pool *config; /* ->health is not NULL */
    const struct config_backend *backend;
    struct config *snapshot; /* what holds these two; NULL: the caller sees to it (tests) */
    /* Where the type may keep something of this endpoint from check to check; *memory is NULL at
     * first and given to type->forget in the end. */
    void **memory;
    struct address address;  /* of the backend, or its check_address; a name's addresses in turn */
    const char *server_name; /* that TLS must prove, and SNI; NULL: neither */
};

struct probe_type {
    const char *name;
    size_t size_bytes; /* of the type's struct, which begins with a struct probe */
    /* The type keeps the time by itself (a command is given some to die in): no timer of ours. */
    bool own_timeout;
    /* Once per pool and settings, both optional: sets pool->shared (a password that is read from a
     * file, say). What it needs of `health` later it must copy. 0 or an error with a sentence in
     * *ret_why (heap), which makes checks_prepare fail. `close` is called after a failed `open`
     * too.
     */
    int (*open)(struct probe_pool *pool, const struct config_health *health, char **ret_why);
    void (*close)(struct probe_pool *pool);
    /* Begins to ask. The type's members are zero. A verdict may be given from within. */
    void (*start)(struct probe *probe);
    /* The verdict is there, the time is over or nobody wants to know any more: ends everything, so
     * that no callback comes afterwards. Called once after each start, possibly from within one of
     * the probe's own callbacks (transport_fini allows that) or from within start. */
    void (*stop)(struct probe *probe);
    /* Optional: frees what the members point to; the struct itself is probe.c's. After the turn. */
    void (*fini)(struct probe *probe);
    /* Optional: frees what stands in target->memory. After the endpoint's last probe was stopped,
     * possibly before its `fini`. */
    void (*forget)(void *memory);
};

/* Tells the verdict; `result` is valid during the call. NULL: there is none, since this process
 * could not ask (probe_skip). At the end of a turn, never from within probe_start. May start the
 * next probe of the same endpoint. */
typedef void (*probe_done_cb)(void *arg, const struct check_result *result);

struct probe {
    const struct probe_type *type;
    struct probe_target target;
    /* What it waits for, for the evidence of a timeout: "no answer within 2 s". Static text, set by
     * the type as it goes on; "answer" at first. */
    const char *awaits;

    /* probe.c's own. */
    probe_done_cb done;
    void *arg;
    uint64_t started_us; /* what latency counts from; a type that had to wait may move it */
    struct loop_timer timeout;
    struct loop_task tell, reap;
    bool stopped;
    bool skipped;
    enum check_verdict verdict;
    uint64_t latency_us;
    char why[HEALTH_WHY_BYTES];
};

/* Within a turn of the loop, like everything here. */
struct probe *probe_start(const struct probe_type *type, const struct probe_target *target,
                          probe_done_cb done, void *arg);

/* Nobody wants to know any more: stops it without a verdict. Nulls the pointer. Not after `done`
 * was called. NULL is fine. */
void probe_cancel(struct probe **probe);

/* ---- For the types: the verdict. The first one counts, the rest are ignored. ---- */

/* Becomes "degraded" by itself when it took longer than the configured degraded_latency. */
void probe_pass(struct probe *probe);
void probe_degrade(struct probe *probe, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void probe_fail(struct probe *probe, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* No verdict: this process is out of descriptors or memory for a child, which is not the endpoint's
 * fault. Logged, rarely. */
void probe_skip(struct probe *probe, const char *why);

/* For transport_ops.on_error, and for a failed transport_init_connect with `code`: "connection
 * refused", "TLS: certificate verify failed: ...", "connection reset by peer". */
void probe_fail_transport(struct probe *probe, const struct transport *transport, int code);

/* False after the verdict: then the type's callbacks have nothing left to do. */
static inline bool probe_runs(const struct probe *probe)
{
    return !probe->stopped;
}

static inline struct loop *probe_loop(const struct probe *probe)
{
    return probe->target.pool->loop;
}

static inline const struct config_health *probe_config(const struct probe *probe)
{
    return probe->target.config->health;
}

/* The types. */
extern const struct probe_type probe_http, probe_tcp, probe_exec, probe_postgres, probe_redis;

#endif
