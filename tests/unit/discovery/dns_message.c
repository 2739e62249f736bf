#include "dns_message.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/check.h"

void message_bytes(struct dns_message *m, const void *p, size_t n)
{
    CHECK(n <= sizeof(m->v) - m->n);
    memcpy(m->v + m->n, p, n);
    m->n += n;
}

void message_u16(struct dns_message *m, unsigned value)
{
    message_bytes(m, (unsigned char[]){(unsigned char)(value >> 8), (unsigned char)value}, 2);
}

static void message_u32(struct dns_message *m, uint32_t value)
{
    message_u16(m, value >> 16);
    message_u16(m, value & 0xffff);
}

void message_name(struct dns_message *m, const char *name)
{
    while (*name != '\0' && strcmp(name, ".") != 0) {
        unsigned char n = (unsigned char)strcspn(name, ".");

        message_bytes(m, &n, 1);
        message_bytes(m, name, n);
        name += n + (name[n] == '.');
    }
    message_bytes(m, "", 1);
}

void message_begin(struct dns_message *m, const char *question, uint16_t type)
{
    m->n = 0;
    message_bytes(m, "\x12\x34\x81\x80\0\1\0\0\0\0\0\0", 12);
    message_name(m, question);
    message_u16(m, type);
    message_u16(m, 1);
}

void message_record(struct dns_message *m, int section, const char *owner, uint16_t type,
                    uint32_t ttl_s, const void *data, size_t n)
{
    unsigned char *count = m->v + 6 + 2 * section;

    if (++count[1] == 0)
        count[0]++;
    message_name(m, owner);
    message_u16(m, type);
    message_u16(m, 1);
    message_u32(m, ttl_s);
    message_u16(m, (unsigned)n);
    message_bytes(m, data, n);
}

void message_ip(struct dns_message *m, int section, const char *owner, uint32_t ttl_s,
                const char *ip)
{
    unsigned char data[16];
    bool v6 = strchr(ip, ':') != NULL;

    CHECK(inet_pton(v6 ? AF_INET6 : AF_INET, ip, data) == 1);
    message_record(m, section, owner, v6 ? DNS_AAAA : DNS_A, ttl_s, data, v6 ? 16 : 4);
}

void message_cname(struct dns_message *m, const char *owner, uint32_t ttl_s, const char *target)
{
    struct dns_message data = {.n = 0};

    message_name(&data, target);
    message_record(m, DNS_ANSWERS, owner, DNS_CNAME, ttl_s, data.v, data.n);
}

void message_srv(struct dns_message *m, const char *owner, uint32_t ttl_s, unsigned priority,
                 unsigned weight, unsigned port, const char *target)
{
    struct dns_message data = {.n = 0};

    message_u16(&data, priority);
    message_u16(&data, weight);
    message_u16(&data, port);
    message_name(&data, target);
    message_record(m, DNS_ANSWERS, owner, DNS_SRV, ttl_s, data.v, data.n);
}

void message_soa(struct dns_message *m, uint32_t ttl_s, uint32_t minimum_s)
{
    struct dns_message data = {.n = 0};

    message_name(&data, "ns.test");
    message_name(&data, "hostmaster.test");
    for (unsigned i = 0; i < 4; i++)
        message_u32(&data, i);
    message_u32(&data, minimum_s);
    message_record(m, DNS_AUTHORITIES, "test", DNS_SOA, ttl_s, data.v, data.n);
}

struct slice message_slice(const struct dns_message *m)
{
    return slice_from((const char *)m->v, m->n);
}
