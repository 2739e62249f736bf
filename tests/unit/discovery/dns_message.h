/* Writes messages of name servers, well-formed unless a test wants otherwise. Sections in order. */
#ifndef EVERGATE_TESTS_DISCOVERY_DNS_MESSAGE_H
#define EVERGATE_TESTS_DISCOVERY_DNS_MESSAGE_H

#include "discovery/dns_answer.h"

struct dns_message {
    unsigned char v[65535];
    size_t n;
};

/* A header without records, and one question. */
void message_begin(struct dns_message *m, const char *question, uint16_t type);
void message_bytes(struct dns_message *m, const void *p, size_t n);
void message_u16(struct dns_message *m, unsigned value);
/* Whole; "" or ".": the root. */
void message_name(struct dns_message *m, const char *name);

/* `section` is one of enum DNS_ANSWERS and so on. */
void message_record(struct dns_message *m, int section, const char *owner, uint16_t type,
                    uint32_t ttl_s, const void *data, size_t n);
void message_ip(struct dns_message *m, int section, const char *owner, uint32_t ttl_s,
                const char *ip);
void message_cname(struct dns_message *m, const char *owner, uint32_t ttl_s, const char *target);
void message_srv(struct dns_message *m, const char *owner, uint32_t ttl_s, unsigned priority,
                 unsigned weight, unsigned port, const char *target);
void message_soa(struct dns_message *m, uint32_t ttl_s, uint32_t minimum_s);

struct slice message_slice(const struct dns_message *m);

#endif
