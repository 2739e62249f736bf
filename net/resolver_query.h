/*
 * One question to the name servers, asked once: the answer as it came, to be read by whoever knows
 * its records. What keeps a name resolved to addresses is resolver.h.
 *
 * c-ares asks each server in turn: one that is silent for 2 s, cannot be reached, or answers
 * SERVFAIL, NOTIMP or REFUSED makes room for the next, and each gets three tries. One that left
 * three questions in a row to another is asked last for a minute. Answers that do not fit into a
 * datagram (1280 bytes, EDNS) are fetched over TCP. /etc/hosts is not looked at.
 */
#ifndef EVERGATE_NET_RESOLVER_QUERY_H
#define EVERGATE_NET_RESOLVER_QUERY_H

#include "base/slice.h"
#include "net/resolver.h"

struct resolver_query;

enum resolver_outcome {
    RESOLVER_ANSWERED,
    RESOLVER_NO_RECORDS, /* NXDOMAIN, or no record of this type (NODATA, RFC 2308 section 2) */
    RESOLVER_FAILED,     /* nobody answered, or only with errors */
};

/* `message` is the answer as it stood on the wire (RFC 1035 section 4); of RESOLVER_NO_RECORDS it
 * may be empty. Valid during the call only; `failure` is for RESOLVER_FAILED, static. The query is
 * over: the owner's pointer to it is invalid from here on. */
typedef void (*resolver_query_cb)(void *arg, enum resolver_outcome outcome, struct slice message,
                                  const char *failure);

/* A record's type as on the wire. `name` is copied. A name without any dot is looked for in the
 * search domains of resolv.conf, any other is taken as it is. No callback comes from within. */
struct resolver_query *resolver_query_start(struct resolver *resolver, const char *name,
                                            uint16_t type, resolver_query_cb cb, void *arg);
/* Ends it without a callback, before resolver_free at the latest; nulls. NULL is fine. */
void resolver_query_stop(struct resolver_query **query);

#endif
