/*
 * Answers of name servers; the first byte says for which records it is read. Properties: nothing is
 * read beyond the message; a name is text of at most 253 characters, or nothing; addresses are in
 * order and each there once; what became endpoints has priorities and weights in range.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/check.h"
#include "discovery/dns_endpoints.h"
#include "discovery/dns_hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum dns_type types[] = {DNS_A, DNS_AAAA, DNS_SRV};

static void check_name(const char *name)
{
    size_t n = strnlen(name, DNS_NAME_BYTES);

    CHECK(n <= 253);
    for (size_t i = 0; i < n; i++)
        CHECK(name[i] > ' ' && name[i] < 0x7f && !(name[i] >= 'A' && name[i] <= 'Z'));
}

static void check_ips(const struct dns_ips *ips)
{
    for (size_t i = 0; i < ips->count; i++) {
        CHECK(ips->v[i].address.length != 0);
        CHECK(i == 0 || !address_equal(&ips->v[i - 1].address, &ips->v[i].address));
    }
}

static void check_services(struct dns_answer *answer)
{
    struct dns_services *services = &answer->services;
    json_t *endpoints = json_array();

    dns_services_rank(services);
    for (size_t i = 0; i < services->count; i++) {
        const struct dns_service *service = &services->v[i];
        struct dns_ips ips = {0};

        check_name(service->target);
        CHECK(service->weight >= 1 && service->priority >= 1 &&
              service->priority <= DNS_PRIORITIES);
        dns_answer_additional(answer, service->target, &ips);
        check_ips(&ips);
        dns_endpoints_add_service(endpoints, service, &ips);
        dns_ips_fini(&ips);
    }
    json_decref(endpoints);
}

/* The record reader alone never goes backwards, so it ends. */
static void read_records(struct slice message)
{
    struct dns_reader reader;
    struct dns_record record;
    size_t before;

    if (dns_reader_init(&reader, message) != 0)
        return;
    check_name(reader.question);
    for (before = reader.at; dns_reader_next(&reader, &record) == 0; before = reader.at) {
        CHECK(reader.at > before && reader.at <= message.n);
        check_name(record.owner);
    }
}

static void read_hosts(struct slice text)
{
    struct dns_ips ips = {0};

    dns_hosts_find(text, "localhost", &ips);
    check_ips(&ips);
    dns_ips_fini(&ips);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dns_answer answer;

    if (size == 0)
        return 0;
    /* In memory whose end is the message's, so that a sanitizer sees one byte too far. */
    char *copy = xmalloc(size);
    memcpy(copy, data, size);
    struct slice message = slice_from(copy + 1, size - 1);

    read_records(message);
    read_hosts(message);
    if (dns_answer_read(&answer, message, types[data[0] % 3]) == 0) {
        check_name(answer.question);
        check_ips(&answer.ips);
        check_services(&answer);
    }
    dns_answer_fini(&answer);
    free(copy);
    return 0;
}
