/* Socket addresses: parsing what the configuration writes, printing what logs show. Pure. */
#ifndef EVERGATE_NET_ADDRESS_H
#define EVERGATE_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/slice.h"

struct address {
    union {
        struct sockaddr sa;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct sockaddr_storage storage;
    };
    socklen_t length;
};

enum { ADDRESS_TEXT_BYTES = 128 };

/*
 * Numeric "1.2.3.4:80", "[::1]:80", "unix:/path", or ":80" (every IPv4 and IPv6 address, as "[::]";
 * the listener turns IPV6_V6ONLY off). EG_E_RESOLVE when the host is a name, EG_E_INTERNAL when
 * malformed.
 */
int address_parse(struct address *ret_address, struct slice text) WARN_UNUSED;

/* "1.2.3.4:80", "[::1]:80", "unix:/path" into `out` (ADDRESS_TEXT_BYTES), NUL-terminated; returns
 * it. */
const char *address_format(const struct address *a, char *out);

/* The host alone: "1.2.3.4", "::1" (IPv4-mapped IPv6 as IPv4), "unix". For X-Forwarded-For,
 * hashing, logs. */
const char *address_format_host(const struct address *a, char *out);

bool address_equal(const struct address *a, const struct address *b);
/* For sorting IP addresses, whatever their ports: IPv4 first, then by value. */
int address_compare_ip(const struct address *x, const struct address *y);
uint16_t address_port(const struct address *a); /* 0 for Unix sockets */
void address_set_port(struct address *a, uint16_t port);

#endif
