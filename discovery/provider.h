/*
 * The interface of providers: where services are registered, each a module of one file (and rooms
 * of its own), behind start, stop and a callback with the full set.
 *
 *   source.c ── start ─► provider ── asks, watches ─► file, DNS, Consul, Kubernetes, etcd
 *      ▲                    │
 *      └─ source_found ─────┤  the full set, each time it is another
 *      └─ source_failed ────┘  it could not be asked: the last good set stands
 *
 * A provider never takes a difference, keeps no last good set and counts nothing: source.c does.
 * To add one: provider_NAME.c with a `struct discovery_provider`, a line in providers.c's table, a
 * value in `enum config_discovery_type` and its keys in config/discovery.c; docs/discovery.md.
 *
 * Everything here is on the discovery thread's loop, and nothing may block.
 */
#ifndef EVERGATE_DISCOVERY_PROVIDER_H
#define EVERGATE_DISCOVERY_PROVIDER_H

#include <jansson.h>

#include "config/config.h"
#include "net/loop.h"
#include "net/resolver.h"

struct discovery_source;

/* What a provider may use; valid until its stop. */
struct discovery_context {
    struct loop *loop;
    struct resolver *resolver;             /* for the names of servers */
    const struct config_discovery *config; /* of the first pool that named this source */
    struct config_place place;             /* of this instance */
};

struct discovery_provider {
    /* The provider's own state, whatever happens: what cannot be had is told by source_failed, in a
     * later turn. No callback comes from within. */
    void *(*start)(struct discovery_source *source, const struct discovery_context *context);
    /* Ends all callbacks. Within a turn; what is on the stack is freed by loop_reap. */
    void (*stop)(void *watch);
    /* Optional, once: evergate serves requests, so that it may be said (a Consul registration). */
    void (*serve)(void *watch);
    /* Optional: evergate drains (a Consul registration is taken back). */
    void (*leave)(void *watch);
    /* With leave: that is not done yet. The end waits a moment for it. */
    bool (*is_leaving)(const void *watch);
};

/* NULL: no such type. */
const struct discovery_provider *discovery_provider_of(enum config_discovery_type type);

/* ---- what a provider says (source.c) ---- */

/*
 * The full set as an array of endpoint objects, keys as in the management API (docs/management.md:
 * id, address, weight, priority, region, zone, tags, metadata, backup, drain, max_connections, ...)
 * and "reported": how the source itself judges it ("healthy", "degraded", "unhealthy", "draining").
 * One that is nonsense, and the second of two with the same id, is refused by itself. Takes the
 * reference. What is equal to the last set costs little and changes nothing.
 */
void source_found(struct discovery_source *source, json_t *endpoints);

/* Likewise, after source_failed: an answer was had, but the row of failures goes on, since what
 * failed has not been tried again (a watch that was refused, when the list before it never is). */
void source_found_while_failing(struct discovery_source *source, json_t *endpoints);

/* The source could not be asked, or its answer could not be read: one sentence. Returns after how
 * many milliseconds to try again (backoff.h); until source_found the row of failures goes on. */
uint64_t source_failed(struct discovery_source *source, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Before source_found: something of this answer was left out, because it was nonsense that cannot
 * even be said as an endpoint. */
void source_refused(struct discovery_source *source, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The source was asked and nothing has changed: its answer is as fresh as now. */
void source_unchanged(struct discovery_source *source);

/* How it stands with this proxy's own service in the source, where the configuration wants one. */
enum source_registration {
    SOURCE_REGISTERING, /* nothing was heard of it yet */
    SOURCE_REGISTERED,
    SOURCE_UNREGISTERED, /* it could not be registered, kept passing or taken back */
    SOURCE_TAKEN_BACK,
};
/* `why`, and after how long it is tried again, are of SOURCE_UNREGISTERED; else NULL and 0. Told as
 * an event when it changes, but for SOURCE_TAKEN_BACK, after which nobody looks at events. */
void source_registration(struct discovery_source *source, enum source_registration state,
                         uint64_t delay_ms, const char *why);

#endif
