/* Who can reach an address: see doctor_internal.h. */
#include <arpa/inet.h>
#include <strings.h>

#include "cli/doctor_internal.h"
#include "net/address.h"

static const struct {
    uint32_t net, mask;
} private_nets[] = {
    {0x0a000000, 0xff000000}, /* RFC 1918 */
    {0xac100000, 0xfff00000}, {0xc0a80000, 0xffff0000},
    {0x64400000, 0xffc00000}, /* RFC 6598: shared by carriers, clouds and overlays */
    {0xa9fe0000, 0xffff0000}, /* RFC 3927: link-local */
};

static enum doctor_reach reach_of_ipv4(uint32_t ip)
{
    if (ip >> 24 == 127)
        return DOCTOR_REACH_HOST;
    for (size_t i = 0; i < sizeof(private_nets) / sizeof(private_nets[0]); i++)
        if ((ip & private_nets[i].mask) == private_nets[i].net)
            return DOCTOR_REACH_NETWORK;
    return DOCTOR_REACH_WORLD;
}

static enum doctor_reach reach_of_ipv6(const struct in6_addr *ip)
{
    const uint8_t *b = ip->s6_addr;

    if (IN6_IS_ADDR_LOOPBACK(ip))
        return DOCTOR_REACH_HOST;
    if (IN6_IS_ADDR_V4MAPPED(ip))
        return reach_of_ipv4((uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 | (uint32_t)b[14] << 8 |
                             b[15]);
    /* RFC 4193: unique local. */
    if (IN6_IS_ADDR_LINKLOCAL(ip) || (b[0] & 0xfe) == 0xfc)
        return DOCTOR_REACH_NETWORK;
    return DOCTOR_REACH_WORLD;
}

enum doctor_reach doctor_reach(const char *address)
{
    struct address parsed;
    const char *name = "localhost:";

    if (address_parse(&parsed, slice_str(address)) != EG_OK)
        return strncasecmp(address, name, 10) == 0 ? DOCTOR_REACH_HOST : DOCTOR_REACH_NETWORK;
    if (parsed.sa.sa_family == AF_UNIX)
        return DOCTOR_REACH_HOST;
    if (parsed.sa.sa_family == AF_INET)
        return reach_of_ipv4(ntohl(parsed.in.sin_addr.s_addr));
    return reach_of_ipv6(&parsed.in6.sin6_addr);
}
