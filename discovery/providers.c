/* The table of providers. */
#include "discovery/providers.h"

static const struct discovery_provider *const providers[CONFIG_DISCOVERY_TYPE_COUNT] = {
    [CONFIG_DISCOVERY_FILE] = &discovery_file,
    [CONFIG_DISCOVERY_DNS] = &discovery_dns,
    [CONFIG_DISCOVERY_CONSUL] = &discovery_consul,
    [CONFIG_DISCOVERY_KUBERNETES] = &discovery_kubernetes,
    [CONFIG_DISCOVERY_ETCD] = &discovery_etcd,
};

const struct discovery_provider *discovery_provider_of(enum config_discovery_type type)
{
    return type < CONFIG_DISCOVERY_TYPE_COUNT ? providers[type] : NULL;
}
