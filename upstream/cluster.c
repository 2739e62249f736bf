/*
 * A cluster: one worker's view of one pool. For each endpoint its addresses, its idle connections
 * and its TLS ticket; for all of them the settings, one TLS context and the counters.
 *
 * Apart from the connections because it changes with the configuration and with DNS answers, never
 * with a request.
 *
 *   made on any thread ─► add, remove, change, set_addresses on the worker's ─► free
 *
 * Slots. An endpoint stands in the slot of its index, which is its own for as long as it lives; the
 * slot may be another's later. So whoever comes with an endpoint is compared with who stands there.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "upstream/backend.h"
#include "upstream/upstream_internal.h"

/* ---- endpoints ---- */

static struct upstream_endpoint *find(const struct upstream_cluster *cluster,
                                      const struct endpoint *endpoint)
{
    struct upstream_endpoint *here =
        endpoint->index < cluster->endpoint_slots ? cluster->endpoints[endpoint->index] : NULL;

    return here != NULL && here->shared == endpoint ? here : NULL;
}

struct upstream_endpoint *upstream_cluster_find(const struct upstream_cluster *cluster,
                                                const struct endpoint *endpoint)
{
    struct upstream_endpoint *here = find(cluster, endpoint);

    CHECK(here != NULL);
    return here;
}

bool upstream_cluster_has(const struct upstream_cluster *cluster, const struct endpoint *endpoint)
{
    return find(cluster, endpoint) != NULL;
}

static void endpoint_set_addresses(struct upstream_endpoint *endpoint,
                                   const struct address *addresses, size_t count)
{
    free(endpoint->addresses);
    endpoint->addresses = NULL;
    endpoint->address_count = count;
    if (count > 0) {
        endpoint->addresses = xcalloc(count, sizeof(*addresses));
        memcpy(endpoint->addresses, addresses, count * sizeof(*addresses));
    }
    endpoint->generation++;
}

/* Numeric and Unix addresses are parsed once, here; names wait for the resolver. */
static struct upstream_endpoint *endpoint_new(struct upstream_cluster *cluster,
                                              struct endpoint *shared,
                                              const struct config_backend *backend)
{
    struct upstream_endpoint *endpoint = xcalloc(1, sizeof(*endpoint));
    struct address address;

    list_init(&endpoint->idle);
    list_init(&endpoint->waiting);
    list_init(&endpoint->holding_node);
    endpoint->shared = shared;
    endpoint->host = backend->host ? xstrdup(backend->host) : NULL;
    endpoint->address = xstrdup(backend->address);
    endpoint->identity = upstream_identity_new(cluster->config, endpoint);
    if (!backend->host) {
        CHECK(address_parse(&address, slice_str(backend->address)) == EG_OK);
        endpoint_set_addresses(endpoint, &address, 1);
    }
    return endpoint;
}

/* Nothing of it is in flight: neither connections nor whoever waits for an answer. */
static void endpoint_free(struct upstream_endpoint *endpoint)
{
    CHECK(endpoint->busy_count == 0 && endpoint->waiting_count == 0);
    upstream_idle_close_all(endpoint);
    upstream_identity_unref(endpoint->identity);
    free(endpoint->durations);
    free(endpoint->addresses);
    free(endpoint->address);
    free(endpoint->host);
    free(endpoint);
}

static void make_slot(struct upstream_cluster *cluster, unsigned index)
{
    unsigned slots = cluster->endpoint_slots;

    if (index < slots)
        return;
    unsigned wanted = index + 1 > 2 * slots ? index + 1 : 2 * slots;
    cluster->endpoints = xrealloc(cluster->endpoints, wanted * sizeof(struct upstream_endpoint *));
    for (unsigned i = slots; i < wanted; i++)
        cluster->endpoints[i] = NULL;
    cluster->endpoint_slots = wanted;
}

void upstream_cluster_add(struct upstream_cluster *cluster, struct endpoint *endpoint,
                          const struct config_backend *backend)
{
    make_slot(cluster, endpoint->index);
    CHECK(cluster->endpoints[endpoint->index] == NULL);
    cluster->endpoints[endpoint->index] = endpoint_new(cluster, endpoint, backend);
}

void upstream_cluster_remove(struct upstream_cluster *cluster, struct endpoint *endpoint)
{
    endpoint_free(upstream_cluster_find(cluster, endpoint));
    cluster->endpoints[endpoint->index] = NULL;
}

