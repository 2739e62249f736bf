/* What stands under one of etcd's keys, as an endpoint. Pure. */
#ifndef EVERGATE_DISCOVERY_ETCD_VALUE_H
#define EVERGATE_DISCOVERY_ETCD_VALUE_H

#include <jansson.h>

#include "base/slice.h"

enum { ETCD_VALUE_BYTES = 64 * 1024, ETCD_WHY_BYTES = 200 };

/*
 * `rest` is the key behind the prefix; `value` an endpoint object, or its address alone
 * ("host:port" as it is, or as a JSON string). An object without an id, and an address, have the
 * rest as id: its slashes become colons, since an id stands in paths. The caller's reference; NULL:
 * it is nonsense, and `why` says in what.
 */
json_t *etcd_value_read(struct slice rest, struct slice value, char why[ETCD_WHY_BYTES]);

#endif
