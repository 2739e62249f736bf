/* The metrics of pools: connections to their backends, tiers, latency. */
#include <stdlib.h>

#include "admin/admin_internal.h"
#include "admin/admin_metrics_text.h"
#include "base/alloc.h"

#define POOL_FAMILY(family, type, help, member)                                                    \
    do {                                                                                           \
        metrics_family(out, family, type, help);                                                   \
        for (size_t i = 0; i < config->pool_count; i++)                                            \
            metrics_line(out, family, labels[i], NULL,                                             \
                         admin_collected(collection, config->pools[i].name, i)->stats.member);     \
    } while (0)

static void put_upstreams(struct evbuffer *out, const struct config *config, char *const *labels,
                          const struct admin_collection *collection)
{
    POOL_FAMILY("evergate_upstream_connects_total", "counter", "Connections opened to backends.",
                connects);
    POOL_FAMILY("evergate_upstream_connect_failures_total", "counter",
                "Connections to backends that could not be opened.", connect_failures);
    POOL_FAMILY("evergate_upstream_reuse_total", "counter",
                "Requests sent on a connection that had served before.", reuses);
    POOL_FAMILY("evergate_upstream_silent_repeats_total", "counter",
                "Requests sent again because the idle connection had just been closed.",
                silent_repeats);
    POOL_FAMILY("evergate_upstream_connections", "gauge", "Open connections to backends.", open);
    POOL_FAMILY("evergate_upstream_connections_idle", "gauge",
                "Open connections to backends without a request.", idle);
}

static void put_pending(struct evbuffer *out, const struct server *server, char *const *labels)
{
    metrics_family(out, "evergate_pending", "gauge",
                   "Requests that wait for a connection to the pool.");
    for (size_t i = 0; i < server->config->pool_count; i++)
        metrics_line(out, "evergate_pending", labels[i], NULL,
                     atomic_load(&server->runtimes[i]->pending));
}

static uint64_t cache_entries(struct cache_stats stats)
{
    return stats.entries;
}

static uint64_t cache_bytes(struct cache_stats stats)
{
    return stats.bytes;
}

/* What the fallback could answer from: of the pools that store answers. */
static void put_caches(struct evbuffer *out, const struct server *server, char *const *labels)
{
    static const struct {
        const char *name, *help;
        uint64_t (*of)(struct cache_stats stats);
    } gauges[] = {
        {"evergate_cache_entries", "Answers that are stored for the fallback.", cache_entries},
        {"evergate_cache_bytes", "Memory that they take.", cache_bytes},
    };

    for (size_t g = 0; g < sizeof(gauges) / sizeof(gauges[0]); g++) {
        metrics_family(out, gauges[g].name, "gauge", gauges[g].help);
        for (size_t i = 0; i < server->config->pool_count; i++) {
            struct cache *cache = server->runtimes[i]->cache;

            if (cache)
                metrics_line(out, gauges[g].name, labels[i], NULL,
                             gauges[g].of(cache_stats(cache)));
        }
    }
}

static void put_panicking(struct evbuffer *out, const struct server *server, char *const *labels)
{
    static const char name[] = "evergate_pool_panicking";

    metrics_family(out, name, "gauge", "1 while the pool ignores health.");
    for (size_t i = 0; i < server->config->pool_count; i++)
        metrics_line(out, name, labels[i], NULL,
                     balancer_pool_panicking(server->runtimes[i]->balancer));
}

/* Backups have priority "backup"; `where` is "" with locality off. */
static void put_tier(struct evbuffer *out, const char *labels, const struct balancer_tier *tier)
{
    static const char name[] = "evergate_tier_load_ratio";

    if (tier->priority == 0)
        evbuffer_add_printf(out, "%s{%s,priority=\"backup\",where=\"%s\"} %.2f\n", name, labels,
                            tier->where, tier->load_percent / 100.0);
    else
        evbuffer_add_printf(out, "%s{%s,priority=\"%u\",where=\"%s\"} %.2f\n", name, labels,
                            tier->priority, tier->where, tier->load_percent / 100.0);
}

static void put_tiers(struct evbuffer *out, const struct server *server, char *const *labels)
{
    struct balancer_tier tiers[BALANCER_TIERS_MAX];

    metrics_family(out, "evergate_tier_load_ratio", "gauge",
                   "The part of the pool's requests that a tier gets now, 0 to 1.");
    for (size_t i = 0; i < server->config->pool_count; i++) {
        unsigned n = balancer_pool_tiers(server->runtimes[i]->balancer, tiers, BALANCER_TIERS_MAX);

        for (unsigned t = 0; t < n; t++)
            put_tier(out, labels[i], &tiers[t]);
    }
}

static void put_latency(struct evbuffer *out, const struct server *server, char *const *labels)
{
    static const char name[] = "evergate_pool_latency_seconds";
    static const struct {
        unsigned percent;
        const char *label;
    } quantiles[] = {{50, "quantile=\"0.5\""}, {90, "quantile=\"0.9\""}, {99, "quantile=\"0.99\""}};

    metrics_family(out, name, "gauge",
                   "Time to an answer's head that so many of the latest answers stay under.");
    for (size_t i = 0; i < server->config->pool_count; i++) {
        for (size_t q = 0; q < sizeof(quantiles) / sizeof(quantiles[0]); q++) {
            uint64_t us = health_pool_latency_us(server->runtimes[i]->health, quantiles[q].percent);

            if (us > 0)
                metrics_line_seconds(out, name, labels[i], quantiles[q].label, us);
        }
    }
}

void admin_metrics_pools(struct evbuffer *out, const struct admin_collection *collection)
{
    const struct server *server = collection->admin->server;
    const struct config *config = server->config;
    char **labels = xcalloc(config->pool_count + 1, sizeof(char *));

    for (size_t i = 0; i < config->pool_count; i++)
        labels[i] = metrics_labels(config->pools[i].name, NULL);
    put_upstreams(out, config, labels, collection);
    put_pending(out, server, labels);
    put_caches(out, server, labels);
    put_latency(out, server, labels);
    put_tiers(out, server, labels);
    put_panicking(out, server, labels);
    for (size_t i = 0; i < config->pool_count; i++)
        free(labels[i]);
    free(labels);
}
