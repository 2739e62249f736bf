/*
 * Answers of name servers, RFC 1035 section 4: which addresses, or which services (SRV, RFC 2782),
 * does the name that was asked for have, and for how long is that true? Pure.
 *
 *   header ─► question ─► answers: CNAMEs from the name to the one that has the records
 *                      ─► authorities: for how long nothing is true (SOA)
 *                      ─► additional records: addresses of services' targets
 *
 * What a server sends is not trusted: nothing is read beyond the message, a compressed name only
 * ever leads backwards, and a record that is not whole makes the message malformed. c-ares has
 * compared id and question before.
 */
#ifndef EVERGATE_DISCOVERY_DNS_ANSWER_H
#define EVERGATE_DISCOVERY_DNS_ANSWER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"
#include "net/address.h"

/* As on the wire. */
enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_SOA = 6, DNS_AAAA = 28, DNS_SRV = 33 };

/* A name as text in lower case, without the dot at its end; "." is the root. One that cannot be
 * written so (a label with a dot, a blank or what is not ASCII) is "": it equals no name. */
enum { DNS_NAME_BYTES = 256 };

/* ---- the wire, record by record ---- */

struct dns_record {
    char owner[DNS_NAME_BYTES];
    enum { DNS_ANSWERS, DNS_AUTHORITIES, DNS_ADDITIONAL } section;
    uint16_t type; /* any; only those of enum dns_type have more */
    uint32_t ttl_s;
    struct address address;      /* A, AAAA: without a port */
    char target[DNS_NAME_BYTES]; /* CNAME, SRV */
    uint16_t priority, weight, port;
    uint32_t minimum_s; /* SOA: of an answer without records (RFC 2308 section 4) */
};

struct dns_reader {
    const unsigned char *message;
    size_t size, at;
    uint16_t left[3]; /* records of each section */
    char question[DNS_NAME_BYTES];
};

/* Reads up to the first record; EG_E_INTERNAL: malformed. The message must outlive the reader. */
int dns_reader_init(struct dns_reader *reader, struct slice message) WARN_UNUSED;
/* The next record of class IN; EG_E_AGAIN: there is no further one; EG_E_INTERNAL: malformed. */
int dns_reader_next(struct dns_reader *reader, struct dns_record *ret_record) WARN_UNUSED;

/* ---- what a question was answered with ---- */

struct dns_ip {
    struct address address; /* without a port */
    uint32_t ttl_s;
};

struct dns_ips {
    struct dns_ip *v; /* heap */
    size_t count;
};

struct dns_service {
    char target[DNS_NAME_BYTES];
    uint16_t priority, weight, port;
};

struct dns_services {
    struct dns_service *v; /* heap */
    size_t count;
};

struct dns_extra {
    char owner[DNS_NAME_BYTES];
    struct dns_ip ip;
};

struct dns_extras {
    struct dns_extra *v; /* heap */
    size_t count;
};

struct dns_answer {
    char question[DNS_NAME_BYTES]; /* the name that the server was asked for in the end */
    struct dns_ips ips;            /* sorted by value, each once */
    struct dns_services services;  /* in the server's order */
    struct dns_extras extras;      /* of services: IPv4 addresses that came along, by owner */
    /* The smallest of every record that led here; of an answer without records, how long that
     * holds; DNS_TTL_UNKNOWN: the server did not say. */
    uint32_t ttl_s;
};
#define DNS_TTL_UNKNOWN UINT32_MAX

/*
 * Reads what `message` says of the records of `type` (DNS_A, DNS_AAAA or DNS_SRV). Always to be
 * fini'ed. EG_E_INTERNAL: malformed. Neither addresses nor services is an answer too.
 */
int dns_answer_read(struct dns_answer *ret_answer, struct slice message,
                    enum dns_type type) WARN_UNUSED;
void dns_answer_fini(struct dns_answer *answer);

/* Adds the IPv4 addresses of `target` that came along with it. */
void dns_answer_additional(const struct dns_answer *answer, const char *target,
                           struct dns_ips *ips);

void dns_ips_add(struct dns_ips *ips, const struct address *address, uint32_t ttl_s);
/* By value, IPv4 first; of equal ones the one with the smallest TTL stays. */
void dns_ips_sort(struct dns_ips *ips);
void dns_ips_fini(struct dns_ips *ips);

#endif
