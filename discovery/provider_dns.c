/*
 * Names in the DNS: asked for again when what was answered no longer holds, but at the latest after
 * `interval`; after a failure when source_failed says so. What is asked, and how, is
 * dns_lookup.c's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "config/found.h"
#include "discovery/dns_lookup.h"
#include "discovery/provider.h"
#include "discovery/providers.h"

/* Enough for one name server that is silent (net/resolver_query.h). */
enum { DNS_OTHER_MS = 3000 };

struct dns_watch {
    struct discovery_source *source;
    struct loop *loop;
    uint64_t interval_ms;
    struct dns_lookup *lookup;
    struct loop_timer timer; /* not set while a lookup is under way */
    struct loop_task reap;
};

static void on_found(void *arg, json_t *endpoints, uint64_t ttl_ms)
{
    struct dns_watch *watch = arg;

    loop_timer_set(watch->loop, &watch->timer,
                   ttl_ms < watch->interval_ms ? ttl_ms : watch->interval_ms);
    source_found(watch->source, endpoints);
}

static void on_failed(void *arg, const char *why)
{
    struct dns_watch *watch = arg;
    uint64_t delay_ms = source_failed(watch->source, "%s", why);

    if (watch->lookup)
        loop_timer_set(watch->loop, &watch->timer, delay_ms);
}

static void on_refused(void *arg, const char *what)
{
    struct dns_watch *watch = arg;

    source_refused(watch->source, "%s", what);
}

static const struct dns_lookup_ops lookup_ops = {on_found, on_failed, on_refused};

static void on_timer(struct loop_timer *timer)
{
    dns_lookup_ask(container_of(timer, struct dns_watch, timer)->lookup);
}

static void watch_free(struct loop_task *reap)
{
    free(container_of(reap, struct dns_watch, reap));
}

static void *dns_start(struct discovery_source *source, const struct discovery_context *context)
{
    const struct config_discovery *config = context->config;
    struct dns_watch *watch = xcalloc(1, sizeof(*watch));
    const struct dns_lookup_params params = {
        .loop = context->loop,
        .resolver = context->resolver,
        .name = config->name,
        .record = config->record,
        .port = (uint16_t)config->port,
        .hosts = "/etc/hosts",
        .other_ms = DNS_OTHER_MS,
        .max_endpoints = CONFIG_FOUND_ENDPOINTS,
        .ops = &lookup_ops,
        .arg = watch,
    };

    watch->source = source;
    watch->loop = context->loop;
    watch->interval_ms = config->interval_ms;
    watch->lookup = dns_lookup_new(&params);
    loop_timer_init(&watch->timer, on_timer);
    loop_task_init(&watch->reap, watch_free);
    loop_timer_set(watch->loop, &watch->timer, 0); /* in a later turn */
    return watch;
}

static void dns_stop(void *arg)
{
    struct dns_watch *watch = arg;

    loop_timer_cancel(&watch->timer);
    dns_lookup_free(&watch->lookup);
    loop_reap(watch->loop, &watch->reap);
}

const struct discovery_provider discovery_dns = {
    .start = dns_start,
    .stop = dns_stop,
};
