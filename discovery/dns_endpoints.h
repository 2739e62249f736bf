/*
 * What the records say, as endpoint objects (discovery/provider.h). Pure.
 *
 *   address   id and address "10.0.0.1:80", "[2001:db8::1]:80"
 *   service   id "target:port"; with several addresses "target:port@10.0.0.1" each
 */
#ifndef EVERGATE_DISCOVERY_DNS_ENDPOINTS_H
#define EVERGATE_DISCOVERY_DNS_ENDPOINTS_H

#include <jansson.h>

#include "discovery/dns_answer.h"

/* Our priorities: services with more distinct ones than this share the last. */
enum { DNS_PRIORITIES = 100, DNS_ID_BYTES = 128, DNS_WEIGHT_MAX = 65535 };

/*
 * Priorities and weights of RFC 2782 become ours, in place. Distinct priorities in ascending order
 * are 1, 2, 3, ... A weight of 0 means "hardly ever, while others have one", and ours means
 * "never": where it stands beside others of its priority, those are multiplied by up to 100 and it
 * becomes 1; where all are 0, all become 1. Sorts by priority, target and port.
 */
void dns_services_rank(struct dns_services *services);

/* Adds an endpoint of record "a". */
void dns_endpoints_add_address(json_t *endpoints, const struct address *ip, uint16_t port);

/* Adds the endpoints of a ranked service at these addresses. */
void dns_endpoints_add_service(json_t *endpoints, const struct dns_service *service,
                               const struct dns_ips *ips);

#endif
