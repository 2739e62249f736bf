/*
 * Discovery: pools fill themselves from where services are registered.
 *
 *   config: pools[].discovery ─► sources (several pools may share one) ─► provider ─► full sets
 *                                                                                        │
 *   server: order ◄── on_changed ◄────────────────────────── config_found, the last good set
 *     └─► discovery_collect ─► config_discovered ─► config_overlay_apply ─► the snapshot
 *
 * A source is what a discovery block says but for `allow_empty`: blocks that say the same share one
 * watch, and a reload that leaves a block as it is leaves its watch alone. A set is never lost to a
 * failure; what a source says is heard by the next order that asks for it.
 *
 * Threads: a thread and a loop of its own; the functions here may be called from any other.
 */
#ifndef EVERGATE_DISCOVERY_DISCOVERY_H
#define EVERGATE_DISCOVERY_DISCOVERY_H

#include <jansson.h>

#include "config/config.h"
#include "config/found.h"

struct discovery;

/* What became of a source, or of this proxy's own service in it. */
struct discovery_event {
    enum {
        DISCOVERY_LOST,
        DISCOVERY_BACK,
        DISCOVERY_EMPTY,
        DISCOVERY_REFUSED,
        DISCOVERY_REGISTERED,
        DISCOVERY_UNREGISTERED,
    } what;
    const char *source;    /* "consul \"api\" at 127.0.0.1:8500" */
    const char *pool;      /* the only one that it fills, or "" */
    const char *from, *to; /* "synced", "failing", ... */
    const char *why;       /* with the last evidence */
    const char *next;      /* "the last 5 endpoints stay; next try in 2 s" */
    uint64_t was_us;       /* how long it had been in `from`; 0: unknown */
};

struct discovery_params {
    /* Both on the discovery thread; they must not call back into discovery. */
    void (*on_changed)(void *arg); /* discovery_collect would say something else than before */
    void (*on_event)(void *arg, const struct discovery_event *event);
    void *arg;
};

/* 0 or EG_E_INTERNAL: no thread, no descriptors; a sentence in *ret_why (heap). It idles until
 * discovery_follow names a source. */
int discovery_new(struct discovery **ret_discovery, const struct discovery_params *params,
                  char **ret_why) WARN_UNUSED;
/* Stops every source and the thread; no callback comes after it. NULL is fine. */
void discovery_free(struct discovery **discovery);

/*
 * From now on the sources are those of `config`'s pools, and those of `also` (a candidate that may
 * come to be served; NULL: none). New ones start, others that nobody names any more stop, the rest
 * goes on undisturbed. References are held as long as they are needed.
 */
void discovery_follow(struct discovery *discovery, struct config *config, struct config *also);

/* When every source has answered, or failed, once, or `at_most_ms` have passed: `then(arg)` on the
 * discovery thread, once. A second await replaces the first one, which is then called at once;
 * discovery_free calls it too. */
void discovery_await(struct discovery *discovery, uint64_t at_most_ms, void (*then)(void *arg),
                     void *arg);

/*
 * What the sources say, for each pool of `config` that has a discovery block: its source's last
 * good set; where that has none yet, or an empty one which the pool does not allow (allow_empty),
 * what the pool had in `served` (NULL: nothing): found endpoints, or, if it had no discovery block
 * there, those that its file named; and where it had nothing, the source's last set that was not
 * empty, be it from its cache. The caller's reference; never NULL.
 */
struct config_discovered *discovery_collect(struct discovery *discovery,
                                            const struct config *config,
                                            const struct config *served);

/* evergate serves from now on: registrations of its own begin. Returns at once. */
void discovery_serve(struct discovery *discovery);
/* evergate leaves (drain): registrations of its own are taken back. Returns at once. */
void discovery_leave(struct discovery *discovery);

/* GET /api/v1/providers: an array, one object per source. The caller's reference. */
json_t *discovery_json(struct discovery *discovery);

/* For metrics, one per source, in the order of discovery_json; returns how many there are, and
 * fills at most `max`. */
struct discovery_source_stats {
    char type[16];
    char source[128]; /* what it asks, as a label */
    bool up;          /* its last try was answered */
    uint64_t endpoints, syncs, failures, refused;
    uint64_t synced_wall_us; /* 0: never */
};
size_t discovery_stats(struct discovery *discovery, struct discovery_source_stats *out, size_t max);

#endif
