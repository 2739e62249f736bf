/* GET /api/v1/pools and /api/v1/pools/{pool}: a pool as an object, with its endpoints unless
 * "?endpoints=false". */
#include <stdlib.h>
#include <string.h>

#include "admin/admin_internal.h"
#include "admin/admin_objects.h"
#include "admin/admin_summary.h"
#include "base/alloc.h"

static json_t *tier_object(const struct balancer_tier *tier)
{
    json_t *object = json_object();

    admin_json_set(object, "priority", tier->priority ? json_integer(tier->priority) : json_null());
    admin_json_set_bool(object, "backup", tier->priority == 0);
    admin_json_set_text(object, "where", tier->where);
    admin_json_set_number(object, "endpoints", tier->endpoints);
    admin_json_set_number(object, "healthy", tier->healthy);
    admin_json_set_number(object, "capacity_percent", tier->capacity_percent);
    admin_json_set_number(object, "load_percent", tier->load_percent);
    admin_json_set_bool(object, "held_back", tier->held_back);
    return object;
}

struct pool_counts {
    unsigned usable, endpoints; /* without those that leave */
    unsigned leaving;
    unsigned by_status[ENDPOINT_DRAINING + 1];
    uint64_t active, requests;
};

static struct pool_counts count(struct balancer_pool *pool)
{
    struct pool_counts counts = {0};

    for (unsigned i = 0; i < balancer_pool_size(pool); i++) {
        const struct endpoint *endpoint = balancer_pool_endpoint(pool, i);
        int active = endpoint ? atomic_load(&endpoint->active) : 0;

        if (!endpoint)
            continue; /* a free slot */
        counts.active += active > 0 ? (uint64_t)active : 0;
        counts.requests += atomic_load(&endpoint->picks);
        if (atomic_load(&endpoint->leaving)) {
            counts.leaving++;
            continue;
        }
        counts.endpoints++;
        counts.usable += endpoint_usable(endpoint);
        counts.by_status[atomic_load(&endpoint->status)]++;
    }
    return counts;
}

static json_t *status_counts(const struct pool_counts *counts)
{
    json_t *object = json_object();

    for (unsigned s = ENDPOINT_UNKNOWN; s <= ENDPOINT_DRAINING; s++)
        admin_json_set_number(object, endpoint_status_name(s), counts->by_status[s]);
    return object;
}

/* Null where too few answers have come lately. */
static json_t *latency(const struct health_pool *pool)
{
    static const struct {
        const char *key;
        unsigned percent;
    } percentiles[] = {{"p50_seconds", 50}, {"p90_seconds", 90}, {"p99_seconds", 99}};
    json_t *object = json_object();

    for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++) {
        uint64_t us = health_pool_latency_us(pool, percentiles[i].percent);

        admin_json_set(object, percentiles[i].key,
                       us > 0 ? json_real((double)us / 1000000) : json_null());
    }
    return object;
}

static const char *empty_summary(const struct config_pool *config)
{
    return config->discovery != NULL
               ? "no endpoints: none were found, \"evergate providers\" tells why"
               : "no endpoints";
}

static void set_tiers(json_t *object, const struct admin_target *pool,
                      const struct pool_counts *counts)
{
    struct balancer_tier tiers[BALANCER_TIERS_MAX];
    unsigned n = balancer_pool_tiers(pool->balancer, tiers, BALANCER_TIERS_MAX);
    bool panicking = balancer_pool_panicking(pool->balancer);
    json_t *array = json_array();
    char *summary;

    summary = counts->endpoints > 0
                  ? admin_pool_summary(tiers, n, counts->usable, counts->endpoints, panicking)
                  : xstrdup(empty_summary(pool->config));
    for (unsigned i = 0; i < n; i++)
        json_array_append_new(array, tier_object(&tiers[i]));
    admin_json_set_text(object, "summary", summary);
    admin_json_set_bool(object, "panicking", panicking);
    admin_json_set(object, "tiers", array);
    free(summary);
}

json_t *admin_pool_object(const struct server *server, const struct admin_target *pool)
{
    struct pool_counts counts = count(pool->balancer);
    json_t *object = json_object();

    admin_json_set_text(object, "name", pool->config->name);
    admin_json_set_text(object, "algorithm", config_algorithm_name(pool->config->algorithm));
    set_tiers(object, pool, &counts);
    admin_json_set_number(object, "endpoints_total", counts.endpoints);
    admin_json_set_number(object, "endpoints_usable", counts.usable);
    admin_json_set_number(object, "endpoints_leaving", counts.leaving);
    admin_json_set(object, "statuses", status_counts(&counts));
    admin_json_set_number(object, "active", counts.active);
    admin_json_set_number(object, "pending", atomic_load(&server->runtimes[pool->pool]->pending));
    admin_json_set_number(object, "requests", counts.requests);
    admin_json_set(object, "latency", latency(pool->health));
    admin_json_set(object, "policy", admin_policy_object(server->config, pool->config));
    return object;
}

/* The object with its endpoints as its last member: they are never a tree all at once. */
static void add_pool(struct evbuffer *out, const struct server *server,
                     const struct admin_target *pool, bool with_endpoints, struct admin_now now)
{
    json_t *object = admin_pool_object(server, pool);
    char *text;

    if (!with_endpoints) {
        admin_json_add(out, object);
        return;
    }
    text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(12));
    evbuffer_add(out, text, strlen(text) - 1); /* without the closing brace */
    evbuffer_add(out, ",", 1);
    admin_endpoints_add(out, pool, now);
    evbuffer_add(out, "}", 1);
    free(text);
    json_decref(object);
}

void admin_pools(struct admin_call *call)
{
    struct admin_now now = admin_now();
    struct evbuffer *out;
    bool with_endpoints;

    if (!admin_call_flag(call, "endpoints", true, &with_endpoints))
        return;
    out = evbuffer_new();
    evbuffer_add_printf(out, "{\"pools\":[");
    for (unsigned i = 0; i < call->server->config->pool_count; i++) {
        struct admin_target pool = admin_target(call->server, i);

        if (i > 0)
            evbuffer_add(out, ",", 1);
        add_pool(out, call->server, &pool, with_endpoints, now);
    }
    evbuffer_add_printf(out, "]}\n");
    admin_reply(call->request, 200, "application/json", out);
    evbuffer_free(out);
}

void admin_pool(struct admin_call *call)
{
    struct admin_target pool;
    struct evbuffer *out;
    bool with_endpoints;

    if (!admin_call_pool(call, &pool) || !admin_call_flag(call, "endpoints", true, &with_endpoints))
        return;
    out = evbuffer_new();
    add_pool(out, call->server, &pool, with_endpoints, admin_now());
    evbuffer_add(out, "\n", 1);
    admin_reply(call->request, 200, "application/json", out);
    evbuffer_free(out);
}
