/*
 * What found sets are made of. Insiders of config/ only.
 *
 *   config_discovered ─► pools, by name ─► config_found ─► entries, by id (counted, never changed)
 *                                       └► lists        ─► the pool's backends: static and found
 *
 * An entry is read once and shared by the sets that follow each other; a list is made once and
 * shared by the snapshots that follow each other, so that what did not change is seen to be the
 * same by its address alone.
 */
#ifndef EVERGATE_CONFIG_FOUND_INTERNAL_H
#define EVERGATE_CONFIG_FOUND_INTERNAL_H

#include <stdatomic.h>

#include "config/diag_internal.h"
#include "config/found.h"

/* ---- several things in one piece of memory, and an object in few bytes (found_pack.c) ---- */

/* Filled twice by the same steps: first `at` is NULL, and it is only counted. */
struct found_pack {
    char *at;
    size_t used;
};

/* Where the bytes are now; NULL while it is only counted. */
void *config_found_pack_bytes(struct found_pack *pack, const void *bytes, size_t n);

/* An object, or what stands in one; its strings have no NUL, which the reader made sure of. */
void config_found_pack_json(struct found_pack *pack, const json_t *json);
/* Equal as json_equal has it: the order of members is none. */
bool config_found_packed_equal(const char *packed, const json_t *json);
/* The caller's reference. */
json_t *config_found_packed_json(const char *packed);

/* ---- one endpoint (found_entry.c) ---- */

struct found_entry {
    _Atomic unsigned refs; /* a snapshot may be freed by any thread */
    struct config_backend backend;
    const char
        *fields; /* as it was read, with an id; packed, for as JSON it has ten times the size */
    size_t fields_bytes;
    void *room[]; /* all that both point to; an array of pointers for its alignment */
};

/* The object as it is kept: with an id, without what the API only shows and without nulls. A
 * reference of the caller's, maybe to the object itself. */
json_t *config_found_entry_fields(const json_t *object);

/* Of fields as above; NULL after adding mistakes. */
struct found_entry *config_found_entry_read(json_t *fields, struct config_diag *diag);
bool config_found_entry_equal(const struct found_entry *a, const struct found_entry *b);
struct found_entry *config_found_entry_ref(struct found_entry *entry);
void config_found_entry_unref(struct found_entry *entry);

/* ---- one set (found.c) ---- */

struct config_found {
    _Atomic unsigned refs;
    struct found_entry **entries; /* sorted by id */
    size_t count;
};

/* The endpoint's index, or found->count. */
size_t config_found_position(const struct config_found *found, const char *id);

/* ---- the backends of a pool (found_list.c) ---- */

struct found_list {
    _Atomic unsigned refs;
    struct config_found *found; /* whose entries the backends point into */
    uint64_t serial;            /* of the base that has the static ones */
    const struct config_backend *of;
    size_t of_count, room;
    struct config_backend *backends;
    size_t count;
};

/* What was made of one set for one pool: the last list, under a lock, since sets are shared between
 * threads. */
struct found_lists;
struct found_lists *config_found_lists_new(void);
struct found_lists *config_found_lists_ref(struct found_lists *lists);
void config_found_lists_unref(struct found_lists *lists); /* NULL is fine */

/* `pool`'s backends, of `base`, and behind them at most `room` of `found`, without those whose id a
 * static one has. A reference of the caller's; NULL where nothing was found. */
struct found_list *config_discovered_list(struct config_discovered *discovered,
                                          const struct config *base, const struct config_pool *pool,
                                          size_t room);
struct found_list *config_found_list_get(struct found_lists *lists, struct config_found *found,
                                         const struct config *base, const struct config_pool *pool,
                                         size_t room);
void config_found_list_unref(struct found_list *list);

#endif
