/* Addresses by two questions, services by one and those for their targets. */
#include "discovery/dns_lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "discovery/dns_endpoints.h"
#include "discovery/dns_hosts.h"
#include "discovery/dns_targets.h"

struct dns_lookup {
    struct loop *loop;
    struct resolver *resolver;
    char *name, *hosts;
    enum config_dns_record record;
    uint16_t port;
    uint64_t other_ms;
    size_t max_endpoints;
    const struct dns_lookup_ops *ops;
    void *arg;

    struct dns_query queries[2]; /* A and AAAA; or SRV alone */
    struct dns_ips known[2];     /* what those of addresses were answered last */
    struct loop_timer other;     /* set while one of two has its addresses */
    struct dns_targets targets;
    struct loop_task reap;
};

static void refuse(struct dns_lookup *lookup, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void refuse(struct dns_lookup *lookup, const char *format, ...)
{
    va_list args;
    char *what;

    va_start(args, format);
    what = xvasprintf(format, args);
    va_end(args);
    lookup->ops->on_refused(lookup->arg, what);
    free(what);
}

/* The last thing that is done: the owner may free the lookup. */
static void finish(struct dns_lookup *lookup, json_t *endpoints, uint32_t ttl_s, bool partly)
{
    if ((ttl_s == DNS_TTL_UNKNOWN || partly) && ttl_s > DNS_TTL_PARTLY_S)
        ttl_s = DNS_TTL_PARTLY_S;
    if (ttl_s < DNS_TTL_MIN_S)
        ttl_s = DNS_TTL_MIN_S;
    if (ttl_s > DNS_TTL_MAX_S)
        ttl_s = DNS_TTL_MAX_S;
    lookup->ops->on_found(lookup->arg, endpoints, (uint64_t)ttl_s * 1000);
}

/* Addresses that nothing can be sent to are refused one by one. */
static void drop_unusable(struct dns_lookup *lookup, const char *of, struct dns_ips *ips)
{
    char text[ADDRESS_TEXT_BYTES];
    size_t kept = 0;

    for (size_t i = 0; i < ips->count; i++) {
        if (resolver_address_is_usable(&ips->v[i].address))
            ips->v[kept++] = ips->v[i];
        else
            refuse(lookup, "%s: %s is no address of a server", of,
                   address_format_host(&ips->v[i].address, text));
    }
    ips->count = kept;
}

/* ---- addresses ---- */

static void add_known(struct dns_lookup *lookup, json_t *endpoints, const struct dns_ips *ips)
{
    for (size_t i = 0; i < ips->count; i++)
        dns_endpoints_add_address(endpoints, &ips->v[i].address, lookup->port);
}

/* What a question that did not fail was answered replaces what was known. */
static void take_answered(struct dns_lookup *lookup, size_t i)
{
    struct dns_query *query = &lookup->queries[i];
    struct dns_ips *known = &lookup->known[i];

    if (query->outcome == DNS_FAILED) {
        if (known->count > 0)
            refuse(lookup, "%s; what it was answered last stays", query->why);
        return;
    }
    dns_ips_fini(known);
    *known = query->answer.ips;
    query->answer.ips = (struct dns_ips){0};
    drop_unusable(lookup, lookup->name, known);
}

/* The last of both questions is over. */
static void addresses_done(struct dns_lookup *lookup)
{
    const struct dns_query *a = &lookup->queries[0], *aaaa = &lookup->queries[1];
    const struct dns_query *failed = a->outcome == DNS_FAILED      ? a
                                     : aaaa->outcome == DNS_FAILED ? aaaa
                                                                   : NULL;
    json_t *endpoints;

    loop_timer_cancel(&lookup->other);
    if (a->outcome == DNS_FAILED && aaaa->outcome == DNS_FAILED) {
        lookup->ops->on_failed(lookup->arg, a->why);
        return;
    }
    take_answered(lookup, 0);
    take_answered(lookup, 1);
    if (failed && lookup->known[0].count + lookup->known[1].count == 0) {
        lookup->ops->on_failed(lookup->arg, failed->why);
        return;
    }
    endpoints = json_array();
    add_known(lookup, endpoints, &lookup->known[0]);
    add_known(lookup, endpoints, &lookup->known[1]);
    finish(lookup, endpoints,
           a->answer.ttl_s < aaaa->answer.ttl_s ? a->answer.ttl_s : aaaa->answer.ttl_s,
           failed != NULL);
}

static void on_other_late(struct loop_timer *timer)
{
    struct dns_lookup *lookup = container_of(timer, struct dns_lookup, other);

    for (size_t i = 0; i < 2; i++) {
        if (lookup->queries[i].outcome == DNS_UNASKED)
            dns_query_give_up(&lookup->queries[i], lookup->other_ms);
    }
    addresses_done(lookup);
}

static void await_other(struct dns_lookup *lookup, const struct dns_query *answered)
{
    if (answered->outcome == DNS_FOUND)
        loop_timer_set(lookup->loop, &lookup->other, lookup->other_ms);
}

static void on_aaaa(struct dns_query *query)
{
    struct dns_lookup *lookup = container_of(query, struct dns_lookup, queries[1]);

    if (lookup->queries[0].outcome != DNS_UNASKED)
        addresses_done(lookup);
    else
        await_other(lookup, query);
}

/* A name without a dot is searched for, and both its questions should be about the same host. */
static void on_a(struct dns_query *query)
{
    struct dns_lookup *lookup = container_of(query, struct dns_lookup, queries[0]);
    struct dns_query *aaaa = &lookup->queries[1];
    char same[DNS_NAME_BYTES + 1];

    if (aaaa->outcome != DNS_UNASKED) {
        addresses_done(lookup);
        return;
    }
    await_other(lookup, query);
    if (aaaa->asking)
        return;
    snprintf(same, sizeof(same), "%s.", query->answer.question);
    dns_query_start(aaaa, lookup->resolver, query->outcome == DNS_FOUND ? same : lookup->name,
                    DNS_AAAA, on_aaaa);
}

static bool found_in_hosts(struct dns_lookup *lookup)
{
    struct dns_ips ips = {0};
    json_t *endpoints;

    dns_hosts_read(lookup->hosts, lookup->name, &ips);
    if (ips.count == 0)
        return false;
    drop_unusable(lookup, lookup->hosts, &ips);
    endpoints = json_array();
    add_known(lookup, endpoints, &ips);
    dns_ips_fini(&ips);
    finish(lookup, endpoints, DNS_HOSTS_TTL_S, false);
    return true;
}

static void ask_addresses(struct dns_lookup *lookup)
{
    struct dns_query *a = &lookup->queries[0], *aaaa = &lookup->queries[1];

    if (found_in_hosts(lookup))
        return;
    aaaa->outcome = DNS_UNASKED;
    dns_query_start(a, lookup->resolver, lookup->name, DNS_A, on_a);
    if (strchr(lookup->name, '.'))
        dns_query_start(aaaa, lookup->resolver, lookup->name, DNS_AAAA, on_aaaa);
}

/* ---- services ---- */

/* RFC 2782: the root as a target says that the service is decidedly not there. */
static bool service_is_said(struct dns_lookup *lookup, const struct dns_service *service)
{
    if (strcmp(service->target, ".") == 0)
        return false;
    if (service->target[0] == '\0')
        refuse(lookup, "SRV of %s: a target is no host name", lookup->name);
    else if (service->port == 0)
        refuse(lookup, "SRV of %s: target %s: port 0", lookup->name, service->target);
    return service->target[0] != '\0' && service->port != 0;
}

static void drop_unsaid(struct dns_lookup *lookup, struct dns_services *services)
{
    size_t kept = 0;

    for (size_t i = 0; i < services->count; i++) {
        if (service_is_said(lookup, &services->v[i]))
            services->v[kept++] = services->v[i];
    }
    services->count = kept;
}

static void refuse_target(struct dns_lookup *lookup, const struct dns_target *target)
{
    if (target->failed && target->ips.count > 0)
        refuse(lookup, "%s; what it was answered last stays", target->why);
    else if (target->failed)
        refuse(lookup, "%s", target->why);
    else if (target->ips.count == 0)
        refuse(lookup, "target %s has no address", target->name);
}

/* One that failed; NULL: none did. */
static const struct dns_target *judge_targets(struct dns_lookup *lookup, uint32_t *ttl_s)
{
    const struct dns_target *failed = NULL;

    for (size_t i = 0; i < lookup->targets.count; i++) {
        struct dns_target *target = &lookup->targets.v[i];

        drop_unusable(lookup, target->name, &target->ips);
        refuse_target(lookup, target);
        if (target->ttl_s < *ttl_s)
            *ttl_s = target->ttl_s;
        if (target->failed)
            failed = target;
    }
    return failed;
}

/* The caller's reference. Some 3,000 services at 3,000 addresses fit into one message. */
static json_t *service_endpoints(struct dns_lookup *lookup)
{
    const struct dns_services *services = &lookup->queries[0].answer.services;
    json_t *endpoints = json_array();

    for (size_t i = 0; i < services->count; i++) {
        const struct dns_service *service = &services->v[i];
        const struct dns_ips *ips = &dns_targets_find(&lookup->targets, service->target)->ips;

        if (ips->count <= lookup->max_endpoints - json_array_size(endpoints))
            dns_endpoints_add_service(endpoints, service, ips);
        else
            refuse(lookup, "target %s, port %u: there are more than %zu endpoints", service->target,
                   service->port, lookup->max_endpoints);
    }
    return endpoints;
}

static void on_targets(struct dns_targets *targets)
{
    struct dns_lookup *lookup = container_of(targets, struct dns_lookup, targets);
    uint32_t ttl_s = lookup->queries[0].answer.ttl_s;
    const struct dns_target *failed = judge_targets(lookup, &ttl_s);
    json_t *endpoints = service_endpoints(lookup);

    if (!failed || json_array_size(endpoints) > 0) {
        finish(lookup, endpoints, ttl_s, failed != NULL);
        return;
    }
    json_decref(endpoints);
    lookup->ops->on_failed(lookup->arg, failed->why);
}

static void on_services(struct dns_query *query)
{
    struct dns_lookup *lookup = container_of(query, struct dns_lookup, queries[0]);

    if (query->outcome == DNS_FAILED) {
        lookup->ops->on_failed(lookup->arg, query->why);
        return;
    }
    drop_unsaid(lookup, &query->answer.services);
    dns_services_rank(&query->answer.services);
    dns_targets_resolve(&lookup->targets, &query->answer);
}

/* ---- a lookup's life ---- */

void dns_lookup_ask(struct dns_lookup *lookup)
{
    if (lookup->record == CONFIG_DNS_SRV)
        dns_query_start(&lookup->queries[0], lookup->resolver, lookup->name, DNS_SRV, on_services);
    else
        ask_addresses(lookup);
}

static void lookup_free(struct loop_task *reap)
{
    struct dns_lookup *lookup = container_of(reap, struct dns_lookup, reap);

    for (size_t i = 0; i < 2; i++) {
        dns_query_fini(&lookup->queries[i]);
        dns_ips_fini(&lookup->known[i]);
    }
    dns_targets_fini(&lookup->targets);
    free(lookup->name);
    free(lookup->hosts);
    free(lookup);
}

struct dns_lookup *dns_lookup_new(const struct dns_lookup_params *params)
{
    struct dns_lookup *lookup = xcalloc(1, sizeof(*lookup));

    lookup->loop = params->loop;
    lookup->resolver = params->resolver;
    lookup->name = xstrdup(params->name);
    lookup->hosts = xstrdup(params->hosts);
    lookup->record = params->record;
    lookup->port = params->port;
    lookup->max_endpoints = params->max_endpoints;
    lookup->ops = params->ops;
    lookup->arg = params->arg;
    lookup->other_ms = params->other_ms;
    loop_timer_init(&lookup->other, on_other_late);
    dns_targets_init(&lookup->targets, params->resolver, params->max_endpoints, on_targets);
    loop_task_init(&lookup->reap, lookup_free);
    return lookup;
}

void dns_lookup_free(struct dns_lookup **lookup)
{
    struct dns_lookup *freed = *lookup;

    *lookup = NULL;
    if (!freed)
        return;
    loop_timer_cancel(&freed->other);
    /* What is read by a callback that is on the stack stays until the turn's end. */
    for (size_t i = 0; i < 2; i++)
        resolver_query_stop(&freed->queries[i].asking);
    for (size_t i = 0; i < freed->targets.count; i++)
        resolver_query_stop(&freed->targets.v[i].query.asking);
    loop_reap(freed->loop, &freed->reap);
}
