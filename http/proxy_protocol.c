/*
 * PROXY protocol headers, versions 1 (text) and 2 (binary). See proxy_protocol.h.
 *
 * Both are strict: the sender is a load balancer, and a header that is not exactly as specified is
 * a client trying to forge its address.
 */
#include "http/proxy_protocol.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/un.h>

#include "base/slice.h"
#include "http/crc32c.h"

enum {
    V1_MAX = 107, /* with CRLF */
    V2_HEADER = 16,
    V2_BODY_MAX = PROXY_PROTOCOL_MAX_BYTES - V2_HEADER,
    V2_UNIX_PATH = 108,
    TLV_HEADER = 3,
    TLV_CRC32C = 0x03,
};

static const char v1_prefix[] = "PROXY ";
static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";

/* Takes the text up to the next SP (or the end) off the line. */
static struct slice word_take(struct slice *line)
{
    const char *space = line->n ? memchr(line->p, ' ', line->n) : NULL;
    struct slice word = slice_from(line->p, space ? (size_t)(space - line->p) : line->n);
    size_t taken = word.n + (space != NULL);

    line->p += taken;
    line->n -= taken;
    return word;
}

static bool v1_port(struct slice word, in_port_t *ret_port)
{
    unsigned long long port;

    /* No leading zeros, as the specification says. */
    if (!slice_to_u64(word, &port) || port > 65535 || (word.n > 1 && word.p[0] == '0'))
        return false;
    *ret_port = htons((uint16_t)port);
    return true;
}

static bool v1_host(int family, struct slice word, void *ret_address)
{
    char text[INET6_ADDRSTRLEN];

    if (word.n == 0 || word.n >= sizeof(text))
        return false;
    memcpy(text, word.p, word.n);
    text[word.n] = '\0';
    return strlen(text) == word.n && inet_pton(family, text, ret_address) == 1;
}

static bool v1_endpoint(int family, struct slice host, struct slice port,
                        struct sockaddr_storage *ret_address, socklen_t *ret_length)
{
    memset(ret_address, 0, sizeof(*ret_address));
    ret_address->ss_family = (sa_family_t)family;
    if (family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)ret_address;

        *ret_length = sizeof(*in);
        return v1_host(family, host, &in->sin_addr) && v1_port(port, &in->sin_port);
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret_address;

    *ret_length = sizeof(*in6);
    return v1_host(family, host, &in6->sin6_addr) && v1_port(port, &in6->sin6_port);
}

/* "TCP4 SOURCE DESTINATION SPORT DPORT", "TCP6 ..." or "UNKNOWN ...": single spaces. */
static int v1_line_parse(struct proxy_protocol *header, struct slice line)
{
    struct slice protocol = word_take(&line), words[4];
    int family = slice_eq(protocol, SLICE_LIT("TCP4")) ? AF_INET : AF_INET6;

    if (slice_eq(protocol, SLICE_LIT("UNKNOWN")))
        return EG_OK; /* whatever follows is to be ignored */
    if (family == AF_INET6 && !slice_eq(protocol, SLICE_LIT("TCP6")))
        return EG_E_PROXY_HEADER;
    for (int i = 0; i < 4; i++)
        words[i] = word_take(&line);
    if (line.n > 0 || words[3].p + words[3].n != line.p ||
        !v1_endpoint(family, words[0], words[2], &header->source, &header->source_length) ||
        !v1_endpoint(family, words[1], words[3], &header->destination, &header->destination_length))
        return EG_E_PROXY_HEADER;
    header->has_addresses = true;
    return EG_OK;
}

static int v1_parse(struct proxy_protocol *header, const char *p, size_t n, size_t *ret_size)
{
    size_t looked_at = n < V1_MAX ? n : V1_MAX, prefix = sizeof(v1_prefix) - 1;
    const char *cr = memchr(p, '\r', looked_at);

    if (!cr)
        return n < V1_MAX ? EG_E_AGAIN : EG_E_PROXY_HEADER;
    if (cr + 1 == p + n)
        return n < V1_MAX ? EG_E_AGAIN : EG_E_PROXY_HEADER;
    if (cr[1] != '\n' || (size_t)(cr - p) + 2 > V1_MAX)
        return EG_E_PROXY_HEADER;
    *ret_size = (size_t)(cr - p) + 2;
    return v1_line_parse(header, slice_from(p + prefix, (size_t)(cr - p) - prefix));
}

static size_t v2_addresses_size(unsigned family)
{
    switch (family) {
    case 1:
        return 12;
    case 2:
        return 36;
    case 3:
        return 2 * V2_UNIX_PATH;
    default:
        return 0;
    }
}

