/*
 * The plan: what would change between two snapshots, as data for people and for whoever carries it
 * out. Pure; nothing is looked up in a running instance.
 */
#ifndef EVERGATE_CONFIG_PLAN_H
#define EVERGATE_CONFIG_PLAN_H

#include <jansson.h>

#include "config/config.h"

/* What of a pool differs: bits of enum config_pool_part, CONFIG_PART_BACKENDS where any was added,
 * removed or changed (their order is no setting). By value: indices into the snapshots (a
 * fallback's pool) are compared as names, files that are named as what they held when read. */
unsigned config_pool_differences(const struct config *from_config, const struct config_pool *from,
                                 const struct config *to_config, const struct config_pool *to);

/* Nothing differs, and all that the pool points to is the same memory in both: who points there may
 * go on doing so when the first snapshot goes. Costs next to nothing; false may also mean that
 * nobody looked closely. */
bool config_pool_is_shared(const struct config *from_config, const struct config_pool *from,
                           const struct config *to_config, const struct config_pool *to);

/* The pool of that name, which most likely stands at `place` as it did in another snapshot;
 * config->pool_count: there is none. */
size_t config_pool_near(const struct config *config, const char *name, size_t place);

/* Would the two connect to the same place? Then health, connections and counters are carried over;
 * else it is another endpoint with the same id. */
bool config_backend_same_target(const struct config_backend *a, const struct config_backend *b);
/* Equal in every key? */
bool config_backend_equal(const struct config_backend *a, const struct config_backend *b);
/* Equal in every key, and in what the named certificate files hold? */
bool config_listener_equal(const struct config_listener *a, const struct config_listener *b);

enum config_change_kind { CONFIG_ADDED, CONFIG_REMOVED, CONFIG_CHANGED };
enum config_change_of {
    CONFIG_OF_LISTENER,
    CONFIG_OF_ROUTE, /* routes are matched by name, and by their place among the others */
    CONFIG_OF_POOL,
    CONFIG_OF_ENDPOINT,
    CONFIG_OF_PROCESS, /* workers, admin, log, supervision, ...: `name` is the key */
};

struct config_change {
    enum config_change_kind kind;
    enum config_change_of of;
    const char *pool;   /* of an endpoint; else "" */
    const char *name;   /* listener, route, pool, endpoint id, or key */
    const char *detail; /* "weight 1 -> 3, address 10.0.0.1:80 -> 10.0.0.9:80"; "" */
    bool match_changes; /* a route: other requests than before may take it */
    bool replaces;      /* an endpoint: another address, so a new one under the same id */
    bool only_drain;    /* an endpoint: nothing but that it is drained, or no longer */
    bool needs_upgrade; /* has no effect before the binary is replaced or restarted */
};

/* In one word, by the worst of its changes. */
enum config_risk {
    CONFIG_RISK_NONE,   /* nothing changes */
    CONFIG_RISK_LOW,    /* endpoints added, weights, limits */
    CONFIG_RISK_MEDIUM, /* endpoints removed or replaced, policies, routes, certificates */
    CONFIG_RISK_HIGH,   /* a listener, a pool in use or most of a pool's endpoints go */
};
const char *config_risk_name(enum config_risk risk); /* "none", ... */

struct config_plan {
    struct config_change *changes; /* listeners, routes, pools, each followed by its endpoints */
    size_t count;
    struct {
        unsigned listeners, routes, pools, endpoints; /* unchanged ones */
    } kept;
    enum config_risk risk;
    const char *risk_why; /* "listener "edge" goes"; "" */
    struct arena *arena;  /* owns the texts */
};

/* Never fails. `from` NULL: everything is added. */
struct config_plan *config_plan_new(const struct config *from, const struct config *to);
void config_plan_free(struct config_plan *plan); /* NULL is fine */

/* {"changes": [{"change","of","pool","name","detail",...}], "kept": {...}, "risk", "risk_why"}. The
 * caller's reference. */
json_t *config_plan_json(const struct config_plan *plan);

#endif
