/* Socket addresses to and from text, see address.h. */
#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static int parse_port(struct slice text, uint16_t *ret_port)
{
    unsigned long long value;

    if (!slice_to_u64(text, &value) || value > UINT16_MAX)
        return EG_E_INTERNAL;
    *ret_port = (uint16_t)value;
    return 0;
}

static int parse_unix(struct address *a, struct slice path)
{
    if (path.n == 0 || path.n >= sizeof(a->un.sun_path) || memchr(path.p, '\0', path.n))
        return EG_E_INTERNAL;
    a->un.sun_family = AF_UNIX;
    memcpy(a->un.sun_path, path.p, path.n);
    a->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + 1);
    return 0;
}

static int parse_in6(struct address *a, struct slice host, uint16_t port)
{
    char text[INET6_ADDRSTRLEN];

    if (host.n >= sizeof(text))
        return EG_E_INTERNAL;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (strlen(text) != host.n || inet_pton(AF_INET6, text, &a->in6.sin6_addr) != 1)
        return EG_E_INTERNAL;
    a->in6.sin6_family = AF_INET6;
    a->in6.sin6_port = htons(port);
    a->length = sizeof(a->in6);
    return 0;
}

/* Whether it can be a DNS name: letters, digits, '-', '_' and dots between labels. A last label of
 * digits is a mistyped IPv4 address, as RFC 1123 section 2.1 wants it understood. */
static bool is_host_name(struct slice host)
{
    bool numeric_label = true, empty_label = true;

    if (host.n == 0 || host.n > 253)
        return false;
    for (size_t i = 0; i < host.n; i++) {
        char c = ascii_lower(host.p[i]);
        bool digit = c >= '0' && c <= '9';

        if (c == '.') {
            if (empty_label)
                return false;
            if (i + 1 == host.n)
                break; /* a fully qualified name may end in its root's dot */
            numeric_label = empty_label = true;
            continue;
        }
        if (!digit && !(c >= 'a' && c <= 'z') && c != '-' && c != '_')
            return false;
        empty_label = false;
        numeric_label = numeric_label && digit;
    }
    return !numeric_label && !empty_label;
}

static int parse_in(struct address *a, struct slice host, uint16_t port)
{
    char text[INET_ADDRSTRLEN] = "";

    if (host.n == 0) {
        a->in6.sin6_family = AF_INET6;
        a->in6.sin6_addr = in6addr_any;
        a->in6.sin6_port = htons(port);
        a->length = sizeof(a->in6);
        return 0;
    }
    if (host.n < sizeof(text))
        memcpy(text, host.p, host.n);
    if (strlen(text) == host.n && inet_pton(AF_INET, text, &a->in.sin_addr) == 1) {
        a->in.sin_family = AF_INET;
        a->in.sin_port = htons(port);
        a->length = sizeof(a->in);
        return 0;
    }
    return is_host_name(host) ? EG_E_RESOLVE : EG_E_INTERNAL;
}

int address_parse(struct address *ret_address, struct slice text)
{
    const struct slice unix_prefix = SLICE_LIT("unix:");
    struct address a;
    struct slice host = {text.p, 0}, port_text;
    uint16_t port;
    int err;

    memset(&a, 0, sizeof(a));
    if (slice_starts_with(text, unix_prefix)) {
        err = parse_unix(&a, slice_from(text.p + unix_prefix.n, text.n - unix_prefix.n));
        if (err == 0)
            *ret_address = a;
        return err;
    }

    bool bracketed = text.n > 0 && text.p[0] == '[';
    const char *close = bracketed ? memchr(text.p, ']', text.n) : NULL;
    const char *colon = text.n > 0 ? memrchr(text.p, ':', text.n) : NULL;
    if (!colon || (bracketed && (!close || colon != close + 1)))
        return EG_E_INTERNAL;
    port_text = slice_from(colon + 1, (size_t)(text.p + text.n - colon - 1));
    if (parse_port(port_text, &port) != 0)
        return EG_E_INTERNAL;
    if (bracketed) {
        host = slice_from(text.p + 1, (size_t)(close - text.p - 1));
        err = parse_in6(&a, host, port);
    } else {
        host.n = (size_t)(colon - text.p);
        err = parse_in(&a, host, port);
    }
    if (err == 0)
        *ret_address = a;
    return err;
}

