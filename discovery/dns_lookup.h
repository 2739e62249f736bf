/*
 * What a dns block names, asked for once at a time: addresses (A and AAAA) or services (SRV).
 *
 *   dns_lookup_ask ─► /etc/hosts, or the questions ─► on_found: the full set and how long it holds
 *                                                  ─► on_failed: there is nothing to go by
 *
 * One question of several that fails takes nothing away: what it was answered last stands in for
 * it. So it is with A and AAAA when one of them is answered and the other one is not, as where a
 * firewall knows only A. An answer that there is nothing does take away. The discovery thread's.
 */
#ifndef EVERGATE_DISCOVERY_DNS_LOOKUP_H
#define EVERGATE_DISCOVERY_DNS_LOOKUP_H

#include <jansson.h>

#include "config/config.h"
#include "net/loop.h"
#include "net/resolver.h"

struct dns_lookup;

enum {
    DNS_TTL_MIN_S = 1,
    DNS_TTL_MAX_S = 60,
    DNS_TTL_PARTLY_S = 5, /* at most, when a question failed, or the server says of no TTL */
};

/* One of on_found and on_failed per dns_lookup_ask, perhaps from within; on_refused any number of
 * times before it. dns_lookup_free may be called in on_found and on_failed. */
struct dns_lookup_ops {
    void (*on_found)(void *arg, json_t *endpoints, uint64_t ttl_ms); /* takes the reference */
    void (*on_failed)(void *arg, const char *why);
    void (*on_refused)(void *arg, const char *what);
};

struct dns_lookup_params {
    struct loop *loop;
    struct resolver *resolver;
    const char *name; /* all are copied */
    enum config_dns_record record;
    uint16_t port;
    const char *hosts;    /* "/etc/hosts": for addresses */
    uint64_t other_ms;    /* how much longer than one of A and AAAA the other one is waited for */
    size_t max_endpoints; /* what services have beyond is refused: each may be at each address */
    const struct dns_lookup_ops *ops;
    void *arg;
};

struct dns_lookup *dns_lookup_new(const struct dns_lookup_params *params);
/* Ends all callbacks; nulls. Within a turn; NULL is fine. */
void dns_lookup_free(struct dns_lookup **lookup);

/* Not while the last one is under way. */
void dns_lookup_ask(struct dns_lookup *lookup);

#endif
