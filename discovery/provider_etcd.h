/* For tests of the etcd provider: how often it checks that its watch tells all. */
#ifndef EVERGATE_DISCOVERY_PROVIDER_ETCD_H
#define EVERGATE_DISCOVERY_PROVIDER_ETCD_H

#include "discovery/provider.h"

void *provider_etcd_start(struct discovery_source *source, const struct discovery_context *context,
                          uint64_t check_ms);

#endif