void upstream_cluster_set_addresses(struct upstream_cluster *cluster,
                                    const struct endpoint *endpoint,
                                    const struct address *addresses, size_t count)
{
    struct upstream_endpoint *here = find(cluster, endpoint);

    if (here == NULL)
        return;
    endpoint_set_addresses(here, addresses, count);
    upstream_idle_review(cluster, here, false);
}

/* ---- the cluster ---- */

int upstream_cluster_tls_new(struct tls_context **ret_tls, const struct config_pool *config,
                             char **ret_why)
{
    static const char *const alpn[] = {"http/1.1", NULL};

    *ret_tls = NULL;
    return upstream_backend_tls_new(ret_tls, config->tls, alpn, ret_why);
}

int upstream_cluster_new(struct upstream_cluster **ret_cluster, struct loop *loop,
                         const struct config_pool *config, struct health_pool *health,
                         char **ret_why)
{
    struct upstream_cluster *cluster;
    struct tls_context *tls;
    int code = upstream_cluster_tls_new(&tls, config, ret_why);

    if (code != EG_OK)
        return code;
    cluster = xcalloc(1, sizeof(*cluster));
    cluster->loop = loop;
    cluster->config = config;
    cluster->health = health;
    cluster->tls = tls;
    list_init(&cluster->busy);
    list_init(&cluster->holding);
    loop_timer_init(&cluster->stall_timer, upstream_stall_on_timer);
    *ret_cluster = cluster;
    return EG_OK;
}

void upstream_cluster_free(struct upstream_cluster *cluster)
{
    if (!cluster)
        return;
    CHECK(list_empty(&cluster->busy) && list_empty(&cluster->holding));
    loop_timer_cancel(&cluster->stall_timer);
    for (unsigned i = 0; i < cluster->endpoint_slots; i++)
        if (cluster->endpoints[i] != NULL)
            endpoint_free(cluster->endpoints[i]);
    tls_context_free(cluster->tls);
    free(cluster->endpoints);
    free(cluster);
}

static void change_tls(struct upstream_cluster *cluster, struct tls_context *tls)
{
    tls_context_free(cluster->tls);
    cluster->tls = tls;
    for (unsigned i = 0; i < cluster->endpoint_slots; i++) {
        struct upstream_endpoint *endpoint = cluster->endpoints[i];

        if (endpoint == NULL)
            continue;
        upstream_identity_unref(endpoint->identity);
        endpoint->identity = upstream_identity_new(cluster->config, endpoint);
    }
}

void upstream_cluster_change(struct upstream_cluster *cluster, const struct config_pool *config,
                             struct tls_context *tls, bool tls_changed)
{
    bool other_timeout = config->keepalive.timeout_ms != cluster->config->keepalive.timeout_ms;

    cluster->config = config;
    if (tls_changed)
        change_tls(cluster, tls);
    else
        tls_context_free(tls);
    for (unsigned i = 0; i < cluster->endpoint_slots; i++)
        if (cluster->endpoints[i] != NULL)
            upstream_idle_review(cluster, cluster->endpoints[i], other_timeout);
}

void upstream_cluster_close_idle(struct upstream_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->endpoint_slots; i++)
        if (cluster->endpoints[i] != NULL)
            upstream_idle_close_all(cluster->endpoints[i]);
}

struct upstream_cluster_stats upstream_cluster_stats(const struct upstream_cluster *cluster)
{
    return cluster->stats;
}

/* ---- how long answers take ---- */

void upstream_cluster_answered(struct upstream_cluster *cluster, const struct endpoint *endpoint,
                               uint64_t latency_us)
{
    struct upstream_endpoint *here = upstream_cluster_find(cluster, endpoint);

    if (here->durations == NULL)
        here->durations = xcalloc(1, sizeof(*here->durations));
    durations_add(here->durations, latency_us);
}

unsigned upstream_cluster_slots(const struct upstream_cluster *cluster)
{
    return cluster->endpoint_slots;
}

const struct durations *upstream_cluster_durations(const struct upstream_cluster *cluster,
                                                   unsigned slot,
                                                   const struct endpoint **ret_endpoint)
{
    const struct upstream_endpoint *here = cluster->endpoints[slot];

    if (here == NULL)
        return NULL;
    *ret_endpoint = here->shared;
    return here->durations;
}
