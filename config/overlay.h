/*
 * The overlay: what operators changed over the management API, kept apart from the file and laid
 * over it.
 *
 *   FILE ─► config_load ─► base snapshot ──┐
 *                                          ├─► config_overlay_apply ─► the snapshot that is served
 *   API  ─► overlay ───────────────────────┘
 *
 * A reload lays the same overlay over the new base, so that what was changed by hand survives it:
 * what an operator said of a key stands, the file decides the rest. To give a pool back to its
 * file, its overlay is cleared.
 *
 * It is a JSON document, the one that `state_file` holds and a new binary is handed:
 *
 *   {"version": 1, "pools": {"api": {
 *       "policy": {"algorithm": "weighted", "breaker": {"failure_threshold": 3}},
 *       "endpoints": {"c": {"address": "10.0.0.3:80", "replaces": true},   registered
 *                     "a": {"weight": 5},                                  the file's, changed
 *                     "b": null}}}}                                        the file's, deregistered
 *
 * "replaces" says that keys which are not there have their defaults, even if the file has such an
 * endpoint too. What is said of one that the file does not have (any more) makes one when there is
 * an address in it, and else waits for its return.
 *
 * Values are read by the tables that read the file: same units, ranges and mistakes. ${NAME} stands
 * for itself: the API cannot read the environment.
 *
 * Threads: an overlay and its copies belong to one thread; what config_overlay_apply returns is a
 * snapshot like any other.
 */
#ifndef EVERGATE_CONFIG_OVERLAY_H
#define EVERGATE_CONFIG_OVERLAY_H

#include <jansson.h>

#include "config/config.h"

enum {
    CONFIG_OVERLAY_ENDPOINTS = 65536, /* that it may name, over all pools */
    CONFIG_OVERLAY_WAITING = 4096,    /* found ones among them that are gone */
    CONFIG_OVERLAY_GONE_S = 3600,     /* none is forgotten before it is gone for so long */
};

struct config_overlay;

struct config_overlay *config_overlay_new(void); /* empty */
/* Cheap: entries are counted, not copied. */
struct config_overlay *config_overlay_copy(const struct config_overlay *overlay);
void config_overlay_free(struct config_overlay *overlay); /* NULL is fine */

/*
 * What is said of one endpoint. `fields` (what is in it is referenced, and must not be changed
 * afterwards) is an object with keys of the API; they are checked by config_overlay_apply, but
 * those that the API only shows (status, created_at, ...) are left out. NULL: deregistered. With
 * `replace`, the keys that are not there take their defaults (POST, PUT), else they stay as they
 * are (PATCH; a null gives a key back to the file, as RFC 7396 has it).
 * EG_E_OVERLOAD: there are CONFIG_OVERLAY_ENDPOINTS already.
 */
int config_overlay_set_endpoint(struct config_overlay *overlay, const char *pool, const char *id,
                                json_t *fields, bool replace) WARN_UNUSED;

/*
 * Merges `fields` into what is said of the pool's policy (RFC 7396). `weights` among them, {id: n},
 * are patches of these endpoints; whether the pool has them is the caller's to know, for one that
 * was deregistered would return. `weights` null gives all of them back to the file.
 * EG_E_OVERLOAD as above.
 */
int config_overlay_set_policy(struct config_overlay *overlay, const char *pool,
                              json_t *fields) WARN_UNUSED;

/* Forgets all that was said of a pool: the file's word alone counts again. */
void config_overlay_clear_pool(struct config_overlay *overlay, const char *pool);

bool config_overlay_is_empty(const struct config_overlay *overlay);

/*
 * 0 and a snapshot with one reference, which holds one of `base` and of `discovered` (NULL: nothing
 * was found), whose endpoints are laid over the base before the overlay is; or EG_E_INTERNAL and
 * every mistake in *ret_errors (config_errors_free it, always), each with the API's words for
 * where: "pool "api": endpoint "c": weight: 70000 is out of range; ...". What is said of pools that
 * the base does not have is kept for when they return. Parsed entries are kept in the overlay and
 * shared with its copies, so that one change among thousands of endpoints costs one reading.
 */
int config_overlay_apply(struct config **ret_config, struct config_overlay *overlay,
                         struct config *base, struct config_discovered *discovered,
                         struct config_errors *ret_errors) WARN_UNUSED;

/*
 * Forgets what is said of endpoints that will hardly return, for where they come and go under ever
 * new names that would fill the overlay. `served` was made with it. Of pools with discovery whose
 * source was heard:
 *
 *   "deregistered"  once the endpoint was gone for CONFIG_OVERLAY_GONE_S
 *   any other word  where more than CONFIG_OVERLAY_WAITING wait, of those that are gone for as
 *                   long; what went first is forgotten first
 *
 * and of other pools "deregistered" of what the file does not have. `now_us` is monotonic.
 */
void config_overlay_forget(struct config_overlay *overlay, const struct config *served,
                           uint64_t now_us);

/* The document; the caller's reference. */
json_t *config_overlay_json(const struct config_overlay *overlay);
/* 0 or EG_E_INTERNAL with a sentence in *ret_why (heap): not of this form, or another version. */
int config_overlay_parse(struct config_overlay **ret_overlay, const json_t *document,
                         char **ret_why) WARN_UNUSED;

/* The id of an endpoint that is registered without one: its address, as the file would write it.
 * Heap; NULL when `fields` has none. */
char *config_endpoint_id(const json_t *fields);

/* What GET .../endpoints/{id} shows of the settings, and PUT takes. The caller's reference. */
json_t *config_backend_json(const struct config_backend *backend);

/* What GET .../policy shows, and PATCH takes: algorithm, retry, breaker, outlier, failover,
 * failback, weights; durations and sizes as text with a unit. The caller's reference. */
json_t *config_policy_json(const struct config_pool *pool);

#endif