/* The IPv4 address within ::ffff:0:0/96: how an IPv4 client looks on a dual-stack listener. */
static const void *mapped_in4(const struct address *a)
{
    return IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr) ? &a->in6.sin6_addr.s6_addr[12] : NULL;
}

const char *address_format_host(const struct address *a, char *out)
{
    const char *text = NULL;

    if (a->sa.sa_family == AF_INET) {
        text = inet_ntop(AF_INET, &a->in.sin_addr, out, ADDRESS_TEXT_BYTES);
    } else if (a->sa.sa_family == AF_INET6) {
        const void *in4 = mapped_in4(a);
        text = in4 ? inet_ntop(AF_INET, in4, out, ADDRESS_TEXT_BYTES)
                   : inet_ntop(AF_INET6, &a->in6.sin6_addr, out, ADDRESS_TEXT_BYTES);
    }
    if (!text)
        snprintf(out, ADDRESS_TEXT_BYTES, "%s", a->sa.sa_family == AF_UNIX ? "unix" : "unknown");
    return out;
}

const char *address_format(const struct address *a, char *out)
{
    char host[ADDRESS_TEXT_BYTES];

    if (a->sa.sa_family == AF_UNIX) {
        /* An unnamed peer of a Unix socket has no path at all. */
        size_t n = a->length > offsetof(struct sockaddr_un, sun_path)
                       ? strnlen(a->un.sun_path, a->length - offsetof(struct sockaddr_un, sun_path))
                       : 0;
        snprintf(out, ADDRESS_TEXT_BYTES, "unix:%.*s", (int)n, a->un.sun_path);
        return out;
    }
    address_format_host(a, host);
    bool brackets = strchr(host, ':') != NULL;
    snprintf(out, ADDRESS_TEXT_BYTES, "%s%.*s%s:%u", brackets ? "[" : "", INET6_ADDRSTRLEN, host,
             brackets ? "]" : "", (unsigned)address_port(a));
    return out;
}

bool address_equal(const struct address *a, const struct address *b)
{
    if (a->sa.sa_family != b->sa.sa_family)
        return false;
    switch (a->sa.sa_family) {
    case AF_INET:
        return a->in.sin_port == b->in.sin_port && a->in.sin_addr.s_addr == b->in.sin_addr.s_addr;
    case AF_INET6:
        return a->in6.sin6_port == b->in6.sin6_port &&
               a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
               IN6_ARE_ADDR_EQUAL(&a->in6.sin6_addr, &b->in6.sin6_addr);
    default:
        return a->length == b->length && memcmp(&a->storage, &b->storage, a->length) == 0;
    }
}

int address_compare_ip(const struct address *x, const struct address *y)
{
    if (x->sa.sa_family != y->sa.sa_family)
        return x->sa.sa_family == AF_INET ? -1 : 1;
    if (x->sa.sa_family == AF_INET)
        return memcmp(&x->in.sin_addr, &y->in.sin_addr, sizeof(x->in.sin_addr));
    return memcmp(&x->in6.sin6_addr, &y->in6.sin6_addr, sizeof(x->in6.sin6_addr));
}

uint16_t address_port(const struct address *a)
{
    switch (a->sa.sa_family) {
    case AF_INET:
        return ntohs(a->in.sin_port);
    case AF_INET6:
        return ntohs(a->in6.sin6_port);
    default:
        return 0;
    }
}

void address_set_port(struct address *a, uint16_t port)
{
    if (a->sa.sa_family == AF_INET)
        a->in.sin_port = htons(port);
    else if (a->sa.sa_family == AF_INET6)
        a->in6.sin6_port = htons(port);
}
