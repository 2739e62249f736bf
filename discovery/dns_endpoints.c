/* What the records say, as endpoint objects. */
#include "discovery/dns_endpoints.h"

#include <stdlib.h>
#include <string.h>

enum { WEIGHT_SCALE = 100 };

/* ---- ranks ---- */

static int compare_services(const void *a, const void *b)
{
    const struct dns_service *x = a, *y = b;
    int order;

    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    order = strcmp(x->target, y->target);
    if (order != 0)
        return order;
    return x->port < y->port ? -1 : x->port > y->port;
}

static void rank_weights(struct dns_service *group, size_t count)
{
    unsigned largest = 0, smallest = UINT16_MAX, scale = 1;

    for (size_t i = 0; i < count; i++) {
        largest = group[i].weight > largest ? group[i].weight : largest;
        smallest = group[i].weight < smallest ? group[i].weight : smallest;
    }
    if (smallest > 0)
        return;
    if (largest > 0)
        scale = DNS_WEIGHT_MAX / largest < WEIGHT_SCALE ? DNS_WEIGHT_MAX / largest : WEIGHT_SCALE;
    for (size_t i = 0; i < count; i++)
        group[i].weight = group[i].weight == 0 ? 1 : (uint16_t)(group[i].weight * scale);
}

void dns_services_rank(struct dns_services *services)
{
    size_t begin = 0, end;

    if (services->count == 0)
        return;
    qsort(services->v, services->count, sizeof(*services->v), compare_services);
    for (uint16_t rank = 1; begin < services->count; begin = end) {
        uint16_t priority = services->v[begin].priority;

        for (end = begin; end < services->count && services->v[end].priority == priority; end++)
            services->v[end].priority = rank;
        rank_weights(services->v + begin, end - begin);
        if (rank < DNS_PRIORITIES)
            rank++;
    }
}

/* ---- endpoints ---- */

static void set_text(json_t *endpoint, const char *key, const char *text)
{
    json_object_set_new(endpoint, key, json_string(text));
}

static json_t *endpoint_at(const struct address *ip, uint16_t port, char *text)
{
    json_t *endpoint = json_object();
    struct address address = *ip;

    address_set_port(&address, port);
    set_text(endpoint, "address", address_format(&address, text));
    return endpoint;
}

void dns_endpoints_add_address(json_t *endpoints, const struct address *ip, uint16_t port)
{
    char text[ADDRESS_TEXT_BYTES];
    json_t *endpoint = endpoint_at(ip, port, text);

    set_text(endpoint, "id", text);
    json_array_append_new(endpoints, endpoint);
}

/* A target that is too long for an id makes room for the address. */
static void set_service_id(json_t *endpoint, const struct dns_service *service,
                           const struct address *ip, bool alone, const char *address)
{
    char host[ADDRESS_TEXT_BYTES], id[DNS_ID_BYTES + 1];
    int n = alone ? snprintf(id, sizeof(id), "%s:%u", service->target, service->port)
                  : snprintf(id, sizeof(id), "%s:%u@%s", service->target, service->port,
                             address_format_host(ip, host));

    set_text(endpoint, "id", n > DNS_ID_BYTES ? address : id);
}

void dns_endpoints_add_service(json_t *endpoints, const struct dns_service *service,
                               const struct dns_ips *ips)
{
    char text[ADDRESS_TEXT_BYTES];

    for (size_t i = 0; i < ips->count; i++) {
        const struct address *ip = &ips->v[i].address;
        json_t *endpoint = endpoint_at(ip, service->port, text);

        set_service_id(endpoint, service, ip, ips->count == 1, text);
        set_text(endpoint, "name", service->target);
        json_object_set_new(endpoint, "priority", json_integer(service->priority));
        json_object_set_new(endpoint, "weight", json_integer(service->weight));
        json_array_append_new(endpoints, endpoint);
    }
}
