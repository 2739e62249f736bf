/* "http://host:port/path" taken apart: where webhooks go. Pure. */
#ifndef EVERGATE_CLIENT_URL_H
#define EVERGATE_CLIENT_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/slice.h"

struct url {
    bool tls;
    struct slice authority; /* "host:port" as written: the Host header */
    struct slice host;      /* a name or an address, without brackets */
    bool is_ipv6;           /* it stood in brackets */
    uint16_t port;          /* 80 or 443 where none is written */
    struct slice target;    /* path and query; "/" where none is written */
};

/* Slices point into `text`. 0 or EG_E_INTERNAL: not http or https, no host, a bad port, user
 * information, spaces or a fragment. */
int url_parse(struct url *ret_url, const char *text) WARN_UNUSED;

#endif
