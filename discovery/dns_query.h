/* One question to the name servers and what its answer says: net/resolver_query.h and dns_answer.h
 * together. The memory is the owner's. */
#ifndef EVERGATE_DISCOVERY_DNS_QUERY_H
#define EVERGATE_DISCOVERY_DNS_QUERY_H

#include "discovery/dns_answer.h"
#include "net/resolver_query.h"

enum { DNS_WHY_BYTES = 400 };

enum dns_outcome {
    DNS_UNASKED, /* or not answered yet */
    DNS_FOUND,   /* `answer` has records */
    DNS_NOTHING, /* no such name, or no such record of it: `answer` has a TTL */
    DNS_FAILED,  /* `why` */
};

struct dns_query {
    enum dns_type type;
    enum dns_outcome outcome;
    struct dns_answer answer;
    char why[DNS_WHY_BYTES]; /* "A of api.test: no name server answered in time" */

    char name[DNS_NAME_BYTES];
    struct resolver_query *asking; /* NULL: nothing is under way */
    void (*on_done)(struct dns_query *query);
};

/* A name that needs DNS_NAME_BYTES or more is cut, and so not found. No callback from within;
 * what an earlier question left is forgotten. The memory must be zeroed before its first one. */
void dns_query_start(struct dns_query *query, struct resolver *resolver, const char *name,
                     enum dns_type type, void (*on_done)(struct dns_query *query));
/* It has failed, since nobody answered within `waited_ms`. No callback. */
void dns_query_give_up(struct dns_query *query, uint64_t waited_ms);
/* Ends all callbacks. Harmless to what is zeroed. */
void dns_query_fini(struct dns_query *query);

const char *dns_type_name(enum dns_type type);

#endif
