/* The table of providers. */
#include "discovery/providers.h"

/* While some are on their way: those that are here. (After adding one: touch this file.) */
static const struct discovery_provider *const providers[CONFIG_DISCOVERY_TYPE_COUNT] = {
#if __has_include("discovery/provider_file.c")
    [CONFIG_DISCOVERY_FILE] = &discovery_file,
#endif
#if __has_include("discovery/provider_dns.c")
    [CONFIG_DISCOVERY_DNS] = &discovery_dns,
#endif
#if __has_include("discovery/provider_consul.c")
    [CONFIG_DISCOVERY_CONSUL] = &discovery_consul,
#endif
#if __has_include("discovery/provider_kubernetes.c")
    [CONFIG_DISCOVERY_KUBERNETES] = &discovery_kubernetes,
#endif
#if __has_include("discovery/provider_etcd.c")
    [CONFIG_DISCOVERY_ETCD] = &discovery_etcd,
#endif
};

const struct discovery_provider *discovery_provider_of(enum config_discovery_type type)
{
    return type < CONFIG_DISCOVERY_TYPE_COUNT ? providers[type] : NULL;
}
