/* What etcd's JSON gateway is asked: bodies of requests, heap. Pure. */
#ifndef EVERGATE_DISCOVERY_ETCD_ASK_H
#define EVERGATE_DISCOVERY_ETCD_ASK_H

#include "discovery/etcd_store.h"

enum { ETCD_PAGE_KEYS = 500 };

/* /v3/kv/range: the first page of the store's prefix, or the one behind its last key. */
char *etcd_ask_page(const struct etcd_store *store);
/* /v3/kv/range: what changed since the store's revision, one key at most, and how many there are.
 */
char *etcd_ask_check(const struct etcd_store *store);
/* /v3/watch: what comes after the store's revision. */
char *etcd_ask_watch(const struct etcd_store *store);
/* /v3/auth/authenticate. A password that is not UTF-8 cannot be said in JSON: NULL. */
char *etcd_ask_token(const char *user, struct slice password);

#endif
