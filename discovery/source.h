/*
 * A source: one watch of one provider, its last good set, and how it is doing.
 *
 *   connecting ──► synced ◄──► failing      connecting: it has neither answered nor failed yet
 *        └────────────────────────┘         failing: the last good set stands
 *
 * It is told what it has to say by the functions of provider.h, and tells discovery.c by hooks.
 *
 * Threads: what is below "shared" is written by the discovery thread with context->lock held, and
 * read by others with it; the discovery thread itself reads it without. Functions that end in
 * _locked are called with the lock held, on any thread; all others are the discovery thread's.
 */
#ifndef EVERGATE_DISCOVERY_SOURCE_H
#define EVERGATE_DISCOVERY_SOURCE_H

#include <pthread.h>
#include <stdarg.h>

#include "base/list.h"
#include "discovery/backoff.h"
#include "discovery/discovery.h"
#include "discovery/provider.h"
#include "discovery/source_cache.h"

enum { SOURCE_ERROR_BYTES = 300 };

/* What all sources share. */
struct source_context {
    struct loop *loop;
    struct resolver *resolver;
    pthread_mutex_t lock;
    /* Hooks; never with the lock held. */
    void (*on_changed)(void *arg);
    void (*on_event)(void *arg, const struct discovery_event *event);
    void (*on_settled)(void *arg); /* a source answered, or failed, for the first time */
    void *arg;
};

enum source_state { SOURCE_CONNECTING, SOURCE_SYNCED, SOURCE_FAILING };

/* This proxy's own service there. */
struct source_own {
    enum source_registration state;
    uint64_t since_wall_us, failed_wall_us; /* 0: never */
    char last_error[SOURCE_ERROR_BYTES];    /* "": none yet */
};

struct discovery_source {
    struct list node; /* discovery.sources or .leavers */
    struct source_context *context;
    struct config *config;                /* holds `block` */
    const struct config_discovery *block; /* of the first pool that named it */
    char *title;                          /* consul "api" at 127.0.0.1:8500; for people */
    char label[128];                      /* api at 127.0.0.1:8500; unique among its type's */
    bool wanted;                          /* discovery_follow's mark */

    /* ---- the discovery thread's ---- */
    struct list running_node; /* discovery.running */
    bool started;
    const struct discovery_provider *provider;
    void *watch;                     /* the provider's; NULL: not running */
    struct source_cache *cache;      /* NULL: none */
    struct loop_task absent;         /* tells that there is no such provider */
    struct backoff backoff;          /* also: the row of failures */
    struct config_refused premature; /* refused before source_found */
    bool empty;                      /* so was the last answer */

    /* ---- shared ---- */
    char **pools; /* names, in the configuration's order */
    size_t pool_count;
    size_t allowing; /* how many of them have allow_empty */
    bool settled;    /* answered, or failed, once */
    bool from_cache; /* `found` is what the file held; no answer came yet */
    enum source_state state;
    struct config_found *found;  /* the last good set; NULL: none yet */
    struct config_found *filled; /* the last one that was not empty; NULL: none yet */
    struct config_refused refused;
    char last_error[SOURCE_ERROR_BYTES];                    /* "": none yet */
    uint64_t since_wall_us, synced_wall_us, failed_wall_us; /* 0: never */
    uint64_t next_try_us;                                   /* monotonic; 0: not failing */
    uint64_t syncs, failures, refusals;
    struct source_own own; /* where the block has a `register` */
};

/* Any thread. Holds a reference of `config`, whose `block` is. */
struct discovery_source *source_new(struct source_context *context, struct config *config,
                                    const struct config_discovery *block);
/* The cache's set is published at once. `provider` NULL: it fails, with a sentence, in a later
 * turn. */
void source_start(struct discovery_source *source, const struct discovery_provider *provider);
void source_serve(struct discovery_source *source);
void source_leave(struct discovery_source *source);
bool source_is_leaving(const struct discovery_source *source); /* not done with it yet */
/* Ends all callbacks, and writes what the cache is still to hold. */
void source_stop(struct discovery_source *source);
/* After source_stop, or if it was never started. */
void source_free(struct discovery_source *source);

/* ---- what it fills (discovery_follow) ---- */

void source_forget_pools_locked(struct discovery_source *source);
void source_add_pool_locked(struct discovery_source *source, const char *name, bool allow_empty);

/* ---- how it is called: source_label.c ---- */

/* `consul "api" at 127.0.0.1:8500`; heap. */
char *source_title(const struct config_discovery *block);
/* `api at 127.0.0.1:8500`, cut where a character ends; behind it ` #2` from `number` 2 on. */
void source_label(const struct config_discovery *block, unsigned number, char *out,
                  size_t capacity);

/* ---- what strangers say: source_text.c ---- */

/* One line of UTF-8 (what is none is ASCII instead), cut where a character ends. */
void source_text(char out[SOURCE_ERROR_BYTES], const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* ---- what it tells: source_report.c ---- */

const char *source_state_name(enum source_state state);
json_t *source_json_locked(const struct discovery_source *source);
json_t *source_registration_json_locked(const struct discovery_source *source);
json_t *source_time_json(uint64_t wall_us); /* RFC 3339; 0: null */
void source_stats_locked(const struct discovery_source *source,
                         struct discovery_source_stats *ret_stats);

/* Events, for on_event; the state has changed already. */
void source_tell_lost(const struct discovery_source *source, enum source_state from,
                      uint64_t was_us, uint64_t delay_ms);
void source_tell_back(const struct discovery_source *source, enum source_state from,
                      uint64_t was_us);
/* `kept`: how many endpoints the set before had. */
void source_tell_empty(const struct discovery_source *source, size_t kept);
void source_tell_refused(const struct discovery_source *source);
/* Fills in what every event says, and tells it. */
void source_tell(const struct discovery_source *source, struct discovery_event *event);

#endif
