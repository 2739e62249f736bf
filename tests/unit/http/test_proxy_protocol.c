#include <arpa/inet.h>
#include <sys/un.h>

#include "http/crc32c.h"
#include "http/proxy_protocol.h"
#include "http_fixture.h"

static struct proxy_protocol header;
static size_t size;

static int parse(const char *p, size_t n)
{
    return proxy_protocol_parse(&header, p, n, &size);
}

static void expect_inet(const struct sockaddr_storage *address, socklen_t length, const char *host,
                        unsigned port)
{
    char text[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *in = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    bool v6 = address->ss_family == AF_INET6;

    inet_ntop(address->ss_family, v6 ? (const void *)&in6->sin6_addr : &in->sin_addr, text,
              sizeof(text));
    cr_expect_str_eq(text, host);
    cr_expect_eq(ntohs(v6 ? in6->sin6_port : in->sin_port), port);
    cr_expect_eq(length, v6 ? sizeof(*in6) : sizeof(*in));
}

Test(proxy_protocol, version_1_names_both_ends)
{
    static const char v4[] = "PROXY TCP4 192.0.2.1 192.0.2.2 65535 0\r\nGET";
    static const char v6[] = "PROXY TCP6 2001:db8::1 ::1 1 443\r\n";

    cr_assert_eq(parse(v4, sizeof(v4) - 1), EG_OK);
    cr_expect_eq(size, sizeof(v4) - 1 - 3);
    cr_expect(header.has_addresses);
    expect_inet(&header.source, header.source_length, "192.0.2.1", 65535);
    expect_inet(&header.destination, header.destination_length, "192.0.2.2", 0);
    cr_assert_eq(parse(v6, sizeof(v6) - 1), EG_OK);
    expect_inet(&header.source, header.source_length, "2001:db8::1", 1);
    expect_inet(&header.destination, header.destination_length, "::1", 443);
}

Test(proxy_protocol, version_1_unknown_keeps_the_connections_own_addresses)
{
    static const char text[] = "PROXY UNKNOWN whatever ::: it says\r\n";

    cr_assert_eq(parse(text, sizeof(text) - 1), EG_OK);
    cr_expect_eq(size, sizeof(text) - 1);
    cr_expect_not(header.has_addresses);
}

Test(proxy_protocol, version_1_is_strict)
{
    static const char *const wrong[] = {
        "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
        "PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
        "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n",
        "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rx",
        "GET / HTTP/1.1\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
    };
    char endless[200];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_expect_eq(parse(wrong[i], strlen(wrong[i])), EG_E_PROXY_HEADER, "%s", wrong[i]);
    memset(endless, 'x', sizeof(endless));
    memcpy(endless, "PROXY UNKNOWN ", 14);
    cr_expect_eq(parse(endless, 106), EG_E_AGAIN);
    cr_expect_eq(parse(endless, 107), EG_E_PROXY_HEADER);
}

static const char signature[12] = "\r\n\r\n\0\r\nQUIT\n";
static char v2[PROXY_PROTOCOL_MAX_BYTES + 64];

static size_t v2_make(int command, int family, const void *body, size_t n)
{
    memcpy(v2, signature, 12);
    v2[12] = (char)command;
    v2[13] = (char)family;
    v2[14] = (char)(n >> 8);
    v2[15] = (char)n;
    memcpy(v2 + 16, body, n);
    return 16 + n;
}

static const char inet4[12] = {(char)192, 0, 2, 1, (char)192, 0, 2, 2, 4, (char)210, 1, (char)187};

Test(proxy_protocol, version_2_names_both_ends)
{
    char inet6[36] = {0}, paths[216] = "/source";

    cr_assert_eq(parse(v2, v2_make(0x21, 0x11, inet4, 12)), EG_OK);
    cr_expect_eq(size, 28);
    expect_inet(&header.source, header.source_length, "192.0.2.1", 1234);
    expect_inet(&header.destination, header.destination_length, "192.0.2.2", 443);
    inet6[15] = 1;
    inet6[33] = 80;
    cr_assert_eq(parse(v2, v2_make(0x21, 0x21, inet6, 36)), EG_OK);
    expect_inet(&header.source, header.source_length, "::1", 80);
    expect_inet(&header.destination, header.destination_length, "::", 0);
    cr_assert_eq(parse(v2, v2_make(0x21, 0x31, paths, 216)), EG_OK);
    cr_expect_eq(header.source.ss_family, AF_UNIX);
    cr_expect_str_eq(((struct sockaddr_un *)&header.source)->sun_path, "/source");
}

Test(proxy_protocol, version_2_local_and_unspecified_have_no_addresses)
{
    cr_assert_eq(parse(v2, v2_make(0x20, 0x11, inet4, 12)), EG_OK);
    cr_expect_not(header.has_addresses);
    cr_assert_eq(parse(v2, v2_make(0x20, 0, "", 0)), EG_OK);
    cr_assert_eq(parse(v2, v2_make(0x21, 0, "junk", 4)), EG_OK);
    cr_expect_not(header.has_addresses);
    cr_expect_eq(size, 20);
}

Test(proxy_protocol, version_2_is_strict)
{
    static char large[5000];

    cr_expect_eq(parse(v2, v2_make(0x11, 0x11, inet4, 12)), EG_E_PROXY_HEADER, "version 1");
    cr_expect_eq(parse(v2, v2_make(0x22, 0x11, inet4, 12)), EG_E_PROXY_HEADER, "command");
    cr_expect_eq(parse(v2, v2_make(0x21, 0x41, inet4, 12)), EG_E_PROXY_HEADER, "family");
    cr_expect_eq(parse(v2, v2_make(0x21, 0x13, inet4, 12)), EG_E_PROXY_HEADER, "transport");
    cr_expect_eq(parse(v2, v2_make(0x21, 0x11, inet4, 11)), EG_E_PROXY_HEADER, "too short");
    v2_make(0x21, 0x11, large, 4097);
    cr_expect_eq(parse(v2, 16), EG_E_PROXY_HEADER, "over the limit");
    v2_make(0x20, 0, large, 4096);
    cr_expect_eq(parse(v2, PROXY_PROTOCOL_MAX_BYTES), EG_OK);
}

/* The IPv4 addresses and `n` bytes of TLVs. */
static size_t v2_with_tlvs(const char *tlvs, size_t n)
{
    char body[128];

    memcpy(body, inet4, 12);
    memcpy(body + 12, tlvs, n);
    return v2_make(0x21, 0x11, body, 12 + n);
}

Test(proxy_protocol, tlvs_must_fit)
{
    cr_expect_eq(parse(v2, v2_with_tlvs("\x01\0\2h2\x04\0\0", 8)), EG_OK);
    cr_expect_eq(parse(v2, v2_with_tlvs("\x01\0\3h2", 5)), EG_E_PROXY_HEADER);
    cr_expect_eq(parse(v2, v2_with_tlvs("\x01\0", 2)), EG_E_PROXY_HEADER);
}

Test(proxy_protocol, a_checksum_is_verified)
{
    size_t n = v2_with_tlvs("\x03\0\4\0\0\0\0\x04\0\1x", 11);
    uint32_t crc = htonl(crc32c(0, v2, n));

    memcpy(v2 + 16 + 12 + 3, &crc, 4);
    cr_expect_eq(parse(v2, n), EG_OK);
    v2[n - 1] ^= 1;
    cr_expect_eq(parse(v2, n), EG_E_PROXY_HEADER);
    cr_expect_eq(parse(v2, v2_with_tlvs("\x03\0\3\0\0\0", 6)), EG_E_PROXY_HEADER, "length 3");
}

/* RFC 3720 appendix B.4, and the check value of "123456789". */
Test(proxy_protocol, crc32c_gives_the_published_values)
{
    static const char zeros[32];

    cr_expect_eq(crc32c(0, "123456789", 9), 0xe3069283);
    cr_expect_eq(crc32c(0, zeros, 32), 0x8a9136aa);
    cr_expect_eq(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

Test(proxy_protocol, it_asks_for_more_until_the_last_byte)
{
    static const char v1[] = "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n";
    size_t n = v2_make(0x21, 0x11, inet4, 12);

    for (size_t i = 0; i < sizeof(v1) - 1; i++)
        cr_expect_eq(parse(v1, i), EG_E_AGAIN);
    for (size_t i = 0; i < n; i++)
        cr_expect_eq(parse(v2, i), EG_E_AGAIN);
}
