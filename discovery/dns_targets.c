/* The targets of SRV records and their addresses. */
#include "discovery/dns_targets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "base/list.h"

void dns_targets_init(struct dns_targets *targets, struct resolver *resolver, size_t max_ips,
                      void (*on_done)(struct dns_targets *targets))
{
    *targets = (struct dns_targets){.resolver = resolver, .max_ips = max_ips, .on_done = on_done};
}

static void targets_clear(struct dns_target *v, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        dns_query_fini(&v[i].query);
        dns_ips_fini(&v[i].ips);
    }
    free(v);
}

void dns_targets_fini(struct dns_targets *targets)
{
    targets_clear(targets->v, targets->count);
    targets->v = NULL;
    targets->count = 0;
}

static int compare_targets(const void *a, const void *b)
{
    return strcmp(((const struct dns_target *)a)->name, ((const struct dns_target *)b)->name);
}

static struct dns_target *find(struct dns_target *v, size_t count, const char *name)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(v[middle].name, name);

        if (order == 0)
            return &v[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const struct dns_target *dns_targets_find(const struct dns_targets *targets, const char *name)
{
    const struct dns_target *target = find(targets->v, targets->count, name);

    CHECK(target != NULL);
    return target;
}

/* ---- a round ---- */

static void round_go_on(struct dns_targets *targets);

static void take_ips(struct dns_target *target, struct dns_ips *ips)
{
    dns_ips_fini(&target->ips);
    target->ips = *ips;
    *ips = (struct dns_ips){0};
}

static void target_failed(struct dns_target *target, const char *why)
{
    target->failed = true;
    snprintf(target->why, sizeof(target->why), "%s", why);
}

static void target_answered(struct dns_target *target, struct dns_ips *ips)
{
    struct dns_targets *targets = target->all;
    char why[DNS_WHY_BYTES];

    if (ips->count <= targets->max_ips - targets->asked_ips) {
        targets->asked_ips += ips->count;
        take_ips(target, ips);
        return;
    }
    snprintf(why, sizeof(why), "target %s: with it they have more than %zu addresses", target->name,
             targets->max_ips);
    target_failed(target, why);
}

static void on_answer(struct dns_query *query)
{
    struct dns_target *target = container_of(query, struct dns_target, query);
    struct dns_targets *targets = target->all;

    if (query->answer.ttl_s < target->ttl_s)
        target->ttl_s = query->answer.ttl_s;
    if (query->outcome == DNS_NOTHING && query->type == DNS_A) {
        dns_query_start(query, targets->resolver, target->name, DNS_AAAA, on_answer);
        return;
    }
    if (query->outcome == DNS_FAILED)
        target_failed(target, query->why);
    else
        target_answered(target, &query->answer.ips);
    targets->asking--;
    round_go_on(targets);
}

/* on_done comes last: its owner may end everything. */
static void round_go_on(struct dns_targets *targets)
{
    while (targets->next < targets->count && targets->asking < DNS_TARGETS_AT_ONCE) {
        struct dns_target *target = &targets->v[targets->next++];

        if (target->ttl_s != DNS_TTL_UNKNOWN)
            continue; /* its addresses came along */
        targets->asking++;
        dns_query_start(&target->query, targets->resolver, target->name, DNS_A, on_answer);
    }
    if (targets->next == targets->count && targets->asking == 0)
        targets->on_done(targets);
}

static void take_additional(struct dns_target *target, const struct dns_answer *answer)
{
    struct dns_ips ips = {0};

    dns_answer_additional(answer, target->name, &ips);
    for (size_t i = 0; i < ips.count; i++) {
        if (ips.v[i].ttl_s < target->ttl_s)
            target->ttl_s = ips.v[i].ttl_s;
    }
    if (ips.count > 0)
        take_ips(target, &ips);
    dns_ips_fini(&ips);
}

static size_t unique(struct dns_target *v, size_t count)
{
    size_t kept = 0;

    qsort(v, count, sizeof(*v), compare_targets);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || strcmp(v[kept - 1].name, v[i].name) != 0)
            v[kept++] = v[i];
    }
    return kept;
}

void dns_targets_resolve(struct dns_targets *targets, const struct dns_answer *answer)
{
    const struct dns_services *services = &answer->services;
    struct dns_target *v = xcalloc(services->count + 1, sizeof(*v));
    size_t count;

    CHECK(targets->asking == 0);
    for (size_t i = 0; i < services->count; i++)
        memcpy(v[i].name, services->v[i].target, sizeof(v[i].name));
    count = unique(v, services->count);
    for (size_t i = 0; i < count; i++) {
        struct dns_target *before = find(targets->v, targets->count, v[i].name);

        v[i].all = targets;
        v[i].ttl_s = DNS_TTL_UNKNOWN;
        if (before)
            take_ips(&v[i], &before->ips);
        take_additional(&v[i], answer);
    }
    targets_clear(targets->v, targets->count);
    targets->v = v;
    targets->count = count;
    targets->next = targets->asked_ips = 0;
    round_go_on(targets);
}