static void v2_inet(struct sockaddr_storage *ret_address, socklen_t *ret_length,
                    const char *address, const char *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET};

    memcpy(&in.sin_addr, address, 4);
    memcpy(&in.sin_port, port, 2);
    memcpy(ret_address, &in, sizeof(in));
    *ret_length = sizeof(in);
}

static void v2_inet6(struct sockaddr_storage *ret_address, socklen_t *ret_length,
                     const char *address, const char *port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    memcpy(&in6.sin6_addr, address, 16);
    memcpy(&in6.sin6_port, port, 2);
    memcpy(ret_address, &in6, sizeof(in6));
    *ret_length = sizeof(in6);
}

static void v2_unix(struct sockaddr_storage *ret_address, socklen_t *ret_length, const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    memcpy(un.sun_path, path, V2_UNIX_PATH);
    memcpy(ret_address, &un, sizeof(un));
    *ret_length = sizeof(un);
}

static void v2_addresses(struct proxy_protocol *h, unsigned family, const char *p)
{
    h->has_addresses = true;
    if (family == 1) {
        v2_inet(&h->source, &h->source_length, p, p + 8);
        v2_inet(&h->destination, &h->destination_length, p + 4, p + 10);
    } else if (family == 2) {
        v2_inet6(&h->source, &h->source_length, p, p + 32);
        v2_inet6(&h->destination, &h->destination_length, p + 16, p + 34);
    } else {
        v2_unix(&h->source, &h->source_length, p);
        v2_unix(&h->destination, &h->destination_length, p + V2_UNIX_PATH);
    }
}

static uint16_t read_u16(const char *p)
{
    return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

/* The checksum of the whole header with its own four bytes as zeros. */
static bool crc_matches(const char *header, size_t size, const char *value)
{
    static const char zeros[4];
    size_t before = (size_t)(value - header);
    uint32_t crc = crc32c(0, header, before), stored;

    crc = crc32c(crc, zeros, 4);
    crc = crc32c(crc, value + 4, size - before - 4);
    memcpy(&stored, value, 4);
    return ntohl(stored) == crc;
}

static int v2_tlvs_check(const char *header, size_t size, size_t position)
{
    while (position < size) {
        const char *tlv = header + position;
        size_t length;

        if (size - position < TLV_HEADER)
            return EG_E_PROXY_HEADER;
        length = read_u16(tlv + 1);
        if (length > size - position - TLV_HEADER)
            return EG_E_PROXY_HEADER;
        if (tlv[0] == TLV_CRC32C && (length != 4 || !crc_matches(header, size, tlv + TLV_HEADER)))
            return EG_E_PROXY_HEADER;
        position += TLV_HEADER + length;
    }
    return EG_OK;
}

static int v2_parse(struct proxy_protocol *header, const char *p, size_t n, size_t *ret_size)
{
    unsigned command, family, transport;
    size_t body, addresses;
    int code;

    if (n < V2_HEADER)
        return EG_E_AGAIN;
    command = (unsigned char)p[12];
    family = (unsigned char)p[13] >> 4;
    transport = (unsigned char)p[13] & 15;
    body = read_u16(p + 14);
    /* 0x20: LOCAL, 0x21: PROXY; families up to AF_UNIX, transports up to DGRAM. */
    if ((command != 0x20 && command != 0x21) || family > 3 || transport > 2 || body > V2_BODY_MAX)
        return EG_E_PROXY_HEADER;
    if (n < V2_HEADER + body)
        return EG_E_AGAIN;
    *ret_size = V2_HEADER + body;
    addresses = v2_addresses_size(family);
    if (command == 0x20 || family == 0)
        return EG_OK; /* a health check of the sender's, or a family unknown to it */
    if (body < addresses)
        return EG_E_PROXY_HEADER;
    code = v2_tlvs_check(p, *ret_size, V2_HEADER + addresses);
    if (code == EG_OK)
        v2_addresses(header, family, p + V2_HEADER);
    return code;
}

int proxy_protocol_parse(struct proxy_protocol *ret_header, const char *p, size_t n,
                         size_t *ret_size)
{
    size_t v1 = n < sizeof(v1_prefix) - 1 ? n : sizeof(v1_prefix) - 1;
    size_t v2 = n < sizeof(v2_signature) - 1 ? n : sizeof(v2_signature) - 1, size = 0;
    struct proxy_protocol header = {.has_addresses = false};
    int code = EG_E_PROXY_HEADER;

    if (n == 0)
        return EG_E_AGAIN;
    if (memcmp(p, v1_prefix, v1) == 0)
        code = v1 < sizeof(v1_prefix) - 1 ? EG_E_AGAIN : v1_parse(&header, p, n, &size);
    else if (memcmp(p, v2_signature, v2) == 0)
        code = v2_parse(&header, p, n, &size);
    if (code == EG_OK) {
        *ret_header = header;
        *ret_size = size;
    }
    return code;
}
