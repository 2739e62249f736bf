/*
 * The targets of SRV records and their addresses: those that came along with the services, and
 * otherwise those that the name servers are asked for, IPv6 only where there is no IPv4.
 *
 * A target that cannot be asked for keeps the addresses that it had, for as long as that is so; one
 * that does not exist has none. One message can name thousands of targets, and each of them can be
 * said to have thousands of addresses: beyond `max_ips` a target counts as one that failed.
 * /etc/hosts is not looked at. The discovery thread's.
 */
#ifndef EVERGATE_DISCOVERY_DNS_TARGETS_H
#define EVERGATE_DISCOVERY_DNS_TARGETS_H

#include "discovery/dns_query.h"

struct dns_targets;

struct dns_target {
    char name[DNS_NAME_BYTES];
    struct dns_ips ips;
    uint32_t ttl_s;          /* of what was answered; DNS_TTL_UNKNOWN */
    bool failed;             /* `ips` are those of an earlier answer, perhaps none */
    char why[DNS_WHY_BYTES]; /* failed; or "": answered */

    struct dns_query query;
    struct dns_targets *all;
};

struct dns_targets {
    struct resolver *resolver;
    size_t max_ips; /* of all targets together, in one round */
    void (*on_done)(struct dns_targets *targets);

    struct dns_target *v; /* heap; by name, each once */
    size_t count;
    size_t next;      /* to be asked for */
    unsigned asking;  /* how many are, at most DNS_TARGETS_AT_ONCE */
    size_t asked_ips; /* what was answered to this round's questions */
};
enum { DNS_TARGETS_AT_ONCE = 32 };

void dns_targets_init(struct dns_targets *targets, struct resolver *resolver, size_t max_ips,
                      void (*on_done)(struct dns_targets *targets));
/* Ends all callbacks. */
void dns_targets_fini(struct dns_targets *targets);

/* The targets are those of `answer` from now on. on_done, perhaps from within, when each has been
 * answered or has failed; never while another round is under way. */
void dns_targets_resolve(struct dns_targets *targets, const struct dns_answer *answer);

/* Must be one of them. */
const struct dns_target *dns_targets_find(const struct dns_targets *targets, const char *name);

#endif
