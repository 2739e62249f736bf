/* The PROXY protocol, versions 1 and 2, as HAProxy's doc/proxy-protocol.txt defines it. Pure. */
#ifndef EVERGATE_HTTP_PROXY_PROTOCOL_H
#define EVERGATE_HTTP_PROXY_PROTOCOL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/error.h"

struct proxy_protocol {
    bool has_addresses; /* false: LOCAL or UNKNOWN; keep the connection's own */
    struct sockaddr_storage source, destination;
    socklen_t source_length, destination_length;
};

enum { PROXY_PROTOCOL_MAX_BYTES = 16 + 4096 }; /* v1 is at most 107 */

/* EG_OK with the header's size, EG_E_AGAIN, or EG_E_PROXY_HEADER. TLVs are skipped; a CRC32c TLV is
 * verified. */
int proxy_protocol_parse(struct proxy_protocol *ret_header, const char *p, size_t n,
                         size_t *ret_size) WARN_UNUSED;

#endif
