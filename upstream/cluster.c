/*
 * A cluster: one worker's view of one pool. For each endpoint its addresses, its idle connections
 * and its TLS ticket; for all of them one TLS context and the counters.
 *
 * Apart from the connections because it changes with the configuration and with DNS answers, never
 * with a request.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "upstream/backend.h"
#include "upstream/upstream_internal.h"

/* Numeric and Unix addresses are parsed once, here; names wait for the resolver. */
static int endpoint_init(struct upstream_endpoint *endpoint, const struct config_pool *config,
                         const struct config_backend *backend, char **ret_why)
{
    struct address address = {.length = 0};

    list_init(&endpoint->idle);
    list_init(&endpoint->waiting);
    list_init(&endpoint->holding_node);
    if (!backend->host) {
        int code = address_parse(&address, slice_str(backend->address));
        if (code != EG_OK) {
            *ret_why = xasprintf("pool \"%s\": backend \"%s\": cannot use the address \"%s\": %s",
                                 config->name, backend->id, backend->address, error_text(code));
            return EG_E_INTERNAL;
        }
        endpoint->addresses = xmalloc(sizeof(address));
        endpoint->addresses[0] = address;
        endpoint->address_count = 1;
    }
    endpoint->server_name = upstream_backend_server_name(config, backend);
    return EG_OK;
}

int upstream_cluster_new(struct upstream_cluster **ret_cluster, struct loop *loop,
                         const struct config_pool *config, struct balancer_pool *pool,
                         struct health_pool *health, char **ret_why)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    struct upstream_cluster *cluster = xcalloc(1, sizeof(*cluster));

    /* An endpoint's index names it in both. */
    CHECK(balancer_pool_size(pool) == config->backend_count);
    cluster->loop = loop;
    cluster->config = config;
    cluster->health = health;
    list_init(&cluster->busy);
    list_init(&cluster->holding);
    loop_timer_init(&cluster->stall_timer, upstream_stall_on_timer);
    cluster->endpoint_count = (unsigned)config->backend_count;
    cluster->endpoints = xcalloc(config->backend_count, sizeof(*cluster->endpoints));

    int code = EG_OK;
    for (unsigned i = 0; i < cluster->endpoint_count; i++) {
        char *why = NULL;
        int r = endpoint_init(&cluster->endpoints[i], config, &config->backends[i], &why);
        if (code == EG_OK && r != EG_OK) {
            code = r;
            *ret_why = why;
        } else {
            free(why);
        }
    }
    if (code == EG_OK)
        code = upstream_backend_tls_new(&cluster->tls, config, alpn, ret_why);
    if (code != EG_OK) {
        upstream_cluster_free(cluster);
        return code;
    }
    *ret_cluster = cluster;
    return EG_OK;
}

void upstream_cluster_free(struct upstream_cluster *cluster)
{
    if (!cluster)
        return;
    CHECK(list_empty(&cluster->busy) && list_empty(&cluster->holding));
    loop_timer_cancel(&cluster->stall_timer);
    upstream_cluster_close_idle(cluster);
    for (unsigned i = 0; i < cluster->endpoint_count; i++) {
        tls_resume_slot_clear(&cluster->endpoints[i].resume_slot);
        free(cluster->endpoints[i].addresses);
        free(cluster->endpoints[i].server_name);
    }
    tls_context_free(cluster->tls);
    free(cluster->endpoints);
    free(cluster);
}

void upstream_cluster_set_addresses(struct upstream_cluster *cluster, unsigned endpoint_index,
                                    const struct address *addresses, size_t count)
{
    CHECK(endpoint_index < cluster->endpoint_count);
    struct upstream_endpoint *endpoint = &cluster->endpoints[endpoint_index];

    free(endpoint->addresses);
    endpoint->addresses = NULL;
    endpoint->address_count = count;
    if (count > 0) {
        endpoint->addresses = xcalloc(count, sizeof(*addresses));
        memcpy(endpoint->addresses, addresses, count * sizeof(*addresses));
    }
    endpoint->generation++;
    upstream_idle_close_vanished(endpoint);
}

void upstream_cluster_close_idle(struct upstream_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->endpoint_count; i++)
        upstream_idle_close_all(&cluster->endpoints[i]);
}

struct upstream_cluster_stats upstream_cluster_stats(const struct upstream_cluster *cluster)
{
    return cluster->stats;
}
