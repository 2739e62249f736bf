/*
 * What etcd has under a prefix, from the answers of its JSON gateway (/v3/kv/range, /v3/watch).
 *
 *   range, page by page, at one revision ─► entries ◄─ events of a watch from the next revision
 *                                              └─► endpoints
 *
 * Keys and values are base64 there, numbers are strings, and what is zero, empty or false is left
 * out. Pure.
 */
#ifndef EVERGATE_DISCOVERY_ETCD_STORE_H
#define EVERGATE_DISCOVERY_ETCD_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "discovery/etcd_value.h"

struct etcd_store {
    char *prefix;       /* heap */
    json_t *entries;    /* by key (in base64): "endpoint" or "refused", and its "bytes" */
    uint64_t revision;  /* up to which it is known */
    uint64_t max_bytes; /* of all keys and values */
    uint64_t bytes;
    uint64_t listed; /* keys that etcd counted when it was listed */
    bool full;       /* keys were left out: over CONFIG_FOUND_ENDPOINTS, or over max_bytes */
    unsigned pages;  /* taken since it was cleared */
    char *last_key;  /* of the last page, in base64; heap, or NULL */
};

void etcd_store_init(struct etcd_store *store, const char *prefix, uint64_t max_bytes);
void etcd_store_fini(struct etcd_store *store);
/* To be listed anew. */
void etcd_store_clear(struct etcd_store *store);

/* One page; *ret_more: there is another one. EG_E_INTERNAL: it is nonsense. */
int etcd_store_take_page(struct etcd_store *store, const json_t *answer,
                         bool *ret_more) WARN_UNUSED;

enum etcd_word {
    ETCD_NOTHING,   /* it was created, or has nothing to say */
    ETCD_CHANGED,   /* the store is another */
    ETCD_COMPACTED, /* etcd has forgotten what comes next: list it anew */
    ETCD_CANCELED,  /* `why` says for what reason */
    ETCD_NONSENSE,
};
/* One text of a watch. */
enum etcd_word etcd_store_take_event(struct etcd_store *store, const json_t *text,
                                     char why[ETCD_WHY_BYTES]);

/* Does the answer to etcd_ask_check say that the store has all that etcd has? */
bool etcd_store_agrees(const struct etcd_store *store, const json_t *answer);

/* The endpoints as an array (the caller's reference); what was left out is told one by one. */
json_t *etcd_store_endpoints(const struct etcd_store *store,
                             void (*on_refused)(void *arg, const char *why), void *arg);

#endif
