/* The providers, each defined in its provider_NAME.c; who wants one asks discovery_provider_of. */
#ifndef EVERGATE_DISCOVERY_PROVIDERS_H
#define EVERGATE_DISCOVERY_PROVIDERS_H

#include "discovery/provider.h"

extern const struct discovery_provider discovery_file;
extern const struct discovery_provider discovery_dns;
extern const struct discovery_provider discovery_consul;
extern const struct discovery_provider discovery_kubernetes;
extern const struct discovery_provider discovery_etcd;

#endif
