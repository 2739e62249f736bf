/*
 * What discovery found: endpoints that stand neither in the file nor were said over the API. They
 * are laid between the two:
 *
 *   file's backends ─► found endpoints ─► overlay ─► the snapshot that is served
 *
 * so that an operator's word stands over them too. A static backend hides a found endpoint of the
 * same id.
 *
 * Both structs are immutable and counted; references may be taken and given back on any thread.
 */
#ifndef EVERGATE_CONFIG_FOUND_H
#define EVERGATE_CONFIG_FOUND_H

#include <jansson.h>

#include "config/config.h"

enum {
    CONFIG_FOUND_ENDPOINTS = 65535, /* of one source */
    CONFIG_FOUND_REASONS = 8,       /* of refusals that are kept */
};

/* ---- one source's full set ---- */

struct config_found;

/* What was left out of a set. */
struct config_refused {
    unsigned count;
    char *reasons[CONFIG_FOUND_REASONS]; /* heap, short: "endpoint "a": address: ..."; the first */
    unsigned reason_count;
};
void config_refused_fini(struct config_refused *refused);

/*
 * Reads an array of endpoint objects: the keys of the API, and "reported". Each that has a mistake,
 * has no address or has the id of one before it is left out and told in *ret_refused (always to be
 * fini'ed); so is what comes after CONFIG_FOUND_ENDPOINTS. Without an id, the address is the id.
 * What is equal in `before` (NULL: nothing) is shared with it, and not read again. Sorted by id.
 * Never fails; expensive for large sets, so not for a thread that serves.
 */
struct config_found *config_found_new(const json_t *endpoints, struct config_found *before,
                                      struct config_refused *ret_refused);
struct config_found *config_found_ref(struct config_found *found);
void config_found_unref(struct config_found **found); /* nulls; NULL inside is fine */
size_t config_found_count(const struct config_found *found);
/* The same endpoints with the same keys? */
bool config_found_equal(const struct config_found *a, const struct config_found *b);
/* The array again, as it was read, with ids. The caller's reference. */
json_t *config_found_json(const struct config_found *found);
/* The backends that a pool has by its file, as if they had been found. */
struct config_found *config_found_of_backends(const struct config_backend *backends, size_t count);

/* libconfig's notation as JSON, for endpoints in a file: a group is an object, a list or an array
 * an array. No @include, and "${NAME}" stands for itself. `name` is the file's, for nobody but the
 * reader. NULL for mistakes, with one sentence that has the line in *ret_why (heap). The caller's
 * reference. */
json_t *config_json_from_libconfig(const char *name, const char *text, char **ret_why);

/* ---- by pool: what config_overlay_apply takes ---- */

struct config_discovered;

/* One to be filled by config_discovered_put, before anybody else sees it; with one reference.
 * `before` (NULL: none): pools for which the same set is put again share what was made of it, so
 * that they are seen to be the same by address (config_pool_is_shared). */
struct config_discovered *config_discovered_new(struct config_discovered *before);
void config_discovered_put(struct config_discovered *discovered, const char *pool,
                           struct config_found *found);
/* NULL: nothing was put for it. Not a reference of the caller's. */
struct config_found *config_discovered_get(const struct config_discovered *discovered,
                                           const char *pool);
struct config_discovered *config_discovered_ref(struct config_discovered *discovered);
void config_discovered_unref(struct config_discovered **discovered);
bool config_discovered_equal(const struct config_discovered *a, const struct config_discovered *b);

/* {"api": [endpoints], "web": "api", ...}, for the next binary: "web" has the same set as "api".
 * And back (what is no such object: empty). */
json_t *config_discovered_json(const struct config_discovered *discovered);
struct config_discovered *config_discovered_parse(const json_t *json);

#endif
