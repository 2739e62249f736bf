/* What a question was answered with: the records of the name at the end of its CNAMEs. */
#include "discovery/dns_answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

/* More are a loop, or a mistake that looks like one: c-ares and BIND stop there too. */
enum { CNAMES_MAX = 16 };

/* ---- sets of addresses ---- */

/* Powers of two, so that no capacity need be kept. */
static void *grown(void *v, size_t count, size_t element_bytes)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return v;
    return xrealloc(v, (count ? 2 * count : 1) * element_bytes);
}

void dns_ips_add(struct dns_ips *ips, const struct address *address, uint32_t ttl_s)
{
    ips->v = grown(ips->v, ips->count, sizeof(*ips->v));
    ips->v[ips->count++] = (struct dns_ip){*address, ttl_s};
}

static int compare_ips(const void *a, const void *b)
{
    const struct dns_ip *x = a, *y = b;
    int order = address_compare_ip(&x->address, &y->address);

    if (order != 0)
        return order;
    return x->ttl_s < y->ttl_s ? -1 : x->ttl_s > y->ttl_s;
}

void dns_ips_sort(struct dns_ips *ips)
{
    size_t kept = 0;

    if (ips->count == 0)
        return;
    qsort(ips->v, ips->count, sizeof(*ips->v), compare_ips);
    for (size_t i = 1; i < ips->count; i++) {
        if (address_compare_ip(&ips->v[kept].address, &ips->v[i].address) != 0)
            ips->v[++kept] = ips->v[i];
    }
    ips->count = kept + 1;
}

void dns_ips_fini(struct dns_ips *ips)
{
    free(ips->v);
    *ips = (struct dns_ips){0};
}

/* ---- the answer ---- */

/* A name that cannot be written equals none. */
static bool same_name(const char *a, const char *b)
{
    return a[0] != '\0' && strcmp(a, b) == 0;
}

static void answer_ttl(struct dns_answer *answer, uint32_t ttl_s)
{
    if (ttl_s < answer->ttl_s)
        answer->ttl_s = ttl_s;
}

/* Where `name` leads in one step: a CNAME of it among the answers. EG_E_AGAIN: nowhere. */
static int follow_once(struct dns_answer *answer, struct slice message, char *name)
{
    struct dns_reader reader;
    struct dns_record record;
    int err = dns_reader_init(&reader, message);

    while (err == 0 && (err = dns_reader_next(&reader, &record)) == 0) {
        if (record.section != DNS_ANSWERS)
            return EG_E_AGAIN;
        if (record.type != DNS_CNAME || !same_name(record.owner, name))
            continue;
        answer_ttl(answer, record.ttl_s);
        memcpy(name, record.target, DNS_NAME_BYTES);
        return 0;
    }
    return err;
}

static int follow(struct dns_answer *answer, struct slice message, char *name)
{
    int err = 0;

    memcpy(name, answer->question, DNS_NAME_BYTES);
    for (unsigned i = 0; i < CNAMES_MAX && err == 0; i++)
        err = follow_once(answer, message, name);
    return err == EG_E_AGAIN ? 0 : EG_E_INTERNAL; /* still going: they lead in a circle */
}

static void take_answer(struct dns_answer *answer, const struct dns_record *record)
{
    struct dns_services *services = &answer->services;

    answer_ttl(answer, record->ttl_s);
    if (record->type != DNS_SRV) {
        dns_ips_add(&answer->ips, &record->address, record->ttl_s);
        return;
    }
    services->v = grown(services->v, services->count, sizeof(*services->v));
    struct dns_service *service = &services->v[services->count++];
    *service = (struct dns_service){
        .priority = record->priority, .weight = record->weight, .port = record->port};
    memcpy(service->target, record->target, DNS_NAME_BYTES);
}

static void take_extra(struct dns_extras *extras, const struct dns_record *record)
{
    extras->v = grown(extras->v, extras->count, sizeof(*extras->v));
    struct dns_extra *extra = &extras->v[extras->count++];
    extra->ip = (struct dns_ip){record->address, record->ttl_s};
    memcpy(extra->owner, record->owner, DNS_NAME_BYTES);
}

static int compare_owners(const void *a, const void *b)
{
    return strcmp(((const struct dns_extra *)a)->owner, ((const struct dns_extra *)b)->owner);
}

void dns_answer_additional(const struct dns_answer *answer, const char *target, struct dns_ips *ips)
{
    const struct dns_extras *extras = &answer->extras;
    size_t low = 0, high = extras->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(extras->v[middle].owner, target) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < extras->count && same_name(extras->v[low].owner, target); low++)
        dns_ips_add(ips, &extras->v[low].ip.address, extras->v[low].ip.ttl_s);
    dns_ips_sort(ips);
}

/* RFC 2308 section 5: nothing holds for the smaller of the SOA's own TTL and its MINIMUM. */
static uint32_t negative_ttl(const struct dns_record *soa)
{
    return soa->ttl_s < soa->minimum_s ? soa->ttl_s : soa->minimum_s;
}

static int collect(struct dns_answer *answer, struct slice message, enum dns_type type,
                   const char *name)
{
    struct dns_reader reader;
    struct dns_record record;
    uint32_t nothing_s = DNS_TTL_UNKNOWN;
    int err = dns_reader_init(&reader, message);

    while (err == 0 && (err = dns_reader_next(&reader, &record)) == 0) {
        if (record.section == DNS_ANSWERS && record.type == type && same_name(record.owner, name))
            take_answer(answer, &record);
        else if (record.section == DNS_ADDITIONAL && record.type == DNS_A && type == DNS_SRV)
            take_extra(&answer->extras, &record);
        else if (record.section == DNS_AUTHORITIES && record.type == DNS_SOA)
            nothing_s = negative_ttl(&record);
    }
    if (answer->ips.count + answer->services.count == 0)
        answer_ttl(answer, nothing_s);
    return err == EG_E_AGAIN ? 0 : err;
}

int dns_answer_read(struct dns_answer *ret_answer, struct slice message, enum dns_type type)
{
    struct dns_reader reader;
    char name[DNS_NAME_BYTES];

    *ret_answer = (struct dns_answer){.ttl_s = DNS_TTL_UNKNOWN};
    if (dns_reader_init(&reader, message) != 0)
        return EG_E_INTERNAL;
    memcpy(ret_answer->question, reader.question, DNS_NAME_BYTES);
    if (follow(ret_answer, message, name) != 0 || collect(ret_answer, message, type, name) != 0) {
        dns_answer_fini(ret_answer);
        return EG_E_INTERNAL;
    }
    dns_ips_sort(&ret_answer->ips);
    if (ret_answer->extras.count > 0)
        qsort(ret_answer->extras.v, ret_answer->extras.count, sizeof(*ret_answer->extras.v),
              compare_owners);
    return 0;
}

void dns_answer_fini(struct dns_answer *answer)
{
    dns_ips_fini(&answer->ips);
    free(answer->services.v);
    free(answer->extras.v);
    answer->services = (struct dns_services){0};
    answer->extras = (struct dns_extras){0};
}
